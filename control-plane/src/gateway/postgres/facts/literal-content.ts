import { stringValue, type Token } from "./lexer.ts";
import { lastUpTo } from "./text-places.ts";

/** A stretch of a literal: as written, and what the server reads there. */
interface Piece {
  readonly raw: number;
  readonly rawEnd: number;
  readonly at: number;
  readonly length: number;
}

const pieces = {
  plain: /''|[^']+|'/g,
  escape: /''|\\(?:x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}|[\s\S])|[^'\\]+|['\\]/g,
  unicode: /''|\\(?:\+[0-9a-f]{6}|[0-9a-f]{4}|\\)|[^'\\]+|['\\]/gi,
} as const;

/** From places in the value of a string literal to places in the text that it stands in: what an escape made goes with the whole of it. */
export function textPlaces(text: string, token: Token): (start: number, end: number) => { readonly start: number; readonly end: number } {
  const { content } = token;
  if (content === undefined) return (start, end) => ({ start, end });
  const raw = text.slice(content.start, content.end);
  const { quoting } = content;
  const isPlain = quoting === "dollar" || !(raw.includes("'") || (quoting !== "plain" && raw.includes("\\")));
  if (isPlain) return (start, end) => ({ start: content.start + start, end: content.start + end });
  const all: Piece[] = [];
  let at = 0;
  for (const match of raw.matchAll(pieces[quoting])) {
    const [written] = match;
    const length = written.length === 1 || !/^['\\]/.test(written) ? written.length : lengthOf(written, quoting);
    all.push({ raw: content.start + match.index, rawEnd: content.start + match.index + written.length, at, length });
    at += length;
  }
  const pieceOf = (place: number): Piece | undefined => lastUpTo(all, (piece) => piece.at <= place);
  return (start, end) => {
    const first = pieceOf(start);
    const last = pieceOf(end - 1);
    if (first === undefined || last === undefined) return { start: content.start, end: content.end };
    const verbatim = (piece: Piece): boolean => piece.rawEnd - piece.raw === piece.length;
    return {
      start: verbatim(first) ? first.raw + (start - first.at) : first.raw,
      end: verbatim(last) ? last.raw + (end - last.at) : last.rawEnd,
    };
  };
}

const lengthOf = (written: string, quoting: "plain" | "escape" | "unicode"): number =>
  stringValue(written, { kind: "string", start: 0, end: written.length, text: written, content: { start: 0, end: written.length, quoting } }).length;
