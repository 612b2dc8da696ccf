import type { Purpose } from "../../../domain/decision.ts";
import type { RiskClass } from "../../../domain/facts.ts";
import { type FactsBuilder, type Risk, risk } from "./facts-builder.ts";
import { ANY_SCHEMA, schemasIn } from "./search-path.ts";
import catalogue from "./catalogue.json" with { type: "json" };

/**
 * What SET, `set_config`, `ALTER … SET` and friends mean, by the name of the setting.
 * Two settings change how the server *reads* the texts that follow, so that what was analysed would not be what runs:
 * with `standard_conforming_strings = off`, or a client encoding whose second bytes may be a backslash, a quote closes elsewhere.
 */

/** Settings that every user may change, and that change nothing but the session. */
const ordinary: ReadonlySet<string> = new Set(
  [
    ...catalogue.userSettings,
    // Not in pg_settings, though SET takes them.
    "seed",
    // Gone from the server; older tools still set them when they connect.
    "default_with_oids",
    "sql_inheritance",
    "force_parallel_mode",
    "operator_precedence_warning",
    "ssl_renegotiation_limit",
    "replacement_sort_tuples",
  ].map((name) => name.toLowerCase()),
);
const privileged: ReadonlySet<string> = new Set(catalogue.otherSettings.map((name) => name.toLowerCase()));

/** One that PostgreSQL itself has. */
export const isKnownSetting = (name: string): boolean => ordinary.has(name.toLowerCase()) || privileged.has(name.toLowerCase());

/** Extensions whose settings weaken what the server itself records or loads. */
const auditing = /^(?:pgaudit|auto_explain|pg_stat_statements|set_user|pg_tle|plpython|plperl\.on|session_exec|passwordcheck|auth_delay)/;

const utf8Names = new Set(["utf8", "unicode"]);
const onValues = new Set(["on", "true", "yes", "1", "t", "y"]);

/** Whether a reset leaves read-only: the one goes back to what the session began with; the other to "off", up to PostgreSQL 15 (16 refuses). */
const readOnlySettings: ReadonlyMap<string, boolean> = new Map([
  ["default_transaction_read_only", false],
  ["transaction_read_only", true],
]);

/** Settings that the server keeps and nobody there looks at: how a client says why it acts. */
export const statedBy: ReadonlyMap<string, keyof Purpose> = new Map([
  ["sallyport.reason", "reason"],
  ["sallyport.ticket", "ticket"],
]);

/** `value` is undefined when the setting goes back to its default, null when it is computed. Answers the class of the change. */
export function noteSetting(facts: FactsBuilder, name: string, value: string | undefined | null): RiskClass {
  const setting = name.toLowerCase();
  if (setting === "search_path") facts.changesSearchPath(value === undefined ? [] : ((value === null ? undefined : schemasIn(value)) ?? [ANY_SCHEMA]));
  const resetLeaves = readOnlySettings.get(setting);
  const isOn = value === undefined ? resetLeaves === false : value !== null && onValues.has(value.toLowerCase());
  if (resetLeaves !== undefined && !isOn) facts.leavesReadOnly = true;
  const part = statedBy.get(setting);
  // A value that is computed states nothing that we could know.
  if (part !== undefined && value !== null && !facts.planned) facts.stated = { ...facts.stated, [part]: value?.trim() ?? null };
  facts.settings.add(setting);
  const found = settingRisk(facts, setting, value);
  facts.raise(found);
  return found.riskClass;
}

function settingRisk(facts: FactsBuilder, setting: string, value: string | undefined | null): Risk {
  switch (setting) {
    case "role":
    case "session_authorization":
      return risk("administrative", "set_role");
    case "session_replication_role":
      return risk("administrative", "replication", "session_control");
    case "standard_conforming_strings":
      if (value === undefined || (value !== null && onValues.has(value.toLowerCase()))) return risk("read");
      facts.unclassified("changes how the server reads quotes", "session_control");
      return risk("unclassified");
    case "client_encoding":
      if (value === undefined || (value !== null && utf8Names.has(value.toLowerCase().replaceAll(/[^a-z0-9]/g, "")))) return risk("read");
      facts.unclassified("changes the encoding of the texts that follow to another than UTF-8", "session_control");
      return risk("unclassified");
  }
  if (ordinary.has(setting)) return risk("read");
  if (privileged.has(setting) || auditing.test(setting)) return risk("administrative", "server_configuration");
  if (setting.includes(".")) return risk("read");
  facts.unclassified("sets something that is not a known setting");
  return risk("unclassified");
}
