import { StringDecoder } from "node:string_decoder";
import type { RecordedEvent } from "@sallyport/proto/gen/sallyport/api/v1/api";
import { dim } from "./io.ts";
import { INDENT } from "./replay.ts";
import { printableLines } from "./table.ts";

/** Of one line: a longer one is cut, and says so. */
const MAX_LINE = 2_000;

/** Statements and parameters that were too long for their command's own event, from the chunks of a recording in their order: so many lines of each. */
export class ReplayInput {
  readonly #limit: number;
  #of = "";
  #decoder = new StringDecoder("utf8");
  #begun = "";
  #shown = 0;
  #hidden = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Lines of one InputRecorded; `heading` above the first chunk of a statement or parameter. */
  lines({ dataJson }: RecordedEvent, heading: readonly string[]): string[] {
    const { commandId, part, base64 } = JSON.parse(dataJson) as { readonly commandId: number; readonly part: string | number; readonly base64: string };
    const of = `${commandId} ${part}`;
    const lines = of === this.#of ? [] : [...this.rest(), ...heading];
    this.#of = of;
    const whole = (this.#begun + this.#decoder.write(Buffer.from(base64, "base64"))).split("\n");
    this.#begun = whole.pop() ?? "";
    for (const line of whole) lines.push(...this.#line(line));
    return lines;
  }

  /** What is to be said before something else follows. */
  rest(): string[] {
    const last = this.#begun + this.#decoder.end();
    const lines = last === "" ? [] : this.#line(last);
    if (this.#hidden > 0 && this.#limit > 0) lines.push(`${INDENT}${dim(`… ${this.#hidden} more lines (--output)`)}`);
    this.#begun = "";
    this.#decoder = new StringDecoder("utf8");
    this.#shown = 0;
    this.#hidden = 0;
    this.#of = "";
    return lines;
  }

  #line(line: string): string[] {
    if (this.#shown === this.#limit) {
      this.#hidden++;
      return [];
    }
    this.#shown++;
    const cut = this.#limit !== Infinity && line.length > MAX_LINE;
    const [text = ""] = printableLines(cut ? line.slice(0, MAX_LINE) : line);
    return [`${INDENT}${text}${cut ? dim(`… ${line.length - MAX_LINE} more characters (--output all)`) : ""}`];
  }
}
