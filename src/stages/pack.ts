/** Pack: each split becomes row-major training shards with a manifest. */
import { rm } from 'node:fs/promises'
import type { PipelineConfig } from '../config/config.js'
import { call, col, num } from '../etl/expr.js'
import { type Relation, withColumns } from '../etl/relation.js'
import { SPLITS, type SplitName } from '../etl/split.js'
import type { StageKind } from '../pipeline/stage.js'
import { type ShardLayout, ShardWriter } from '../train/shard-writer.js'
import { type Shard, type ShardManifest, storeShards } from '../train/shards.js'
import { getJson, putJson, type RunResources } from './run-resources.js'
import { featuresRelation, type FeaturesTable, LABEL } from './features-table.js'
import type { PlanDocument } from './transform.js'

export function pack(resources: RunResources): StageKind<PipelineConfig> {
  return {
    name: 'pack',
    version: 1,
    after: ['transform'],
    async stillThere(outputs, _, store) {
      const { splits } = await getJson<ShardManifest>(store, outputs['manifest'])
      const parts = Object.values(splits).flatMap((shards) =>
        shards.flatMap(({ numeric, categories, label }) =>
          [numeric, categories, label].filter((ref) => ref !== undefined),
        ),
      )
      return (await Promise.all(parts.map((ref) => store.has(ref)))).every((isThere) => isThere)
    },
    async run(context) {
      const { inputs, store, signal } = context
      const table = await getJson<FeaturesTable>(store, inputs['transform']?.['features'])
      const { plan, task, targetMean = 0 } = await getJson<PlanDocument>(store, inputs['transform']?.['plan'])
      const engine = await resources.embedded()
      const rowsOf = async (split: SplitName): Promise<Relation> => {
        const features = await featuresRelation(store, table, [split])
        return task.kind === 'classification'
          ? features
          : withColumns(features, [{ name: LABEL, expr: call('sub', col(LABEL), num(targetMean)) }])
      }
      const label = task.kind === 'classification' ? 'int32' : 'float32'
      const layout: ShardLayout = {
        numeric: plan.numeric,
        categories: plan.categories,
        label: {
          name: LABEL,
          type: label,
          ...(task.kind === 'classification' ? { classes: task.classes.length } : {}),
        },
      }
      const splits: Record<string, readonly Shard[]> = {}
      let done = 0
      for (const split of SPLITS) {
        const folder = await store.scratch()
        try {
          const writer = new ShardWriter(folder, split, layout)
          for await (const batch of engine.query(await rowsOf(split), signal).batches(signal)) {
            await writer.append(batch)
            done += batch.rows
            context.progress({ unit: 'rows', done, total: table.rows })
          }
          splits[split] = await storeShards(await writer.close(), store)
        } finally {
          await rm(folder, { recursive: true, force: true })
        }
      }
      const manifest: ShardManifest = {
        format: 1,
        numeric: plan.numeric,
        categories: plan.categories,
        label,
        splits: splits as ShardManifest['splits'],
      }
      return { manifest: await putJson(store, manifest) }
    },
  }
}
