import { createHash, timingSafeEqual } from "node:crypto";
import { SallyportError } from "@sallyport/proto/errors";
import type { Access, Rights } from "./access.ts";

const ALL: Rights = { mayRead: () => true, append: true };

/** For a ledger that only this machine can reach. */
export const openAccess: Access = { signIn: () => Promise.resolve(ALL) };

/** Users of a stand-alone ledger, `user:password` a line; whoever is in the file may read and append. */
export function fileAccess(text: string): Access {
  const users = new Map(
    text
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => {
        const colon = line.indexOf(":");
        if (colon < 1 || colon === line.length - 1) throw new SallyportError("config.invalid", "Each line of the credentials file is user:password.");
        return [line.slice(0, colon), digest(line.slice(colon + 1))];
      }),
  );
  if (users.size === 0) throw new SallyportError("config.invalid", "The credentials file names nobody.");
  return {
    signIn(credentials) {
      // Compared also when there is no such user, so that the time tells nothing.
      const known = users.get(credentials?.user ?? "");
      const matches = timingSafeEqual(known ?? Buffer.alloc(DIGEST_BYTES), digest(credentials?.password ?? ""));
      if (known !== undefined && matches) return Promise.resolve(ALL);
      return Promise.reject(new SallyportError("auth.failed", "The user is unknown or the password is wrong."));
    },
  };
}

/** Of SHA-256. */
const DIGEST_BYTES = 32;

const digest = (password: string): Buffer => createHash("sha256").update(password).digest();
