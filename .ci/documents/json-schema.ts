/** The part of JSON Schema that zod writes for our schemas. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | false;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

/** What a value may be, in a few words. Fails on what it cannot describe, rather than leaving it out of a page. */
export function describeType(schema: JsonSchema): string {
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return choices.map(describeType).join(", or ");
  if (schema.const !== undefined) return literal(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(literal).join(", ");
  if (typeof schema.type === "object") return schema.type.map((type) => describeType({ ...schema, type })).join(", or ");
  switch (schema.type) {
    case "string":
      return describeText(schema);
    case "integer":
    case "number":
      return describeRange(schema);
    case "boolean":
      return "`true`, `false`";
    case "null":
      return "null";
    case "array":
      return schema.items?.enum === undefined ? `list of ${describeType(schema.items ?? {})}` : `list of any of ${describeType(schema.items)}`;
    case "object":
      return schema.additionalProperties === undefined || schema.additionalProperties === false
        ? "object"
        : `table of ${describeType(schema.additionalProperties)}`;
    default:
      throw new Error(`No words for ${JSON.stringify(schema)}.`);
  }
}

const literal = (value: unknown): string => `\`${String(value)}\``;

function describeText({ format, pattern, maxLength }: JsonSchema): string {
  if (format === "date-time") return "instant (UTC, with milliseconds)";
  // "No NUL" is not news to anybody.
  if (pattern !== undefined && pattern !== String.raw`^[^\0]*$`) return `text like \`${pattern}\``;
  return maxLength === undefined ? "text" : `text, at most ${String(maxLength)} characters`;
}

function describeRange({ minimum, maximum }: JsonSchema): string {
  const bounded = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
  if (minimum === undefined) return bounded ? `number up to ${maximum.toLocaleString("en-US")}` : "number";
  const from = minimum.toLocaleString("en-US");
  return bounded ? `${from} to ${maximum.toLocaleString("en-US")}` : `number from ${from}`;
}
