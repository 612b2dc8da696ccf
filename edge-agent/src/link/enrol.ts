import { randomBytes } from "node:crypto";
import { credentials, type ServiceError } from "@grpc/grpc-js";
import { SallyportError } from "@sallyport/proto/errors";
import { EnrolmentServiceClient, type EnrolRequest, type EnrolResponse } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { decodeJoinToken } from "@sallyport/proto/tunnel/join-token";
import { checkedCertificate, newCertificateRequest } from "./certificate-request.ts";
import { type AgentIdentity, loadIdentity, saveIdentity } from "./identity-store.ts";
import { findPinnedAuthority, parseAddress } from "./pinned-authority.ts";
import { refusalIn } from "./refusal.ts";

/** The control plane writes three events in it, on a ledger that may be busy. */
export const ENROL_TIMEOUT_MS = 20_000;

/** As long as the output of the HMAC that uses it. */
const MASK_KEY_BYTES = 32;

export type EnrolOutcome =
  | { readonly kind: "enrolled"; readonly identity: AgentIdentity }
  | { readonly kind: "refused"; readonly error: SallyportError }
  | { readonly kind: "unreachable"; readonly reason: string };

/** Uses the token up and leaves an identity in the state folder. An identity that is already there is never overwritten. */
export async function enrol(joinToken: string, stateDir: string): Promise<EnrolOutcome> {
  try {
    if ((await loadIdentity(stateDir)) !== undefined) {
      throw new SallyportError("input.invalid", `${stateDir} holds an enrolled agent already. Remove the folder to enrol a new one.`);
    }
    const token = decodeJoinToken(joinToken);
    const caPem = await findPinnedAuthority(parseAddress(token.address), token.caFingerprint);
    const request = await newCertificateRequest();
    const response = await callEnrol(token.address, caPem, { joinToken: joinToken.trim(), agentName: token.agentName, certificateRequest: request.der });
    const identity: AgentIdentity = {
      agentId: response.agentId,
      agentName: token.agentName,
      apiAddress: token.address,
      tunnelAddress: response.tunnelAddress,
      caPem,
      certPem: checkedCertificate(response.certificate, request, caPem),
      keyPem: request.keyPem,
      maskKey: randomBytes(MASK_KEY_BYTES).toString("base64"),
    };
    await saveIdentity(stateDir, identity);
    return { kind: "enrolled", identity };
  } catch (error) {
    const refusal = refusalIn(error);
    if (refusal !== undefined) return { kind: "refused", error: refusal };
    if (error instanceof Error && "code" in error) return { kind: "unreachable", reason: error.message };
    throw error;
  }
}

function callEnrol(address: string, caPem: string, request: EnrolRequest): Promise<EnrolResponse> {
  const client = new EnrolmentServiceClient(address, credentials.createSsl(Buffer.from(caPem)), { "grpc.enable_retries": 0 });
  return new Promise<EnrolResponse>((resolve, reject) => {
    // The promise settles with gRPC's own answer; the overload without metadata takes no deadline.
    client.makeUnaryRequest(
      EnrolmentServiceClient.service.enrol.path,
      EnrolmentServiceClient.service.enrol.requestSerialize,
      EnrolmentServiceClient.service.enrol.responseDeserialize,
      request,
      { deadline: Date.now() + ENROL_TIMEOUT_MS },
      (error: ServiceError | null, response?: EnrolResponse) => {
        if (error === null && response !== undefined) resolve(response);
        else reject(error ?? new Error("The control plane answered nothing."));
      },
    );
  }).finally(() => client.close());
}
