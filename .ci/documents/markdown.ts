/** A page says where it comes from, so that nobody edits it by hand. */
export function page(title: string, source: string, ...blocks: readonly string[]): string {
  return `${[`<!-- Written by \`npm run gen\` from ${source}. -->\n# ${title}`, ...blocks].join("\n\n")}\n`;
}

export function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
  return [line(columns), line(columns.map(() => "---")), ...rows.map(line)].join("\n");
}

export const code = (text: string): string => `\`${text}\``;

/** A number as people read it; the unit is the end of the constant's or the setting's name. */
export function quantity(name: string, value: number): string {
  const unit = name.slice(name.lastIndexOf("_") + 1);
  const [least, ...larger] = units[unit] ?? [["", 1]];
  const [words, size] = larger.findLast(([, each]) => value >= each && value % each === 0) ?? least;
  const shown = (value / size).toLocaleString("en-US");
  return words === "" ? shown : `${shown} ${words}`;
}

type Unit = readonly [words: string, size: number];
type Units = readonly [Unit, ...Unit[]];

const milliseconds: Units = [
  ["ms", 1],
  ["s", 1_000],
  ["min", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
];
/** From the smallest to the largest; a value is shown in the largest that it is a whole number of. */
const units: Readonly<Record<string, Units>> = {
  BYTES: [
    ["bytes", 1],
    ["KiB", 1_024],
    ["MiB", 1_048_576],
  ],
  MB: [["MiB", 1]],
  MS: milliseconds,
  MILLIS: milliseconds,
  SECONDS: [
    ["s", 1],
    ["min", 60],
    ["h", 3_600],
    ["d", 86_400],
  ],
};
