import { z } from "zod";
import { credentialSourceSchema } from "../../secrets/credential.ts";

/** From strictest to none; libpq's names and meanings. */
export const tlsModes = ["verify-full", "verify-ca", "require", "disable"] as const;
export type TlsMode = (typeof tlsModes)[number];

const tlsSchema = z
  .strictObject({
    mode: z
      .enum(tlsModes)
      .optional()
      .describe(
        "verify-full: certificate chain and host name are checked. verify-ca: the chain alone. require: encrypted, unchecked. disable: plaintext. " +
          "Default verify-full, and disable on a socket directory. Anything weaker than verify-full over TCP is logged as a warning at start.",
      ),
    caFile: z.string().min(1).optional().describe("PEM file of the authorities that may sign the server's certificate. Default: those that Node.js ships."),
    certFile: z.string().min(1).optional().describe("PEM file of the client certificate, for servers that ask for one. Needs keyFile."),
    keyFile: z.string().min(1).optional().describe("PEM file of the client certificate's private key."),
  })
  .refine((tls) => (tls.certFile === undefined) === (tls.keyFile === undefined), { path: ["certFile"], error: "certFile and keyFile are given together" });

interface Reached {
  readonly host: string;
  readonly tls: { readonly mode?: TlsMode | undefined };
}

export const usesUnixSocket = ({ host }: Reached): boolean => host.startsWith("/");
export const tlsModeOf = (resource: Reached): TlsMode => resource.tls.mode ?? (usesUnixSocket(resource) ? "disable" : "verify-full");

/** NUL ends a string on PostgreSQL's wire. */
const word = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[^\0]*$/, { error: "holds a NUL byte" });

export const postgresResourceSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, { error: "is 1 to 63 of a-z, 0-9 and -, and does not begin with -" })
      .describe("What people connect to; unique over all agents."),
    protocol: z.literal("postgres"),
    host: word.describe("Host name or address as seen from the agent, or the directory of the server's Unix socket."),
    port: z.int().min(1).max(65_535).default(5432).describe("TCP port, or the number in the socket's file name."),
    database: word.describe("Database to log in to."),
    user: word.describe("Role to log in as."),
    password: credentialSourceSchema.optional().describe("Where the password is kept. Left out when the server asks for none."),
    tls: tlsSchema.default({}).describe("How the connection to the server is protected."),
    labels: z.record(z.string().min(1).max(63), z.string().max(255)).default({}).describe("Shown to people and usable in policies."),
  })
  .refine((resource) => !usesUnixSocket(resource) || tlsModeOf(resource) === "disable", {
    path: ["tls", "mode"],
    error: "PostgreSQL has no TLS on a Unix socket",
  })
  .refine((resource) => resource.tls.caFile === undefined || tlsModeOf(resource).startsWith("verify"), {
    path: ["tls", "caFile"],
    error: "is used by verify-full and verify-ca only",
  });

export type PostgresResource = z.infer<typeof postgresResourceSchema>;
