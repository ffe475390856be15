/** Tables between stages: Parquet files in the artifact store, named by a TableDocument. */
import { rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { ArtifactRef, ArtifactStore } from '../core/artifacts.js'
import type { TableDocument, TableFile } from '../core/documents.js'
import { eachPart, type Memo } from '../core/memo.js'
import { parallel } from '../core/parallel.js'
import type { Schema } from '../core/schema.js'
import type { Engine, Progress, Target, Written } from '../etl/engine.js'
import { partsOf } from '../etl/parts.js'
import { type DeletedRows, type Relation, scan, type Source } from '../etl/relation.js'
import type { StageContext } from '../pipeline/stage.js'
import { getJson, PARQUET_TYPE } from './run-resources.js'

/** Name of the row's position in the extracted table. */
export const ROW = '__row'
/** Names that no source column may have, case ignored: the second would hide DuckDB's own, the place of a row in its file. */
export const RESERVED: readonly string[] = [ROW, 'file_row_number']

/** Files written or read at a time. */
const AT_ONCE = 4

/** A relation over the table's files in order, with the row's position as `__row`. */
export async function tableRelation(store: ArtifactStore, table: TableDocument): Promise<Relation> {
  const found = new Map<string, string>()
  const bits = new Map<string, DeletedRows>()
  await parallel(table.files, AT_ONCE, async ({ ref, deleted }) => {
    found.set(ref.digest, await store.path(ref))
    if (deleted === undefined) return
    bits.set(deleted.digest, { digest: deleted.digest, bits: await store.get(deleted) })
  })
  // files of equal content are one artifact; rows are told apart by their files' paths
  const times = new Map<string, number>()
  const paths = table.files.map(({ ref: { digest } }) => {
    const path = found.get(digest) ?? ''
    times.set(digest, (times.get(digest) ?? -1) + 1)
    return `${dirname(path)}/${'./'.repeat(times.get(digest) ?? 0)}${basename(path)}`
  })
  const digests = Object.fromEntries(paths.map((path, i) => [path, table.files[i]?.ref.digest ?? '']))
  const deleted = paths.flatMap((path, i) => {
    const rows = bits.get(table.files[i]?.deleted?.digest ?? '')
    return rows === undefined ? [] : [[path, rows] as const]
  })
  const own = table.schema.some(({ name }) => name === ROW)
  const source: Source = {
    format: 'parquet',
    paths,
    digests,
    ...(deleted.length === 0 ? {} : { deleted: Object.fromEntries(deleted) }),
    ...(table.plain === true ? { plain: table.plain } : {}),
  }
  return scan(source, table.schema, { rowsBefore: rowsBefore(table), ...(own ? {} : { rowNumber: ROW }) })
}

/** For each file the number of its first row. */
export function rowsBefore({ files }: Pick<TableDocument, 'files'>): readonly number[] {
  let rows = 0
  return files.map((file) => (rows += file.rows) - file.rows)
}

export interface WriteOptions {
  readonly progress?: Progress
  readonly signal?: AbortSignal
  /** Of what was written before, for tables that are written file by file; `what` is what its note calls them. */
  readonly memo?: Memo
  readonly what?: string
  /** The relation's numbers and texts are columns of a scan, or are for another reason never NaN and never ''. */
  readonly plain?: boolean
  /** Parquet of another make than tables have that only Millrace reads. */
  readonly make?: Pick<Target, 'compression' | 'partitionBy' | 'partitionValues' | 'tellInfinite'>
}

type Files = TableDocument['files']
/** What the engine told of a file, where it was asked to. */
export type WrittenFile = TableFile & Pick<Written['files'][number], 'partition' | 'perhapsInfinite'>
type WrittenFiles = readonly WrittenFile[]
interface WrittenTable extends TableDocument {
  readonly files: WrittenFiles
}

/**
 * Writes a relation into the store as Parquet; the same relation gives the same digests. Where it takes each row of a
 * table by itself, each file of that table gives a file of this one, and files that are in the memo are not made again.
 */
export async function writeTable(
  engine: Engine,
  store: ArtifactStore,
  relation: Relation,
  options: WriteOptions = {},
): Promise<WrittenTable> {
  const parts = partsOf(relation)
  if (parts === undefined || parts.names.length === 1) {
    const written = await writeWhole(engine, store, relation, options)
    const rows = written.reduce((sum, file) => sum + file.rows, 0)
    return { schema: relation.schema, rows, files: written, ...(options.plain === true ? { plain: true } : {}) }
  }
  // which values there may be spares work, and decides nothing
  const { partitionValues: _, ...make } = options.make ?? {}
  const about = ['table of a file', 3, make, engine.dialect.compile(parts.likeness).sql]
  const counter = rowCounter(options.progress)
  const { values, made } = await eachPart<WrittenFiles>(
    options.memo,
    about,
    parts.names,
    (missing, done) =>
      parallel(missing, AT_ONCE, async (index) => {
        const progress = counter(index)
        await done(index, await writeWhole(engine, store, parts.only([index]), { ...options, progress }))
      }),
    (files) => areThere(store, files),
  )
  if (options.what !== undefined) options.memo?.note(`${options.what}: ${taken(parts.names.length, made)}`)
  return joined(relation.schema, values, options.plain)
}

/** e.g. `2 of 40 files made, 38 taken from earlier runs`. */
export const taken = (files: number, made: number): string =>
  made === files ? `all ${files} files made` : `${made} of ${files} files made, ${files - made} taken from earlier runs`

/** A table of these files; those without rows are left out, if there are others. */
export function joined<F extends TableFile>(
  schema: Schema,
  parts: readonly (readonly F[])[],
  plain = false,
): Omit<TableDocument, 'files'> & { readonly files: readonly F[] } {
  const all = parts.flat()
  const files = all.filter((file) => file.rows > 0)
  return {
    schema,
    rows: files.reduce((sum, { rows }) => sum + rows, 0),
    files: files.length > 0 ? files : all.slice(0, 1),
    ...(plain ? { plain } : {}),
  }
}

export async function areThere(store: ArtifactStore, files: Files): Promise<boolean> {
  let all = true
  await parallel(files, AT_ONCE, async ({ ref, deleted }) => {
    if (!(await store.has(ref)) || (deleted !== undefined && !(await store.has(deleted)))) all = false
  })
  return all
}

/** For each of several things done side by side a progress; all together are told to `progress`. */
export function rowCounter(progress: Progress | undefined): (index: number) => Progress {
  const done = new Map<number, number>()
  return (index) =>
    ({ rows }) => {
      done.set(index, rows)
      const sum = [...done.values()].reduce((total, one) => total + one, 0)
      progress?.({ rows: sum, total: 0, fraction: 0 })
    }
}

async function writeWhole(
  engine: Engine,
  store: ArtifactStore,
  relation: Relation,
  { progress, signal, make }: WriteOptions,
): Promise<WrittenFiles> {
  const scratch = await store.scratch()
  const folder = join(scratch, 'table')
  try {
    const target = { folder, format: 'parquet', compression: 'zstd', quick: true, ...make } as const
    const written = await engine.write(relation, target, progress, signal)
    const files: WrittenFile[] = []
    for (const { path, rows, partition, perhapsInfinite } of written.files)
      files.push({
        ref: await store.putFile(join(folder, path), PARQUET_TYPE, { move: true }),
        rows,
        ...(partition === undefined ? {} : { partition }),
        ...(perhapsInfinite === undefined ? {} : { perhapsInfinite }),
      })
    return files
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/**
 * True if every file of a stored table is. The journal only knows the table's manifest; without its files the stage that
 * made it must run again.
 */
export async function isTableThere(store: ArtifactStore, ref: ArtifactRef | undefined): Promise<boolean> {
  return areThere(store, (await getJson<TableDocument>(store, ref)).files)
}

/** Reports an engine's progress as the stage's; a cluster's tasks tell a share and no rows. */
export function rowProgress<C>(context: StageContext<C>): Progress {
  return ({ rows, total, fraction }) =>
    rows === 0 && fraction > 0 && fraction < 1
      ? context.progress({ unit: 'percent', done: Math.floor(100 * fraction), total: 100 })
      : context.progress({ unit: 'rows', done: rows, ...(total > 0 ? { total } : {}) })
}
