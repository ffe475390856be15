/** Extract: the source's files become one typed table, every row of it numbered. */
import { createHash } from 'node:crypto'
import { relative, sep } from 'node:path'
import type { PipelineConfig } from '../config/config.js'
import { objectStore } from '../config/object-store.js'
import { MillraceError } from '../core/errors.js'
import type { FileDigest, Memo } from '../core/memo.js'
import type { Field } from '../core/schema.js'
import { checkDeclared } from '../etl/declared.js'
import { type FileFormat, nameOf, type Source } from '../etl/relation.js'
import { folderValues } from '../etl/hive.js'
import { inWords } from '../etl/source-words.js'
import { expandSource, fetchSource, type SourceOptions } from '../etl/source.js'
import type { StageKind } from '../pipeline/stage.js'
import { putJson, type RunResources, TABLE_TYPE } from './run-resources.js'
import { tableOfSource } from './source-table.js'
import { isTableThere, RESERVED, rowProgress, taken } from './tables.js'

/** What was read: for the run page and the journal. */
export interface SourceDocument {
  readonly format: FileFormat
  /** Paths as the pipeline file would write them: relative to its folder if `data.source_path` is. */
  readonly files: readonly { readonly path: string; readonly bytes: number; readonly digest: string }[]
  readonly rows: number
  readonly columns: readonly Field[]
  /** How its files differ, in words; absent where they do not. */
  readonly notes?: readonly string[]
}

export function extract(resources: RunResources): StageKind<PipelineConfig> {
  const { memo } = resources
  // what a run reads of an object store is what was there when it first looked: one listing
  const listed = new Map<string, Promise<Source>>()
  const find = async (config: PipelineConfig, signal: AbortSignal): Promise<Found> => {
    const csv = { ...config.data.csv }
    const location = resources.resolve(config.data.source_path)
    const s3 = isObject(location) ? objectStore(config.data.s3, resources.home) : undefined
    const options = { signal, ...(s3 === undefined ? {} : { s3 }) }
    const expanded = listed.get(location) ?? expandSource(location, options)
    if (s3 !== undefined) listed.set(location, expanded)
    const source = await expanded.catch((error: unknown) => {
      listed.delete(location)
      throw error
    })
    return { source: source.format === 'csv' ? { ...source, csv: { ...source.csv, ...csv } } : source, options }
  }
  return {
    name: 'extract',
    version: 8,
    after: [],
    stillThere: (outputs, _, store) => isTableThere(store, outputs['table']),
    // content, not names or times: a moved or touched file changes nothing
    async fingerprint(config, signal) {
      const { source } = await find(config, signal)
      const hash = createHash('sha256').update(source.format)
      for (const path of source.paths) hash.update(await contentOf(memo, source, path, signal))
      // what folders say of their files' rows is content too
      if (source.hive !== undefined) hash.update(JSON.stringify(folderValues(source)))
      return hash.digest('hex')
    },
    async run(context) {
      const { config, store, signal } = context
      // opened before anything is read: a cluster that sees other folders is told now
      const cluster = await resources.engine()
      const embedded = await resources.embedded()
      const { source: listed, options } = await find(config, signal)
      await fetchSource(listed, {
        ...options,
        progress: ({ done, total }) => context.progress({ unit: 'bytes', done, total }),
      })
      const content = new Map<string, FileDigest>()
      for (const path of listed.paths) content.set(path, await memo.digest(path, signal))
      const digests = Object.fromEntries([...content].map(([path, { digest }]) => [path, digest]))
      const found = { ...listed, digests }
      const drift = { fill: config.data.schema_drift === 'fill', declared: Object.keys(config.data.schema) }
      const { source, schema: inferred, notes } = await inWords(found, () => embedded.inferSchema(found, signal, drift))
      const schema = withDeclaredTypes(inferred, config.data.schema)
      // a text file is read by one reader, so that its rows and types are the same whatever the engine
      const engine = source.format === 'parquet' ? cluster : embedded
      const clash = schema.find(({ name }) => RESERVED.includes(name.toLowerCase()))
      if (clash !== undefined)
        throw new MillraceError(
          'MR_SOURCE_RESERVED',
          `source: the column name '${clash.name}' is kept for the numbers of rows`,
          {
            hint: 'rename the column in the source',
          },
        )
      await inWords(source, () => checkDeclared(engine, source, inferred, schema, signal))
      const asTheyAre =
        source.format === 'parquet' &&
        source.hive === undefined &&
        source.layouts === undefined &&
        source.stored === undefined &&
        sameTypes(schema, inferred)
      const { table, made } = await inWords(source, () =>
        tableOfSource(asTheyAre ? embedded : engine, store, source, schema, {
          ...{ memo, asTheyAre, signal },
          progress: rowProgress(context),
        }),
      )
      const files = source.paths.flatMap((path): SourceDocument['files'] => {
        const { digest, size } = content.get(path) ?? {}
        if (digest === undefined || size === undefined) return []
        const name = named(resources, config.data.source_path, nameOf(source, path))
        return [{ path: resources.hide(name), bytes: size, digest }]
      })
      const document: SourceDocument = {
        format: source.format,
        files,
        rows: table.rows,
        columns: schema,
        ...(notes.length === 0 ? {} : { notes: notes.map(resources.hide) }),
      }
      context.log(
        `${table.rows} rows, ${schema.length} columns from ${source.paths.length} ${source.format} file${source.paths.length === 1 ? '' : 's'}`,
      )
      if (source.paths.length > 1) context.log(taken(source.paths.length, made))
      for (const note of notes) context.log(note, 'warn')
      if (table.rows === 0)
        throw new MillraceError('MR_SOURCE_EMPTY', `source: ${config.data.source_path} has columns but no rows`, {
          hint: 'a model needs rows to learn from; check the path and the export that made the file',
        })
      return { table: await putJson(store, table, TABLE_TYPE), source: await putJson(store, document) }
    },
  }
}

interface Found {
  readonly source: Source
  readonly options: SourceOptions
}

const isObject = (location: string): boolean => /^s3a?:\/\//i.test(location)

/** What a file's content is known by: the digest of its bytes, or what the object store says. */
async function contentOf(memo: Memo, source: Source, path: string, signal: AbortSignal): Promise<string> {
  const object = source.objects?.[path]
  return object === undefined ? (await memo.digest(path, signal)).digest : JSON.stringify([object.etag, object.size])
}

/** Part of what later stages' keys hold: the same wherever a project's folder is moved to. */
function named(resources: RunResources, source: string, path: string): string {
  const isAbsolute = resources.resolve(source) === source || /^file:/i.test(source) || isObject(path)
  return isAbsolute ? path : relative(resources.resolve('.'), path).split(sep).join('/')
}

function withDeclaredTypes(schema: readonly Field[], declared: PipelineConfig['data']['schema']): readonly Field[] {
  const types = new Map(Object.entries(declared))
  for (const name of types.keys())
    if (!schema.some((field) => field.name === name))
      throw new MillraceError('MR_SOURCE_COLUMN', `data.schema: there is no column '${name}' in the source`, {
        hint: `columns: ${schema.map((field) => field.name).join(', ')}`,
      })
  return schema.map((field) => ({ ...field, type: types.get(field.name) ?? field.type }))
}

function sameTypes(a: readonly Field[], b: readonly Field[]): boolean {
  return a.length === b.length && a.every((field, i) => field.type === b[i]?.type)
}
