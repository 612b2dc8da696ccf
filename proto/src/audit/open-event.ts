import { fromBase64, textOf } from "./bytes.ts";
import type { LoggedEvent } from "./leaf.ts";
import type { Primitives } from "./primitives.ts";
import { openSealed, parseSealed } from "./sealed.ts";

export interface OpenedEvent {
  /** Personal data stands in the clear where a key opened it; nothing here is what the leaf hash is over. */
  readonly event: LoggedEvent;
  readonly opened: number;
}

/** Undefined when there is a key that opens nothing. What no key is for stays sealed. */
export async function openEvent(primitives: Primitives, event: Uint8Array, keys: Uint8Array): Promise<OpenedEvent | undefined> {
  const logged = objectIn(event) as LoggedEvent | undefined;
  const given = new Map(Object.entries(objectIn(keys) ?? {}).map(([subject, key]) => [subject, typeof key === "string" ? fromBase64(key) : undefined]));
  if (logged === undefined || given.size === 0) return undefined;
  const useful = new Set<string>();
  let opened = 0;

  async function open(value: unknown, path: string): Promise<unknown> {
    const sealed = parseSealed(value);
    const key = sealed === undefined ? undefined : given.get(sealed.subject);
    if (sealed !== undefined && key !== undefined && logged !== undefined) {
      const plain = await openSealed(primitives, key, sealed, { stream: logged.stream, id: logged.id, path });
      if (plain === undefined) return value; // somebody may have typed what looks like one
      useful.add(sealed.subject);
      opened++;
      return plain;
    }
    if (typeof value !== "object" || value === null) return value;
    const members: [string, unknown][] = [];
    for (const [name, member] of Object.entries(value)) members.push([name, await open(member, path === "" ? name : `${path}.${name}`)]);
    return Array.isArray(value) ? members.map(([, member]) => member) : Object.fromEntries(members);
  }

  const data = (await open(logged.data, "")) as object;
  return useful.size === given.size ? { event: { ...logged, data }, opened } : undefined;
}

function objectIn(bytes: Uint8Array): object | undefined {
  try {
    const value: unknown = JSON.parse(textOf(bytes) ?? "");
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
