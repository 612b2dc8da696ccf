import type { ForgottenSubject } from "@sallyport/proto/audit/bundle-format";
import type { Finding, Verdict, Verified } from "@sallyport/proto/audit/verdict";
import { bold, toJson, tone } from "../io.ts";
import { printable } from "../table.ts";
import type { Verb } from "../verb.ts";

export function tellVerdict({ io }: Verb, verdict: Verdict, seconds: number): void {
  if (io.json) return io.out(toJson(verdict.kind === "verified" ? { ...verdict, keys: verdict.keys.map(({ text }) => text) } : verdict));
  for (const line of verdict.kind === "verified" ? verifiedLines(verdict, seconds) : tamperedLines(verdict.finding, verdict.events)) io.out(line);
}

function verifiedLines(verdict: Verified, seconds: number): string[] {
  const { events, removed, removals, treeSize, root, signedAt, unsigned, keys, pinned, witnessed, cosigned, opened = 0, forgotten = [] } = verdict;
  return [
    tone("green", `Verified: ${events - unsigned} events, none altered, missing, inserted or out of order.`),
    `${bold("Signed")}      ${treeSize} events at ${signedAt}, root ${root}`,
    ...(unsigned === 0 ? [] : [tone("yellow", `Not signed yet: the last ${unsigned} events. Nothing vouches for them.`)]),
    `${bold("Key")}         ${keys.map(({ text }) => text).join(", then ")}`,
    pinned
      ? "            It is the one that you gave."
      : tone("yellow", "            Compare it with the one from a place that you trust (--key): whoever can write the log can make another key."),
    ...(removed === 0
      ? []
      : [`${bold("Removed")}     ${removed} of these events, by decisions that are in the log; their hashes are proven, their contents gone:`]),
    ...removals.map(({ runId, by, events: gone }) => `            ${gone} by retention run ${printable(runId)} (${printable(by)})`),
    ...(witnessed === 0 ? [] : [`${bold("Witness")}     ${witnessed} checkpoints agree.`]),
    ...cosigned.map((name) => `${bold("Witness")}     ${name} has signed the checkpoint.`),
    ...(opened === 0 ? [] : [`${bold("Personal")}    ${opened} values can be read with the keys in it: sallyport audit show`]),
    ...forgotten.map(forgottenLine),
    `${bold("Took")}        ${seconds.toFixed(1)} s`,
  ];
}

function forgottenLine({ subject, erasureId, requestedBy, approvers, requestedAt }: ForgottenSubject): string {
  const by = requestedBy === "" ? "" : ` by ${requestedBy}, agreed to by ${approvers.join(" and ")}`;
  return `${bold("Forgotten")}   subject ${subject}; asked for at ${requestedAt}${by} (erasure-${erasureId})`;
}

function tamperedLines({ code, message, index, end, position, line }: Finding, events: number): string[] {
  const place = [
    ...(index === undefined ? [] : [end === undefined ? `event ${index} of the log` : `events ${index} to ${end - 1} of the log`]),
    ...(position === undefined ? [] : [`position ${position}`]),
    ...(line === undefined ? [] : [`line ${line}`]),
  ];
  return [
    tone("red", `TAMPERED: ${code}`),
    `${bold("First bad")}   ${place.join(", ") || "the whole"}`,
    `${bold("What")}        ${message}`,
    `${bold("Before it")}   ${events} events are proven.`,
  ];
}
