import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { type handleUnaryCall, Metadata, type ServerUnaryCall } from "@grpc/grpc-js";
import { ResourceServiceService } from "@sallyport/proto/gen/sallyport/api/v1/api";
import { GrantServiceService, ListGrantsRequest, type ListGrantsResponse } from "@sallyport/proto/gen/sallyport/api/v1/grant";
import type { Grants, GrantView } from "../application/grant-ports.ts";
import { DECISIONS_AT_ONCE } from "../application/in-turns.ts";
import { silent } from "../application/testing/stage.ts";
import { grantService } from "./grant-service.ts";
import { resourceService } from "./resource-service.ts";
import type { ApiContext } from "./unary.ts";

const COUNT = 500;
const ana = { id: "ana", kind: "human", groups: [] } as const;
const metadata = new Metadata();
metadata.set("authorization", "Bearer t");

/** Counts what policy is asked. */
class Asked {
  count = 0;

  readonly no = (): boolean => {
    this.count += 1;
    return false;
  };

  readonly api = {
    identities: { authenticate: () => Promise.resolve({ principal: ana }) },
    authority: { may: this.no },
    log: silent,
    newCorrelationId: () => "",
    leftOut: () => ({ streams: 0, events: 0 }),
  } as unknown as ApiContext;

  /** The answer to a call, and the most decisions that were taken while nobody else had a turn. */
  async during<Request, Response>(handler: handleUnaryCall<Request, Response>, path: string, request: Request) {
    const call = { request, metadata, getPath: () => path, getPeer: () => "" } as unknown as ServerUnaryCall<Request, Response>;
    const listing = { isOver: false };
    let most = 0;
    const others = (async () => {
      for (let before = 0; !listing.isOver; before = this.count) {
        await turn();
        most = Math.max(most, this.count - before);
      }
    })();
    let response: Response | null | undefined;
    try {
      response = await new Promise<Response | null | undefined>((resolve, reject) => {
        handler(call, (error, value) => (error === null ? resolve(value) : reject(new Error(error.details))));
      });
    } finally {
      // Or they would go on for ever after a failure, and the process with them.
      listing.isOver = true;
      await others;
    }
    return { response, most };
  }
}

describe("lists that ask policy about each of their members give others their turn", () => {
  it("when they are of grants", async () => {
    const asked = new Asked();
    const all = Array.from({ length: COUNT }, (_, index) => ({ id: `g${index}`, state: "pending", requestedBy: "bo", resource: "db" }) as GrantView);
    const grants = { list: () => all, mayDecide: asked.no } as unknown as Grants;
    const { listGrants } = grantService(asked.api, { grants, resources: { of: (name) => ({ name, protocol: "", labels: {} }), all: () => [] } });
    const request = ListGrantsRequest.create({ openOnly: true });
    const { response, most } = await asked.during<ListGrantsRequest, ListGrantsResponse>(listGrants, GrantServiceService.listGrants.path, request);
    assert.deepEqual([response?.grants, asked.count], [[], 2 * COUNT]);
    assert.ok(most <= 4 * DECISIONS_AT_ONCE, `${most} decisions in a row`);
  });

  it("when they are of resources", async () => {
    const asked = new Asked();
    const all = Array.from({ length: COUNT }, (_, index) => ({ name: `db${index}`, protocol: "postgres", labels: {}, agentId: "a1" }));
    const denies = () => ({ effect: asked.no() ? "allow" : "deny" });
    const { listResources } = resourceService(asked.api, {
      resources: { list: () => all },
      policies: { current: () => ({ decide: denies }) },
      grants: { current: () => undefined, requestable: denies },
      links: {},
    } as unknown as Parameters<typeof resourceService>[1]);
    const { response, most } = await asked.during(listResources, ResourceServiceService.listResources.path, {});
    assert.deepEqual([response, asked.count], [{ access: [], resources: [] }, 2 * COUNT]);
    assert.ok(most <= 4 * DECISIONS_AT_ONCE, `${most} decisions in a row`);
  });
});
