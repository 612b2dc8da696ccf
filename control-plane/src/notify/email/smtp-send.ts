import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { once } from "node:events";
import { delivered, failed, type Outcome } from "../channel.ts";
import { type Reply, SmtpReplies } from "./smtp-replies.ts";

/** The whole conversation; a server that greylists answers at once. */
export const SMTP_DEADLINE_MS = 30_000;

export interface Submission {
  readonly host: string;
  readonly port: number;
  /** `none` is for this machine alone. */
  readonly tls: "implicit" | "starttls" | "none";
  readonly ca?: string | undefined;
  readonly login?: { readonly user: string; readonly password: string } | undefined;
  readonly from: string;
  readonly to: readonly string[];
  /** Whole, with CRLF. */
  readonly message: string;
  readonly deadlineMs?: number;
}

/** What the server said no to: 5xx about the message itself is its last word, about the session it is not. */
class Refused extends Error {
  readonly code: number;
  readonly isFinal: boolean;
  readonly ofChannel: boolean;

  constructor({ code }: Reply, isAboutMessage: boolean) {
    super(`The server answered ${code}.`);
    this.code = code;
    this.isFinal = isAboutMessage && code >= 500;
    // 421 ends a session whenever it is said.
    this.ofChannel = !isAboutMessage || code === 421;
  }
}

/** Submits one message (RFC 5321, 3207, 4954). Never rejects; `failure` holds nothing that the server said but its code. */
export async function submit(submission: Submission, signal: AbortSignal): Promise<Outcome> {
  const deadline = AbortSignal.timeout(submission.deadlineMs ?? SMTP_DEADLINE_MS);
  const over = AbortSignal.any([signal, deadline]);
  let socket: Socket | undefined;
  const cut = (): void => void socket?.destroy();
  over.addEventListener("abort", cut);
  try {
    if (over.aborted) return failed("timeout");
    socket = submission.tls === "implicit" ? connectTls(tlsOptions(submission)) : connect(submission.port, submission.host);
    const refused = await converse(socket, submission, over, (encrypted) => (socket = encrypted));
    return refused === 0 ? delivered : { kind: "delivered", refusedReceivers: refused };
  } catch (error) {
    if (deadline.aborted) return failed("timeout", { ofChannel: true });
    return error instanceof Refused
      ? failed(`smtp ${error.code}`, { final: error.isFinal, ofChannel: error.ofChannel })
      : failed(reasonOf(error), { ofChannel: true });
  } finally {
    over.removeEventListener("abort", cut);
    socket?.destroy();
  }
}

const tlsOptions = ({ host, port, ca }: Submission) => ({ host, port, servername: host, minVersion: "TLSv1.2", ...(ca === undefined ? {} : { ca }) }) as const;

/** RFC 5321, 4.2.3: taken; taken and sent on; taken without a check. */
const TAKEN: ReadonlySet<number> = new Set([250, 251, 252]);

/** Answers how many of the receivers the server did not take. */
async function converse(first: Socket, submission: Submission, over: AbortSignal, encrypted: (socket: Socket) => void): Promise<number> {
  const { tls, login, from, to, message, host, ca } = submission;
  first.on("error", () => undefined); // whoever reads from it is told
  let socket = first;
  let replies = new SmtpReplies(socket);
  const expect = async (code: number, isAboutMessage = false): Promise<Reply> => {
    const reply = await replies.next();
    if (reply.code !== code) throw new Refused(reply, isAboutMessage);
    return reply;
  };
  const say = (line: string, code: number, isAboutMessage = false): Promise<Reply> => {
    socket.write(`${line}\r\n`);
    return expect(code, isAboutMessage);
  };

  await expect(220);
  const offered = await say("EHLO sallyport", 250);
  if (tls === "starttls") {
    // Without it somebody in the middle has taken it away: nothing goes in the clear.
    if (!offered.lines.some((line) => /^250[- ]STARTTLS\b/iu.test(line))) throw new Error("no starttls");
    await say("STARTTLS", 220);
    replies.release();
    const secure = connectTls({ socket, servername: host, minVersion: "TLSv1.2", ...(ca === undefined ? {} : { ca }) });
    encrypted(secure);
    await once(secure, "secureConnect", { signal: over });
    socket = secure;
    replies = new SmtpReplies(socket);
    await say("EHLO sallyport", 250);
  }
  if (login !== undefined) await say(`AUTH PLAIN ${Buffer.from(`\0${login.user}\0${login.password}`).toString("base64")}`, 235);
  await say(`MAIL FROM:<${from}>`, 250, true);
  const refused: Reply[] = [];
  for (const each of to) {
    socket.write(`RCPT TO:<${each}>\r\n`);
    const reply = await replies.next();
    if (reply.code === 421) throw new Refused(reply, true);
    if (!TAKEN.has(reply.code)) refused.push(reply);
  }
  // Nobody takes it: for good only when that is each one's last word.
  const [none] = refused.toSorted((a, b) => a.code - b.code);
  if (none !== undefined && refused.length === to.length) throw new Refused(none, true);
  await say("DATA", 354, true);
  // A line that begins with a dot gets a second one.
  await say(`${message.replaceAll(/^\./gmu, "..")}\r\n.`, 250, true);
  socket.write("QUIT\r\n");
  return refused.length;
}

function reasonOf(error: unknown): string {
  if (error instanceof Error && error.message === "no starttls") return "no starttls";
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /^[A-Z][A-Z0-9_]{2,60}$/u.test(code) ? code.toLowerCase().replaceAll("_", " ") : "connection failed";
}
