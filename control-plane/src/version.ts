import { createRequire } from "node:module";

/** As its package says. */
export const VERSION = (createRequire(import.meta.url)("../package.json") as { readonly version: string }).version;
