/** Publish: the features as a partitioned table under data.output_path, for people and other tools. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { PipelineConfig } from '../config/config.js'
import type { TableDocument } from '../core/documents.js'
import { MillraceError, nearest } from '../core/errors.js'
import { fileError, makeFolder, syncFolder } from '../core/files.js'
import { sha256Json } from '../core/json.js'
import { col, type Named } from '../etl/expr.js'
import { folderName } from '../etl/hive.js'
import { project, type Relation } from '../etl/relation.js'
import { waitForLock } from '../pipeline/lock.js'
import type { StageContext, StageKind } from '../pipeline/stage.js'
import {
  appended,
  clearOut,
  copiedFiles,
  freeFolder,
  isPublished,
  makeCurrent,
  type PublishedManifest,
  publishedPart,
  readManifest,
  refuseOthers,
  syncedFiles,
} from './published-table.js'
import { ENTITY, featureColumns, featuresRelation, type FeaturesTable, namesForPeople } from './features-table.js'
import { getJson, putJson, type RunResources } from './run-resources.js'
import { ROW, rowProgress, tableRelation } from './tables.js'
import { labelledRows, type PlanDocument, SPLIT } from './transform.js'

/** Of the stage, and of what it makes of the same features. */
const VERSION = 4

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
      const table = await getJson<FeaturesTable>(store, features)
      const plan = await getJson<PlanDocument>(store, planRef)
      const { rows, copied, partitionBy, keys, carries } = await layOut(context, table, plan)

      const output = folderOf(config)
      await makeFolder(output).catch((error: unknown) => {
        throw fileError(error, 'write', output)
      })
      // one at a time: what no manifest names is then left by somebody who was killed, and not being written
      const release = await waitForLock(join(output, '.lock'), signal, () =>
        context.log(`another run publishes to ${output}: waiting for it`),
      )
      try {
        const before = await readManifest(output)
        refuseOthers(output, before, config.pipeline_name)
        if (before !== 'damaged') await clearOut(output, before)
        // named by content: the same table again lands in the same place and changes nothing
        const names = rows.schema.map(({ name }) => name)
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
          const target = { folder: fresh, format: file_format, compression, partitionBy }
          const progress = rowProgress(context)
          const files =
            copied !== undefined
              ? await copiedFiles(store, copied, fresh, progress, signal)
              : (await (await resources.engine()).write(rows, target, progress, signal)).files
          const part: PublishedManifest = {
            format: 1,
            table: config.pipeline_name,
            schema: rows.schema,
            rows: table.rows,
            partitionBy,
            keys,
            parts: [{ folder, rows: table.rows, plan: planRef?.digest ?? '' }],
            files: await syncedFiles(fresh, folder, files, signal),
          }
          const manifest = write_mode === 'append' ? appended(before, part) : part
          await makeCurrent(output, fresh, folder, manifest)
          if (manifest.parts.length > 1)
            context.log(`${table.rows} rows in a table of ${manifest.rows}, of ${manifest.parts.length} runs`)
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
  /** What is published, by the names that people see. */
  readonly rows: Relation
  /** Files that hold just that, each with its place in the part's folder; absent where others are written. */
  readonly copied?: readonly (FeaturesTable['files'][number] & { readonly inside: string })[]
  readonly partitionBy: readonly string[]
  readonly keys: readonly string[]
  /** True if columns of the source stand beside the features. */
  readonly carries: boolean
}

/** Of more files (a source of many small ones) fewer are made: readers open each. */
const MOST_COPIED = 1000

/** The source's column `index` of `partition_by`, on its way. */
const carried = (index: number): string => `__by${index}`

/** What is published and where; a partition of the source's own column has its name and the values that stand there. */
async function layOut(
  { config, inputs, store }: StageContext<PipelineConfig>,
  table: FeaturesTable,
  plan: PlanDocument,
): Promise<Layout> {
  const { entity, data } = config
  const wanted = data.partition_by
  const readRaw = () => getJson<TableDocument>(store, inputs['features']?.['table'])
  const raw = wanted.length === 0 ? undefined : await readRaw()
  const own = wanted.filter((name) => name !== ROW && raw?.schema.some((field) => field.name === name) === true)
  const features = featureColumns(entity, plan)
  const names = namesForPeople(
    features.map(({ name }) => name),
    { label: plan.label.name, ...(entity === undefined ? {} : { entity }), own },
  )
  const columns = [
    ...features.map(({ name }): Named => ({ name: names.get(name) ?? name, expr: col(name) })),
    ...own.map((name, i) => ({ name, expr: col(carried(i)) })),
  ]
  const split = names.get(SPLIT) ?? SPLIT
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
  const isBySplit = own.length === 0 && partitionBy.includes(split)
  const isCopied =
    isBySplit && partitionBy.length === 1 && data.file_format === 'parquet' && table.files.length <= MOST_COPIED
  const relation =
    isCopied || (isBySplit && data.file_format !== 'parquet')
      ? await featuresRelation(store, table)
      : // the features once more, with the source's columns beside them: in the source's order, without a join
        project(labelledRows(await tableRelation(store, raw ?? (await readRaw())), plan), [
          ...features,
          ...own.map((name, i) => ({ name: carried(i), expr: col(name) })),
        ])
  const keys = [ROW, ENTITY].flatMap((column) => names.get(column) ?? [])
  const carries = own.length > 0
  const rows = project(relation, columns)
  return { rows, partitionBy, keys, carries, ...(isCopied ? { copied: placed(table, split) } : {}) }
}

/** Each file in its split's folder, by a number that sorts as it does. */
function placed({ files }: FeaturesTable, column: string): NonNullable<Layout['copied']> {
  const before = new Map<string, number>()
  const digits = String(files.length - 1).length
  return files.map((file) => {
    const number = before.get(file.split) ?? 0
    before.set(file.split, number + 1)
    const name = `part-${String(number).padStart(digits, '0')}.parquet`
    return { ...file, inside: `${folderName(column, file.split)}/${name}` }
  })
}
