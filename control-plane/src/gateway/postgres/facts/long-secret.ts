/**
 * Words of one command's bound values that are looked at more closely, some 50 ms of the thread that serves sessions where they are made to
 * take long. Of a command with more, each value that has such words counts as one that holds a secret.
 */
export const MAX_SUSPECT_WORDS = 100_000;

/** How many may still be looked at. */
export interface SearchBudget {
  words: number;
}

export const newSearchBudget = (): SearchBudget => ({ words: MAX_SUSPECT_WORDS });

const keyword = /passw(?:or)?d|secret/gi;
const valueAfter = /\w{0,20}\s{0,9}(?:=|\bto\b|--|\/\*|'|e'|u&|\$)/iy;
/** One by one, and each with its word first: that is found several times as fast. */
const phrases = [/identified\s{1,9}by/i, /connection\s{1,9}'/i, /crypt(?<=(?:pgp_sym_|en|de|\b)crypt)(?:_iv|_bytea)?\s{0,9}\(/i];
const restOfWord = /\S*/y;

/**
 * Of a bound value that is too long to be searched token by token: whether it looks as if it held a secret. In proportion to its length,
 * and nothing is gone over twice.
 */
export function mayHoldLongSecret(value: string, budget: SearchBudget): boolean {
  return hasPassword(value, budget) || phrases.some((phrase) => phrase.test(value)) || hasCredentials(value, budget);
}

function hasPassword(value: string, budget: SearchBudget): boolean {
  keyword.lastIndex = 0;
  while (keyword.test(value)) {
    valueAfter.lastIndex = keyword.lastIndex;
    if (--budget.words < 0 || valueAfter.test(value)) return true;
  }
  return false;
}

/** `://somebody:secret@` */
function hasCredentials(value: string, budget: SearchBudget): boolean {
  for (let at = value.indexOf("://"); at >= 0; at = value.indexOf("://", restOfWord.lastIndex)) {
    restOfWord.lastIndex = at + 3;
    const [rest = ""] = restOfWord.exec(value) ?? [];
    const colon = rest.indexOf(":");
    if (--budget.words < 0 || (colon >= 0 && rest.lastIndexOf("@") > colon + 1)) return true;
  }
  return false;
}
