import assert from "node:assert/strict";
import { once } from "node:events";
import { appendFileSync, existsSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { describe, it, type TestContext } from "node:test";
import { atEnd } from "../support/cleanup.ts";
import { TestProcess } from "../support/process.ts";
import { LOG_LINE_PREFIX, ServerLog } from "../support/server-log.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { tempDir } from "../support/temp-dir.ts";

describe("atEnd", () => {
  it("runs the last step first, and all of them when one fails", async () => {
    const ran: string[] = [];
    const { promise, resolve } = Promise.withResolvers<() => Promise<void>>();
    const cleanup = { after: (run: () => Promise<void>): void => resolve(run) };
    atEnd(cleanup, () => void ran.push("folder"));
    atEnd(cleanup, () => Promise.reject(new Error("would not stop")));
    atEnd(cleanup, () => void ran.push("client"));
    const run = await promise;
    await assert.rejects(run(), /would not stop/u);
    assert.deepEqual(ran, ["client", "folder"]);
  });

  it("leaves no folder behind", async (t) => {
    let path = "";
    await t.test("a test with a folder", (inner) => {
      path = tempDir(inner);
      writeFileSync(join(path, "file"), "");
    });
    assert.ok(path !== "" && !existsSync(path));
  });
});

describe("TestProcess", () => {
  const script = (t: TestContext, text: string): string => {
    const file = join(tempDir(t), "script.mjs");
    writeFileSync(file, text);
    return file;
  };

  it("finds a line that was said before anybody asked, and one that is said later", async (t) => {
    const run = TestProcess.node(t, script(t, `console.log("first"); process.stdin.on("data", (d) => console.error("got " + d)); `), [], { input: "input\n" });
    await run.line(/^got input/u);
    assert.equal(await run.line(/first/u), "first");
    assert.deepEqual(await run.exited, { status: 0, signal: null });
    assert.deepEqual([run.stdout, run.stderr], ["first\n", "got input\n\n"]);
  });

  it("finds a JSON event among other lines", async (t) => {
    const run = TestProcess.node(
      t,
      script(t, `console.log("{not json"); console.log('{"event":"other"}'); console.log('{"event":"ready","port":7}'); setInterval(() => {}, 1e6)`),
    );
    assert.deepEqual(await run.json(({ event }) => event === "ready"), { event: "ready", port: 7 });
    await run.stop();
    assert.deepEqual(await run.exited, { status: null, signal: "SIGTERM" });
  });

  it("fails with the last lines when the process ends without the line", async (t) => {
    const run = TestProcess.node(t, script(t, `console.error("disk full"); process.exitCode = 3`));
    await assert.rejects(run.line(/ready/u), /ended \(status 3\)[^]*stderr: disk full/u);
    await assert.rejects(run.line(/ready/u), /ended \(status 3\)/u);
  });

  it("fails when the line does not come in time", async (t) => {
    const run = TestProcess.node(t, script(t, "setInterval(() => {}, 1e6)"));
    await assert.rejects(run.line(/ready/u, 50), /within 50 ms/u);
  });
});

describe("TcpProxy", () => {
  const echo = async (t: TestContext): Promise<{ readonly host: string; readonly port: number; readonly sockets: Socket[] }> => {
    const sockets: Socket[] = [];
    const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.push(socket.on("error", () => undefined));
      socket.pipe(socket);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    atEnd(t, () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return { ...(server.address() as { readonly port: number }), host: "127.0.0.1", sockets };
  };
  const dial = async (t: TestContext, port: number): Promise<Socket> => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.on("error", () => undefined);
    atEnd(t, () => void socket.destroy());
    await once(socket, "connect");
    return socket;
  };
  const readAll = async (socket: Socket): Promise<Buffer> => {
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  };

  it("passes every byte on, in order, with a delay, after either side has ended", async (t) => {
    const proxy = await TcpProxy.start(t, { target: await echo(t), delayMs: 5 });
    const socket = await dial(t, proxy.port);
    const sent = Buffer.from(Uint8Array.from({ length: 3_000_000 }, (_, index) => index * 31));
    socket.end(sent);
    const received = await readAll(socket);
    assert.ok(received.equals(sent));
  });

  it("delays each way", async (t) => {
    const proxy = await TcpProxy.start(t, { target: await echo(t), delayMs: 40 });
    const socket = await dial(t, proxy.port);
    const start = performance.now();
    socket.write("ping");
    await once(socket, "data");
    const took = performance.now() - start;
    assert.ok(took >= 79, `a round trip took ${took} ms`);
  });

  it("moves nothing while it is paused, and everything afterwards", async (t) => {
    const target = await echo(t);
    const proxy = await TcpProxy.start(t, { target });
    const socket = await dial(t, proxy.port);
    socket.write("a");
    await once(socket, "data");
    proxy.pause();
    socket.write("b");
    const other = await dial(t, proxy.port);
    other.write("c");
    // A byte that is not held back goes round in well under a millisecond; a direct connection goes round meanwhile.
    const direct = await dial(t, target.port);
    for (let round = 0; round < 20; round++) {
      direct.write("d");
      await once(direct, "data");
    }
    assert.deepEqual([socket.readableLength + socket.bytesRead, other.bytesRead], [1, 0]);
    const answers = Promise.all([once(socket, "data"), once(other, "data")]);
    proxy.resume();
    const [[b], [c]] = (await answers) as [[Buffer], [Buffer]];
    assert.deepEqual([String(b), String(c)], ["b", "c"]);
  });

  it("resets both sides when it is cut, then accepts again", async (t) => {
    const target = await echo(t);
    const proxy = await TcpProxy.start(t, { target });
    const socket = await dial(t, proxy.port);
    socket.write("a");
    await once(socket, "data");
    const [serverSide] = target.sockets;
    assert.ok(serverSide !== undefined);
    const reset = (end: Socket): Promise<string | undefined> =>
      new Promise((resolve) => end.once("error", (error: NodeJS.ErrnoException) => resolve(error.code)));
    const resets = Promise.all([reset(socket), reset(serverSide)]);
    proxy.cut();
    assert.deepEqual(await resets, ["ECONNRESET", "ECONNRESET"]);
    const again = await dial(t, proxy.port);
    again.write("b");
    await once(again, "data");
    assert.deepEqual([proxy.accepted, proxy.open], [2, 1]);
  });

  it("refuses connections once it is closed", async (t) => {
    const proxy = await TcpProxy.start(t, { target: await echo(t) });
    const { port } = proxy;
    await proxy.close();
    const [error] = (await once(connect({ port, host: "127.0.0.1" }), "close").catch((failure: unknown) => [failure])) as [NodeJS.ErrnoException];
    assert.equal(error.code, "ECONNREFUSED");
  });
});

describe("ServerLog", () => {
  const prefix = (pid: number, backend: string): string => LOG_LINE_PREFIX.replace("%p", String(pid)).replace("%c", backend).replace("%a", "psql");

  it("keeps a statement whole, even one that looks like a log entry", (t) => {
    const file = join(tempDir(t), "log");
    const hostile = `select 1\n${prefix(1, "a.1")}LOG:  statement: drop table x`;
    writeFileSync(file, `${prefix(1, "a.1")}LOG:  statement: ${hostile.replaceAll("\n", "\n\t")}\n`);
    assert.deepEqual(
      new ServerLog(file).statements().map(({ sql }) => sql),
      [hostile],
    );
  });

  it("gives each statement its own parameters when connections write in turn", (t) => {
    const file = join(tempDir(t), "log");
    const line = (backend: string, text: string): void => appendFileSync(file, `${prefix(1, backend)}${text}\n`);
    line("a.1", "LOG:  execute <unnamed>: select $1");
    line("b.2", "LOG:  statement: select 2");
    line("a.1", "DETAIL:  Parameters: $1 = '1'");
    const seen = new ServerLog(file).statements().map(({ sql, parameters }) => [sql, parameters]);
    assert.deepEqual(seen, [
      ["select $1", "$1 = '1'"],
      ["select 2", undefined],
    ]);
  });

  it("waits for a line that is still to be written", async (t) => {
    const file = join(tempDir(t), "log");
    writeFileSync(file, "old\n");
    const log = new ServerLog(file);
    const found = log.line((line) => line.includes("new"), AbortSignal.timeout(5_000));
    appendFileSync(file, "ne");
    appendFileSync(file, "w\n");
    assert.equal(await found, "new");
  });
});
