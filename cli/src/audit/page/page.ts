import { parseVerifierKey, type VerifierKey } from "@sallyport/proto/audit/note";
import { sha256 } from "@sallyport/proto/audit/sha256";
import type { Verdict } from "@sallyport/proto/audit/verdict";
import { verifyBundle } from "@sallyport/proto/audit/verify-bundle";
import { browserPrimitives, selfTest } from "./browser-primitives.ts";

/** The little of the DOM that is used; the sources are checked with Node's types, which have none. */
interface Element {
  textContent: string | null;
  hidden: boolean;
  value: string;
  readonly dataset: Record<string, string>;
  readonly classList: { toggle(name: string, on: boolean): void };
  readonly files: ArrayLike<Blob & { readonly name: string }> | null;
  replaceChildren(...children: readonly Element[]): void;
  addEventListener(type: string, listener: (event: DropEvent) => void): void;
}

interface DropEvent {
  readonly dataTransfer?: { readonly files: ArrayLike<Blob & { readonly name: string }> } | null;
  preventDefault(): void;
}

declare const document: { getElementById(id: string): Element | null; createElement(tag: string): Element };

const find = (id: string): Element => {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`The page has no ${id}.`);
  return element;
};

const [keyBox, fileInput, drop, progress, result] = [find("key"), find("file"), find("drop"), find("progress"), find("result")];
let running = 0;

async function verify(file: (Blob & { readonly name: string }) | undefined): Promise<void> {
  if (file === undefined) return;
  const run = ++running; // another file may be chosen meanwhile
  result.hidden = true;
  progress.textContent = `Reading ${file.name}…`;
  try {
    const problem = await selfTest();
    if (problem !== undefined) return show("failed", "Not verified", [["Why", problem]]);
    const keys = keysIn(keyBox.value);
    if (keys === undefined) return show("failed", "Not verified", [["Why", "What stands in the field for the key is not a verifier key."]]);
    const verdict = await verifyBundle(browserPrimitives, chunksOf(file), { keys }, (events) => {
      if (run === running) progress.textContent = `${events.toLocaleString("en")} events read…`;
    });
    if (run === running) tell(verdict);
  } catch (error) {
    if (run === running) show("failed", "Not verified", [["Why", error instanceof Error ? error.message : String(error)]]);
  }
}

/** Not every browser iterates over a stream by itself. */
async function* chunksOf(file: Blob): AsyncGenerator<Uint8Array> {
  const reader = file.stream().getReader();
  for (;;) {
    const read = await reader.read();
    if (read.done) return;
    yield read.value as Uint8Array;
  }
}

function keysIn(text: string): VerifierKey[] | undefined {
  const lines = text.split("\n").map((line) => line.trim());
  const keys = lines.filter((line) => line !== "").map((line) => parseVerifierKey(sha256, line));
  return keys.every((key) => key !== undefined) ? keys : undefined;
}

function tell(verdict: Verdict): void {
  if (verdict.kind === "tampered") {
    const { code, message, index, line } = verdict.finding;
    const place = [...(line === undefined ? [] : [`line ${line} of the bundle`]), ...(index === undefined ? [] : [`event ${index} of the log`])].join(", ");
    show("tampered", "Tampered", [
      ["First bad place", place],
      ["What", message],
      ["Kind", code],
      ["Proven before it", `${verdict.events} events`],
    ]);
    result.dataset["line"] = String(line ?? "");
    result.dataset["code"] = code;
    return;
  }
  const { events, removals, treeSize, root, signedAt, unsigned, keys, pinned, opened = 0, forgotten = [] } = verdict;
  show("verified", pinned ? "Verified" : "Consistent; the key was not compared", [
    ["Events", `${(events - unsigned).toLocaleString("en")}: none altered, missing, inserted or out of order`],
    ...removals.map(({ runId, by, events: gone }) => ["Removed", `${gone.toLocaleString("en")} of them, by retention run ${runId} (${by})`] as const),
    ["Signed", `${signedAt}, over ${treeSize.toLocaleString("en")} events`],
    ["Root", root],
    ["Key", keys.map(({ text }) => text).join(", then ")],
    [
      "Trust",
      pinned
        ? "The key is one that you gave."
        : "Compare the key with the one from a place that you trust: whoever made this bundle could have made another key.",
    ],
    ...(opened === 0 ? [] : [["Personal data", `${opened.toLocaleString("en")} values open with the keys in the bundle`] as const]),
    ...forgotten.map(({ subject, erasureId }) => ["Forgotten", `subject ${subject}, by the decision in erasure-${erasureId}`] as const),
  ]);
}

function show(kind: "verified" | "tampered" | "failed", title: string, rows: readonly (readonly [string, string])[]): void {
  progress.textContent = "";
  const list = made("dl", "");
  list.replaceChildren(...rows.flatMap(([term, text]) => [made("dt", term), made("dd", text)]));
  result.replaceChildren(made("h2", title), list);
  Object.assign(result.dataset, { kind, line: "", code: "" });
  result.hidden = false;
}

function made(tag: string, text: string): Element {
  const child = document.createElement(tag);
  child.textContent = text;
  return child;
}

fileInput.addEventListener("change", () => void verify(fileInput.files?.[0]));
drop.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.toggle("over", true);
});
drop.addEventListener("dragleave", () => drop.classList.toggle("over", false));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.toggle("over", false);
  void verify(event.dataTransfer?.files[0]);
});
