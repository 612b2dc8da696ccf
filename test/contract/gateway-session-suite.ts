import { before } from "node:test";
import { decodeFields } from "@sallyport/proto/wire/postgres/backend";
import type { Client } from "pg";
import type { DecisionRequest } from "../../control-plane/src/domain/decision.ts";
import type { CommandFacts } from "../../control-plane/src/domain/facts.ts";
import { createCedarCompiler } from "../../control-plane/src/policy/compiler.ts";
import type { Cleanup } from "../support/cleanup.ts";
import type { Flavour } from "../support/postgres-server.ts";
import { suiteCleanup } from "../support/suite-cleanup.ts";
import type { WireClient } from "../support/wire-client.ts";
import { type Bench, type BedOptions, GatewayBed, type Ground, prepareGround, startRealTarget } from "./gateway-session-harness.ts";
import type { OpenTarget } from "./gateway-session-target.ts";

/** Gateways of one suite's tests, in front of one real server. */
export interface SessionSuite {
  readonly ground: Ground;
  /** As whoever owns what is in the database. */
  readonly admin: Client;
  start(t: Cleanup, options?: BedOptions): Promise<GatewayBed>;
  /** In front of targets that say what the test says. */
  startScripted(t: Cleanup, options?: BedOptions): Promise<GatewayBed>;
  /** A session under these rules. */
  openUnder(t: Cleanup, policy: string, parameters?: Readonly<Record<string, string>>): Promise<Bench>;
  /** Sessions that may do everything, and what policy was told of each command since it was asked last. */
  watch(t: Cleanup, tell: (facts: CommandFacts) => string, options?: BedOptions): Promise<Watched>;
}

export interface Watched {
  readonly open: () => Promise<Bench>;
  readonly told: () => string[];
}

/** To be called in the body of a suite; what it answers can be used in hooks that come behind it, and in tests. `setUp` runs once. */
export function sessionSuite(setUp = "", flavour?: Flavour): SessionSuite {
  const cleanup = suiteCleanup();
  let ground: Ground;
  let target: OpenTarget;
  let admin: Client;
  before(async () => {
    ground = await prepareGround(cleanup);
    const real = await startRealTarget(cleanup, flavour);
    target = real.open;
    admin = await real.server.connectAsApp();
    await admin.query(setUp);
  });
  const start = (t: Cleanup, options: BedOptions = {}): Promise<GatewayBed> => GatewayBed.start(t, ground, { target, ...options });
  return {
    get ground() {
      return ground;
    },
    get admin() {
      return admin;
    },
    start,
    startScripted: (t, options = {}) => GatewayBed.start(t, ground, options),

    async openUnder(t, policy, parameters) {
      const engine = createCedarCompiler().compile("p1", [{ name: "a.cedar", text: policy }]);
      const decide = (request: DecisionRequest) => engine.decide(request);
      return (await start(t, { rule: decide, mayOpen: decide })).open(parameters);
    },

    async watch(t, tell, options = {}) {
      const seen: CommandFacts[] = [];
      const bed = await start(t, {
        rule: ({ facts }) => {
          if (facts !== undefined) seen.push(facts);
          return "allow";
        },
        ...options,
      });
      const told = (): string[] => seen.splice(0).map(tell);
      const open = async (): Promise<Bench> => {
        const bench = await bed.open();
        told();
        return bench;
      };
      return { open, told };
    },
  };
}

/** How often the agent was asked what columns or names are. */
export const traces = ({ heard }: Bench): number => heard.posted.filter(({ $case }) => $case === "trace").length;

/** Fields of the errors that the client has heard since it said something. */
export const errorsSince = ({ messages }: WireClient, from: number): ReadonlyMap<string, string>[] =>
  messages.slice(from).flatMap(({ type, bytes }) => (type === "E" ? [decodeFields(bytes.subarray(5))] : []));
