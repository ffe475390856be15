/**
 * Histograms over a range that is known already, file by file: files that were counted before are not read again while the
 * bins that the table has now are as wide as theirs, or wider (../histogram.ts).
 */
import { type DuckDBConnection, DuckDBListValue } from '@duckdb/node-api'
import { eachPart, type Memo } from '../../core/memo.js'
import { addBins, type BinCounts, type Grid, gridOf, type Histogram } from '../histogram.js'
import type { Parts } from '../parts.js'
import { compile, expression } from '../sql/compile.js'
import { duckdb, identifier, numberLiteral } from '../sql/duckdb.js'
import { numberOf, type Wanted } from '../statistics.js'
import type { Counted } from '../counts.js'
import { withFile } from './row-groups.js'

/** Files, and columns, that are counted together: 64 bins for each. */
const TOGETHER = { files: 64, columns: 128 }
const FILE = '#file'

/** For each column that has a grid, in their order, what a file holds of it. */
type FileBins = readonly (BinCounts | null)[]

/**
 * By index in `wanted`; none where no histogram is asked for, or there is no finite range.
 * @param read how many of the parts were read for the ranges
 */
export async function histogramPass(
  connection: DuckDBConnection,
  parts: Parts,
  wanted: readonly Wanted[],
  counted: readonly Counted[],
  read: number,
  memo: Memo | undefined,
): Promise<ReadonlyMap<number, Histogram>> {
  const asking = [...wanted.entries()].flatMap(([index, want]) =>
    want.request.histogram === true ? [{ index, want, grid: gridFor(want, counted[index]) }] : [],
  )
  const drawn = asking.flatMap(({ want, grid }, i) => (grid === undefined ? [] : [{ want, grid, i }]))
  if (drawn.length === 0) return new Map()
  const about = [
    'histograms',
    1,
    compile(parts.likeness, duckdb),
    asking.map(({ want: { column, type } }) => [column, type]),
  ]
  const { values, made } = await eachPart<FileBins>(
    memo,
    about,
    parts.names,
    async (absent, done) => {
      for (let start = 0; start < absent.length; start += TOGETHER.files) {
        const some = absent.slice(start, start + TOGETHER.files)
        const found = some.map(() => asking.map((): BinCounts | null => null))
        for (let from = 0; from < drawn.length; from += TOGETHER.columns)
          await count(connection, parts, some, drawn.slice(from, from + TOGETHER.columns), found)
        for (const [i, index] of some.entries()) await done(index, found[i] ?? [])
      }
    },
    (value) => Promise.resolve(drawn.every(({ grid, i }) => (value[i]?.power ?? Infinity) <= grid.power)),
  )
  if (made > read)
    memo?.note(`histograms: ${made} of ${parts.names.length} files read, as bins are finer than they were`)
  return new Map(
    drawn.map(({ grid, i }) => [
      asking[i]?.index ?? 0,
      addBins(
        grid,
        values.flatMap((of) => of[i] ?? []),
      ),
    ]),
  )
}

const gridFor = ({ type }: Wanted, counted: Counted | undefined): Grid | undefined =>
  gridOf(counted?.min, counted?.max, type)

async function count(
  connection: DuckDBConnection,
  parts: Parts,
  files: readonly number[],
  columns: readonly { readonly want: Wanted; readonly grid: Grid; readonly i: number }[],
  found: readonly (BinCounts | null)[][],
): Promise<void> {
  const isOne = files.length === 1
  const relation = isOne ? parts.only(files) : withFile(parts.only(files), FILE)
  const counts = columns.map(({ want, grid: { first, bins, power, unit } }) => {
    // DuckDB's bins hold their upper edges: of the values' negatives that are the lower ones
    const edges = Array.from({ length: bins }, (_, i) => numberLiteral((1 - first - bins + i) * unit * 2 ** power))
    const value = expression(numberOf(want.column, want.type), relation, duckdb)
    return `map_values(histogram(-(${value}), [${edges.join(', ')}]))`
  })
  const key = isOne ? '' : identifier(FILE)
  const sql = `SELECT ${isOne ? '0' : key}, ${counts.join(', ')} FROM (\n${compile(relation, duckdb)}\n) AS q${isOne ? '' : ` GROUP BY ${key}`}`
  for (const [file, ...lists] of (await connection.runAndReadAll(sql)).getRows())
    for (const [j, { grid, i }] of columns.entries()) {
      const list = lists[j]
      const bins = list instanceof DuckDBListValue ? list.items.map(Number).reverse() : []
      const of = found[Number(file)]
      if (of !== undefined) of[i] = trimmed(grid, bins)
    }
  // a file without rows has no group
  for (const of of found) for (const { grid, i } of columns) of[i] ??= trimmed(grid, [])
}

/** Without the empty bins at both ends: a file may hold a small part of its table's range. */
function trimmed({ power, first }: Grid, counts: readonly number[]): BinCounts {
  const begin = counts.findIndex((count) => count > 0)
  if (begin < 0) return { power, first, counts: [] }
  const end = counts.findLastIndex((count) => count > 0)
  return { power, first: first + begin, counts: counts.slice(begin, end + 1) }
}
