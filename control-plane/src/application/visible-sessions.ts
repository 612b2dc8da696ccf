import { SallyportError } from "@sallyport/proto/errors";
import type { Principal, ResourceRef } from "../domain/decision.ts";
import type { Authority } from "./authority.ts";
import { inTurns } from "./in-turns.ts";
import type { NameFilter, VisibleRows } from "./projections/read-model-store.ts";
import type { RecordedResources } from "./recorded-resources.ts";

/** Of what was never served; only refused attempts to open it are recorded. */
const unknown: ResourceRef = Object.freeze({ name: "", protocol: "", labels: Object.freeze({}) });

const isNothing = ({ names, only }: NameFilter): boolean => only && names.length === 0;
const isEverything = ({ names, only }: NameFilter): boolean => !only && names.length === 0;

/**
 * Which sessions, and commands of sessions, somebody may see in a list: a decision for each resource, for their own and for others', asked
 * before the rows are read, so that a page is full and its cursor goes on where it ended. Undefined: all of them.
 *
 * Fails with `auth.forbidden` for those of an identity that they may see nothing of.
 */
export async function visibleSessions(
  { authority, resources }: { readonly authority: Authority; readonly resources: RecordedResources },
  principal: Principal,
  identity: string,
): Promise<VisibleRows | undefined> {
  async function filter(own: boolean): Promise<NameFilter> {
    const may = (resource: ResourceRef): boolean => authority.may({ principal, action: "replay", area: "sessions", resource, own });
    const only = !may(unknown);
    const names = await inTurns(Array.from(resources.all()), (resource) => (may(resource) === only ? [resource.name] : []));
    return { only, names: names.flat() };
  }
  const own = await filter(true);
  const others = await filter(false);
  const wanted = identity === "" ? [own, others] : identity === principal.id ? [own] : [others];
  if (wanted.every(isNothing)) {
    authority.require({ principal, action: "replay", area: "sessions", resource: unknown, own: identity === principal.id });
    throw new SallyportError("auth.forbidden", "No rule lets you see these sessions.", { identity: principal.id });
  }
  return isEverything(own) && isEverything(others) ? undefined : { identity: principal.id, own, others };
}

const lets = ({ names, only }: NameFilter, name: string): boolean => names.includes(name) === only;

/** The same of one row. */
export const isVisible = (visible: VisibleRows | undefined, { identity, resource }: { readonly identity: string; readonly resource: string }): boolean =>
  visible === undefined || lets(identity === visible.identity ? visible.own : visible.others, resource);
