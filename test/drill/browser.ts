import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildPage } from "@sallyport/cli/src/audit/build-page.ts";
import { chromium, type Browser, type Page } from "playwright-core";

/** Debian's. */
const CHROMIUM = "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
/** A verification of a small bundle takes milliseconds; a busy machine may take its time. */
const ANSWER_MS = 60_000;

export interface PageVerdict {
  readonly kind: string;
  readonly title: string;
  readonly line: string;
  readonly code: string;
}

/** The verification page, opened from a file in Chromium, as an auditor does. Notes every connection that it tries. */
export class VerifyPage {
  readonly #browser: Browser;
  readonly #page: Page;
  readonly #folder: string;
  readonly requests: string[] = [];

  private constructor(browser: Browser, page: Page, folder: string) {
    this.#browser = browser;
    this.#page = page;
    this.#folder = folder;
    page.on("request", (request) => this.requests.push(request.url()));
  }

  static async open(): Promise<VerifyPage> {
    const folder = mkdtempSync(join(tmpdir(), "verify-page-"));
    const file = join(folder, "verify.html");
    writeFileSync(file, await buildPage());
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
    const page = new VerifyPage(browser, await browser.newPage(), folder);
    await page.#page.goto(`file://${file}`);
    return page;
  }

  async verify(bundle: Uint8Array, key: string): Promise<PageVerdict> {
    const page = this.#page;
    const file = join(this.#folder, "bundle");
    writeFileSync(file, bundle);
    await page.locator("#key").fill(key);
    await page.locator("#file").setInputFiles([]);
    await page.evaluate("document.getElementById('result').hidden = true");
    await page.locator("#file").setInputFiles(file);
    const result = page.locator("#result");
    await result.waitFor({ state: "visible", timeout: ANSWER_MS });
    const attribute = async (name: string): Promise<string> => (await result.getAttribute(`data-${name}`)) ?? "";
    return {
      kind: await attribute("kind"),
      line: await attribute("line"),
      code: await attribute("code"),
      title: (await result.locator("h2").textContent()) ?? "",
    };
  }

  async close(): Promise<void> {
    await this.#browser.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
