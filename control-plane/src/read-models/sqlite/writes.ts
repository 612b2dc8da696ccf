import type { WriteName } from "../../application/projections/change.ts";

const sessionNumber = "(SELECT position FROM sessions WHERE id = ?)";
const openGrants = "('pending', 'open')";
const openStates = "('pending', 'granted')";

/** The statement of each write; the values come in the order of its type. */
export const writes: Readonly<Record<WriteName, string>> = {
  agentInvited: `INSERT INTO agents (id, name, status, invited_at) VALUES (?, ?, 'invited', ?)
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, status = 'invited', invited_at = excluded.invited_at`,
  agentEnrolled: "UPDATE agents SET status = 'enrolled', enrolled_at = ? WHERE id = ?",
  agentCertified: "UPDATE agents SET certificate_not_after = ? WHERE id = ?",
  agentConnected: "UPDATE agents SET connected = 1, node_id = ?, version = ?, address = ?, last_seen_at = ?, last_cause = '' WHERE id = ?",
  agentDisconnected: "UPDATE agents SET connected = 0, last_cause = ?, last_seen_at = ? WHERE id = ?",
  agentRevoked: "UPDATE agents SET status = 'revoked', reason = ?, revoked_at = ? WHERE id = ?",

  resourceServed: "INSERT OR REPLACE INTO resources (name, protocol, labels, agent_id, since, status) VALUES (?, ?, ?, ?, ?, 'registered')",
  resourceRetired: "UPDATE resources SET status = 'retired', since = ? WHERE name = ?",

  identityProvisioned: `INSERT INTO identities (id, kind, groups, status, provisioned_at, changed_at) VALUES (?1, ?2, ?3, 'active', ?4, ?4)
    ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, groups = excluded.groups, status = 'active', changed_at = excluded.changed_at`,
  identityRolesChanged: "UPDATE identities SET groups = ?, changed_at = ? WHERE id = ?",
  identityTokensChanged: "UPDATE identities SET tokens_issued = tokens_issued + ?, tokens_revoked = tokens_revoked + ? WHERE id = ?",
  identitySignInFailed: "UPDATE identities SET sign_in_failures = sign_in_failures + 1, sign_in_failed_at = ? WHERE id = ?",
  identityDisabled: "UPDATE identities SET status = 'disabled', reason = ?, changed_at = ? WHERE id = ?",

  policyProposed: `INSERT OR REPLACE INTO policies (version, files, reason, proposed_by, proposed_at, required, status) VALUES (?, ?, ?, ?, ?, ?, 'proposed')`,
  policyTried: "UPDATE policies SET status = 'tried' WHERE version = ? AND status = 'proposed'",
  policyApproved: `UPDATE policies SET approvers = json_insert(approvers, '$[#]', ?1),
      status = CASE WHEN json_array_length(approvers) + 1 >= required THEN 'approved' ELSE status END WHERE version = ?2`,
  policySettled: "UPDATE policies SET status = ?, decided_by = ?, decided_at = ? WHERE version = ?",
  policyPublished: "UPDATE policies SET status = 'published', published_by = ?, published_at = ? WHERE version = ?",
  policyRetired: "UPDATE policies SET status = 'retired', replaced_by = ?, retired_at = ? WHERE version = ?",

  sessionRequested: `INSERT OR IGNORE INTO sessions (position, id, identity, kind, resource, protocol, application, client_address, node_id, started_at, state)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'requested')`,
  sessionOpened: "UPDATE sessions SET state = 'open', agent_id = ?, emergency = ? WHERE id = ?",
  sessionRefused: "UPDATE sessions SET state = 'refused', ended_at = ?, cause = ?, message = ? WHERE id = ?",
  sessionEnded: "UPDATE sessions SET state = 'ended', ended_at = ?, cause = ?, message = ?, commands = ? WHERE id = ?",

  commandDecided: `INSERT INTO commands (position, session, command, at, state, code, risk_class, digest, policy_version, rules, approval,
      statement, parameters, names, identity, resource)
    SELECT ?1, s.position, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, s.identity, s.resource FROM sessions s WHERE s.id = ?2
    ON CONFLICT (session, command) DO UPDATE SET state = excluded.state, code = excluded.code`,
  commandReleased: `UPDATE commands SET state = 'released' WHERE session = ${sessionNumber} AND command = ?`,
  commandCompleted: `UPDATE commands SET state = ?, error_code = ?, tag = ?, rows = ?, bytes = ?, masked_cells = ?, duration_micros = ?
    WHERE session = ${sessionNumber} AND command = ?`,

  approvalRequested: `INSERT OR IGNORE INTO approvals (position, id, session, command, resource, requested_by, policy_version, rules, quorum, digest,
      requested_at, expires_at, state)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending')`,
  approvalGiven: `UPDATE approvals SET approvers = json_insert(approvers, '$[#]', ?1), decided_by = ?1, comment = ?2
    WHERE id = ?3 AND state IN ${openStates}`,
  approvalSettled: `UPDATE approvals SET state = ?1, settled_at = ?2, decided_by = coalesce(?3, decided_by), comment = coalesce(?4, comment)
    WHERE id = ?5 AND state IN ${openStates}`,

  sessionCommandsRemoved: `DELETE FROM commands WHERE session = ${sessionNumber}`,
  sessionRemoved: "DELETE FROM sessions WHERE id = ?",
  approvalRemoved: "DELETE FROM approvals WHERE id = ?",
  grantRequested: `INSERT OR IGNORE INTO grants (position, id, requested_by, on_behalf_of, resource, duration_seconds, reason, ticket, policy_version, rules,
      quorum, requested_at, expires_at, state)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending')`,
  grantApproved: `UPDATE grants SET approvers = json_insert(approvers, '$[#]', ?1), decided_by = ?1, comment = ?2
    WHERE id = ?3 AND state IN ${openGrants}`,
  grantOpened: `UPDATE grants SET state = 'open', starts_at = ?, ends_at = ? WHERE id = ? AND state IN ${openGrants}`,
  breakGlassOpened: "UPDATE grants SET review_by = ? WHERE id = ?",
  breakGlassReviewed: "UPDATE grants SET verdict = ?, reviewed_by = ? WHERE id = ?",
  grantUsed: `UPDATE grants SET uses = uses + 1 WHERE id = ? AND state IN ${openGrants}`,
  grantSettled: `UPDATE grants SET state = ?1, settled_at = ?2, decided_by = coalesce(?3, decided_by), comment = coalesce(?4, comment)
    WHERE id = ?5 AND state IN ${openGrants}`,
};
