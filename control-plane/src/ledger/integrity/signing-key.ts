import { type ChildProcess, spawn } from "node:child_process";
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { rawEd25519Key } from "@sallyport/proto/audit/node-primitives";
import { ED25519_SIGNATURE_BYTES } from "@sallyport/proto/audit/primitives";
import { SallyportError } from "@sallyport/proto/errors";
import { createFile, readIfThere } from "../../durable-files.ts";

/** An Ed25519 key that signs, wherever it is kept. */
export interface SigningKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Promise<Uint8Array>;
}

/** A key management service answers in well under a second; one that takes longer is as good as gone until the next try. */
export const COMMAND_DEADLINE_MS = 5_000;
/** A public key or a signature; more is something else. */
const MAX_ANSWER_BYTES = 16_384;

/** The key in a PEM file (PKCS #8); made with mode 0600 when there is none. */
export async function openKeyFile(path: string): Promise<SigningKey> {
  const pem = (await readIfThere(path)) ?? (await create(path));
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (error) {
    throw new SallyportError("config.invalid", `${path} holds no private key in PEM.`, {}, error);
  }
  const publicKey = key.asymmetricKeyType === "ed25519" ? rawEd25519Key(createPublicKey(key).export({ type: "spki", format: "der" })) : undefined;
  if (publicKey === undefined) throw new SallyportError("config.invalid", `The key in ${path} is not an Ed25519 key.`);
  return { publicKey, sign: async (message) => new Uint8Array(sign(null, message, key)) };
}

/**
 * A program that keeps the key: with `public-key` added to its arguments it writes the public key (PEM), with `sign` it reads the
 * message from standard input and writes the 64 bytes of the signature, raw or in base64.
 */
export async function openKeyCommand(command: string, deadlineMs = COMMAND_DEADLINE_MS): Promise<SigningKey> {
  const [program, ...args] = command.split(" ").filter((part) => part !== "");
  if (program === undefined) throw new SallyportError("config.invalid", "The signing command is empty.");
  const pem = await run(program, [...args, "public-key"], new Uint8Array(0), deadlineMs);
  let publicKey: Uint8Array | undefined;
  try {
    publicKey = rawEd25519Key(createPublicKey(pem).export({ type: "spki", format: "der" }));
  } catch (error) {
    throw new SallyportError("config.invalid", "The signing command did not write a public key in PEM.", { program }, error);
  }
  if (publicKey === undefined) throw new SallyportError("config.invalid", "The key of the signing command is not an Ed25519 key.", { program });
  return {
    publicKey,
    async sign(message) {
      const answer = await run(program, [...args, "sign"], message, deadlineMs);
      const signature = answer.length === ED25519_SIGNATURE_BYTES ? answer : Buffer.from(answer.toString("latin1").trim(), "base64");
      if (signature.length !== ED25519_SIGNATURE_BYTES)
        throw new SallyportError("ledger.unavailable", "The signing command did not write a signature.", { program });
      return new Uint8Array(signature);
    },
  };
}

function run(program: string, args: readonly string[], input: Uint8Array, deadlineMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const failed = (why: string, cause?: unknown): void => reject(new SallyportError("ledger.unavailable", `The signing command ${why}.`, { program }, cause));
    const child: ChildProcess = spawn(program, args, { stdio: ["pipe", "pipe", "ignore"], timeout: deadlineMs, killSignal: "SIGKILL" });
    const chunks: Buffer[] = [];
    let bytes = 0;
    child.stdout?.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MAX_ANSWER_BYTES) chunks.push(chunk);
      else child.kill("SIGKILL");
    });
    child.once("error", (error) => failed("cannot be run", error));
    child.once("close", (status, signal) => {
      if (status === 0) resolve(Buffer.concat(chunks));
      else failed(signal === null ? `ended with status ${String(status)}` : `did not answer within ${deadlineMs} ms, or wrote too much`);
    });
    // A program that ends without reading breaks the pipe; how it ended tells more.
    child.stdin?.on("error", () => undefined).end(input);
  });
}

async function create(path: string): Promise<string> {
  const pem = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  await createFile(path, pem, 0o600);
  return pem;
}
