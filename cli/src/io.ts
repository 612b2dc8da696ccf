import { styleText } from "node:util";

/** Where a verb writes. `--json` changes what is written, not what is done. */
export interface Io {
  readonly json: boolean;
  out(line: string): void;
  err(line: string): void;
}

export const terminal = (json: boolean): Io => ({
  json,
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
});

/** 64-bit counters become numbers where they fit and strings where they do not. */
export const toJson = (value: unknown): string =>
  JSON.stringify(value, (_key, field: unknown) =>
    typeof field === "bigint" ? (field <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(field) : field.toString()) : field,
  );

export const bold = (text: string): string => styleText("bold", text, { stream: process.stdout });
export const dim = (text: string): string => styleText("dim", text, { stream: process.stdout });

type Tone = "red" | "green" | "yellow" | "cyan" | "magenta";
export const tone = (colour: Tone, text: string): string => styleText(colour, text, { stream: process.stdout });
