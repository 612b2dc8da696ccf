import type { SallyportError } from "@sallyport/proto/errors";
import type { Obligations } from "../../domain/decision.ts";
import type { RunningCommand } from "./running-command.ts";

/** What the authorizer says of a unit. */
export type Verdict =
  | {
      readonly kind: "passed";
      readonly commands: readonly RunningCommand[];
      readonly obligations: Obligations;
      /** Present for reads that may overlap their own record: nothing of the result may leave before it resolves. */
      readonly durable: Promise<void> | undefined;
    }
  | { readonly kind: "refused"; readonly error: SallyportError; readonly hint: string | undefined }
  /** Its requester took another text in its place: that is to be judged now. The client has heard nothing of an end. */
  | { readonly kind: "replaced"; readonly instead: Instead };

/** What an approver proposed and the requester took. */
export interface Instead {
  readonly statement: string;
  /** The approval that it was proposed in. */
  readonly counterTo: string;
}
