import type { Subjects } from "../application/ports.ts";
import { personalIn } from "../domain/catalogue.ts";
import { forgottenName, forgottenSubject } from "../domain/names.ts";
import { EventSealer } from "./event-sealer.ts";
import { SubjectKeys } from "./subject-keys.ts";

export interface Sealing {
  readonly keys: SubjectKeys;
  readonly sealer: EventSealer;
  readonly subjects: Subjects;
}

/** What seals and opens personal data, on the keys in this file. */
export function openSealing(path: string): Sealing {
  const keys = new SubjectKeys(path);
  return {
    keys,
    sealer: new EventSealer(keys, personalIn),
    subjects: {
      find(identityId) {
        const found = keys.find(identityId);
        return found && { subject: found.subject, isSealed: found.stream === undefined };
      },
      forgotten: forgottenSubject,
      forget(subject) {
        keys.destroy(subject);
        return forgottenName(subject);
      },
    },
  };
}

/** For a reader: since when (`performance.now()`) it has not opened what is under a subject's key; undefined when it never did. */
export function forgottenSince(keys: SubjectKeys): (subject: string) => number | undefined {
  const since = new Map<string, number>();
  return (subject) => {
    if (keys.get(subject) !== undefined) {
      keys.refresh();
      since.set(subject, performance.now());
    }
    return since.get(subject);
  };
}
