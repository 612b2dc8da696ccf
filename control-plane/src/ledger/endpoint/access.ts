import type { Metadata } from "@grpc/grpc-js";
import { SallyportError } from "@sallyport/proto/errors";
import type { MayRead } from "./read-events.ts";

/** What clients of this protocol sign in with. */
export interface BasicCredentials {
  readonly user: string;
  readonly password: string;
}

export interface Rights {
  readonly mayRead: MayRead;
  /** Also to have persistent subscriptions, which are shared: for those only who may read everything. */
  readonly append: boolean;
}

/** Decides who may do what. Fails with `auth.failed`, `auth.expired` or `auth.forbidden`; asked again while a subscription lives. */
export interface Access {
  signIn(credentials: BasicCredentials | undefined, peer: string): Promise<Rights>;
}

/** Nothing when the call carries none; what is there and cannot be read is refused. */
export function credentialsOf(metadata: Metadata): BasicCredentials | undefined {
  const [value] = metadata.get("authorization");
  if (value === undefined) return undefined;
  const [, encoded = ""] = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(String(value)) ?? [];
  const [, user, password] = /^([^:]+):(.*)$/s.exec(Buffer.from(encoded, "base64").toString("utf8")) ?? [];
  if (user === undefined || password === undefined) throw new SallyportError("auth.failed", "This call carries credentials that are not Basic ones.");
  return { user, password };
}
