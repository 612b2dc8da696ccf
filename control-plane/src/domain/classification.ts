import { z } from "zod";

/**
 * Who may read a field: `public` for anyone who may see that the event happened; `sensitive` for those who may see what was
 * done (statements, results), and never in a log; `personal` is sensitive and tells who somebody is: it is stored under a key of
 * that person, so that it can be forgotten; `secret` for nobody: a field of that class must not be in an event at all, and a
 * test sees to it.
 */
export type Classification = "public" | "sensitive" | "personal" | "secret";

interface Class {
  readonly classification: Classification;
  readonly owner?: string;
}

const classes = z.registry<Class>();

export const open = <S extends z.ZodType>(schema: S): S => {
  classes.add(schema, { classification: "public" });
  return schema;
};

export const sensitive = <S extends z.ZodType>(schema: S): S => {
  classes.add(schema, { classification: "sensitive" });
  return schema;
};

/**
 * `owner` is where the name of the person stands that the field is about, as a dotted path from the root of the data; without
 * one the field is that name itself, or a list of such names.
 */
export const personal = <S extends z.ZodType>(schema: S, owner?: string): S => {
  classes.add(schema, owner === undefined ? { classification: "personal" } : { classification: "personal", owner });
  return schema;
};

/** What stands in place of a personal text that nobody can read any more. */
export const FORGOTTEN_TEXT = "(forgotten)";

export interface PersonalField {
  /** Names of members from the root of the data; `*` for each member of a list. */
  readonly path: readonly string[];
  /** Undefined: the value is itself the name of its owner. */
  readonly owner: readonly string[] | undefined;
}

/**
 * Every field of a schema by its dotted path (`*` for the members of a list or table), with its class; `undefined` is one
 * that nobody classified. A class given to a whole object, list or table holds for everything in it.
 */
export const fieldsOf = (schema: z.core.$ZodType): ReadonlyMap<string, Classification | undefined> =>
  new Map(Array.from(classesIn(schema), ([path, found]) => [path, found?.classification]));

export const personalFieldsOf = (schema: z.core.$ZodType): readonly PersonalField[] =>
  classesIn(schema).flatMap(([path, found]) => (found?.classification === "personal" ? [{ path: path.split("."), owner: found.owner?.split(".") }] : []));

function classesIn(schema: z.core.$ZodType, path = ""): readonly (readonly [path: string, found: Class | undefined])[] {
  const own = classes.get(schema as z.ZodType);
  if (own !== undefined) return [[path, own]];
  if (schema instanceof z.ZodExactOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodReadonly) return classesIn(schema.unwrap(), path);
  if (schema instanceof z.ZodArray) return classesIn(schema.element, `${path}.*`);
  if (schema instanceof z.ZodRecord) return classesIn(schema.valueType, `${path}.*`);
  if (schema instanceof z.ZodObject) {
    return Object.entries<z.core.$ZodType>(schema.shape).flatMap(([name, member]) => classesIn(member, path === "" ? name : `${path}.${name}`));
  }
  return [[path, undefined]];
}
