/**
 * The table of a source: each of its files, or a few small ones together, becomes a Parquet file, once; what is still
 * there is not read again.
 */
import type { ArtifactStore } from '../core/artifacts.js'
import type { TableDocument } from '../core/documents.js'
import { eachPart, type Memo } from '../core/memo.js'
import { parallel } from '../core/parallel.js'
import type { Schema } from '../core/schema.js'
import type { Engine } from '../etl/engine.js'
import { aggregate } from '../etl/expr.js'
import { aggregated, scan, type Source } from '../etl/relation.js'
import { groupsOf, howRead, sourcePart } from '../etl/source-part.js'
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
  const about = ['table of a source file', 3, howRead(source), schema, asTheyAre]
  const groups = asTheyAre ? source.paths.map((path) => [path]) : await groupsOf(memo, source, signal)
  const parts = groups.map((paths) => paths.map((path) => sourcePart(source, path)).join('\n'))
  const counter = rowCounter(progress)
  const over = (paths: readonly string[]) => scan({ ...source, paths }, schema)
  const remade = new Set<string>()
  const { values } = await eachPart<TableDocument['files']>(
    memo,
    about,
    parts,
    (missing, done) =>
      parallel(missing, AT_ONCE, async (index) => {
        const paths = groups[index] ?? []
        const told = { progress: counter(index), ...(signal === undefined ? {} : { signal }) }
        const [path = ''] = paths
        const files = asTheyAre
          ? [{ ref: await store.putFile(path, PARQUET_TYPE), rows: await rowsOf(path) }]
          : (await writeTable(engine, store, over(paths), told)).files
        // what was made of a file while somebody wrote to it is not what its digest says
        let isSure = true
        for (const one of paths) {
          remade.add(one)
          if ((await memo.digest(one, signal)).digest !== source.digests?.[one]) isSure = false
        }
        await done(index, files, isSure)
      }),
    (files) => areThere(store, files),
  )
  return { table: joined(schema, values, !asTheyAre), made: remade.size }

  async function rowsOf(path: string): Promise<number> {
    const counted = aggregated(over([path]), [], [{ name: 'n', expr: aggregate('count', []) }])
    return Number((await engine.rows(counted, signal))[0]?.['n'] ?? 0)
  }
}
