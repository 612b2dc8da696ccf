import fc from "fast-check";
import { areas, controlPlane, type DecisionRequest, type PolicyAction, weekdays } from "../../domain/decision.ts";
import { type CommandFacts, hazards, riskClasses, transactionStates } from "../../domain/facts.ts";
import { policyActions } from "../schema.ts";

/** Few, so that they are often those of the rules. */
const some = <T>(...values: readonly T[]): fc.Arbitrary<T[]> => fc.subarray([...values]);
const oneOf = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);

const relations = some("customers", "public.customers", "sales.customers", "orders", "sales.orders", "t1", `"odd.name"`, "*.*");
const columns = some("customers.email", "customers.*", "customers.id", "orders.id", "*.*", "*.id", "t1.a");

export const anyFacts: fc.Arbitrary<CommandFacts> = fc.record({
  verbs: some("SELECT", "DELETE", "INSERT"),
  riskClass: oneOf(...riskClasses),
  relationsRead: relations,
  relationsWritten: relations,
  functions: some("f", "g", "lo_export"),
  functionClasses: some(...riskClasses),
  hazards: some(...hazards.slice(0, 3), "unparsed" as const),
  statementCount: oneOf(0, 1, 2),
  fingerprint: oneOf("", "aa", "ab", "ba", "anything else", "read"),
  columnsRead: columns,
  columnsFiltered: columns,
  columnsMatched: columns,
  columnsWritten: columns,
  columnsCopied: columns,
  rowLimit: oneOf(0, 1, 100),
  settings: some("role", "search_path", "work_mem"),
  transaction: oneOf(...transactionStates),
  unclassifiedReason: fc.constant(""),
});

const anyAction: fc.Arbitrary<PolicyAction> = oneOf("run", "run", "run", ...policyActions);

/** Whose circumstances are all known. */
function requestFor(action: PolicyAction): fc.Arbitrary<DecisionRequest> {
  const own = action === "replay" || action === "administer";
  const resource = fc.record({
    name: oneOf("orders", "human", "other"),
    protocol: oneOf("postgres", "ssh"),
    labels: oneOf({}, { env: "prod" }, { env: "prod", team: "a" }),
  });
  return fc.record({
    principal: fc.record({ id: oneOf("ana", "bo", "cy"), kind: oneOf("human", "machine"), groups: some("a", "b", "c") }),
    action: fc.constant(action),
    resource: own ? fc.oneof(resource, fc.constant(controlPlane)) : resource,
    ...(action === "run" ? { facts: anyFacts } : action === "approve" ? { facts: fc.option(anyFacts, { nil: undefined, freq: 3 }) } : {}),
    granted: oneOf<boolean | "emergency">(true, false, "emergency"),
    circumstances: fc.record({
      time: fc.oneof(
        fc.record({ hour: oneOf(0, 11, 23), weekday: oneOf(...weekdays) }),
        oneOf(new Date("2026-11-23T12:00:00.000Z"), new Date("2026-11-22T23:59:00.000Z")),
      ),
      clientAddress: oneOf("10.0.0.1:5432", "127.0.0.1", "::1", "192.168.0.1"),
      purpose: fc.record({ reason: oneOf("", "aa", "ab", "T-1"), ticket: oneOf("", "T-1", "aa") }),
    }),
    ...(own ? { area: oneOf(...areas.slice(0, 4)), own: fc.boolean() } : {}),
  }) as fc.Arbitrary<DecisionRequest>;
}

/** Of some people, commands and so on in every combination, so that many differ in one of these alone. */
function combinationsFor(action: PolicyAction): fc.Arbitrary<DecisionRequest[]> {
  const three = fc.tuple(requestFor(action), requestFor(action), requestFor(action));
  const pick = fc.nat(2);
  return fc.tuple(three, fc.array(fc.tuple(pick, pick, pick, pick, pick, pick), { minLength: 20, maxLength: 20 })).map(([requests, picks]) =>
    picks.map(([who, where, what, how, when, about]) => {
      const of = (index: number): DecisionRequest => requests[index] ?? requests[0];
      const [{ facts }, { granted = false }, { circumstances = {} }, { area, own }] = [of(what), of(how), of(when), of(about)];
      const { principal } = of(who);
      const { resource } = of(where);
      return {
        principal,
        action,
        resource,
        granted,
        circumstances,
        ...(facts === undefined ? {} : { facts }),
        ...(area === undefined ? {} : { area }),
        ...(own === undefined ? {} : { own }),
      };
    }),
  );
}

export const anyRequests: fc.Arbitrary<DecisionRequest[]> = fc
  .tuple(anyAction.chain(combinationsFor), anyAction.chain(combinationsFor))
  .map((both) => both.flat());
