/** The table of a source: each of its files becomes a Parquet file, once; one that is still there is not read again. */
import type { ArtifactStore } from '../core/artifacts.js'
import type { TableDocument } from '../core/documents.js'
import { eachPart, type Memo } from '../core/memo.js'
import { parallel } from '../core/parallel.js'
import type { Schema } from '../core/schema.js'
import type { Engine } from '../etl/engine.js'
import { aggregate } from '../etl/expr.js'
import { aggregated, scan, type Source } from '../etl/relation.js'
import { howRead, sourcePart } from '../etl/source-part.js'
import { PARQUET_TYPE } from './run-resources.js'
import { areThere, joined, rowCounter, writeTable, type WriteOptions } from './tables.js'

const AT_ONCE = 4

export interface SourceTableOptions extends WriteOptions {
  readonly memo: Memo
  /** Parquet files are taken as they are: their bytes are the artifacts. */
  readonly asTheyAre: boolean
}

/**
 * @param source with the digest of every file
 * @returns the table, and how many of the source's files had to be read
 */
export async function tableOfSource(
  engine: Engine,
  store: ArtifactStore,
  source: Source,
  schema: Schema,
  { memo, asTheyAre, progress, signal }: SourceTableOptions,
): Promise<{ readonly table: TableDocument; readonly made: number }> {
  const about = ['table of a source file', 1, howRead(source), schema, asTheyAre]
  const parts = source.paths.map((path) => sourcePart(source, path))
  const counter = rowCounter(progress)
  const one = (path: string) => scan({ ...source, paths: [path] }, schema)
  const { values, made } = await eachPart<TableDocument['files']>(
    memo,
    about,
    parts,
    (missing, done) =>
      parallel(missing, AT_ONCE, async (index) => {
        const path = source.paths[index] ?? ''
        const told = { progress: counter(index), ...(signal === undefined ? {} : { signal }) }
        const files = asTheyAre
          ? [{ ref: await store.putFile(path, PARQUET_TYPE), rows: await rowsOf(path) }]
          : (await writeTable(engine, store, one(path), told)).files
        // what was made of a file while somebody wrote to it is not what its digest says
        await done(index, files, (await memo.digest(path, signal)).digest === source.digests?.[path])
      }),
    (files) => areThere(store, files),
  )
  return { table: joined(schema, values), made }

  async function rowsOf(path: string): Promise<number> {
    const counted = aggregated(one(path), [], [{ name: 'n', expr: aggregate('count', []) }])
    return Number((await engine.rows(counted, signal))[0]?.['n'] ?? 0)
  }
}
