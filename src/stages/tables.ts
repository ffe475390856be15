/** Tables between stages: Parquet files in the artifact store, named by a TableDocument. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ArtifactRef, ArtifactStore } from '../core/artifacts.js'
import type { TableDocument } from '../core/documents.js'
import type { Schema } from '../core/schema.js'
import type { Engine, Progress } from '../etl/engine.js'
import { type Relation, scan } from '../etl/relation.js'
import type { StageContext } from '../pipeline/stage.js'
import { getJson, PARQUET_TYPE } from './run-resources.js'

/** Name of the row's position in the extracted table; no source column may be called so. */
export const ROW = '__row'

/** A relation over the table's files in order, with the row's position as `__row`. */
export async function tableRelation(store: ArtifactStore, table: TableDocument): Promise<Relation> {
  const paths = await Promise.all(table.files.map(({ ref }) => store.path(ref)))
  const own = table.schema.some(({ name }) => name === ROW)
  return scan({ format: 'parquet', paths }, table.schema, own ? {} : { rowNumber: ROW })
}

/** Writes a relation into the store as Parquet; the same relation gives the same digests. */
export async function writeTable(
  engine: Engine,
  store: ArtifactStore,
  relation: Relation,
  options: { readonly progress?: Progress; readonly signal?: AbortSignal } = {},
): Promise<TableDocument> {
  const scratch = await store.scratch()
  const folder = join(scratch, 'table')
  try {
    const written = await engine.write(
      relation,
      { folder, format: 'parquet', compression: 'zstd' },
      options.progress,
      options.signal,
    )
    const files = []
    for (const file of written.files)
      files.push({ ref: await store.putFile(join(folder, file.path), PARQUET_TYPE, { move: true }), rows: file.rows })
    return { schema: written.schema, rows: written.rows, files }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** Takes Parquet files as they are into the store: their bytes are the artifact. */
export async function adoptParquet(
  store: ArtifactStore,
  paths: readonly string[],
  schema: Schema,
  rowsOf: (path: string) => Promise<number>,
): Promise<TableDocument> {
  const files = []
  for (const path of paths) files.push({ ref: await store.putFile(path, PARQUET_TYPE), rows: await rowsOf(path) })
  return { schema, rows: files.reduce((sum, { rows }) => sum + rows, 0), files }
}

/**
 * True if every file of a stored table is. The journal only knows the table's manifest; without its files the stage that
 * made it must run again.
 */
export async function isTableThere(store: ArtifactStore, ref: ArtifactRef | undefined): Promise<boolean> {
  const table = await getJson<TableDocument>(store, ref)
  const found = await Promise.all(table.files.map((file) => store.has(file.ref)))
  return found.every((isThere) => isThere)
}

/** Reports an engine's progress as the stage's. */
export function rowProgress<C>(context: StageContext<C>): Progress {
  return ({ rows, total }) => context.progress({ unit: 'rows', done: rows, ...(total > 0 ? { total } : {}) })
}
