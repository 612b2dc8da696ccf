/** Statements that cost a parser the most for their length, or end it; none is longer than the parser takes. */
const parser: Readonly<Record<string, (n: number) => string>> = {
  "60 KB of sums": (n) => `select ${n}${"+1".repeat(30_000)}`,
  "200 KB of differences": (n) => `select ${n}${"-1".repeat(100_000)}`,
  "1,500 parentheses": (n) => `select ${"(".repeat(1_500)}${n}${")".repeat(1_500)}`,
  "50,000 calls in each other": (n) => `select ${"f(".repeat(50_000)}${n}${")".repeat(50_000)}`,
  "a union of 10,000": (n) => Array.from({ length: 10_000 }, () => `select ${n}`).join(" union "),
  "15,000 joins": (n) => `select ${n} from a${" join b on true".repeat(15_000)}`,
  "100,000 comments in each other": (n) => `${"/*".repeat(100_000)}${n}`,
  "8,000 CASEs in each other": (n) => `select ${"case when ".repeat(8_000)}${n}=1${" then 1 end".repeat(8_000)}`,
  "50,000 casts": (n) => `select ${n}${"::int".repeat(50_000)}`,
  "an INSERT of 3.6 MB": (n) => `insert into orders values ${Array.from({ length: 180_000 }, (_, row) => `(${n},${row},'abcd')`).join(",")}`,
};
const kinds = Object.values(parser);

/** Its parser takes more than its time for each, and is ended, a new one every time. */
export const deadly = parser["100,000 comments in each other"] as (n: number) => string;

/** The nth of them, each text another one, so that none is known already. */
export const bomb = (n: number): string => (kinds[n % kinds.length] as (n: number) => string)(n);
