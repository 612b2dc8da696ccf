import type { RecordType, SchemaJson } from "@cedar-policy/cedar-wasm/nodejs";
import type { PolicyAction } from "../domain/decision.ts";
import type { CedarInstance } from "./cedar-instance.ts";
import { policySchema } from "./schema.ts";

type Attributes = RecordType<string>["attributes"];

export type WholeSchema = SchemaJson<string>[string];

let parsed: WholeSchema | undefined;

/** Parsed once, as it takes some milliseconds. */
export function wholeSchema(instance: CedarInstance): WholeSchema {
  return (parsed ??= instance.use((cedar) => {
    const answer = cedar.schemaToJson(policySchema);
    const schema = answer.type === "success" ? answer.json[""] : undefined;
    if (schema === undefined) throw new Error("The schema of policies does not parse.");
    return schema;
  }));
}

function attributesIn(type: object | undefined): Attributes {
  return type !== undefined && "attributes" in type ? (type.attributes as Attributes) : {};
}

/** Names of the attributes that the context of an action has. */
export const contextAttributes = ({ actions }: WholeSchema, action: PolicyAction): ReadonlySet<string> =>
  new Set(Object.keys(attributesIn(actions[action]?.appliesTo?.context)));

/** The schema of one action, with no attributes but those that are seen. */
export function schemaOf(
  { actions, entityTypes }: WholeSchema,
  action: PolicyAction,
  seen: { readonly inContext: (name: string) => boolean; readonly inEntities: (name: string) => boolean },
): SchemaJson<string> {
  const about = actions[action];
  if (about?.appliesTo === undefined) throw new Error(`The schema has no ${action}.`);
  const { context, ...appliesTo } = about.appliesTo;
  const only = (type: object | undefined, isSeen: (name: string) => boolean) => ({
    type: "Record" as const,
    attributes: Object.fromEntries(Object.entries(attributesIn(type)).filter(([name]) => isSeen(name))),
  });
  const seenTypes = Object.entries(entityTypes).map(
    ([name, type]) => [name, "enum" in type ? type : { ...type, shape: only(type.shape, seen.inEntities) }] as const,
  );
  return { "": { actions: { [action]: { appliesTo: { ...appliesTo, context: only(context, seen.inContext) } } }, entityTypes: Object.fromEntries(seenTypes) } };
}
