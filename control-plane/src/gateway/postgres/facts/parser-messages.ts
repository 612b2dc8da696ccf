import type { Extracted } from "./extract.ts";

/** What a parser's thread is given when it starts. */
export interface WorkerSettings {
  /** Of the text that is being worked on: CURRENT is its number, so that whoever finds this thread dead knows which text did it; SINCE_CPU what the thread had used before. */
  readonly progress: Int32Array;
  /** Works only while nobody else wants the CPU. */
  readonly background: boolean;
  readonly harmlessFunctions: readonly string[];
}

/** Places in `progress`. */
export const CURRENT = 0;
/** CPU milliseconds. */
export const SINCE_CPU = 1;

export interface Job {
  readonly number: number;
  readonly text: string;
  /** `redact`: the text is too long to be parsed, or its parser was killed. */
  readonly task: "analyse" | "redact";
}

export type Reply =
  /** `thread`: what the system calls it. */
  | { readonly kind: "ready"; readonly thread?: number | undefined }
  | { readonly kind: "analysed"; readonly number: number; readonly analysis: Omit<Extracted, "recordable">; readonly recordable?: string }
  | { readonly kind: "searched"; readonly number: number; readonly redacted: boolean; readonly recordable?: string }
  /** The parser cannot be trusted any longer: a stack or a heap overflowed in it. */
  | { readonly kind: "broken"; readonly number: number };
