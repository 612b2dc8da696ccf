import { classificationOf, eventTypes, schemaVersionOf } from "../../control-plane/src/domain/catalogue.ts";
import type { EventType } from "../../control-plane/src/domain/events.ts";
import { schemas } from "../../control-plane/src/domain/schemas.ts";
import { releaseOf } from "./event-releases.ts";

type Node = Readonly<Record<string, unknown>>;

/** JSON Schema of each event's data at today's version, for programs that read the ledger: by the path of its file. */
export const eventSchemaPages = (): Readonly<Record<string, () => string>> =>
  Object.fromEntries(eventTypes.map((type) => [`docs/reference/schemas/${type}.v${String(schemaVersionOf(type))}.json`, () => schemaPage(type)]));

function schemaPage(type: EventType): string {
  const version = schemaVersionOf(type);
  const { $schema, ...schema } = schemas[type].toJSONSchema({ io: "input" }) as Node;
  const page = {
    $schema,
    $id: `urn:sallyport:event:${type}:v${String(version)}`,
    title: type,
    description: `The data of ${type}, schema version ${String(version)}, since release ${releaseOf(type)}. Written by npm run gen.`,
    ...(classified(schema, "", classificationOf(type)) as Node),
  };
  return `${JSON.stringify(page, undefined, 2)}\n`;
}

/** Each field with its class; "readOnly" of zod's speaks of TypeScript, and means something else here. */
function classified(node: unknown, path: string, classes: ReadonlyMap<string, string | undefined>): unknown {
  if (typeof node !== "object" || node === null || Array.isArray(node)) return node;
  const { readOnly: _, ...rest } = node as Node;
  const own = classes.get(path);
  const below = (name: string): string => (path === "" ? name : `${path}.${name}`);
  const { properties, items, additionalProperties } = rest;
  return {
    ...rest,
    ...(own === undefined ? {} : { "x-classification": own }),
    ...(properties === undefined
      ? {}
      : { properties: Object.fromEntries(Object.entries(properties as Node).map(([name, field]) => [name, classified(field, below(name), classes)])) }),
    ...(items === undefined ? {} : { items: classified(items, below("*"), classes) }),
    ...(additionalProperties === undefined ? {} : { additionalProperties: classified(additionalProperties, below("*"), classes) }),
  };
}
