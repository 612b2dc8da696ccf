import { watch } from "node:fs";
import { open } from "node:fs/promises";

/** One line of a server's log may be a statement of any size; what is read at once is not. */
const READ_BYTES = 65_536;

/**
 * Resolves with the first whole line, from byte `from` of `file` on, that `matches`. Waits for the file to grow;
 * rejects when `signal` aborts. The file must exist.
 */
export async function awaitLogLine(file: string, from: number, matches: (line: string) => boolean, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted();
  const handle = await open(file, "r");
  const grown = new Growth();
  // Before the first read, so that nothing written in between goes unseen.
  const watcher = watch(file, () => grown.tell());
  const stop = (): void => grown.tell();
  signal.addEventListener("abort", stop);
  try {
    const chunk = Buffer.alloc(READ_BYTES);
    let unfinished: Buffer[] = [];
    for (let at = from; ;) {
      signal.throwIfAborted();
      const { bytesRead } = await handle.read(chunk, 0, READ_BYTES, at);
      if (bytesRead === 0) {
        await grown.happened();
        continue;
      }
      at += bytesRead;
      const read = Buffer.from(chunk.subarray(0, bytesRead));
      const end = read.lastIndexOf(0x0a);
      if (end === -1) {
        unfinished.push(read);
        continue;
      }
      const found = Buffer.concat([...unfinished, read.subarray(0, end)])
        .toString("utf8")
        .split("\n")
        .find(matches);
      if (found !== undefined) return found;
      unfinished = [read.subarray(end + 1)];
    }
  } finally {
    signal.removeEventListener("abort", stop);
    watcher.close();
    await handle.close();
  }
}

/** Remembers a sign that came before anybody waited for it. */
class Growth {
  #told = Promise.withResolvers<void>();

  tell(): void {
    this.#told.resolve();
  }

  async happened(): Promise<void> {
    await this.#told.promise;
    this.#told = Promise.withResolvers<void>();
  }
}
