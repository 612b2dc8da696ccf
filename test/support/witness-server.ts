import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { generateKeyPairSync, sign } from "node:crypto";
import { concat, fromBase64, utf8 } from "@sallyport/proto/audit/bytes";
import { parseCheckpointText } from "@sallyport/proto/audit/checkpoint";
import { treeHasher, verifyConsistency } from "@sallyport/proto/audit/merkle";
import { nodePrimitives, rawEd25519Key } from "@sallyport/proto/audit/node-primitives";
import { COSIGNATURE, isSignedBy, parseNote, signatureLine, verifierKey, type VerifierKey } from "@sallyport/proto/audit/note";
import { atEnd, type Cleanup } from "./cleanup.ts";

/** A witness of c2sp.org/tlog-witness: remembers one tree, and signs only what grew out of it. */
export class WitnessServer {
  readonly key: VerifierKey;
  readonly seen: number[] = [];
  /** When false it answers 503, as one that is down behind a proxy. */
  isUp = true;
  readonly #server: Server;
  readonly #sign: (message: Uint8Array) => Uint8Array;
  #tree = { size: 0, root: treeHasher(nodePrimitives.sha256).empty() };

  private constructor(key: VerifierKey, signer: (message: Uint8Array) => Uint8Array) {
    this.key = key;
    this.#sign = signer;
    this.#server = createServer((request, response) => {
      void this.#answer(request).then(({ status, text }) => response.writeHead(status).end(text));
    });
  }

  static async start(cleanup: Cleanup): Promise<WitnessServer> {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const raw = rawEd25519Key(publicKey.export({ type: "spki", format: "der" }));
    if (raw === undefined) throw new Error("Not an Ed25519 key.");
    const witness = new WitnessServer(verifierKey(nodePrimitives.sha256, "witness.example/one", raw, COSIGNATURE), (message) =>
      sign(null, message, privateKey),
    );
    await new Promise<void>((resolve) => witness.#server.listen(0, "127.0.0.1", resolve));
    atEnd(cleanup, () => new Promise<void>((resolve) => witness.#server.close(() => resolve())));
    return witness;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  async #answer(request: IncomingMessage): Promise<{ readonly status: number; readonly text: string }> {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    if (!this.isUp) return { status: 503, text: "" };
    const [head = "", ...rest] = body.split("\n\n");
    const [old = "", ...proof] = head.trimEnd().split("\n");
    const note = parseNote(rest.join("\n\n"));
    const checkpoint = note === undefined ? undefined : parseCheckpointText(note.text);
    if (request.url !== "/add-checkpoint" || note === undefined || checkpoint === undefined) return { status: 400, text: "" };
    if (old !== `old ${this.#tree.size}`) return { status: 409, text: `${this.#tree.size}\n` };
    const hashes = proof.map((line) => fromBase64(line) ?? new Uint8Array(0));
    const next = { size: checkpoint.treeSize, root: checkpoint.root };
    if (!verifyConsistency(treeHasher(nodePrimitives.sha256), this.#tree, next, hashes)) return { status: 422, text: "" };
    this.#tree = next;
    this.seen.push(next.size);
    const time = utf8("\0".repeat(8));
    new DataView(time.buffer).setBigUint64(0, 1_800_000_000n);
    const signature = this.#sign(utf8(`cosignature/v1\ntime 1800000000\n${note.text}`));
    const line = signatureLine(this.key, concat(time, signature));
    if (!(await isSignedBy(nodePrimitives, { text: note.text, signatures: parseNote(`${note.text}\n${line}`)?.signatures ?? [] }, this.key)))
      throw new Error("A witness signs rightly.");
    return { status: 200, text: line };
  }
}
