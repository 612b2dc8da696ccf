import fc from "fast-check";
import { areas, type PolicyAction, weekdays } from "../../domain/decision.ts";
import { riskClasses, transactionStates } from "../../domain/facts.ts";
import { policyActions, sessionActions } from "../schema.ts";

/** Words that rules use; commands and people have others beside them. */
const sets: Readonly<Record<string, readonly string[]>> = {
  verbs: ["SELECT", "DELETE"],
  relationsRead: ["customers", "public.customers", "orders"],
  relationsWritten: ["customers", "sales.orders"],
  functions: ["f", "lo_export"],
  functionClasses: ["write", "unclassified"],
  hazards: ["drop", "ddl", "unparsed"],
  columnsRead: ["customers.email", "customers.*"],
  columnsFiltered: ["customers.email", "orders.id"],
  columnsMatched: ["customers.email"],
  columnsWritten: ["*.*", "orders.id"],
  columnsCopied: ["customers.*"],
  settings: ["role", "search_path"],
};
const texts: Readonly<Record<string, readonly string[]>> = {
  riskClass: riskClasses.slice(0, 3),
  fingerprint: ["aa", "ab"],
  transaction: transactionStates.slice(0, 2),
};
const freeTexts: ReadonlySet<string> = new Set(["fingerprint", "purpose", "ticket"]);

const quoted = (word: string): string => JSON.stringify(word);
const listed = (words: readonly string[]): string => `[${words.map(quoted).join(", ")}]`;
const oneOf = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);

/** All that can be asked of a set, of words and of another set or word. */
function ofSet(name: string, words: readonly string[], otherSets: readonly string[], otherTexts: readonly string[]): fc.Arbitrary<string> {
  const some = fc.subarray([...words], { minLength: 1 }).map(listed);
  const it = `context.${name}`;
  const alone = fc.oneof(
    { weight: 4, arbitrary: oneOf(...words).map((word) => `${it}.contains(${quoted(word)})`) },
    { weight: 2, arbitrary: fc.tuple(oneOf("containsAny", "containsAll"), some).map(([how, list]) => `${it}.${how}(${list})`) },
    { weight: 2, arbitrary: fc.tuple(oneOf("containsAny", "containsAll"), some).map(([how, list]) => `${list}.${how}(${it})`) },
    {
      weight: 1,
      arbitrary: fc.tuple(oneOf("==", "!="), some, fc.boolean()).map(([how, list, first]) => (first ? `${list} ${how} ${it}` : `${it} ${how} ${list}`)),
    },
    { weight: 1, arbitrary: fc.constant(`${it}.isEmpty()`) },
    { weight: 1, arbitrary: some.map((list) => `[${it}].contains(${list})`) },
    { weight: 1, arbitrary: some.map((list) => `[${list}].contains(${it})`) },
  );
  const withSets = fc.tuple(oneOf("containsAny", "containsAll"), oneOf(...otherSets)).map(([how, other]) => `${it}.${how}(context.${other})`);
  const withTexts = oneOf(...otherTexts).map((other) => `${it}.contains(context.${other})`);
  const more = [...(otherSets.length > 0 ? [withSets] : []), ...(otherTexts.length > 0 ? [withTexts] : [])];
  return more.length === 0 ? alone : fc.oneof({ weight: 6, arbitrary: alone }, ...more.map((arbitrary) => ({ weight: 1, arbitrary })));
}

function ofText(name: string, words: readonly string[], others: readonly string[]): fc.Arbitrary<string> {
  const it = `context.${name}`;
  const some = fc.subarray([...words], { minLength: 1 });
  const choices: fc.Arbitrary<string>[] = [
    fc.tuple(oneOf("==", "!="), oneOf(...words)).map(([how, word]) => `${it} ${how} ${quoted(word)}`),
    oneOf(...words).map((word) => `${quoted(word)} == ${it}`),
    some.map((list) => `${listed(list)}.contains(${it})`),
  ];
  if (freeTexts.has(name)) choices.push(oneOf("a*", "*b", "*").map((pattern) => `${it} like ${quoted(pattern)}`));
  if (others.length > 0) {
    choices.push(oneOf(...others).map((other) => `${it} == context.${other}`));
    choices.push(fc.tuple(some, oneOf(...others)).map(([list, other]) => `[${[...list.map(quoted), `context.${other}`].join(", ")}].contains(${it})`));
    choices.push(
      fc.tuple(oneOf(...words), oneOf(...others)).map(([word, other]) => `(if context.hour < 12 then ${quoted(word)} else context.${other}) == ${it}`),
    );
  }
  return fc.oneof(...choices);
}

const ofWhoAndWhere = oneOf(
  `principal in Group::"a"`,
  `principal in [Group::"a", Group::"b"]`,
  `principal == Identity::"ana"`,
  `principal.kind == "human"`,
  `principal has kind`,
  `[principal.kind, "orders"].contains(resource.name)`,
  `resource.name like "o*"`,
  `resource.protocol == "postgres"`,
  `resource.labels.contains("env=prod")`,
  `resource.labels.containsAll(["env=prod", "team=a"])`,
  `resource.labels.isEmpty()`,
  `resource has labels`,
);
const ofTime = fc.oneof(
  oneOf("context.hour < 12", "context.hour == 23"),
  oneOf(...weekdays).map((day) => `context.weekday == ${quoted(day)}`),
);
const ofPurpose = fc.oneof(ofText("purpose", ["", "aa"], ["ticket"]), ofText("ticket", ["", "T-1"], ["purpose"]));
const ofSession = oneOf(
  "context.granted",
  "context.emergency",
  `context.clientAddress.isInRange(ip("10.0.0.0/8"))`,
  "context.clientAddress.isLoopback()",
  `context.clientAddress == ip("10.0.0.1")`,
);
const ofFacts = fc.oneof(
  { weight: 6, arbitrary: fc.oneof(...Object.entries(sets).map(([name, words]) => ofSet(name, words, otherThan(name, sets), Object.keys(texts)))) },
  { weight: 3, arbitrary: fc.oneof(...Object.entries(texts).map(([name, words]) => ofText(name, words, otherThan(name, texts)))) },
  {
    weight: 1,
    arbitrary: oneOf("context.statementCount > 1", "context.rowLimit == 0", "context.unparsed", "context.statementCount + 9223372036854775807 > 0"),
  },
);
const ofMasked = oneOf("context.probesMasked", "context.matchesMasked", "context.copiesMasked");
const ofApprovals = oneOf(1, 2, 4).map((count) => `context.approvals >= ${count}`);
const ofArea = fc.oneof(ofText("area", areas.slice(0, 3), []));

function otherThan(name: string, all: object): string[] {
  return Object.keys(all).filter((other) => other !== name);
}

const leaves: Readonly<Record<PolicyAction, fc.Arbitrary<string>>> = {
  open: fc.oneof(ofTime, ofPurpose, ofSession, ofWhoAndWhere),
  run: fc.oneof(
    { weight: 8, arbitrary: ofFacts },
    { weight: 1, arbitrary: ofMasked },
    { weight: 2, arbitrary: ofApprovals },
    ofTime,
    ofPurpose,
    ofSession,
    ofWhoAndWhere,
  ),
  request: fc.oneof(ofTime, ofPurpose, ofApprovals, ofWhoAndWhere),
  break_glass: fc.oneof(ofTime, ofPurpose, ofWhoAndWhere),
  approve: fc.oneof({ weight: 5, arbitrary: ofFacts }, ofTime, ofWhoAndWhere),
  replay: fc.oneof(ofArea, fc.constant("context.own"), ofTime, ofWhoAndWhere),
  administer: fc.oneof(ofArea, ofTime, ofWhoAndWhere),
};

function conditionOf(leaf: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const { tree } = fc.letrec<{ tree: string }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3, depthSize: "small" },
      { weight: 3, arbitrary: leaf },
      { weight: 2, arbitrary: fc.tuple(tie("tree"), tie("tree"), oneOf("&&", "||")).map(([a, b, how]) => `(${a} ${how} ${b})`) },
      { weight: 1, arbitrary: tie("tree").map((a) => `!(${a})`) },
      { weight: 1, arbitrary: fc.tuple(tie("tree"), tie("tree"), tie("tree")).map(([a, b, c]) => `(if ${a} then ${b} else ${c})`) },
    ),
  }));
  return tree;
}

/** Of one action, or of several: then each speaks of its own in its own case. */
const scopes: fc.Arbitrary<{ readonly actions: readonly PolicyAction[]; readonly scope: string }> = fc.oneof(
  {
    weight: 8,
    arbitrary: oneOf<PolicyAction>("run", "run", "run", ...policyActions).map((action) => ({ actions: [action], scope: `action == Action::"${action}"` })),
  },
  {
    weight: 1,
    arbitrary: fc
      .subarray([...policyActions], { minLength: 2, maxLength: 3 })
      .map((actions) => ({ actions, scope: `action in [${actions.map((action) => `Action::"${action}"`).join(", ")}]` })),
  },
  { weight: 1, arbitrary: fc.constant({ actions: sessionActions, scope: "action" }) },
);

const principals = oneOf(
  "principal",
  "principal",
  `principal in Group::"a"`,
  `principal == Identity::"ana"`,
  "principal is Identity",
  `principal is Identity in Group::"b"`,
);
const resources = oneOf("resource", "resource", "resource", `resource == Resource::"orders"`, "resource is Resource");

const annotations: Readonly<Partial<Record<PolicyAction, fc.Arbitrary<string>>>> = {
  run: oneOf("", "", `@rowCap("5")`, `@mask("customers.email:full")`, `@mask("*.id:hash")`, "@reasonRequired"),
  open: oneOf("", "@readOnly", "@ticketRequired"),
};

const anyRule = fc.tuple(scopes, principals, resources).chain(([{ actions, scope }, principal, resource]) => {
  const guarded = actions.map((action) =>
    conditionOf(leaves[action]).map((condition) => (actions.length === 1 ? condition : `(action == Action::"${action}" && ${condition})`)),
  );
  const [only] = actions.length === 1 ? actions : [];
  const annotated = (only && annotations[only]) ?? fc.constant("");
  return fc
    .record({
      condition: fc.tuple(...guarded).map((all) => all.join(" || ")),
      annotation: annotated,
      effect: oneOf("permit", "permit", "forbid"),
      negated: fc.boolean(),
    })
    .map(
      ({ condition, annotation, effect, negated }) =>
        (id: string) =>
          `@id("${id}") ${effect === "permit" ? annotation : ""} ${effect} (${principal}, ${scope}, ${resource}) ${negated ? "unless" : "when"} { ${condition} };`,
    );
});

/** Cedar text of some rules, most of which the checks let through; all the ways to look at each attribute are in it. */
export const anyPolicy: fc.Arbitrary<string> = fc
  .array(anyRule, { minLength: 1, maxLength: 8 })
  .map((rules) => rules.map((rule, index) => rule(`r${index}`)).join("\n"));
