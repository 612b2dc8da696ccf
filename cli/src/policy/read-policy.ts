import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import type { PolicyFile } from "@sallyport/proto/gen/sallyport/api/v1/api";
import { Misuse } from "../exit-status.ts";

/** A version names a policy that was proposed; everything else is a path. */
export const isVersion = (text: string): boolean => /^p[0-9a-f]{12}$/u.test(text);

export function readPolicy(path: string): PolicyFile[] {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new Misuse(`There is no ${path}.`);
  if (!found.isDirectory()) return [{ name: basename(path), text: readFileSync(path, "utf8") }];
  const names = readdirSync(path).filter((name) => name.endsWith(".cedar") || name.endsWith(".test.json"));
  if (!names.some((name) => name.endsWith(".cedar"))) throw new Misuse(`${path} holds no .cedar file.`);
  return names.toSorted().map((name) => ({ name, text: readText(join(path, name)) }));
}

/** A pipe with such a name would be waited for, without end. */
function readText(path: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) throw new Misuse(`${path} is no file that can be read.`);
  return readFileSync(path, "utf8");
}
