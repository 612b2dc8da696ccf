import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type TestCertificate, testCertificate } from "./certificate.ts";
import type { Cleanup } from "./cleanup.ts";
import { freePort } from "./free-port.ts";
import { TestProcess } from "./process.ts";
import { tempDir } from "./temp-dir.ts";

const main = fileURLToPath(new URL("../../control-plane/src/ledger-main.ts", import.meta.url));

export interface LedgerServerOptions {
  /** `user:password` lines; nobody needs any without. */
  readonly credentials?: string;
  readonly tls?: boolean;
  /** How long its certificate is valid; negative when it was. */
  readonly certificateDays?: number;
}

/** The embedded ledger in a process of its own, behind EventStoreDB's protocol; it keeps its port when it is killed and started again. */
export class LedgerServer {
  readonly folder: string;
  readonly port: number;
  readonly certificate: TestCertificate | undefined;
  readonly #cleanup: Cleanup;
  readonly #args: readonly string[];
  #process: TestProcess | undefined;

  private constructor(cleanup: Cleanup, folder: string, port: number, certificate: TestCertificate | undefined, args: readonly string[]) {
    this.#cleanup = cleanup;
    this.folder = folder;
    this.port = port;
    this.certificate = certificate;
    this.#args = args;
  }

  static async start(cleanup: Cleanup, { tls = true, credentials, certificateDays }: LedgerServerOptions = {}): Promise<LedgerServer> {
    const folder = tempDir(cleanup, "ledger-server");
    const port = await freePort();
    const args = ["--data", folder, "--port", String(port)];
    const certificate = tls ? await testCertificate(folder, undefined, certificateDays) : undefined;
    if (certificate !== undefined) args.push("--tls-cert", certificate.certFile, "--tls-key", certificate.keyFile);
    if (credentials !== undefined) {
      const file = join(folder, "credentials");
      writeFileSync(file, credentials, { mode: 0o600 });
      args.push("--credentials", file);
    }
    const server = new LedgerServer(cleanup, folder, port, certificate, args);
    await server.restart();
    return server;
  }

  /** How the official client and our adapter find it. `user` is `user:password`. */
  url(user?: string): string {
    const who = user === undefined ? "" : `${user}@`;
    const tls = this.certificate === undefined ? "tls=false" : `tls=true&tlsCAFile=${encodeURIComponent(this.certificate.caFile)}`;
    return `esdb://${who}localhost:${this.port}?${tls}`;
  }

  get process(): TestProcess {
    if (this.#process === undefined) throw new Error("The ledger's server has not been started.");
    return this.#process;
  }

  async restart(): Promise<void> {
    this.#process = TestProcess.node(this.#cleanup, main, this.#args, { env: { NODE_OPTIONS: "--disable-warning=ExperimentalWarning" } });
    await this.#process.json(({ msg }) => msg === "ledger ready");
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    this.process.kill(signal);
    await this.process.exited;
  }
}
