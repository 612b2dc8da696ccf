import type { RecordedEvent } from "@sallyport/proto/gen/sallyport/api/v1/api";
import { bold, dim, tone } from "./io.ts";
import { printable } from "./table.ts";

/** Of what belongs to the line above: as far as its mark. */
export const INDENT = " ".repeat(34);

interface Data {
  readonly [field: string]: unknown;
}

const text = (value: unknown): string => (typeof value === "string" ? printable(value) : value === undefined ? "" : JSON.stringify(value));
const part = (value: unknown): Data => (typeof value === "object" && value !== null ? (value as Data) : {});
const list = (value: unknown): string => (Array.isArray(value) ? value.map(text).join(", ") : "");

/** One event of a session as lines for people; events that it does not know are shown as they are. */
export function replayLine({ type, dataJson, metadataJson }: RecordedEvent): string[] {
  const data = JSON.parse(dataJson) as Data;
  const at = text(part(JSON.parse(metadataJson))["at"]);
  const line = (mark: string, rest: string): string => `${dim(at)}  ${mark} ${rest}`;
  const command = `#${text(data["commandId"])}`;
  const decision = part(data["decision"]);
  const rule = `${list(decision["rules"]) || "no rule"} @ ${text(decision["policyVersion"])}`;
  switch (type) {
    case "SessionRequested":
      return [
        line(
          bold("session"),
          `${text(part(data["identity"])["id"])} asks for ${text(data["resource"])} from ${text(data["clientAddress"])} (${text(data["application"])}, ${text(data["transport"])})`,
        ),
      ];
    case "PurposeStated":
      return [line(bold("purpose"), `${text(data["reason"])}${text(data["ticket"]) === "" ? "" : ` (${text(data["ticket"])})`}`)];
    case "SessionOpened":
      return [
        line(
          bold("opened "),
          `on agent ${text(data["agentId"])}${data["grantId"] === undefined ? "" : ` by ${byGrant(data)} ${text(data["grantId"])}`}${data["readOnly"] === true ? ", read-only" : ""}; ${rule}`,
        ),
      ];
    case "SessionContinued":
      return [line(bold("goes on"), `by ${byGrant(data)} ${text(data["grantId"])}, after ${text(data["formerGrantId"])}; ${rule}`)];
    case "SessionRefused":
      return [line(tone("red", "refused"), `${text(data["code"])}: ${text(data["message"])}`)];
    case "CommandAuthorized":
      return [line(tone("green", "allowed"), `${command} ${statement(data)}  ${dim(rule)}`), ...parameters(data)];
    case "CommandDenied":
      return [line(tone("red", "denied "), `${command} ${statement(data)}  ${dim(`${text(data["code"])}; ${rule}`)}`), ...parameters(data)];
    case "CommandHeld":
      return [
        line(tone("yellow", "held   "), `${command} ${statement(data)}  ${dim(`${text(part(data["facts"])["riskClass"])}; ${rule}`)}`),
        ...parameters(data),
        `${INDENT}approval ${text(data["approvalId"])}`,
      ];
    case "CommandReleased":
      return [line(tone("green", "released"), `${command} approved by ${list(data["approvers"])}`)];
    case "CommandCompleted": {
      const masked = Object.entries(part(data["maskedCells"])).map(([column, cells]) => `${printable(column)}×${text(cells)}`);
      const failure = data["errorCode"] === undefined ? "" : ` ${text(data["errorCode"])}`;
      return [
        line(
          bold("done   "),
          `${command} ${text(data["outcome"])}${failure}${data["limit"] === undefined ? "" : ` (cut short by the limit of ${text(data["limit"])})`} ${text(data["tag"])}  ${dim(`${text(data["rows"])} rows, ${text(data["bytes"])} bytes, ${(Number(data["durationMicros"]) / 1_000).toFixed(1)} ms`)}${masked.length === 0 ? "" : tone("magenta", `  masked: ${masked.join(", ")}`)}`,
        ),
      ];
    }
    case "SessionEnded":
      return [line(bold("ended  "), `${text(data["cause"])} after ${text(data["commands"])} commands`)];
    case "ApprovalRequested":
      return [
        line(
          tone("yellow", "asked  "),
          `#${text(part(data["command"])["commandId"])} approval ${text(data["approvalId"])}: ${people(data["quorum"])} until ${text(data["expiresAt"])}`,
        ),
      ];
    case "ApprovalGranted":
      return [line(tone("cyan", "granted"), `by ${list(data["approvers"])}`)];
    case "ApprovalExpired":
      return [line(tone("red", "expired"), `nobody decided until ${text(data["expiresAt"])}`)];
    case "ApprovalWithdrawn":
      return [line(bold("withdrawn"), withdrawals[text(data["cause"])] ?? text(data["cause"]))];
    case "ApprovalConsumed":
      return [line(tone("cyan", "used   "), `${command} runs by the approval, which is good for this once`)];
    case "ApprovalRevoked":
      return [line(tone("red", "revoked"), `by ${text(data["by"])}${inPlace(data)}: ${text(data["reason"])}`)];
    case "ApprovalEscalated":
      return [line(tone("yellow", "escalated"), `to ${text(data["to"])}`)];
    case "ApprovalUsed":
      return [line(tone("cyan", "used   "), `${command} runs by the approval, which is good for a while or for a plan`)];
    case "ApprovalCounterProposed":
      return [line(tone("yellow", "instead"), `${text(data["by"])} proposes ${text(data["statement"])}${said(data)}`)];
    case "ApprovalCounterAccepted":
      return [line(tone("cyan", "taken  "), `${text(data["by"])} takes what was proposed`)];
    case "ApprovalPreviewRequested":
      return [line(bold("preview"), `${text(data["by"])} asks for ${data["kind"] === "dry_run" ? "a dry run" : "the plan"}`)];
    case "ApprovalPreviewed": {
      const { rows } = part(data["dryRun"]);
      return [line(bold("preview"), rows === undefined ? "the plan was shown" : `${text(rows)} rows would change; rolled back`)];
    }
    case "ApprovalPreviewFailed":
      return [line(tone("red", "preview"), `${text(data["code"])}: ${text(data["message"])}`)];
    case "BreakGlassOpened":
      return [line(tone("red", "break-glass"), `by ${text(data["requestedBy"])}; to be reviewed by ${text(data["reviewBy"])}`)];
    case "BreakGlassReviewed":
      return [line(bold("review "), `${text(data["verdict"])}, says ${text(data["by"])}${said(data)}`)];
    case "BreakGlassReviewOverdue":
      return [line(tone("red", "overdue"), `nobody reviewed it by ${text(data["reviewBy"])}`)];
    case "InputRecorded":
      return [
        line(
          dim("input  "),
          dim(`${command} ${data["part"] === "statement" ? "statement" : `$${Number(data["part"]) + 1}`} from byte ${text(data["offset"])}`),
        ),
      ];
    case "OutputRecorded":
      return [line(dim("output "), dim(`${command} ${text(data["bytes"])} bytes, as the client saw them`))];
    case "CopyDataRecorded":
      return [line(dim("input  "), dim(`${command} ${text(data["bytes"])} bytes of COPY data`))];
    case "AccessRequested":
      return [
        line(
          tone("yellow", "request"),
          `${text(data["requestedBy"])} asks for ${text(data["resource"])} for ${text(data["durationSeconds"])} s: ${text(data["reason"])}${data["ticket"] === "" ? "" : ` (${text(data["ticket"])})`}`,
        ),
      ];
    case "AccessGranted":
      return [line(tone("cyan", "access "), `granted until ${text(data["endsAt"])}${list(data["approvers"]) === "" ? "" : ` by ${list(data["approvers"])}`}`)];
    case "GrantUsed":
      return [line(tone("cyan", "used   "), `this session uses the grant ${text(data["grantId"])}`)];
    case "GrantExpired":
      return [line(bold("over   "), `the grant ended at ${text(data["endsAt"])}`)];
    case "GrantRevoked":
      return [line(tone("red", "revoked"), `the grant, by ${text(data["by"])}${inPlace(data)}${data["reason"] === "" ? "" : `: ${text(data["reason"])}`}`)];
    case "ApprovalGiven":
    case "AccessApproved":
    case "ApprovalDenied":
      return [line(tone("cyan", type === "ApprovalDenied" ? "no     " : "yes    "), `${text(data["by"])}${inPlace(data)}${said(data)}`)];
    default:
      return [line(dim(type), dim(dataJson.length > 200 ? `${printable(dataJson.slice(0, 200))}…` : printable(dataJson)))];
  }
}

const byGrant = ({ emergency }: Data): string => (emergency === true ? tone("red", "break-glass") : "grant");

const inPlace = ({ onBehalfOf }: Data): string => (onBehalfOf === undefined ? "" : ` in the place of ${text(onBehalfOf)}`);

const said = ({ comment }: Data): string => (comment === "" || comment === undefined ? "" : `: ${text(comment)}`);

const people = (quorum: unknown): string => (quorum === 1 ? "one person" : `${text(quorum)} people`);

const withdrawals: Readonly<Record<string, string>> = {
  client_gone: "the client is gone",
  cancelled: "the client cancelled it",
  drift: "another policy is in force since it was asked for",
  control_plane_lost: "the control plane ended while it waited",
};

const statement = (data: Data): string => {
  const shown = data["statement"] === undefined ? `<${text(data["statementBytes"])} bytes, in the recording>` : text(data["statement"]);
  return data["redacted"] === true ? `${shown} ${tone("red", "(what looks like a secret is withheld)")}` : shown;
};

function parameters(data: Data): string[] {
  const all = Array.isArray(data["parameters"]) ? (data["parameters"] as Data[]) : [];
  return all.map(({ value, bytes }, index) => `${INDENT}$${index + 1} = ${value === undefined ? `<${text(bytes)} bytes, in the recording>` : text(value)}`);
}
