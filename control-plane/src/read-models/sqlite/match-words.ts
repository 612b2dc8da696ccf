/**
 * What a person types as an FTS5 query that cannot be malformed: each word and each "quoted phrase" becomes a string of FTS5, in
 * which only the quote itself means anything. All of them must be found. Nothing when there is no letter or digit to look for.
 */
export function matchWords(words: string): string | undefined {
  const terms = [...words.matchAll(/"([^"]*)"(\*?)|([^\s"]+)/gu)].flatMap(([, phrase, star = "", word = ""]) => {
    const text = phrase ?? word.replace(/\*+$/u, "");
    // What has no letter and no digit has no token: FTS5 would take it for "nothing", and nothing is found with nothing.
    if (!/[\p{L}\p{N}\p{Co}]/u.test(text)) return [];
    const begins = phrase === undefined ? word.endsWith("*") : star !== "";
    return [`"${text.replaceAll("\0", " ")}"${begins ? "*" : ""}`];
  });
  return terms.length === 0 ? undefined : terms.join(" AND ");
}
