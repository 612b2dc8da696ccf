import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/**
 * One HTML file without any reference to another: the verifier is the very code of the command line, bundled, and the page's own
 * policy forbids every connection.
 */
export async function buildPage(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("./page/page.ts", import.meta.url))],
    bundle: true,
    write: false,
    format: "iife",
    platform: "browser",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
  });
  const script = outputFiles[0]?.text ?? "";
  const page = readFileSync(new URL("./page/page.html", import.meta.url), "utf8");
  // A function, so that no `$` in the script means anything. `</script` would end it early.
  return page.replace("/* SCRIPT */", () => script.replaceAll("</script", "<\\/script"));
}
