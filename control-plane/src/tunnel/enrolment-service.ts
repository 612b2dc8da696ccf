import type { EnrolmentServiceServer, EnrolRequest, EnrolResponse } from "@sallyport/proto/gen/sallyport/tunnel/v1/tunnel";
import { SallyportError } from "@sallyport/proto/errors";
import { decodeJoinToken } from "@sallyport/proto/tunnel/join-token";
import type { Logger } from "pino";
import type { Agents } from "../application/ports.ts";
import type { CertificateAuthority } from "../identity/certificate-authority.ts";
import { serviceErrorOf } from "../grpc/status.ts";

export interface EnrolmentDeps {
  readonly agents: Agents;
  readonly ca: CertificateAuthority;
  /** host:port on which agents reach TunnelService; asked at each enrolment, as the port may be known late. */
  readonly tunnelAddress: () => string;
  readonly log: Logger;
}

/** To be mounted on the API server: the one call that needs no client certificate. */
export const enrolmentService = (deps: EnrolmentDeps): EnrolmentServiceServer => ({
  enrol: (call, reply) => {
    enrol(deps, call.request).then(
      (response) => reply(null, response),
      (error: unknown) => {
        deps.log.warn({ err: error, address: call.getPeer() }, "enrolment was refused");
        reply(serviceErrorOf(error));
      },
    );
  },
});

/** The request is checked first, so that a token is not used up by an agent that could not have been given a certificate. */
async function enrol({ agents, ca, tunnelAddress, log }: EnrolmentDeps, request: EnrolRequest): Promise<EnrolResponse> {
  const token = decodeJoinToken(request.joinToken);
  if (token.agentName !== request.agentName) throw new SallyportError("join.invalid", "The join token is for an agent of another name.");
  await ca.checkRequest(request.certificateRequest);
  const agentId = await agents.enrol(token.agentName, token.secret);
  const signed = await ca.signAgent(request.certificateRequest, agentId);
  await agents.certificateIssued(agentId, signed);
  log.info({ agentId, agentName: token.agentName }, "agent enrolled");
  return { agentId, certificate: signed.der, caCertificate: ca.caDer, tunnelAddress: tunnelAddress() };
}
