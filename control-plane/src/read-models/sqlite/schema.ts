/** Raised with every change of a table, of a write, or of what is projected: a file of another version is made anew from the ledger. */
export const READ_MODELS_VERSION = 5;

/** The tables that are a read model each. Times are ISO 8601 in UTC, which sort as text; empty is "not yet". */
export const readModels = ["agents", "approvals", "commands", "grants", "identities", "policies", "resources", "sessions"] as const;

/**
 * `command_text` is the full-text index over columns of `commands`, which never change. FILL_COMMAND_TEXT fills it at the end of a batch; a
 * trigger clears it of what retention removes, except for what the same batch brought, which is not in it yet. Rows are numbered by the position of their first event, so newest first is the order of the key, and
 * a place in a list stays valid whatever is added.
 */
export const CREATE_READ_MODELS = `
CREATE TABLE checkpoint (
  one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER, event_position INTEGER, event_id TEXT, recorded_at TEXT,
  events INTEGER NOT NULL, unreadable INTEGER NOT NULL, later INTEGER NOT NULL, catalogue TEXT NOT NULL
) STRICT;

CREATE TABLE agents (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, status TEXT NOT NULL, connected INTEGER NOT NULL DEFAULT 0, node_id TEXT NOT NULL DEFAULT '',
  version TEXT NOT NULL DEFAULT '', address TEXT NOT NULL DEFAULT '', certificate_not_after TEXT NOT NULL DEFAULT '', invited_at TEXT NOT NULL,
  enrolled_at TEXT NOT NULL DEFAULT '', last_seen_at TEXT NOT NULL DEFAULT '', last_cause TEXT NOT NULL DEFAULT '',
  revoked_at TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

CREATE TABLE resources (
  name TEXT PRIMARY KEY, protocol TEXT NOT NULL, labels TEXT NOT NULL, agent_id TEXT NOT NULL, status TEXT NOT NULL, since TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE identities (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, groups TEXT NOT NULL, status TEXT NOT NULL, provisioned_at TEXT NOT NULL,
  changed_at TEXT NOT NULL, tokens_issued INTEGER NOT NULL DEFAULT 0, tokens_revoked INTEGER NOT NULL DEFAULT 0,
  sign_in_failures INTEGER NOT NULL DEFAULT 0, sign_in_failed_at TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

CREATE TABLE policies (
  version TEXT PRIMARY KEY, status TEXT NOT NULL, files INTEGER NOT NULL, reason TEXT NOT NULL, proposed_by TEXT NOT NULL,
  proposed_at TEXT NOT NULL, required INTEGER NOT NULL, approvers TEXT NOT NULL DEFAULT '[]', decided_by TEXT NOT NULL DEFAULT '',
  decided_at TEXT NOT NULL DEFAULT '', published_by TEXT NOT NULL DEFAULT '', published_at TEXT NOT NULL DEFAULT '',
  retired_at TEXT NOT NULL DEFAULT '', replaced_by TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
  position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL, identity TEXT NOT NULL, kind TEXT NOT NULL, resource TEXT NOT NULL,
  protocol TEXT NOT NULL, application TEXT NOT NULL, client_address TEXT NOT NULL, node_id TEXT NOT NULL, agent_id TEXT NOT NULL DEFAULT '',
  started_at TEXT NOT NULL, ended_at TEXT NOT NULL DEFAULT '', cause TEXT NOT NULL DEFAULT '', message TEXT NOT NULL DEFAULT '',
  commands INTEGER NOT NULL DEFAULT 0, emergency INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX sessions_by_identity ON sessions (identity, position);
CREATE INDEX sessions_by_resource ON sessions (resource, position);
CREATE INDEX sessions_open ON sessions (position) WHERE state = 'open';

CREATE TABLE commands (
  position INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES sessions, command INTEGER NOT NULL, at TEXT NOT NULL, state TEXT NOT NULL,
  code TEXT NOT NULL, risk_class TEXT NOT NULL, digest TEXT NOT NULL, policy_version TEXT NOT NULL, rules TEXT NOT NULL,
  approval TEXT NOT NULL, error_code TEXT NOT NULL DEFAULT '', tag TEXT NOT NULL DEFAULT '', rows INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0, masked_cells INTEGER NOT NULL DEFAULT 0, duration_micros INTEGER NOT NULL DEFAULT 0,
  statement TEXT NOT NULL, parameters TEXT NOT NULL, names TEXT NOT NULL, identity TEXT NOT NULL, resource TEXT NOT NULL,
  UNIQUE (session, command)
) STRICT;
CREATE VIRTUAL TABLE command_text USING fts5 (
  statement, parameters, names, identity, resource, content = 'commands', content_rowid = 'position', tokenize = 'unicode61'
);
CREATE TRIGGER command_removed AFTER DELETE ON commands WHEN old.position <= (SELECT coalesce(position, -1) FROM checkpoint) BEGIN
  INSERT INTO command_text (command_text, rowid, statement, parameters, names, identity, resource)
  VALUES ('delete', old.position, old.statement, old.parameters, old.names, old.identity, old.resource);
END;
INSERT INTO command_text (command_text, rank) VALUES ('secure-delete', 1);

CREATE TABLE approvals (
  position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL, session TEXT NOT NULL, command INTEGER NOT NULL, resource TEXT NOT NULL,
  requested_by TEXT NOT NULL, policy_version TEXT NOT NULL, rules TEXT NOT NULL, quorum INTEGER NOT NULL, digest TEXT NOT NULL,
  approvers TEXT NOT NULL DEFAULT '[]', requested_at TEXT NOT NULL, expires_at TEXT NOT NULL, settled_at TEXT NOT NULL DEFAULT '',
  decided_by TEXT NOT NULL DEFAULT '', comment TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE grants (
  position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL, requested_by TEXT NOT NULL, on_behalf_of TEXT NOT NULL,
  resource TEXT NOT NULL, duration_seconds INTEGER NOT NULL, reason TEXT NOT NULL, ticket TEXT NOT NULL, policy_version TEXT NOT NULL,
  rules TEXT NOT NULL, quorum INTEGER NOT NULL, approvers TEXT NOT NULL DEFAULT '[]', requested_at TEXT NOT NULL, expires_at TEXT NOT NULL,
  starts_at TEXT NOT NULL DEFAULT '', ends_at TEXT NOT NULL DEFAULT '', settled_at TEXT NOT NULL DEFAULT '',
  decided_by TEXT NOT NULL DEFAULT '', comment TEXT NOT NULL DEFAULT '', uses INTEGER NOT NULL DEFAULT 0,
  review_by TEXT NOT NULL DEFAULT '', verdict TEXT NOT NULL DEFAULT '', reviewed_by TEXT NOT NULL DEFAULT ''
) STRICT;

PRAGMA user_version = ${READ_MODELS_VERSION};
`;

/**
 * The commands of a batch, those after the position that it follows, in one statement and as the last before the commit. FTS5 writes
 * out what it has gathered whenever a later statement opens a savepoint, and statements with triggers do: a trigger for each
 * command would double the cost of the batch.
 */
export const FILL_COMMAND_TEXT = `INSERT INTO command_text (rowid, statement, parameters, names, identity, resource)
  SELECT position, statement, parameters, names, identity, resource FROM commands WHERE position > ?`;
