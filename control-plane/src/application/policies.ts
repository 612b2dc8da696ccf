import { SallyportError } from "@sallyport/proto/errors";
import { upcast } from "../domain/catalogue.ts";
import type { PolicyEngine } from "../domain/decision.ts";
import { identityStream } from "../domain/identity/identity.events.ts";
import { forgottenSubject } from "../domain/names.ts";
import * as node from "../domain/node/node.decider.ts";
import { nodeStream } from "../domain/node/node.events.ts";
import type { ConfiguredApprovals } from "../domain/policy/approvals-required.ts";
import * as policy from "../domain/policy/policy.decider.ts";
import { type PolicyEvent, type PolicyFile, policyStream } from "../domain/policy/policy.events.ts";
import type { DecidedBy } from "../domain/vote.ts";
import { policyStanding } from "./authority.ts";
import { policyAdministrators, lockout, groupsToNotify } from "./policy-administrators.ts";
import { type PolicyLoadFailure, PolicyEngines } from "./policy-engines.ts";
import { createExamination } from "./policy-examination.ts";
import type { PolicyService } from "./policy-changes.ts";
import { canonicalFiles, policyDigest, policyVersion } from "./policy-version.ts";
import type { PolicyVersionView } from "./policy-view.ts";
import type { CommandContext } from "./ports.ts";
import type { PolicyCompiler, PolicyRehearsal } from "./policy-ports.ts";
import { decidedBy, systemContext, type UseCaseDeps } from "./use-case.ts";

export interface PolicyDeps extends UseCaseDeps {
  readonly compiler: PolicyCompiler;
  readonly rehearse: PolicyRehearsal;
  /** How many others must agree to a policy. */
  readonly approvals?: ConfiguredApprovals;
}

export function createPolicies({ ledger, live, execute, log, compiler, rehearse, nodeId, approvals: configured = "auto" }: PolicyDeps): PolicyService {
  let recording: Promise<unknown> = Promise.resolve();
  const engines = new PolicyEngines(compiler, ({ version, keeps, cause }: PolicyLoadFailure) => {
    log.error(
      { err: cause, policyVersion: version, keeps },
      keeps === "" ? "the published policy does not load; everything is refused" : "the published policy does not load; the one before it decides",
    );
    const command = {
      type: "RecordPolicyLoadFailed",
      nodeId,
      policyVersion: version,
      keeps,
      cause: cause instanceof Error ? cause.message : String(cause),
    } as const;
    recording = execute({ decider: node, stream: nodeStream(nodeId), command, context: systemContext(nodeId) }).catch((error: unknown) =>
      log.error({ err: error }, "that the policy does not load could not be recorded"),
    );
  });

  const { problemsOf, examine } = createExamination({ compiler, rehearse, live });

  const current = (): PolicyEngine | undefined => (live.failure === undefined ? engines.inForce(live.policy) : undefined);

  const electorate = () => ({
    administrators: policyAdministrators(policyStanding(current(), live.policy.published), live.identities.states()),
    unreadable: [...live.closed.idsOf("identity")].filter((id) => forgottenSubject(id) === undefined),
    configured,
  });

  /** Of what is proposed: those who may agree are asked, and whatever lets somebody propose may want it told too. */
  function told({ administrators }: { readonly administrators: readonly string[] }, by: DecidedBy): readonly string[] {
    const concerned = [...administrators, by.id].flatMap((id) => live.identities.get(identityStream(id))?.state ?? []);
    return groupsToNotify(policyStanding(current(), live.policy.published), concerned);
  }

  const run = (command: policy.PolicyCommand, context: CommandContext) =>
    execute({ decider: policy, stream: policyStream(), command, context, believed: live.policies.get(policyStream()) });

  async function change(version: string, command: policy.PolicyCommand, context: CommandContext): Promise<PolicyVersionView> {
    await run(command, context);
    return requireView(version);
  }

  function requireView(version: string): PolicyVersionView {
    const view = live.policyVersions.get(version);
    if (view === undefined) throw new SallyportError("policy.not_found", `No policy ${version} was ever proposed.`, { policy: version });
    return view;
  }

  /** Those in memory, or of its last proposal in the record. */
  async function filesOf(version: string): Promise<readonly PolicyFile[]> {
    const known = live.policy.filesOf(version);
    if (known !== undefined) return known;
    let files: readonly PolicyFile[] | undefined;
    for await (const recorded of ledger.readStream(policyStream())) {
      const event = upcast(recorded) as PolicyEvent;
      if (event.type === "PolicyProposed" && event.data.version === version) files = event.data.files;
    }
    if (files === undefined) throw new SallyportError("policy.not_found", `No policy ${version} was ever proposed.`, { policy: version });
    return files;
  }

  async function propose(files: readonly PolicyFile[], reason: string, by: DecidedBy, context: CommandContext): Promise<string> {
    const canonical = canonicalFiles(files);
    const version = policyVersion(canonical);
    const { problems } = await examine(canonical);
    const errors = problems.filter(({ severity }) => severity === "error");
    if (errors.length > 0) {
      throw new SallyportError("policy.invalid", errors.map(({ file, line, message }) => `${file}:${String(line)}: ${message}`).join("\n"), {
        problems: String(errors.length),
      });
    }
    compiler.compile(version, canonical);
    const names = compiler.names(canonical);
    const digest = policyDigest(canonical, names);
    const who = electorate();
    await run({ type: "Propose", version, digest, files: canonical, names, reason, by, notify: told(who, by), ...who }, context);
    return version;
  }

  async function publish(version: string, context: CommandContext): Promise<void> {
    if (live.policy.published?.version === version) return;
    requireView(version);
    const files = await filesOf(version);
    const engine: PolicyEngine = compiler.compile(version, files);
    // Again: people come and go while a proposal waits.
    const [locked] = lockout(engine, files, live.identities.states());
    if (locked !== undefined) throw new SallyportError("policy.invalid", locked.message, { policy: version });
    await run({ type: "Publish", version, digest: policyDigest(files, compiler.names(files)), ...electorate() }, context);
    if (live.policy.published?.version === version) engines.prepared(engine);
  }

  return {
    current,

    published: () => live.policy.published,

    loadFailure: () => engines.failure,

    async check(files) {
      const canonical = canonicalFiles(files);
      return { version: policyVersion(canonical), ...(await examine(canonical)) };
    },

    async diff(after, against) {
      const before = "files" in against ? against.files : against.version === "" ? (live.policy.published?.files ?? []) : await filesOf(against.version);
      const first = after.length === 0 ? undefined : problemsOf(canonicalFiles(after)).find(({ severity }) => severity === "error");
      if (first !== undefined) throw new SallyportError("policy.invalid", `${first.file}:${String(first.line)}: ${first.message}`);
      // It need only be readable: what would be refused today may be what is in force, and what the change mends.
      if (before.length > 0) compiler.compile("", canonicalFiles(before));
      return compiler.diff(canonicalFiles(before), canonicalFiles(after));
    },

    async publish(files, reason, context) {
      const { kind, id, onBehalfOf } = context.actor;
      const by = { id, kind: kind === "human" ? kind : "machine", ...(onBehalfOf === undefined ? {} : { onBehalfOf }) } as const;
      const version = await propose(files, reason, by, context);
      await publish(version, context);
      return version;
    },

    async propose(files, reason, by, context) {
      return requireView(await propose(files, reason, decidedBy(by, context), context));
    },

    async goBack(version, reason, by, context) {
      const found = version === "" ? live.policy.earlier[0] : { version, files: await filesOf(version) };
      if (found === undefined) throw new SallyportError("policy.not_found", "No policy was in force before this one.");
      if (version === live.policy.published?.version) throw new SallyportError("input.invalid", `Policy ${version} is in force.`, { field: "version" });
      return requireView(await propose(found.files, reason, decidedBy(by, context), context));
    },

    approve: (version, digest, by, comment, context) =>
      change(version, { type: "Approve", version, digest, by: decidedBy(by, context), comment, ...electorate() }, context),

    reject: (version, by, comment, context) => change(version, { type: "Reject", version, by: decidedBy(by, context), comment, ...electorate() }, context),

    withdraw: (version, by, context) => change(version, { type: "Withdraw", version, by: decidedBy(by, context) }, context),

    async publishProposed(version, context) {
      await publish(version, context);
      return requireView(version);
    },

    versions: () => live.policyVersions.all(),

    find: (version) => live.policyVersions.get(version),

    filesOf,

    async recordTrial(data, context) {
      await run({ type: "RecordTrial", data }, context);
    },

    async settled() {
      await recording;
    },
  };
}
