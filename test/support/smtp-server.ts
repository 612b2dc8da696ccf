import { readFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { atEnd, type Cleanup } from "./cleanup.ts";
import type { TestCertificate } from "./certificate.ts";

export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  /** As it came, without the dots that were stuffed. */
  readonly data: string;
  readonly encrypted: boolean;
  /** What AUTH PLAIN said, decoded. */
  readonly login: string | undefined;
}

/** A mail server that takes submissions, with STARTTLS when it has a certificate; `answers` replaces its answer to a verb, or to a whole line. */
export class SmtpServer {
  readonly mails: Mail[] = [];
  readonly answers = new Map<string, string>();
  /** All that was said before anything was encrypted. */
  clear = "";
  readonly port: number;

  private constructor(port: number) {
    this.port = port;
  }

  static async start(cleanup: Cleanup, certificate?: TestCertificate): Promise<SmtpServer> {
    const open = new Set<Socket>();
    const listener = createServer((socket) => {
      open.add(socket);
      socket.on("close", () => open.delete(socket)).on("error", () => undefined);
    });
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    atEnd(cleanup, async () => {
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
      for (const socket of open) socket.destroy();
      await closed;
    });
    const server = new SmtpServer((listener.address() as AddressInfo).port);
    listener.on("connection", (socket) => server.#serve(socket, certificate));
    return server;
  }

  #serve(socket: Socket, certificate: TestCertificate | undefined): void {
    socket.write("220 mail.example ESMTP\r\n");
    this.#converse(socket, certificate, false);
  }

  #converse(socket: Socket, certificate: TestCertificate | undefined, encrypted: boolean): void {
    let have = "";
    let data: string | undefined;
    let mail = { from: "", to: [] as string[], login: undefined as string | undefined };
    const take = (bytes: Buffer): void => {
      have += bytes.toString("utf8");
      if (!encrypted) this.clear += bytes.toString("utf8");
      for (let end = have.indexOf("\r\n"); end >= 0; end = have.indexOf("\r\n")) {
        const line = have.slice(0, end);
        have = have.slice(end + 2);
        if (data === undefined) obey(line);
        else if (line === ".") {
          const answer = this.answers.get("END") ?? "250 taken";
          if (answer.startsWith("250")) this.mails.push({ ...mail, data, encrypted });
          data = undefined;
          socket.write(`${answer}\r\n`);
        } else data += `${line.replace(/^\.\./u, ".")}\r\n`;
      }
    };
    const obey = (line: string): void => {
      const verb = line.split(/[ :]/u)[0]?.toUpperCase() ?? "";
      const answer = this.answers.get(line) ?? this.answers.get(verb);
      if (answer !== undefined) {
        if (verb === "RCPT" && answer.startsWith("25")) mail.to.push(/<(.*)>/u.exec(line)?.[1] ?? "");
        if (answer !== "") socket.write(`${answer}\r\n`);
        return;
      }
      if (verb === "EHLO") socket.write(`250-mail.example\r\n${certificate !== undefined && !encrypted ? "250-STARTTLS\r\n" : ""}250 AUTH PLAIN\r\n`);
      else if (verb === "STARTTLS" && certificate !== undefined) {
        socket.off("data", take);
        socket.write("220 go ahead\r\n");
        const secure = new TLSSocket(socket, { isServer: true, cert: readFileSync(certificate.certFile), key: readFileSync(certificate.keyFile) });
        secure.on("error", () => undefined);
        this.#converse(secure, certificate, true);
      } else if (verb === "AUTH") {
        mail = { ...mail, login: Buffer.from(line.split(" ")[2] ?? "", "base64").toString("utf8") };
        socket.write("235 welcome\r\n");
      } else if (verb === "MAIL") {
        mail = { ...mail, from: /<(.*)>/u.exec(line)?.[1] ?? "" };
        socket.write("250 ok\r\n");
      } else if (verb === "RCPT") {
        mail.to.push(/<(.*)>/u.exec(line)?.[1] ?? "");
        socket.write("250 ok\r\n");
      } else if (verb === "DATA") {
        data = "";
        socket.write("354 go on\r\n");
      } else socket.write("221 bye\r\n");
    };
    socket.on("data", take);
  }
}
