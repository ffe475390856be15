/** Publish: the features as a partitioned table under data.output_path, for people and other tools. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { PipelineConfig } from '../config/config.js'
import type { TableDocument } from '../core/documents.js'
import { MillraceError, nearest } from '../core/errors.js'
import { makeFolder, syncFolder } from '../core/files.js'
import { sha256Json } from '../core/json.js'
import { col, type Named } from '../etl/expr.js'
import { project, type Relation } from '../etl/relation.js'
import { waitForLock } from '../pipeline/lock.js'
import type { StageContext, StageKind } from '../pipeline/stage.js'
import {
  appended,
  clearOut,
  freeFolder,
  isPublished,
  makeCurrent,
  type PublishedManifest,
  publishedPart,
  readManifest,
  refuseOthers,
  syncedFiles,
} from './published-table.js'
import { getJson, putJson, type RunResources } from './run-resources.js'
import { ROW, rowProgress, tableRelation } from './tables.js'
import { ENTITY, featureColumns, LABEL, labelledRows, type PlanDocument, SPLIT } from './transform.js'

/** Of the stage, and of what it makes of the same features. */
const VERSION = 3

export function publish(resources: RunResources): StageKind<PipelineConfig> {
  const folderOf = (config: PipelineConfig): string => resources.resolve(config.data.output_path)
  return {
    name: 'publish',
    version: VERSION,
    after: ['features', 'transform'],
    async stillThere(outputs, config, store) {
      const part = await getJson<PublishedManifest>(store, outputs['manifest'])
      return isPublished(folderOf(config), part, config.data.write_mode === 'append', resources.memo)
    },
    async run(context) {
      const { config, inputs, store, signal } = context
      const { file_format, compression, write_mode } = config.data
      const features = inputs['transform']?.['features']
      const planRef = inputs['transform']?.['plan']
      const table = await getJson<TableDocument>(store, features)
      const plan = await getJson<PlanDocument>(store, planRef)
      const { relation, columns, partitionBy, keys, carries } = await layOut(context, table, plan)

      const output = folderOf(config)
      await makeFolder(output)
      // one at a time: what no manifest names is then left by somebody who was killed, and not being written
      const release = await waitForLock(join(output, '.lock'), signal, () =>
        context.log(`another run publishes to ${output}: waiting for it`),
      )
      try {
        const before = await readManifest(output)
        refuseOthers(output, before, config.pipeline_name)
        if (before !== 'damaged') await clearOut(output, before)
        // named by content: the same table again lands in the same place and changes nothing
        const names = columns.map(({ name }) => name)
        const source = carries ? (inputs['features']?.['table']?.digest ?? '') : ''
        const content = {
          ...{ features: features?.digest ?? '', source, names, partitionBy, file_format, compression },
          // others write other bytes
          ...{ version: VERSION, versions: resources.versions },
        }
        const name = `data-${sha256Json(content).slice('sha256:'.length, 'sha256:'.length + 16)}`
        const there = await publishedPart(output, name, planRef?.digest ?? '', write_mode === 'append', resources.memo)
        if (there !== undefined) {
          // by an attempt that was killed before it could say so, and perhaps before the manifest's name was durable
          await syncFolder(output)
          return { manifest: await putJson(store, there) }
        }
        const folder = await freeFolder(output, name)
        const fresh = join(output, `.writing-${folder}-${process.pid}`)
        await rm(fresh, { recursive: true, force: true })
        try {
          const written = await (
            await resources.engine()
          ).write(
            project(relation, columns),
            { folder: fresh, format: file_format, compression, partitionBy },
            rowProgress(context),
            signal,
          )
          const part: PublishedManifest = {
            format: 1,
            table: config.pipeline_name,
            schema: written.schema,
            rows: written.rows,
            partitionBy,
            keys,
            parts: [{ folder, rows: written.rows, plan: planRef?.digest ?? '' }],
            files: await syncedFiles(fresh, folder, written.files, signal),
          }
          const manifest = write_mode === 'append' ? appended(before, part) : part
          await makeCurrent(output, fresh, folder, manifest)
          if (manifest.parts.length > 1)
            context.log(`${written.rows} rows in a table of ${manifest.rows}, of ${manifest.parts.length} runs`)
          return { manifest: await putJson(store, part) }
        } finally {
          await rm(fresh, { recursive: true, force: true })
        }
      } finally {
        release()
      }
    },
  }
}

interface Layout {
  readonly relation: Relation
  /** What is written, by the names that people see. */
  readonly columns: readonly Named[]
  readonly partitionBy: readonly string[]
  readonly keys: readonly string[]
  /** True if columns of the source stand beside the features. */
  readonly carries: boolean
}

/** The source's column `index` of `partition_by`, on its way. */
const carried = (index: number): string => `__by${index}`

/**
 * Names and order of the published columns. A partition of the source's own column has the values that stand there, and
 * its name; then come the features' own names; the label, split, row and entity give way to both.
 */
async function layOut(
  { config, inputs, store }: StageContext<PipelineConfig>,
  table: TableDocument,
  plan: PlanDocument,
): Promise<Layout> {
  const wanted = config.data.partition_by
  const raw = wanted.length === 0 ? undefined : await getJson<TableDocument>(store, inputs['features']?.['table'])
  const own = wanted.filter((name) => name !== ROW && raw?.schema.some((field) => field.name === name) === true)
  const taken = new Set([...own, ...table.schema.map(({ name }) => name)].map((name) => name.toLowerCase()))
  const names = new Map(own.map((name, i) => [carried(i), name]))
  for (const { name } of table.schema)
    if (own.some((other) => other.toLowerCase() === name.toLowerCase())) names.set(name, take(name))
  for (const [column, ours] of [
    [LABEL, plan.label.name],
    [SPLIT, 'split'],
    [ROW, 'row'],
    [ENTITY, config.entity ?? ''],
  ] as const)
    if (table.schema.some(({ name }) => name === column)) names.set(column, take(ours))
  const relation =
    raw === undefined || own.length === 0
      ? await tableRelation(store, table)
      : // the features once more, with the source's columns beside them: in the same order, without a join
        project(labelledRows(await tableRelation(store, raw), plan), [
          ...featureColumns(config.entity, plan.label, plan.task, plan.plan),
          ...own.map((name, i) => ({ name: carried(i), expr: col(name) })),
        ])
  const columns = relation.schema.map(({ name }) => ({ name: names.get(name) ?? name, expr: col(name) }))
  const split = names.get(SPLIT) ?? 'split'
  const partitionBy = wanted.length === 0 ? [split] : wanted
  const known = columns.map(({ name }) => name)
  for (const name of partitionBy)
    if (!known.includes(name)) {
      const all = [...new Set([...(raw?.schema ?? []).map((field) => field.name), ...known])]
      const near = nearest(name, all)
      throw new MillraceError(
        'MR_PUBLISH_PARTITION',
        `data.partition_by: neither the source nor the features have a column '${name}'${near === undefined ? '' : `; did you mean '${near}'?`}`,
        { hint: `columns: ${all.join(', ')}` },
      )
    }
  const keys = [ROW, ENTITY].flatMap((column) => names.get(column) ?? [])
  return { relation, columns, partitionBy, keys, carries: own.length > 0 }

  /** `name`, or with a number where it is taken; engines compare names without regard to case. */
  function take(name: string): string {
    let candidate = name
    for (let i = 1; taken.has(candidate.toLowerCase()); i++) candidate = `${name}_${i}`
    taken.add(candidate.toLowerCase())
    return candidate
  }
}
