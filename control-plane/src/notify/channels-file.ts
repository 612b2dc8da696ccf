import { readFileSync } from "node:fs";
import { SallyportError } from "@sallyport/proto/errors";
import { z } from "zod";
import type { Clock } from "../application/ports.ts";
import type { Channel } from "./channel.ts";
import { emailChannel } from "./email/email-channel.ts";
import { isLoopbackHost } from "./http/addresses.ts";
import type { Discretion } from "./message.ts";
import { readSecret, secretSchema } from "./secret.ts";
import { slackChannel } from "./slack/slack-channel.ts";
import { eventWords, typesOf } from "./topics.ts";
import { requireWebUrl } from "./web-url.ts";
import { webhookKey } from "./webhook/signature.ts";
import { webhookChannel } from "./webhook/webhook-channel.ts";

/** Each has a loop, and a queue on disk. */
export const MAX_CHANNELS = 32;

/** As many as a rule may name. */
const MAX_GROUPS = 20;
/** More is a mailing list, which has an address. */
const MAX_RECEIVERS = 20;

/** `SallyportError`s become problems of the field that they are about. */
const checked =
  <T>(check: (value: T) => unknown) =>
  (value: T, context: z.core.$RefinementCtx): void => {
    try {
      check(value);
    } catch (error) {
      context.addIssue({ code: "custom", message: error instanceof SallyportError ? error.message : "It is not what it should be." });
    }
  };

const common = {
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/u, "a name is lower-case letters, digits and -, 32 at most"),
  events: z.array(z.enum(eventWords)).default([]),
  groups: z.array(z.string().min(1).max(200)).max(MAX_GROUPS).default([]),
  /** Names of people, and what they wrote. */
  people: z.boolean().default(false),
  /** Texts of statements, and reasons of changes. */
  statements: z.boolean().default(false),
  links: z.string().superRefine(checked(requireWebUrl)).optional(),
};

const overHttp = { privateAddresses: z.boolean().default(false), caFile: z.string().min(1).superRefine(checked(contents)).optional() };

const webhook = z.strictObject({
  kind: z.literal("webhook"),
  ...common,
  ...overHttp,
  url: z.string().superRefine(checked(requireWebUrl)),
  secrets: z
    .array(secretSchema.superRefine(checked((ref) => webhookKey(readSecret(ref)))))
    .min(1)
    .max(2),
});

const slack = z.strictObject({
  kind: z.literal("slack"),
  ...common,
  ...overHttp,
  url: secretSchema.superRefine(checked((ref) => requireWebUrl(readSecret(ref)))),
});

/** What SMTP and the headers of a message take as it stands. */
const address = z
  .string()
  .max(254)
  .regex(/^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+$/u, "it is no address such as alerts@example.com");

const email = z.strictObject({
  kind: z.literal("email"),
  ...common,
  /** `host:port`. */
  server: z.string().regex(/^[A-Za-z0-9.-]+:\d{1,5}$/u, "it is no server such as smtp.example.com:587"),
  tls: z.enum(["starttls", "implicit", "none"]).default("starttls"),
  caFile: z.string().min(1).superRefine(checked(contents)).optional(),
  from: address,
  to: z.array(address).min(1).max(MAX_RECEIVERS),
  user: z.string().min(1).optional(),
  password: secretSchema.superRefine(checked(readSecret)).optional(),
});

const kinds = { webhook, slack, email };
const isKind = (kind: unknown): kind is keyof typeof kinds => typeof kind === "string" && Object.hasOwn(kinds, kind);

/** What is the same for all: told of one whose kind says nothing of the rest. */
const ofNoKind = z.looseObject({
  kind: z.custom(isKind, `it is none of ${Object.keys(kinds).join(", ")}`),
  ...common,
  url: z.union([z.string().superRefine(checked(requireWebUrl)), secretSchema]).optional(),
});

type ReadChannel = z.infer<(typeof kinds)[keyof typeof kinds]>;

/** One mistake hides no other, as it would between a field's own check and what is asked of several fields. */
const channelSchema = z.unknown().transform((written, context): ReadChannel => {
  const fields = z.record(z.string(), z.unknown()).safeParse(written).data ?? {};
  const { kind } = fields;
  const parsed = (isKind(kind) ? kinds[kind] : ofNoKind).safeParse(written);
  for (const { path, message } of parsed.error?.issues ?? []) context.addIssue({ code: "custom", path, message });
  for (const message of contradictions(fields)) context.addIssue({ code: "custom", message });
  return parsed.data as ReadChannel;
});

function contradictions({ kind, events, groups, user, password, tls, server }: Readonly<Record<string, unknown>>): readonly string[] {
  const isNothing = (list: unknown): boolean => list === undefined || (Array.isArray(list) && list.length === 0);
  const found = isNothing(events) && isNothing(groups) ? ["it listens to nothing: name events or groups"] : [];
  if (kind !== "email") return found;
  if ((user === undefined) !== (password === undefined)) found.push("user and password go together");
  if (tls === "none" && typeof server === "string" && !isLoopbackHost(server.split(":")[0] ?? "")) found.push("without TLS a server must be on this machine");
  return found;
}

const fileSchema = z.strictObject({ channels: z.array(channelSchema).max(MAX_CHANNELS) });

/** Whatever else is wrong with them. */
function sameNames(file: unknown): readonly z.core.$ZodIssue[] {
  const names =
    z
      .object({ channels: z.array(z.object({ name: z.string() }).catch({ name: "" })) })
      .safeParse(file)
      .data?.channels.map(({ name }) => name) ?? [];
  const isTwice = names.some((name, index) => name !== "" && names.indexOf(name) !== index);
  return isTwice ? [{ code: "custom", path: ["channels"], message: "two channels have the same name", input: undefined }] : [];
}

/** What SALLYPORT_NOTIFICATIONS names. Fails with `config.invalid`, naming every problem and no secret. */
export function readChannels(path: string, clock: Clock): readonly Channel[] {
  const file = json(path);
  const parsed = fileSchema.safeParse(file);
  const issues = [...(parsed.error?.issues ?? []), ...sameNames(file)];
  if (!parsed.success || issues.length > 0) throw new SallyportError("config.invalid", `${path} (SALLYPORT_NOTIFICATIONS):\n${z.prettifyError({ issues })}`);
  return parsed.data.channels.map((channel) => {
    const { name, events, groups, people, statements, links } = channel;
    const discretion: Discretion = { people, statements, links };
    const shared = { name, types: typesOf(events), groups: new Set(groups), discretion };
    if (channel.kind === "email") {
      const { server, tls, caFile, from, to, user, password } = channel;
      const [host = "", port] = server.split(":");
      const ca = caFile === undefined ? undefined : contents(caFile);
      const login = user === undefined || password === undefined ? undefined : { user, password };
      return emailChannel({ ...shared, host, port: Number(port), tls, ca, from, to, login }, clock);
    }
    const http = { privateAddresses: channel.privateAddresses, ca: channel.caFile === undefined ? undefined : contents(channel.caFile) };
    return channel.kind === "webhook"
      ? webhookChannel({ ...shared, ...http, url: requireWebUrl(channel.url), secrets: channel.secrets }, clock)
      : slackChannel({ ...shared, ...http, url: channel.url });
  });
}

function json(path: string): unknown {
  try {
    return JSON.parse(contents(path));
  } catch (error) {
    if (error instanceof SallyportError) throw error;
    throw new SallyportError("config.invalid", `${path} (SALLYPORT_NOTIFICATIONS) is not JSON.`, {}, error);
  }
}

function contents(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new SallyportError("config.invalid", `${path} (SALLYPORT_NOTIFICATIONS) cannot be read.`, {}, error);
  }
}
