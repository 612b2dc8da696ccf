/** How one spelling of COPY OUT is cut into rows and masked. Bytes are those of the CopyData payloads, one after the other. */
export interface CopyFormat {
  /** One past the unit (row, header or trailer) that starts at `from`, or -1 when it is not complete. */
  unitEnd(bytes: Buffer, from: number, to: number): number;
  /** Whether the unit is a row: what is not is neither counted, capped nor masked. Asked once per unit, in order. */
  isRow(bytes: Buffer, from: number, to: number): boolean;
  /** Masks a row in place, or returns what replaces it. */
  mask(bytes: Buffer, from: number, to: number): Buffer | undefined;
}

/** Under this name the masked cells are counted that no column can be named for. */
export const UNNAMED_COLUMN = "(copy)";
