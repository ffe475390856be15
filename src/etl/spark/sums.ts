/**
 * Counts, sums and ranges of a table's files, the same bits on every run: sums of floating-point numbers are made for each
 * piece of a file, which one task reads in order, and combined in file order (../counts.ts). Where a file is cut into
 * pieces depends on the file alone (settings.ts).
 */
import { MillraceError } from '../../core/errors.js'
import { parallel } from '../../core/parallel.js'
import { figuresOf, hasMean, type Partial, TOO_LARGE } from '../counts.js'
import { groupOf, plainScan, positionName, withPosition } from '../duckdb/row-groups.js'
import { aggregate, call, col, type Expr, num } from '../expr.js'
import type { Relation } from '../relation.js'
import { compile, expression } from '../sql/compile.js'
import { duckdb } from '../sql/duckdb.js'
import { spark } from '../sql/spark-scan.js'
import { numberOf, type Wanted } from '../statistics.js'
import type { Cluster } from './cluster.js'
import { rowsOf as rowsInFiles, startsOf } from './footers.js'
import { FILES_AT_ONCE, ofFiles } from './order.js'
import { FIRST_ROWS, ofFirstRows, rowsOfQuery } from './query.js'
import { queryOf } from './reads.js'

/**
 * Figures of one query: Spark makes one method of them that adds up partial results, and Java compiles none of more than
 * 8,000 bytes; of 85 figures it has 6,500.
 */
const FIGURES = 85
/** Queries at a time. */
const AT_ONCE = 3

/** What is asked of a column, and a partial's figures (`figuresOf`) made of the answers. */
interface Figures {
  readonly exprs: readonly Expr[]
  readonly read: (this: void, found: readonly (number | null)[]) => readonly (number | null)[]
}

/** For each file of a table the partials of its pieces, in order; those without rows are left out. */
type Pieces = readonly (readonly Partial[])[]

/**
 * @param given what `relation` was before it was made ready for Spark, as the engine in this process reads it
 * @param relation only projections and filters on one scan of Parquet
 */
export async function partialsOf(
  cluster: Cluster,
  given: Relation,
  relation: Relation,
  wanted: readonly Wanted[],
  signal?: AbortSignal,
): Promise<Pieces> {
  const near = await nearbyValues(cluster, given, wanted, signal)
  const around = wanted.map((want, i) => aroundValue(want, near[i] ?? 0))
  const partials = await pieces(cluster, relation, around, signal)
  const rough = [...wanted.entries()].filter(([i]) => around[i]?.isRough())
  if (rough.length === 0) return partials
  const again = await pieces(
    cluster,
    relation,
    rough.map(([, want]) => exactly(want)),
    signal,
  )
  return partials.map((file, f) =>
    file.map((partial, p): Partial => {
      const [rows, ...columns] = partial
      for (const [k, [i]] of rough.entries()) columns[i] = again[f]?.[p]?.[k + 1] as (typeof columns)[number]
      return [rows, ...columns]
    }),
  )
}

/**
 * Medians of the first rows, which are values of them: any number near the mean makes sums of squares cheap and exact
 * (`aroundValue`), and where all values are the same, this one makes them zero.
 */
async function nearbyValues(
  { embedded }: Cluster,
  given: Relation,
  wanted: readonly Wanted[],
  signal?: AbortSignal,
): Promise<readonly number[]> {
  const asked = [...wanted.entries()].filter(([, { request }]) => request.stddev === true)
  if (asked.length === 0) return []
  const first = ofFirstRows(given, FIRST_ROWS)
  const medians = asked.map(
    ([, { column, type }]) => `quantile_disc(${expression(numberOf(column, type), first, duckdb)}, 0.5)`,
  )
  const sql = `SELECT ${medians.join(', ')} FROM (\n${compile(first, duckdb)}\n) AS q`
  const row = await embedded.use(async (connection) => (await connection.runAndReadAll(sql)).getRows()[0], signal)
  const near = wanted.map(() => 0)
  for (const [k, [i]] of asked.entries()) {
    const median = Number(row?.[k] ?? 0)
    near[i] = Math.abs(median) < TOO_LARGE ? median : 0
  }
  return near
}

/** Beyond, the squares of differences are so much larger than what is left of them that their roundings count. */
const MOST_OFF = 100
/** Of a difference from which on squares may be infinite (../counts.ts). */
const LARGE_SQUARE = 1e290

/**
 * Sums of differences from a number and of their squares (Chan, Golub and LeVeque 1983, "shifted data"): half the work of
 * Spark's own means and variances, and as exact while the number is no farther from the mean than a few deviations.
 */
function aroundValue(want: Wanted, near: number): Figures & { isRough(): boolean } {
  const { request, column, type } = want
  const number = numberOf(column, type)
  const difference = near === 0 ? number : call('sub', number, num(near))
  const exprs = [
    aggregate('count', [col(column)]),
    ...(hasMean(want) ? [aggregate('sum', [difference])] : []),
    ...(request.stddev === true ? [aggregate('sum', [call('mul', difference, difference)])] : []),
    ...(request.range === true ? [aggregate('min', [number]), aggregate('max', [number])] : []),
  ]
  const all = { count: 0, sum: 0, squares: 0 }
  return {
    exprs,
    read(found) {
      const left = found.map((value) => value ?? NaN)
      const [count = 0] = left.splice(0, 1)
      const [sum = NaN] = hasMean(want) ? left.splice(0, 1) : []
      const [squares = NaN] = request.stddev === true ? left.splice(0, 1) : []
      if (count === 0) return [0, ...nothing(want), ...left.map(() => null)]
      all.count += count
      all.sum += sum
      all.squares += squares
      const variance = Math.max(0, squares - (sum * sum) / count) / count
      return [
        count,
        ...(hasMean(want) ? [near + sum / count] : []),
        ...(request.stddev === true ? [variance, count] : []),
        ...left,
      ]
    },
    /** Whether the deviation must be made otherwise: the number was far off, or squares were too large. */
    isRough() {
      if (request.stddev !== true || all.count === 0) return false
      return !(all.squares < LARGE_SQUARE && all.squares <= MOST_OFF * (all.squares - all.sum ** 2 / all.count))
    },
  }
}

const nothing = (want: Wanted): readonly null[] => [
  ...(hasMean(want) ? [null] : []),
  ...(want.request.stddev === true ? [null, null] : []),
]

const exactly = (want: Wanted): Figures => ({ exprs: figuresOf(want, true), read: (found) => found })

async function pieces(
  cluster: Cluster,
  relation: Relation,
  figures: readonly Figures[],
  signal?: AbortSignal,
): Promise<Pieces> {
  const paths = plainScan(relation)?.source.paths
  if (paths === undefined) throw new MillraceError('MR_INTERNAL_BUG', `partials of a ${relation.kind} are in no order`)
  const found = paths.map((): Partial[] => [])
  const tasks: (() => Promise<void>)[] = []
  for (let start = 0; start < paths.length; start += FILES_AT_ONCE) {
    const some = ofFiles(relation, start, start + FILES_AT_ONCE)
    const made: Row[][] = []
    const sets = setsOf(figures)
    let open = sets.length
    for (const [s, set] of sets.entries())
      tasks.push(async () => {
        made[s] = await query(
          cluster,
          some,
          figures.slice(set.start, set.end).flatMap(({ exprs }) => exprs),
          signal,
        )
        if (--open > 0) return
        for (const [r, { file, count }] of (made[0] ?? []).entries()) {
          const left = made.flatMap((rows) => rows[r]?.figures ?? [])
          found[start + file]?.push([count, ...figures.map(({ exprs, read }) => read(left.splice(0, exprs.length)))])
        }
      })
  }
  await parallel(tasks, AT_ONCE, (task) => task())
  return found
}

/** The rows of a file that one task read. */
interface Row {
  readonly file: number
  readonly first: number
  readonly count: number
  readonly figures: readonly (number | null)[]
}

async function query(
  cluster: Cluster,
  relation: Relation,
  exprs: readonly Expr[],
  signal?: AbortSignal,
): Promise<Row[]> {
  const { source: { paths = [] } = {}, rowsBefore } = plainScan(relation) ?? {}
  const before = rowsBefore ?? startsOf(paths.length > 1 ? await rowsInFiles(cluster.embedded, paths, signal) : [0])
  const position = positionName(relation)
  const placed = withPosition(relation, position, before)
  const file = groupOf(col(position), before.slice(1), 0, before.length - 1)
  // no task reads two pieces of one file: a file has one that is not as large as a task's
  const columns = [
    `${expression(file, placed, spark)} AS file`,
    'spark_partition_id() AS task',
    ...[aggregate('min', [col(position)]), aggregate('count', []), ...exprs].map(
      (expr, i) => `${expression(expr, placed, spark)} AS f${i}`,
    ),
  ]
  const sql = `SELECT ${columns.join(',\n  ')} FROM (\n${compile(placed, spark)}\n) AS q GROUP BY 1, 2`
  const rows: Row[] = []
  for await (const [index, , first, count, ...figures] of rowsOfQuery(cluster, queryOf(cluster, placed, sql), signal))
    rows.push({
      ...{ file: Number(index), first: Number(first), count: Number(count) },
      figures: figures.map((value) => (value === null || value === undefined ? null : Number(value))),
    })
  return rows.sort((a, b) => a.file - b.file || a.first - b.first)
}

/** Columns whose figures are made in one query: at least one set, if only an empty one. */
function setsOf(figures: readonly Figures[]): readonly { readonly start: number; readonly end: number }[] {
  const sets = [{ start: 0, end: 0 }]
  let held = 0
  for (const [i, { exprs }] of figures.entries()) {
    held += exprs.length
    if (held > FIGURES && i > 0) {
      sets.push({ start: i, end: i })
      held = exprs.length
    }
    const last = sets.at(-1)
    if (last !== undefined) last.end = i + 1
  }
  return sets
}
