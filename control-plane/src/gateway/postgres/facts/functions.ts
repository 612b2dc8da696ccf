import { type FactsBuilder, type Risk, risk } from "./facts-builder.ts";
import catalogue from "./catalogue.json" with { type: "json" };

/**
 * What calling a function means. Three answers: harmless (built in, and it changes nothing), dangerous in a known way,
 * or unknown. Unknown is what the catalogue does not have, and what is written with another schema than pg_catalog:
 * it may do anything, hence `unclassified` (I11).
 *
 * `SELECT (12345).pg_terminate_backend` and `SELECT x.pg_terminate_backend FROM generate_series(1, 9) x` are calls as well:
 * PostgreSQL reads a field that is not there as a function of one argument.
 * Whether it is one of the database's own (`SELECT t.wipe FROM t`) only the target knows (field-calls.ts). Not seen: a function that a
 * view, a cast, a trigger or a domain calls, and one that stands in for a built-in by its argument types. Each takes a definition, which is
 * judged when it is made.
 */

/** Volatile by their declaration, harmless by what they do: they read the clock, a dice or the server's state. */
const harmlessVolatile = [
  "array_sample array_shuffle bernoulli clock_timestamp current_query currtid2 currval gen_random_uuid lastval random random_normal setseed system timeofday uuidv4 uuidv7",
  "lo_close lo_get lo_lseek lo_lseek64 lo_tell lo_tell64 loread",
  "pg_available_wal_summaries pg_blocking_pids pg_collation_actual_version pg_control_checkpoint pg_control_init pg_control_recovery pg_control_system",
  "pg_current_wal_flush_lsn pg_current_wal_insert_lsn pg_current_wal_lsn pg_database_collation_actual_version pg_database_size pg_get_aios",
  "pg_get_backend_memory_contexts pg_get_loaded_modules pg_get_multixact_members pg_get_sequence_data pg_get_shmem_allocations pg_get_shmem_allocations_numa",
  "pg_get_wait_events pg_get_wal_replay_pause_state pg_get_wal_resource_managers pg_get_wal_summarizer_state pg_indexes_size pg_is_in_recovery",
  "pg_is_wal_replay_paused pg_isolation_test_session_is_blocked pg_jit_available pg_last_committed_xact pg_last_wal_receive_lsn pg_last_wal_replay_lsn",
  "pg_last_xact_replay_timestamp pg_lock_status pg_notification_queue_usage pg_partition_ancestors pg_partition_tree pg_prepared_xact pg_relation_size",
  "pg_replication_origin_progress pg_replication_origin_session_is_setup pg_replication_origin_session_progress pg_safe_snapshot_blocking_pids",
  "pg_sequence_last_value pg_show_replication_origin_status pg_sleep pg_sleep_for pg_sleep_until pg_stat_clear_snapshot pg_stat_force_next_flush",
  "pg_stat_get_backend_io pg_stat_get_backend_wal pg_stat_get_io pg_stat_get_recovery_prefetch pg_stat_get_xact_blocks_fetched pg_stat_get_xact_blocks_hit",
  "pg_stat_get_xact_function_calls pg_stat_get_xact_function_self_time pg_stat_get_xact_function_total_time pg_stat_get_xact_numscans",
  "pg_stat_get_xact_tuples_deleted pg_stat_get_xact_tuples_fetched pg_stat_get_xact_tuples_hot_updated pg_stat_get_xact_tuples_inserted",
  "pg_stat_get_xact_tuples_newpage_updated pg_stat_get_xact_tuples_returned pg_stat_get_xact_tuples_updated pg_stat_have_stats pg_table_size",
  "pg_tablespace_size pg_total_relation_size pg_wal_summary_contents pg_xact_commit_timestamp pg_xact_commit_timestamp_origin pg_xact_status txid_status",
  // Built in since these versions went away, or before the catalogue's: still asked for by older tools.
  "pg_is_xlog_replay_paused pg_last_xlog_receive_location pg_last_xlog_replay_location pg_current_xlog_location pg_current_xlog_insert_location pg_is_in_backup",
].flatMap((line) => line.split(" "));

const byRisk: readonly (readonly [Risk, string])[] = [
  // Each runs SQL that is computed, or reads a table that is named in a string.
  [
    risk("unclassified", "dynamic_code"),
    "query_to_xml query_to_xmlschema query_to_xml_and_xmlschema cursor_to_xml cursor_to_xmlschema table_to_xml table_to_xmlschema table_to_xml_and_xmlschema schema_to_xml schema_to_xmlschema schema_to_xml_and_xmlschema database_to_xml database_to_xmlschema database_to_xml_and_xmlschema ts_stat ts_rewrite",
  ],
  [
    risk("administrative", "server_file"),
    "pg_read_file pg_read_binary_file pg_stat_file pg_ls_dir pg_ls_logdir pg_ls_waldir pg_ls_tmpdir pg_ls_archive_statusdir pg_ls_logicalmapdir pg_ls_logicalsnapdir pg_ls_replslotdir pg_ls_summariesdir pg_current_logfile pg_hba_file_rules pg_ident_file_mappings pg_show_all_file_settings lo_import lo_export pg_file_write pg_file_read pg_file_rename pg_file_unlink pg_file_sync pg_file_length pg_logdir_ls pg_logfile_rotate",
  ],
  [risk("administrative", "session_control"), "pg_terminate_backend pg_cancel_backend pg_log_backend_memory_contexts"],
  [
    risk("administrative", "server_configuration"),
    "pg_reload_conf pg_rotate_logfile pg_stat_reset pg_stat_reset_shared pg_stat_reset_slru pg_stat_reset_single_table_counters pg_stat_reset_single_function_counters pg_stat_reset_backend_stats pg_stat_reset_replication_slot pg_stat_reset_subscription_stats pg_clear_relation_stats pg_clear_attribute_stats pg_restore_relation_stats pg_restore_attribute_stats pg_import_system_collations pg_extension_config_dump pg_nextoid pg_stop_making_pinned_objects",
  ],
  [
    risk("administrative", "replication"),
    "pg_switch_wal pg_switch_xlog pg_backup_start pg_backup_stop pg_start_backup pg_stop_backup pg_create_restore_point pg_promote pg_wal_replay_pause pg_wal_replay_resume pg_log_standby_snapshot pg_create_physical_replication_slot pg_create_logical_replication_slot pg_copy_physical_replication_slot pg_copy_logical_replication_slot pg_drop_replication_slot pg_replication_slot_advance pg_sync_replication_slots pg_logical_emit_message pg_logical_slot_get_changes pg_logical_slot_get_binary_changes pg_logical_slot_peek_changes pg_logical_slot_peek_binary_changes pg_replication_origin_advance pg_replication_origin_create pg_replication_origin_drop pg_replication_origin_session_reset pg_replication_origin_session_setup pg_replication_origin_xact_reset pg_replication_origin_xact_setup",
  ],
  [
    risk("write", "session_control"),
    "pg_advisory_lock pg_advisory_lock_shared pg_advisory_unlock pg_advisory_unlock_all pg_advisory_unlock_shared pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared pg_export_snapshot",
  ],
  [
    risk("write"),
    "nextval setval pg_notify lo_creat lo_create lo_from_bytea lo_open lo_put lo_truncate lo_truncate64 lowrite brin_summarize_new_values brin_summarize_range brin_desummarize_range gin_clean_pending_list",
  ],
  [risk("destructive", "drop"), "lo_unlink"],
];

const dangerous: ReadonlyMap<string, Risk> = new Map(byRisk.flatMap(([how, names]) => names.split(" ").map((name) => [name, how] as const)));
const harmless: ReadonlySet<string> = new Set([...catalogue.pureFunctions, ...harmlessVolatile].filter((name) => !dangerous.has(name)));
const outputFields: ReadonlySet<string> = new Set([...catalogue.outputFields, "ordinality"]);
const operators: ReadonlySet<string> = new Set(catalogue.operators);

/** Extensions that reach another server: whatever schema they were installed in. */
const foreignAccess = /^(?:dblink|postgres_fdw_)/;

/** Volatile built-ins that no list here speaks of; a test keeps this to what SQL cannot call. */
export const unlistedVolatile = (): string[] => catalogue.volatileFunctions.filter((name) => !harmless.has(name) && !dangerous.has(name));

/**
 * They answer what somebody has put there before, from whatever column, or what others run, which holds the values that they look for; or
 * how much was sorted on disk, is copied out by now, or lies in memory, which tells how wide values are.
 */
const remembering: ReadonlySet<string> = new Set(
  [
    "lo_get loread lo_open pg_get_backend_memory_contexts pg_stat_get_activity pg_stat_get_backend_activity",
    "pg_stat_get_db_temp_bytes pg_stat_get_db_temp_files pg_stat_get_progress_info",
  ].flatMap((line) => line.split(" ")),
);

/** `set_config` is judged by its arguments (settings.ts), whoever does so counts the call. */
const judgedByArguments = "set_config";

export function noteFunction(facts: FactsBuilder, parts: readonly string[], alsoHarmless: ReadonlySet<string>): void {
  const name = parts.at(-1) ?? "";
  const schema = parts.length > 1 ? parts.at(-2) : undefined;
  const written = parts.slice(-2).join(".");
  if (alsoHarmless.has(written)) return;
  const builtIn = schema === undefined || schema === "pg_catalog";
  if (builtIn && harmless.has(name)) return;
  if (schema === "information_schema" && name.startsWith("_pg_")) return;
  if (builtIn && name === judgedByArguments) return;
  // Whoever writes `public.pg_read_file` means the one of an extension: at least as bad as its namesake.
  const known = dangerous.get(name);
  facts.calls(builtIn ? name : written, known !== undefined && builtIn ? known.riskClass : "unclassified");
  if (known !== undefined) facts.raiseEvenIfPlanned(known);
  if (known !== undefined && builtIn) {
    if (known.riskClass === "unclassified") facts.unclassified(`${name} runs a query that it is given`);
    return;
  }
  if (foreignAccess.test(name)) return facts.unclassified(`${written} reaches another server`, "foreign_access", "dynamic_code", "opaque_function");
  facts.unclassified(`calls ${written}, of which nothing is known`, "opaque_function");
}

/**
 * They answer any value, and with one row: whether one fails, or how many rows it makes, tells nothing of what it was given. Of those
 * that are not here some fail on some values (casts, `substr` of a negative length), which finds a value out without showing it.
 */
// Nor is `ascii` here: in databases of other multi-byte encodings than UTF-8 it takes no letter beyond ASCII.
const total: ReadonlySet<string> = new Set(
  [
    "age array_agg avg bit_length bool_and bool_or btrim char_length character_length concat concat_ws count dense_rank every first_value hash_record hashtext",
    "initcap json_agg json_build_array json_build_object json_object_agg jsonb_agg jsonb_build_array jsonb_build_object jsonb_object_agg last_value left lower ltrim max md5 min mode octet_length percent_rank",
    "pg_column_size pg_typeof position quote_ident quote_literal quote_nullable rank replace reverse right row_number row_to_json rtrim",
    "sha224 sha256 sha384 sha512 starts_with string_agg strpos to_json to_jsonb translate upper",
  ].flatMap((line) => line.split(" ")),
);
/** These do, too, as long as their other arguments are constants that they take (`lineage/sound-calls.ts`): which argument may be any value. */
const totalIn: ReadonlyMap<string, (argument: number) => boolean> = new Map([
  ...["lag", "lead", "length", "lpad", "overlay", "regexp_replace", "round", "rpad", "split_part", "substr", "substring", "to_char", "trunc"].map(
    (name) => [name, isFirst] as const,
  ),
  ...["date_part", "date_trunc", "extract"].map((name) => [name, isSecond] as const),
  ["format", (argument: number) => argument > 0],
  ["percentile_disc", () => false],
]);
/** `@@` is not: of text, it gives notice of words that are too long, or left out. */
const totalOperators: ReadonlySet<string> = new Set("|| = <> < <= > >= ~~ !~~ ~~* !~~* -> ->> #> #>> @> <@ ? &&".split(" "));

/** Whether it answers any value with these arguments; see `total`. */
export function answersAny(parts: readonly string[], isConstant: readonly boolean[]): boolean {
  const mayVary = totalIn.get(parts.at(-1) ?? "");
  return (
    mayVary !== undefined && parts.slice(0, -1).every((schema) => schema === "pg_catalog") && isConstant.every((constant, index) => constant || mayVary(index))
  );
}

/** How values pass through a function or an operator. */
export interface Traits {
  /** What it answers is made of its arguments alone. */
  readonly transparent: boolean;
  /** What it is given stays, or goes elsewhere. */
  readonly keeps: boolean;
  /** See `total`. */
  readonly total: boolean;
}

const passing: Traits = { transparent: true, keeps: false, total: true };
const telling: Traits = { ...passing, total: false };
const keeping: Traits = { ...telling, keeps: true };
const unknown: Traits = { ...keeping, transparent: false };

/** Of one that is not known the worst. */
export function traitsOf(parts: readonly string[], kind: "function" | "operator", alsoHarmless: ReadonlySet<string>): Traits {
  const name = parts.at(-1) ?? "";
  const schema = parts.length > 1 ? parts.at(-2) : undefined;
  const written = parts.slice(-2).join(".");
  if (alsoHarmless.has(kind === "operator" ? `operator(${written})` : written)) return telling;
  if (schema !== undefined && schema !== "pg_catalog")
    return schema === "information_schema" && kind === "function" && name.startsWith("_pg_") ? telling : unknown;
  if (kind === "operator") return totalOperators.has(name) ? passing : operators.has(name) ? telling : unknown;
  if (remembering.has(name)) return { transparent: false, keeps: false, total: false };
  if (dangerous.get(name)?.riskClass === "write" || name === judgedByArguments) return keeping;
  if (total.has(name)) return passing;
  return harmless.has(name) ? telling : unknown;
}

/** `(value).name`: a field, or a call of `name`. */
export function noteField(facts: FactsBuilder, name: string, alsoHarmless: ReadonlySet<string>): void {
  if (!outputFields.has(name)) noteFunction(facts, [name], alsoHarmless);
}

/** `alias.column` where the alias is not known to stand for a single value: only a built-in can be meant as a call. */
export function noteColumn(facts: FactsBuilder, name: string): void {
  const known = dangerous.get(name);
  if (known === undefined) return;
  facts.calls(name, known.riskClass);
  if (known.riskClass === "unclassified") facts.unclassified(`${name} runs a query that it is given`);
  facts.raiseEvenIfPlanned(known);
}

/** An operator that is not built in is a call of a function that is not known. */
export function noteOperator(facts: FactsBuilder, parts: readonly string[], alsoHarmless: ReadonlySet<string>): void {
  const name = parts.at(-1) ?? "";
  const schema = parts.length > 1 ? parts.at(-2) : "pg_catalog";
  const written = `operator(${parts.slice(-2).join(".")})`;
  if ((schema === "pg_catalog" && operators.has(name)) || alsoHarmless.has(written)) return;
  facts.calls(written, "unclassified");
  facts.unclassified(`uses ${written}, of which nothing is known`, "opaque_function");
}

function isFirst(argument: number): boolean {
  return argument === 0;
}

function isSecond(argument: number): boolean {
  return argument === 1;
}
