import { parseSealed, type SealedPlace, type SealedValue } from "@sallyport/proto/audit/sealed";
import { SallyportError } from "@sallyport/proto/errors";
import { FORGOTTEN_TEXT, type PersonalField } from "../domain/classification.ts";
import { isOurMetadata } from "../domain/foreign.ts";
import { forgottenName, forgottenSubject } from "../domain/names.ts";
import type { Actor, EventMetadata, NewEvent, RecordedEvent } from "../ledger/ledger.ts";
import { type Member, membersAt, replaceAt } from "./members.ts";
import { eventKey, openValue, sealValue } from "./seal-value.ts";
import type { Subject, SubjectKeys } from "./subject-keys.ts";

/** The personal fields of an event type. */
export type PersonalFields = (type: string) => readonly PersonalField[];

const IDENTITY = "identity-";
const SUBJECT = "subject:";

/**
 * Translates between events as the product works with them and as they are stored:
 *
 * E1. A personal field is stored sealed under the key of whom it is about (proto/src/audit/sealed.ts).
 * E2. A human or machine actor is stored as `subject:<id>`, and the stream of an identity is named after that id: a name is in none.
 * E3. What is sealed under a key that is gone reads as `forgotten-<id>` where a name stood, and as nothing elsewhere.
 * E4. An event of a release that sealed nothing reads as it is; the stream that it is in keeps its name.
 * E5. What others wrote is not opened: it reads as they wrote it, in the stream that it is in.
 */
export class EventSealer {
  readonly #keys: SubjectKeys;
  readonly #personalFields: PersonalFields;
  /** Identities whose streams are named after them. */
  readonly #named = new Set<string>();

  constructor(keys: SubjectKeys, personalFields: PersonalFields) {
    this.#keys = keys;
    this.#personalFields = personalFields;
  }

  storedStream(stream: string): string {
    if (!stream.startsWith(IDENTITY)) return stream;
    const name = stream.slice(IDENTITY.length);
    const forgotten = forgottenSubject(name);
    if (forgotten !== undefined) return IDENTITY + forgotten;
    const subject = this.#keys.find(name);
    return subject === undefined ? stream : streamOf(subject);
  }

  /** The stored name of a stream to append to; an identity that is new becomes a subject, whoever had its name before. */
  sealStream(stream: string, isNew: boolean): string {
    const name = stream.startsWith(IDENTITY) ? stream.slice(IDENTITY.length) : "";
    if (isNew && name !== "" && forgottenSubject(name) === undefined) this.#ensure(name);
    return this.storedStream(stream);
  }

  seal(stored: string, event: NewEvent): NewEvent {
    const metadata = this.#sealMetadata(event.metadata);
    const fields = this.#personalFields(event.type);
    if (fields.length === 0) return metadata === event.metadata ? event : { ...event, metadata };
    let { data } = event;
    for (const { path, owner } of fields) {
      for (const member of membersAt(event.data, path)) {
        const name = owner === undefined ? member.value : membersAt(event.data, owner)[0]?.value;
        if (typeof name === "string")
          data = replaceAt(data, member.keys, this.#sealMember(name, member, placeOf(stored, event.id, member), owner === undefined));
      }
    }
    return { ...event, data, metadata };
  }

  open(event: RecordedEvent): RecordedEvent {
    if (!isOurMetadata(event.metadata)) {
      const named = this.#openSubject(event.stream);
      return named === undefined ? event : { ...event, stream: named };
    }
    const stream = this.#openStream(event);
    const metadata = this.#openMetadata(event.metadata);
    const fields = this.#personalFields(event.type);
    if (fields.length === 0) return stream === event.stream && metadata === event.metadata ? event : { ...event, stream, metadata };
    let { data } = event;
    for (const { path, owner } of fields) {
      for (const member of membersAt(event.data, path)) {
        const sealed = parseSealed(member.value);
        if (sealed !== undefined) data = replaceAt(data, member.keys, this.#openMember(event, member, sealed, owner === undefined));
      }
    }
    return { ...event, stream, metadata, data };
  }

  /** For whoever may read this event elsewhere: the key of each subject in it that can still be read. */
  keysIn({ stream, id, type, data }: RecordedEvent): ReadonlyMap<string, Buffer> {
    const keys = new Map<string, Buffer>();
    for (const { path } of this.#personalFields(type)) {
      for (const { value } of membersAt(data, path)) {
        const subject = this.#keys.get(parseSealed(value)?.subject ?? "");
        if (subject !== undefined && !keys.has(subject.subject)) keys.set(subject.subject, eventKey(subject, { stream, id }));
      }
    }
    return keys;
  }

  /** `name` is whose it is. */
  #sealMember(name: string, { value }: Member, place: SealedPlace, isName: boolean): unknown {
    const forgotten = this.#forgotten(name);
    if (forgotten !== undefined) return forgottenValue(forgotten, value, isName);
    return name === "" ? value : sealValue(this.#ensure(name), value, place);
  }

  #forgotten(name: string): string | undefined {
    return forgottenSubject(name) ?? this.#keys.destroyed(name);
  }

  #ensure(name: string): Subject {
    return this.#keys.find(name) ?? this.#keys.ensure(name, this.#named.has(name) ? IDENTITY + name : undefined);
  }

  /** A reader may be behind whoever makes keys. */
  #subject(id: string): Subject | undefined {
    const known = this.#keys.get(id);
    if (known !== undefined) return known;
    this.#keys.refresh();
    return this.#keys.get(id);
  }

  #openMember(event: RecordedEvent, member: Member, sealed: SealedValue, isName: boolean): unknown {
    const subject = this.#subject(sealed.subject);
    if (subject === undefined) return forgottenValue(sealed.subject, member.value, isName);
    const value = openValue(subject, sealed, placeOf(event.stream, event.id, member));
    if (value !== undefined) return value;
    const where = { stream: event.stream, revision: String(event.revision), field: member.keys.join(".") };
    throw new SallyportError("ledger.corrupt", "A sealed value does not open with the key of its subject.", where);
  }

  #openStream({ stream, data }: RecordedEvent): string {
    if (!stream.startsWith(IDENTITY)) return stream;
    const named = this.#openSubject(stream);
    if (named !== undefined) return named;
    const id = stream.slice(IDENTITY.length);
    const [identity] = membersAt(data, ["identityId"]);
    const sealed = parseSealed(identity?.value);
    if (sealed === undefined) {
      if (identity?.value === id) this.#named.add(id);
      return stream;
    }
    return IDENTITY + this.#nameOf(sealed.subject);
  }

  /** The name of the stream of an identity that is known. */
  #openSubject(stream: string): string | undefined {
    const subject = stream.startsWith(IDENTITY) ? this.#keys.get(stream.slice(IDENTITY.length)) : undefined;
    return subject === undefined ? undefined : IDENTITY + subject.name;
  }

  #sealMetadata(metadata: EventMetadata): EventMetadata {
    const { actor } = metadata;
    if (actor.kind !== "human" && actor.kind !== "machine") return metadata;
    return { ...metadata, actor: this.#mapActor(actor, (name) => this.#sealName(name)) };
  }

  #openMetadata(metadata: EventMetadata): EventMetadata {
    const { actor } = metadata;
    if (!isStored(actor.id) && !isStored(actor.onBehalfOf)) return metadata;
    return { ...metadata, actor: this.#mapActor(actor, (name) => this.#openName(name)) };
  }

  #mapActor({ kind, id, onBehalfOf }: Actor, map: (name: string) => string): Actor {
    return { kind, id: map(id), ...(onBehalfOf === undefined ? {} : { onBehalfOf: map(onBehalfOf) }) };
  }

  #sealName(name: string): string {
    return SUBJECT + (this.#forgotten(name) ?? this.#ensure(name).subject);
  }

  #openName(name: string): string {
    return isStored(name) ? this.#nameOf(name.slice(SUBJECT.length)) : name;
  }

  #nameOf(subject: string): string {
    return this.#subject(subject)?.name ?? forgottenName(subject);
  }
}

const isStored = (name: string | undefined): boolean => name?.startsWith(SUBJECT) === true;

const streamOf = ({ subject, stream }: Subject): string => stream ?? IDENTITY + subject;

const placeOf = (stream: string, id: string, { keys }: Member): SealedPlace => ({ stream, id, path: keys.join(".") });

function forgottenValue(subject: string, value: unknown, isName: boolean): unknown {
  if (isName) return forgottenName(subject);
  return typeof value === "string" ? FORGOTTEN_TEXT : {};
}
