import type { PolicyVersion, PolicyChangeServiceServer } from "@sallyport/proto/gen/sallyport/api/v1/policy";
import { SallyportError } from "@sallyport/proto/errors";
import type { PolicyService } from "../application/policy-changes.ts";
import type { PolicyVersionView } from "../application/policy-view.ts";
import type { Identities } from "../application/ports.ts";
import type { RecordedResources } from "../application/recorded-resources.ts";
import type { Trials } from "../application/what-if/trials.ts";
import type { Principal } from "../domain/decision.ts";
import { type MaySee, trialView } from "./trial-views.ts";
import { type ApiContext, streaming, unary } from "./unary.ts";

/** Versions in one answer when the caller names no number; older ones are asked for. */
const DEFAULT_LIMIT = 100;

export interface PolicyChangeDeps {
  readonly policies: PolicyService;
  readonly identities: Identities;
  readonly resources: RecordedResources;
  readonly trials: Trials;
}

export function policyChangeService(api: ApiContext, { policies, identities, resources, trials }: PolicyChangeDeps): PolicyChangeServiceServer {
  const shown = (view: PolicyVersionView): PolicyVersion => versionView(view, emptyOf(view.names.groups, identities));
  /** As their lists have it: sessions by policy alone, requests for access also to whoever asked. */
  const sightOf =
    (principal: Principal): MaySee =>
    ({ action, identity, resource: name }) => {
      const own = identity === principal.id;
      const about = { principal, action: "replay", resource: resources.of(name) } as const;
      if (action === "open" || action === "run") return api.authority.may({ ...about, area: "sessions", own });
      return own || api.authority.may({ ...about, area: "access" });
    };
  return {
    proposePolicy: unary(api, async ({ files, reason }, { principal, context }) => ({
      policy: shown(await policies.propose(files, reason, principal, context)),
    })),
    proposeEarlierPolicy: unary(api, async ({ version, reason }, { principal, context }) => ({
      policy: shown(await policies.goBack(version, reason, principal, context)),
    })),
    approvePolicy: unary(api, async ({ version, comment, digest }, { principal, context }) => {
      // A version may be proposed, withdrawn, and found again for other rules: only the digest says what was read.
      if (digest === "") throw new SallyportError("input.invalid", "The digest of the rules that were read is missing.", { field: "digest" });
      return { policy: shown(await policies.approve(version, digest, principal, comment, context)) };
    }),
    rejectPolicy: unary(api, async ({ version, comment }, { principal, context }) => ({
      policy: shown(await policies.reject(version, principal, comment, context)),
    })),
    withdrawPolicy: unary(api, async ({ version }, { principal, context }) => ({ policy: shown(await policies.withdraw(version, principal, context)) })),
    publishProposedPolicy: unary(api, async ({ version }, { context }) => ({ policy: shown(await policies.publishProposed(version, context)) })),
    listPolicyVersions: unary(api, ({ openOnly, limit }) => {
      const wanted = openOnly ? ["proposed", "tried", "approved", "published"] : undefined;
      const found = policies.versions().filter(({ state }) => wanted?.includes(state) ?? true);
      const { version = "", keeps = "" } = policies.loadFailure() ?? {};
      return { policies: found.slice(0, limit === 0 ? DEFAULT_LIMIT : limit).map(shown), loadFailure: version, keeps };
    }),
    getPolicyVersion: unary(api, async ({ version }) => {
      const view = policies.find(version);
      if (view === undefined) throw new SallyportError("policy.not_found", `No policy ${version} was ever proposed.`, { policy: version });
      return { policy: shown(view), files: [...(await policies.filesOf(version))] };
    }),
    tryPolicy: streaming(api, async function* ({ sinceSeconds, ...request }, { principal, context }, signal) {
      const maySee = sightOf(principal);
      for await (const step of trials.run({ ...request, sinceSeconds: Number(sinceSeconds) }, principal, context, signal)) yield trialView(step, maySee);
    }),
  };
}

/** A group that a policy names and nobody is in is often a misspelt one. */
function emptyOf(groups: readonly string[], identities: Identities): string[] {
  const used = new Set(identities.list().flatMap((identity) => (identity.disabled ? [] : identity.groups)));
  return groups.filter((group) => !used.has(group));
}

const versionView = ({ names, trial, approvals, notify, ...view }: PolicyVersionView, emptyGroups: string[]): PolicyVersion => ({
  ...view,
  approvals: [...approvals],
  notify: [...notify],
  groups: [...names.groups],
  labels: [...names.labels],
  emptyGroups,
  trial: trial && {
    by: trial.by,
    since: new Date(trial.since),
    until: new Date(trial.until),
    decisions: BigInt(trial.decisions),
    differences: trial.differences.map(({ kind, count }) => ({ kind, count: BigInt(count) })),
  },
});
