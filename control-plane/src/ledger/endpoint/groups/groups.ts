import { SallyportError } from "@sallyport/proto/errors";
import type { Logger } from "pino";
import type { Ledger } from "../../ledger.ts";
import { type GroupProblem, RefusalError } from "../refusal.ts";
import type { StreamAppender } from "../stream-appender.ts";
import { checkConfig, type GroupConfig, groupKey } from "./group-config.ts";
import { Group } from "./group.ts";
import { placeBefore } from "./group-source.ts";
import { GroupStreams, isGroupState, loadGroups, saveGroups } from "./group-streams.ts";

/** Each that is used follows the log by itself. */
export const MAX_GROUPS = 100;

/** What a client says about a group; the rest is found out. */
export type GroupRequest = Omit<GroupConfig, "after">;

/**
 * All persistent subscriptions of the ledger. They are read when the first of them is asked for, and each begins with its first
 * consumer: an endpoint where nobody may have any does nothing. Changes happen one after the other.
 */
export class Groups {
  readonly #ledger: Ledger;
  readonly #appender: StreamAppender;
  readonly #log: Logger;
  readonly #running = new Map<string, Promise<Group>>();
  #configs: Promise<Map<string, GroupConfig>> | undefined;
  #lastChange: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(ledger: Ledger, appender: StreamAppender, log: Logger) {
    this.#ledger = ledger;
    this.#appender = appender;
    this.#log = log;
  }

  create(request: GroupRequest): Promise<void> {
    return this.#change(async (configs) => {
      const key = groupKey(request.source, request.group);
      if (configs.has(key)) throw problem("exists", request);
      // It would feed on what it writes itself.
      if (isGroupState(request.source)) throw new SallyportError("input.invalid", "What persistent subscriptions write has none of its own.");
      if (configs.size >= MAX_GROUPS) throw new SallyportError("input.invalid", `There are at most ${MAX_GROUPS} persistent subscriptions.`);
      await this.#save(new Map(configs).set(key, await this.#placed(request)));
    });
  }

  /** Those who consume it are cut off and come back to the new settings; what was done stays done, and the filter stays. */
  update(request: GroupRequest): Promise<void> {
    return this.#change(async (configs) => {
      const known = find(configs, request);
      const { startFrom, settings } = request;
      const changed = { ...known, startFrom, settings };
      const config = known.startFrom === startFrom ? checkConfig(changed) : await this.#placed(changed);
      const key = groupKey(request.source, request.group);
      await this.#save(new Map(configs).set(key, config));
      await this.#stop(key, problem("dropped", request), true);
    });
  }

  delete(named: Named): Promise<void> {
    return this.#change(async (configs) => {
      find(configs, named);
      const key = groupKey(named.source, named.group);
      const left = new Map(configs);
      left.delete(key);
      this.#configs = Promise.resolve(left); // nobody joins it any more
      await this.#stop(key, problem("dropped", named), false);
      await this.#streams(named).delete(); // before it is gone, or one that is created again would go on where this one was
      await this.#save(left);
    });
  }

  async get(named: Named): Promise<Group> {
    const config = find(await this.#loaded(), named);
    if (this.#closed) throw closing();
    const key = groupKey(named.source, named.group);
    const running = this.#running.get(key);
    if (running !== undefined && !(await running).isStopped) return running;
    if (this.#running.get(key) !== running) return this.get(named); // somebody else was quicker
    const loading = Group.load(this.#ledger, this.#streams(named), config, this.#log);
    this.#running.set(key, loading);
    loading.catch(() => this.#running.delete(key));
    return loading;
  }

  /** Of one source, or all there are. */
  async list(source: string | undefined): Promise<readonly Group[]> {
    const configs = [...(await this.#loaded()).values()].filter((config) => source === undefined || config.source === source);
    if (source !== undefined && configs.length === 0) throw problem("absent", { source, group: "" });
    return Promise.all(configs.map((config) => this.get(config)));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#running.keys()].map((key) => this.#stop(key, closing(), true)));
  }

  async #stop(key: string, error: Error, save: boolean): Promise<void> {
    const running = this.#running.get(key);
    const group = await running?.catch(() => undefined);
    await group?.stop(error, { save });
    if (this.#running.get(key) === running) this.#running.delete(key);
  }

  async #placed({ source, group, filter, startFrom, settings }: GroupRequest): Promise<GroupConfig> {
    const config = checkConfig({ source, group, startFrom, settings, ...(filter && { filter }) });
    const after = await placeBefore(this.#ledger, source, startFrom);
    return { ...config, ...(after === undefined ? {} : { after: String(after) }) };
  }

  async #save(configs: Map<string, GroupConfig>): Promise<void> {
    await saveGroups({ ledger: this.#ledger, appender: this.#appender }, [...configs.values()]);
    this.#configs = Promise.resolve(configs);
  }

  #streams({ source, group }: Named): GroupStreams {
    return new GroupStreams({ ledger: this.#ledger, appender: this.#appender }, source, group);
  }

  #change(make: (configs: Map<string, GroupConfig>) => Promise<void>): Promise<void> {
    const run = async (): Promise<void> => {
      try {
        await make(await this.#loaded());
      } catch (error) {
        this.#configs = undefined; // what is stored counts
        throw error;
      }
    };
    const changed = this.#lastChange.then(run, run);
    this.#lastChange = changed;
    return changed;
  }

  async #loaded(): Promise<Map<string, GroupConfig>> {
    this.#configs ??= loadGroups({ ledger: this.#ledger, appender: this.#appender }).then(
      (configs) => new Map(configs.map((config) => [groupKey(config.source, config.group), config])),
    );
    try {
      return await this.#configs;
    } catch (error) {
      this.#configs = undefined;
      throw error;
    }
  }
}

type Named = Pick<GroupConfig, "source" | "group">;

function find(configs: ReadonlyMap<string, GroupConfig>, named: Named): GroupConfig {
  const config = configs.get(groupKey(named.source, named.group));
  if (config === undefined || config.source !== named.source) throw problem("absent", named);
  return config;
}

const closing = (): SallyportError => new SallyportError("ledger.unavailable", "The ledger's endpoint is closing.");

const problem = (what: GroupProblem, { source, group }: Named): RefusalError => new RefusalError({ kind: "group", problem: what, source, group });
