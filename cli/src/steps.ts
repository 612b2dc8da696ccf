import type { ApprovalStep } from "@sallyport/proto/gen/sallyport/api/v1/api";
import { bold, type Io } from "./io.ts";

/** How people must agree, and who has; nothing where anybody who may decide will do. */
export function tellTerms(io: Io, { steps, denyBy, approverHours }: Terms): void {
  if (steps.some(({ groups }) => groups.length > 0)) {
    for (const [index, { people, groups, approvers: agreed }] of steps.entries()) {
      const who = groups.length === 0 ? "whoever may approve" : groups.join(" or ");
      io.out(`${bold(`  step ${index + 1}`)}   ${agreed.length} of ${people} from ${who}${agreed.length > 0 ? `: ${agreed.join(", ")}` : ""}`);
    }
  }
  if (denyBy.length > 0) io.out(`${bold("Veto")}       ${denyBy.join(", ")} may deny it as well`);
  for (const hours of approverHours) io.out(`${bold("Hours")}      an approval counts within ${hours}`);
}

interface Terms {
  readonly steps: readonly ApprovalStep[];
  readonly denyBy: readonly string[];
  readonly approverHours: readonly string[];
}
