import { readFileSync } from "node:fs";
import { classificationOf, eventTypes, schemaVersionOf } from "../../control-plane/src/domain/catalogue.ts";
import type { EventType } from "../../control-plane/src/domain/events.ts";
import { schemas } from "../../control-plane/src/domain/schemas.ts";
import { releaseOf, strayReleases } from "./event-releases.ts";
import { describeType, type JsonSchema } from "./json-schema.ts";
import { code, page, table } from "./markdown.ts";

export function eventsPage(): string {
  const stray = strayReleases();
  if (stray.length > 0) throw new Error(`These have a release and are no events: ${stray.join(", ")}.`);
  const shapes = new SharedShapes(eventTypes);
  const events = eventTypes.map((type) => ({ type, category: categoryOf(type) }));
  const categories = [...new Set(events.map(({ category }) => category))].toSorted();
  const sections = categories.flatMap((category) => [
    `## ${code(`${category}-…`)}`,
    ...events
      .filter((event) => event.category === category)
      .flatMap(({ type }) => [
        `### ${type}`,
        `Schema version ${String(schemaVersionOf(type))}, since ${releaseOf(type)}. [JSON Schema](schemas/${type}.v${String(schemaVersionOf(type))}.json)`,
        shapes.fieldsOf(type),
      ]),
  ]);
  return page(
    "Events",
    "control-plane/src/domain",
    "Everything that is recorded, by the category of its stream (the part of the stream's name before the first `-`). Names, fields and versions are data at rest: released ones never change, and every released version can still be read.",
    "Each also has metadata: `at` (when it was decided, UTC), `actor` (who did it, and on whose behalf), `$correlationId` (the session or the call that it belongs to), `$causationId` where another event led to it, and `schemaVersion`.",
    'Class: *public* is for whoever may know that the event happened; *sensitive* is what was done, such as statements and results, and stands in no log; *personal* is sensitive and tells who somebody is: it is stored sealed under a key of that person, as `sealed:1:<subject>:<base64>`, so that it can be forgotten ([how](../how-to/audit.md#names-and-forgetting-somebody)). Human and machine actors are stored as `subject:<id>`. Secrets are in no event. "?" marks a field that may be absent; `*` stands for each member of a list or table.',
    table(
      ["Stream", "Events"],
      categories.map((category) => [
        code(`${category}-…`),
        events
          .filter((event) => event.category === category)
          .map(({ type }) => `[${type}](#${type.toLowerCase()})`)
          .join(", "),
      ]),
    ),
    ...sections,
    "## Shared shapes",
    "What several events hold.",
    ...shapes.sections(),
  );
}

/** From the recorded example that a test folds for each version of each event. */
function categoryOf(type: EventType): string {
  const file = new URL(`../../test/fixtures/events/${type}.v${String(schemaVersionOf(type))}.json`, import.meta.url);
  const { stream } = JSON.parse(readFileSync(file, "utf8")) as { readonly stream: string };
  return stream.slice(0, stream.indexOf("-"));
}

type Classes = ReadonlyMap<string, string | undefined>;

interface Shape {
  readonly schema: JsonSchema;
  readonly classes: Classes;
  events: number;
}

/** Objects of one name and content in more than one event are described once. */
class SharedShapes {
  readonly #shapes = new Map<string, Shape>();

  constructor(types: readonly EventType[]) {
    for (const type of types) this.#count(schemaOf(type), classificationOf(type), "");
  }

  fieldsOf(type: EventType): string {
    return this.#table(schemaOf(type), classificationOf(type));
  }

  sections(): readonly string[] {
    const shared = [...this.#shapes].filter(([, { events }]) => events > 1);
    return shared.flatMap(([key, { schema, classes }]) => [`### ${nameIn(key)}`, this.#table(schema, classes)]);
  }

  #count(schema: JsonSchema, classes: Classes, path: string): void {
    for (const [name, field] of Object.entries(schema.properties ?? {})) {
      const { inner, suffix } = membersOf(field);
      const at = `${path}${name}${suffix}.`;
      if (inner.properties === undefined || !within(classes, at)) continue;
      const key = keyOf(name, inner);
      const seen = this.#shapes.get(key);
      if (seen !== undefined) seen.events++;
      else {
        const below = new Map([...classes].filter(([other]) => other.startsWith(at)).map(([other, value]) => [other.slice(at.length), value]));
        this.#shapes.set(key, { schema: inner, classes: below, events: 1 });
        this.#count(inner, classes, at);
      }
    }
  }

  #table(schema: JsonSchema, classes: Classes): string {
    return table(["Field", "Type", "Class"], this.#rows(schema, classes, ""));
  }

  #rows(schema: JsonSchema, classes: Classes, path: string): string[][] {
    const required = new Set(schema.required);
    return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
      const at = `${path}${name}`;
      const shown = `${code(at)}${required.has(name) ? "" : "?"}`;
      const { inner, suffix } = membersOf(field);
      if (inner.properties === undefined) return [[shown, describeType(field), classOf(classes, at)]];
      const words = suffix === "" ? "" : "list of ";
      if ((this.#shapes.get(keyOf(name, inner))?.events ?? 0) > 1) return [[shown, `${words}[${name}](#${name.toLowerCase()})`, "as there"]];
      // Classified as a whole: what is in it is not classified field by field.
      if (!within(classes, `${at}${suffix}.`)) return [[shown, `${words}{ ${Object.keys(inner.properties).map(code).join(", ")} }`, classOf(classes, at)]];
      return [...(suffix === "" ? [] : [[shown, "list", ""]]), ...this.#rows(inner, classes, `${at}${suffix}.`)];
    });
  }
}

const schemaOf = (type: EventType): JsonSchema => schemas[type].toJSONSchema({ io: "input" }) as JsonSchema;

const membersOf = (field: JsonSchema): { readonly inner: JsonSchema; readonly suffix: string } =>
  field.items === undefined ? { inner: field, suffix: "" } : { inner: field.items, suffix: ".*" };

const within = (classes: Classes, path: string): boolean => [...classes.keys()].some((other) => other.startsWith(path));

const keyOf = (name: string, schema: JsonSchema): string => `${name} ${JSON.stringify(schema.properties)}`;
const nameIn = (key: string): string => key.slice(0, key.indexOf(" "));

function classOf(classes: Classes, path: string): string {
  const found = classes.get(path) ?? classes.get(`${path}.*`);
  if (found === undefined) throw new Error(`Nobody classified ${path}.`);
  return found;
}
