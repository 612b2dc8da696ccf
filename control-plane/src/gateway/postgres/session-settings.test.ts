import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { plainFacts } from "../../domain/facts.ts";
import type { Executable } from "./command-record.ts";
import { RunningCommand } from "./running-command.ts";
import { SessionSettings } from "./session-settings.ts";

/** A statement, what it sets, and what the target says to it. */
interface Ran {
  readonly sql: string;
  readonly verb: string;
  readonly settings?: readonly string[];
  readonly tag?: string;
}

const command = ({ sql, verb, settings = [] }: Ran): Executable => ({
  via: "simple",
  sql: Buffer.from(sql),
  parameterTypes: [],
  parameters: [],
  facts: { ...plainFacts, verbs: [verb], settings },
  recordable: sql,
  redacted: false,
  leavesReadOnly: false,
});

const set = (name: string, value: string): Ran => ({ sql: `set ${name} = '${value}'`, verb: "SET", settings: [name] });
const local = (name: string, value: string): Ran => ({ sql: `set local ${name} = '${value}'`, verb: "SET", settings: [name] });
const begin: Ran = { sql: "begin", verb: "BEGIN" };
const commit: Ran = { sql: "commit", verb: "COMMIT" };
const rollback: Ran = { sql: "rollback", verb: "ROLLBACK" };
const reset: Ran = { sql: "reset all", verb: "RESET", settings: ["*"] };

/** One after the other, each answered before the next. */
function after(all: readonly Ran[], start: Readonly<Record<string, string>> = {}): SessionSettings {
  const settings = new SessionSettings(start, ({ recordable }) => recordable);
  let inTransaction = false;
  for (const each of all) {
    settings.answered(inTransaction);
    const running = new RunningCommand(1);
    running.tagged(each.tag ?? each.verb);
    if (each.tag !== "") running.succeeded();
    else running.failed("22023");
    settings.sent([command(each)], [running], inTransaction);
    if (each === begin) inTransaction = true;
    if (each.verb === "COMMIT" || each.verb === "ROLLBACK") inTransaction = false;
  }
  settings.answered(inTransaction);
  return settings;
}

const digest = (...all: readonly Ran[]): string | undefined => after(all).current(false)?.digest;

describe("what a session has set", () => {
  it("is nothing at first, and by what is beside the point", () => {
    assert.equal(digest(), undefined);
    assert.equal(digest(set("application_name", "x"), set("statement_timeout", "1s"), set("sallyport.reason", "y")), undefined);
  });

  it("is the same where the same was set, and another where another was", () => {
    assert.equal(digest(set("datestyle", "ISO, DMY")), digest(set("datestyle", "ISO, MDY"), set("datestyle", "ISO, DMY")));
    assert.notEqual(digest(set("datestyle", "ISO, DMY")), digest(set("datestyle", "ISO, MDY")));
    assert.notEqual(digest(set("app.tenant", "1")), digest(set("app.tenants", "1")));
    // `where price::text = '0.1'` finds other rows.
    assert.notEqual(digest(set("extra_float_digits", "-10")), undefined);
  });

  it("shows what set it, and what the client brought along", () => {
    const { changedBy } = after([set("app.tenant", "7")], { datestyle: "ISO, DMY", application_name: "psql" }).current(false) ?? {};
    assert.deepEqual(changedBy, ["datestyle = ISO, DMY, as it connected", "set app.tenant = '7'"]);
  });

  it("is as it was where the target refused, or all was reset", () => {
    assert.equal(digest({ ...set("datestyle", "bogus"), tag: "" }), undefined);
    assert.equal(digest(set("datestyle", "ISO, DMY"), reset), undefined);
    assert.notEqual(digest(set("role", "x"), reset), undefined);
    assert.ok(after([reset], { timezone: "UTC" }).current(false));
  });

  it("tells a transaction from what comes behind it, and one that was rolled back from one that was not", () => {
    const within = digest(begin, local("app.tenant", "5"));
    assert.equal(digest(begin, local("app.tenant", "5"), commit, begin, local("app.tenant", "5")), within);
    assert.notEqual(digest(begin, local("app.tenant", "5"), commit), within);
    const base = set("app.tenant", "1");
    assert.notEqual(digest(base, begin, set("app.tenant", "5"), commit), digest(base, begin, set("app.tenant", "5"), rollback));
    assert.notEqual(digest(begin, set("app.tenant", "5"), commit), digest(begin, set("app.tenant", "5"), { ...commit, tag: "ROLLBACK" }));
  });

  it("is like nothing else where its value cannot be told", () => {
    const computed: Ran = { sql: "select set_config('app.tenant', now()::text, false)", verb: "SELECT", settings: ["app.tenant"], tag: "SELECT 1" };
    assert.notEqual(digest(computed), digest(computed));
    const back: Ran = { sql: "rollback to a", verb: "ROLLBACK TO" };
    const upTo: readonly Ran[] = [begin, set("app.tenant", "5")];
    assert.notEqual(digest(...upTo, back), digest(...upTo, back));
    const settings = after([]);
    assert.equal(settings.unclearBehind([command(begin), command(set("app.tenant", "1"))]), 1);
    assert.notEqual(settings.current(true)?.digest, settings.current(true)?.digest);
  });

  it("is remembered of so many names, and is like nothing else beyond", () => {
    const many = Array.from({ length: 300 }, (_, index) => set(`app.n${index}`, "1"));
    assert.equal(digest(...many.slice(0, 200)), digest(...many.slice(0, 200)));
    assert.notEqual(digest(...many), digest(...many));
    assert.equal(after(many).current(false)?.changedBy.length, 21);
  });

  it("is a plan's own where nothing else set it", () => {
    const own = set("app.tenant", "5");
    assert.ok(after([own]).setBy([own.sql]));
    assert.equal(after([own, set("datestyle", "ISO, DMY")]).setBy([own.sql]), false);
    assert.equal(after([], { datestyle: "ISO, DMY" }).setBy([]), false);
    assert.ok(after([begin, own, commit]).setBy([own.sql]));
    assert.equal(after([set("app.tenant", "1"), begin, own, commit]).setBy([own.sql]), false);
  });
});
