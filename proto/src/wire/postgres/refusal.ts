import { errorCodes, type SallyportError } from "../../errors.ts";
import { encodeErrorResponse } from "./backend.ts";

/**
 * Our refusal in PostgreSQL's words (I13): SQLSTATE from the error table, the stable code and what was decided on in DETAIL,
 * what to do next in HINT.
 */
export function encodeRefusal(error: SallyportError, severity: "ERROR" | "FATAL", hint?: string): Buffer {
  const facts = Object.entries(error.details).map(([key, value]) => `${key}: ${value}`);
  return encodeErrorResponse({
    severity,
    sqlstate: errorCodes[error.code].sqlstate,
    message: error.message,
    detail: [`code: ${error.code}`, ...facts].join("; "),
    hint,
  });
}
