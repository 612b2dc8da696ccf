import { randomBytes, randomUUID } from "node:crypto";
import { closeSync, existsSync, fstatSync, fsyncSync, ftruncateSync, openSync, readFileSync, renameSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { KEY_BYTES } from "@sallyport/proto/audit/sealed";
import { SallyportError } from "@sallyport/proto/errors";
import { syncFolder } from "../durable-files.ts";

/** A person or machine as the ledger knows it: an id that means nothing without this. */
export interface Subject {
  readonly subject: string;
  readonly name: string;
  readonly key: Buffer;
  /** The stored name of its identity stream, when that was begun by a release that named it after the person. */
  readonly stream?: string;
}

/**
 * The keys of all subjects: one file, a line of JSON each, and all of it in memory.
 *
 * S1. A key is durable before anything is sealed with it; a line that a crash cut off sealed nothing, and is dropped.
 * S2. A key that is destroyed is in no file when `destroy` returns: the file is written anew, and the old one overwritten. Copies that
 *     were made of the file are not reached, so backups of it must be short-lived.
 * S3. The name of a destroyed key stands for its subject, in this process, until it is given to somebody new: what is still under way for
 *     whoever was forgotten must not make them a new key.
 * S4. One process writes. Readers (other threads) call `refresh`.
 */
export class SubjectKeys {
  readonly #path: string;
  readonly #byName = new Map<string, Subject>();
  readonly #byId = new Map<string, Subject>();
  readonly #destroyed = new Map<string, string>();
  #read = { inode: 0n, size: 0n };
  /** Of whole lines. */
  #bytes = 0;

  constructor(path: string) {
    this.#path = path;
    this.refresh();
  }

  get size(): number {
    return this.#byId.size;
  }

  find(name: string): Subject | undefined {
    return this.#byName.get(name);
  }

  get(subject: string): Subject | undefined {
    return this.#byId.get(subject);
  }

  /** The subject that had this name, when it was forgotten while this process ran. */
  destroyed(name: string): string | undefined {
    return this.#destroyed.get(name);
  }

  /** Makes a subject when there is none. `stream` is for one whose identity stream is there already. */
  ensure(name: string, stream?: string): Subject {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const made = { subject: randomUUID(), name, key: randomBytes(KEY_BYTES), ...(stream === undefined ? {} : { stream }) };
    const isNew = !existsSync(this.#path);
    const file = openSync(this.#path, "a", 0o600);
    try {
      // What a crash cut off, or a full disk.
      if (fstatSync(file).size > this.#bytes) ftruncateSync(file, this.#bytes);
      const line = Buffer.from(lineOf(made));
      writeWhole(file, line);
      fsyncSync(file);
      this.#bytes += line.length;
      this.#read = placeOf(file);
    } catch (error) {
      throw new SallyportError("ledger.unavailable", "The key of a new subject could not be stored.", {}, error);
    } finally {
      closeSync(file);
    }
    if (isNew) syncFolder(dirname(this.#path));
    this.#destroyed.delete(name);
    this.#add(made);
    return made;
  }

  /** Durable when it returns; false when there is no such key. */
  destroy(subject: string): boolean {
    const gone = this.#byId.get(subject);
    if (gone === undefined) return false;
    const left = [...this.#byId.values()].filter((each) => each !== gone);
    const draft = `${this.#path}.new`;
    const old = openSync(this.#path, "r+");
    const file = openSync(draft, "w", 0o600);
    try {
      const lines = Buffer.from(left.map(lineOf).join(""));
      writeWhole(file, lines);
      fsyncSync(file);
      renameSync(draft, this.#path);
      syncFolder(dirname(this.#path));
      // What had the key in it is no file any more, but its bytes would still be on the disk.
      writeWhole(old, Buffer.alloc(fstatSync(old).size), 0);
      fsyncSync(old);
      this.#bytes = lines.length;
      this.#read = placeOf(file);
    } catch (error) {
      throw new SallyportError("ledger.unavailable", "The key could not be destroyed; it will be tried again.", { subject }, error);
    } finally {
      closeSync(file);
      closeSync(old);
    }
    gone.key.fill(0);
    this.#destroyed.set(gone.name, subject);
    this.#byId.delete(subject);
    if (this.#byName.get(gone.name) === gone) this.#byName.delete(gone.name);
    return true;
  }

  /** Reads the file again when it changed. */
  refresh(): void {
    const now = statSync(this.#path, { bigint: true, throwIfNoEntry: false });
    if (now === undefined || (now.ino === this.#read.inode && now.size === this.#read.size)) return;
    const file = openSync(this.#path, "r");
    try {
      const place = placeOf(file);
      const bytes = readFileSync(file);
      this.#bytes = bytes.lastIndexOf(0x0a) + 1;
      this.#byName.clear();
      this.#byId.clear();
      for (const [index, line] of bytes.toString("utf8", 0, this.#bytes).split("\n").entries()) if (line !== "") this.#add(subjectIn(line, index));
      this.#read = place;
    } finally {
      closeSync(file);
    }
  }

  #add(subject: Subject): void {
    this.#byId.set(subject.subject, subject);
    this.#byName.set(subject.name, subject);
  }
}

const lineOf = ({ subject, name, key, stream }: Subject): string => `${JSON.stringify({ subject, name, key: key.toString("base64"), stream })}\n`;

function subjectIn(line: string, index: number): Subject {
  const { subject, name, key, stream } = parsed(line);
  const bytes = Buffer.from(typeof key === "string" ? key : "", "base64");
  if (typeof subject !== "string" || typeof name !== "string" || bytes.length !== KEY_BYTES) {
    throw new SallyportError("ledger.corrupt", `Line ${index + 1} of the subjects' keys is not a key.`);
  }
  return { subject, name, key: bytes, ...(typeof stream === "string" ? { stream } : {}) };
}

function parsed(line: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch {
    return {};
  }
}

function placeOf(file: number): { readonly inode: bigint; readonly size: bigint } {
  const { ino, size } = fstatSync(file, { bigint: true });
  return { inode: ino, size };
}

function writeWhole(file: number, bytes: Uint8Array, position?: number): void {
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at, bytes.length - at, position === undefined ? null : position + at);
}
