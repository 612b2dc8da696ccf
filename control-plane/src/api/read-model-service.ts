import type { ReadModelServiceServer, RebuildReadModelsResponse } from "@sallyport/proto/gen/sallyport/api/v1/history";
import type { ReadModelsService, RebuildProgress } from "../application/projections/read-models.ts";
import { type ApiContext, streaming, unary } from "./unary.ts";

export function readModelService(api: ApiContext, readModels: ReadModelsService): ReadModelServiceServer {
  return {
    getReadModels: unary(api, async () => {
      const { state, why, checkpoint, head, lagMs, rows, rebuild } = await readModels.status();
      const { position, lastEvent, events, unreadable } = checkpoint;
      return {
        state,
        why,
        position: position ?? 0n,
        recordedAt: lastEvent === undefined ? undefined : new Date(lastEvent.recordedAt),
        headPosition: head?.position ?? 0n,
        headRecordedAt: head?.recordedAt,
        lagMillis: BigInt(lagMs),
        events: BigInt(events),
        unreadable: BigInt(unreadable),
        rows: Object.fromEntries(Object.entries(rows).map(([name, count]) => [name, BigInt(count)])),
        rebuild: rebuild && progressView(rebuild),
      };
    }),
    rebuildReadModels: streaming(api, async function* (_request, _caller, signal): AsyncGenerator<RebuildReadModelsResponse> {
      for await (const progress of readModels.rebuild(signal)) yield progressView(progress);
    }),
  };
}

const progressView = ({ events, expected, upTo, done }: RebuildProgress): RebuildReadModelsResponse => ({
  events: BigInt(events),
  expected: BigInt(expected),
  upTo,
  done,
});
