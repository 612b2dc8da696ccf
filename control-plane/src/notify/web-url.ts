import { SallyportError } from "@sallyport/proto/errors";
import { isLoopbackHost } from "./http/addresses.ts";

/** TLS, except to this machine; no user in it, since that would be a secret in the open. Says nothing of the URL in refusing it. */
export function requireWebUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null) throw new SallyportError("config.invalid", "It is not a URL.");
  const isSafe = url.protocol === "https:" || (url.protocol === "http:" && isLoopbackHost(url.hostname));
  if (!isSafe) throw new SallyportError("config.invalid", "It must be https, except on this machine.");
  if (url.username !== "" || url.password !== "") throw new SallyportError("config.invalid", "It must not hold a user or a password.");
  return url;
}
