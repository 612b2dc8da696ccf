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
