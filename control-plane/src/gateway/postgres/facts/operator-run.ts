/** The characters that PostgreSQL's lexer takes for one operator as long as they follow each other; a comment's begin is made of them, too. */
const operatorCharacters = "~!@#^&|`?+-*/%<>=";

const isOperator = Uint8Array.from({ length: 128 }, (_, code) => (operatorCharacters.includes(String.fromCharCode(code)) ? 1 : 0));

/**
 * Whether so many of them follow each other. The lexer reads such a run to its end, gives nearly all of it back, and begins anew
 * at its next character: time that grows with the square of its length, 0.4 s at 16,000. Whatever stands around them.
 */
export function hasOperatorRun(text: string, limit: number): boolean {
  let run = 0;
  for (let at = 0; at < text.length; at++) {
    if (isOperator[text.charCodeAt(at)] !== 1) run = 0;
    else if (++run > limit) return true;
  }
  return false;
}
