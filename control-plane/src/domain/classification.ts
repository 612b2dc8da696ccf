import { z } from "zod";

/**
 * Who may read a field: `public` for anyone who may see that the event happened; `sensitive` for those who may see what was
 * done and by whom (personal data, statements, results), and never in a log; `secret` for nobody: a field of that class
 * must not be in an event at all, and a test sees to it.
 */
export type Classification = "public" | "sensitive" | "secret";

const classes = z.registry<{ readonly classification: Classification }>();

export const open = <S extends z.ZodType>(schema: S): S => {
  classes.add(schema, { classification: "public" });
  return schema;
};

export const sensitive = <S extends z.ZodType>(schema: S): S => {
  classes.add(schema, { classification: "sensitive" });
  return schema;
};

/**
 * Every field of a schema by its dotted path (`*` for the members of a list or table), with its class; `undefined` is one
 * that nobody classified. A class given to a whole object, list or table holds for everything in it.
 */
export function fieldsOf(schema: z.core.$ZodType, path = ""): ReadonlyMap<string, Classification | undefined> {
  const own = classes.get(schema as z.ZodType)?.classification;
  if (own !== undefined) return new Map([[path, own]]);
  if (schema instanceof z.ZodExactOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodReadonly) return fieldsOf(schema.unwrap(), path);
  if (schema instanceof z.ZodArray) return fieldsOf(schema.element, `${path}.*`);
  if (schema instanceof z.ZodRecord) return fieldsOf(schema.valueType, `${path}.*`);
  if (schema instanceof z.ZodObject) {
    const fields = Object.entries<z.core.$ZodType>(schema.shape).map(([name, member]) => fieldsOf(member, path === "" ? name : `${path}.${name}`));
    return new Map(fields.flatMap((each) => [...each]));
  }
  return new Map([[path, undefined]]);
}
