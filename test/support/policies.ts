import { readdirSync, readFileSync } from "node:fs";

export interface PolicyText {
  readonly name: string;
  readonly text: string;
}

const starterFolder = new URL("../../deploy/policies/starter/", import.meta.url);

export const starterPolicy: readonly PolicyText[] = readdirSync(starterFolder)
  .filter((name) => name.endsWith(".cedar"))
  .toSorted()
  .map((name) => ({ name, text: readFileSync(new URL(name, starterFolder), "utf8") }));

/** Everything, for everybody, unmasked: what is left is the gateway itself. */
export const openPolicy: readonly PolicyText[] = [
  {
    name: "open.cedar",
    text: `
      @id("all") permit (principal, action == Action::"open", resource);
      @id("run") permit (principal, action == Action::"run", resource);
      @id("approve") permit (principal, action == Action::"approve", resource);`,
  },
];

/** As `openPolicy`, but results are masked. */
export const maskingPolicy = (mask: string, detect: string): readonly PolicyText[] => [
  {
    name: "masking.cedar",
    text: `
      @id("all") permit (principal, action == Action::"open", resource);
      @id("run") @mask("${mask}") @detect("${detect}") permit (principal, action == Action::"run", resource);
      @id("approve") permit (principal, action == Action::"approve", resource);`,
  },
];
