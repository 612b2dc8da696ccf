import { X509Certificate } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { SallyportError } from "@sallyport/proto/errors";
import { z } from "zod";

/** The one file of the state folder: key, certificate and addresses change together or not at all. */
export const IDENTITY_FILE = "identity.json";

const schema = z.strictObject({
  agentId: z.string().min(1),
  agentName: z.string().min(1),
  apiAddress: z.string().min(1),
  tunnelAddress: z.string().min(1),
  caPem: z.string().min(1),
  certPem: z.string().min(1),
  keyPem: z.string().min(1),
  /** The keys of token masks are made of it. Made here, known to nobody else, and kept, so that equal values keep equal tokens over restarts. */
  maskKey: z.base64().min(1),
});

/** What makes this process this agent. */
export type AgentIdentity = Readonly<z.infer<typeof schema>>;

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export function validityOf({ certPem }: AgentIdentity): Validity {
  const certificate = new X509Certificate(certPem);
  return { notBefore: new Date(certificate.validFrom), notAfter: new Date(certificate.validTo) };
}

/** Undefined when this folder holds no agent yet. Fails with `config.invalid` on a damaged file. */
export async function loadIdentity(stateDir: string): Promise<AgentIdentity | undefined> {
  const path = join(stateDir, IDENTITY_FILE);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new SallyportError("config.invalid", `${path} cannot be read.`, {}, error);
  }
  try {
    const identity = schema.parse(JSON.parse(text));
    validityOf(identity);
    return identity;
  } catch {
    // Without the cause: a parser's message quotes its input, and that is a key.
    throw new SallyportError("config.invalid", `${path} is damaged; enrol this agent anew.`);
  }
}

/** Durable when it resolves; a crash in between leaves the file that was there before. */
export async function saveIdentity(stateDir: string, identity: AgentIdentity): Promise<void> {
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const path = join(stateDir, IDENTITY_FILE);
  const draft = `${path}.new`;
  await rm(draft, { force: true });
  const file = await open(draft, "wx", 0o600);
  try {
    await file.writeFile(`${JSON.stringify(identity, undefined, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
  const folder = await open(stateDir, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
