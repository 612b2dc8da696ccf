/** Of a digest: what the command line asks for, so that what is agreed to is what was read, and nothing that came after it. */
const SHOWN_DIGEST_CHARACTERS = 16;

export const shownDigest = (digest: string): string => digest.slice(0, SHOWN_DIGEST_CHARACTERS);
