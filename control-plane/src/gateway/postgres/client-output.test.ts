import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { describe, it } from "node:test";
import { ClientOutput } from "./client-output.ts";

async function pair(): Promise<{ readonly ours: Socket; readonly theirs: Socket; readonly close: () => void }> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const theirs = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [ours] = (await once(server, "connection")) as [Socket];
  return { ours, theirs, close: () => (ours.destroy(), theirs.destroy(), server.close()) };
}

describe("ClientOutput", () => {
  it("lets nothing leave while shut, and then all of it in order (O1)", async () => {
    const { ours, theirs, close } = await pair();
    const output = new ClientOutput(ours, () => undefined);
    output.shut();
    output.shut();
    output.write(Buffer.from("a"), 1);
    output.open();
    output.write(Buffer.from("b"), 1);
    assert.equal(output.bytesSent, 0);
    output.open();
    output.write(Buffer.from("c"), 1);
    let seen = "";
    while (seen.length < 3) seen += String((await once(theirs, "data"))[0]);
    assert.equal(seen, "abc");
    close();
  });

  it("sends the small pieces of one turn together, and says so of their window (O3)", async () => {
    const { ours, theirs, close } = await pair();
    const given: number[] = [];
    const output = new ClientOutput(ours, (bytes) => given.push(bytes));
    let writes = 0;
    const write = ours.write.bind(ours);
    ours.write = (bytes: Uint8Array | string): boolean => (writes++, write(bytes));
    output.write(Buffer.from("a"), 2);
    output.write(Buffer.from("b"), 3);
    assert.equal(output.bytesSent, 0);
    assert.equal(String((await once(theirs, "data"))[0]), "ab");
    assert.equal(writes, 1);
    assert.deepEqual(given, [5]);
    close();
  });

  it("does not join what is large", async () => {
    const { ours, theirs, close } = await pair();
    const output = new ClientOutput(ours, () => undefined);
    output.write(Buffer.from("a"));
    output.write(Buffer.alloc(65_536, "b"));
    output.write(Buffer.from("c"));
    assert.equal(output.bytesSent, 65_537);
    let seen = "";
    while (seen.length < 65_538) seen += String((await once(theirs, "data"))[0]);
    assert.match(seen, /^ab+c$/u);
    close();
  });

  it("gives the tunnel's window back for what it drops", async () => {
    const { ours, close } = await pair();
    let consumed = 0;
    const output = new ClientOutput(ours, (bytes) => (consumed += bytes));
    output.shut();
    output.write(Buffer.from("secret"), 6);
    output.discard();
    output.open();
    assert.equal(consumed, 6);
    assert.equal(output.bytesSent, 0);
    close();
  });

  it("keeps the window to itself until a client that does not read takes its bytes (O2)", async () => {
    const { ours, theirs, close } = await pair();
    theirs.pause();
    let consumed = 0;
    const output = new ClientOutput(ours, (bytes) => (consumed += bytes));
    let written = 0;
    while (output.blockedSince === 0) {
      output.write(Buffer.alloc(65_536), 65_536);
      output.flush();
      written += 65_536;
    }
    assert.ok(consumed < written);
    theirs.resume();
    await once(ours, "drain");
    assert.equal(consumed, written);
    assert.equal(output.blockedSince, 0);
    close();
  });
});
