import type { CopyLayout as StatedLayout } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import type { ColumnIdentity } from "../../../masking/column-rules.ts";

/** The columns of a COPY, which its protocol does not say. */
export type CopyColumns = readonly CopyColumn[] | "unknown";

export interface CopyColumn extends ColumnIdentity {
  readonly typeOid: number;
}

/** How a COPY spells its rows, which the protocol does not say either: only that they are not binary. */
export interface CopyLayout {
  readonly format: "text" | "csv";
  /** One byte, as everything here. */
  readonly delimiter: number;
  readonly quote: number;
  readonly escape: number;
  readonly nullText: Buffer;
  readonly header: boolean;
}

export const TEXT_LAYOUT: CopyLayout = { format: "text", delimiter: 0x09, quote: 0x22, escape: 0x22, nullText: Buffer.from("\\N"), header: false };
export const CSV_LAYOUT: CopyLayout = { format: "csv", delimiter: 0x2c, quote: 0x22, escape: 0x22, nullText: Buffer.alloc(0), header: false };

const LINE_BREAK = /[\r\n]/;
/** What a delimiter of the text format may not be, as what follows a backslash there may mean something else (PostgreSQL, "COPY"). */
const TEXT_MEANING = /[\\.a-z0-9]/;
const isOneByte = (mark: string): boolean => mark.length === 1 && mark !== "\0" && Buffer.byteLength(mark) === 1;

/**
 * The layout in which each row can be cut into its fields in one way only; undefined for any other, which leaves nothing but to mask all.
 * PostgreSQL lets a quote be a line break, and NULL end in a backslash: such a row is taken for one with fields of other columns.
 */
export function readableLayout({ format, delimiter, quote, escape, nullText, header }: StatedLayout): CopyLayout | undefined {
  if (format !== "text" && format !== "csv") return undefined;
  const marks = [delimiter, quote, escape];
  if (!marks.every((mark) => isOneByte(mark) && !LINE_BREAK.test(mark)) || LINE_BREAK.test(nullText) || nullText.includes(delimiter)) return undefined;
  const readable =
    format === "text"
      ? !TEXT_MEANING.test(delimiter) && (nullText === "\\N" || !nullText.includes("\\"))
      : quote !== delimiter && escape !== delimiter && !nullText.includes(quote);
  const code = (mark: string): number => mark.charCodeAt(0);
  return readable ? { format, delimiter: code(delimiter), quote: code(quote), escape: code(escape), nullText: Buffer.from(nullText), header } : undefined;
}
