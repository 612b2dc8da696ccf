import type { ErrorCode } from "@sallyport/proto/errors";
import type { WhatIfProgress, WhatIfQuestion, WhatIfReport } from "../application/what-if/report.ts";
import type { LedgerPlace } from "../ledger/ledger-place.ts";

export interface ThreadSettings {
  readonly ledger: LedgerPlace;
  /** The file that it reads names with. */
  readonly subjectKeys: string;
  readonly question: WhatIfQuestion;
}

/** What crosses from the thread: plain values that structured clone copies. */
export type Reply =
  | { readonly kind: "progress"; readonly progress: WhatIfProgress }
  | { readonly kind: "report"; readonly report: WhatIfReport }
  | { readonly kind: "failure"; readonly failure: { readonly code: ErrorCode; readonly message: string; readonly details: Readonly<Record<string, string>> } };
