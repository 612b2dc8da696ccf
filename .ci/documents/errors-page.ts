import { errorCodes } from "../../proto/src/errors.ts";
import { code, page, table } from "./markdown.ts";

export function errorsPage(): string {
  const rows = Object.entries(errorCodes).map(([name, kind]) => [
    code(name),
    kind.meaning,
    kind.retryable ? "yes" : "no",
    code(kind.sqlstate),
    String(kind.http),
    String(kind.grpc),
  ]);
  return page(
    "Errors",
    "proto/src/errors.ts",
    'Every failure that a client may act on has one of these codes. A PostgreSQL client sees the SQLSTATE, and the code in the detail of the error; a gRPC client sees the status, and the code in the metadata `sallyport-error-code`. "Again" says whether the same request may succeed later without a change.',
    table(["Code", "Meaning", "Again", "SQLSTATE", "HTTP", "gRPC"], rows),
  );
}
