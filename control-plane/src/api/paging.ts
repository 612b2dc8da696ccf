import { SallyportError } from "@sallyport/proto/errors";

/** A place in a list, as the caller got it with the page before. Fails with `input.invalid`. */
export function cursorOf(text: string): { readonly cursor?: bigint } {
  if (text === "") return {};
  if (!/^\d{1,19}$/.test(text)) throw new SallyportError("input.invalid", "That is no cursor of a list.", { field: "cursor" });
  return { cursor: BigInt(text) };
}

export const textOf = (cursor: bigint | undefined): string => (cursor === undefined ? "" : String(cursor));
