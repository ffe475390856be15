/** Values with their counts, and numbers of distinct values, counted and cut short on the cluster. */
import type { Frequent } from '../counts.js'
import { aggregate, cast, col, type Named } from '../expr.js'
import { aggregated, type Relation } from '../relation.js'
import { compile, expression } from '../sql/compile.js'
import { duckdb } from '../sql/duckdb.js'
import { spark } from '../sql/spark-scan.js'
import type { Wanted } from '../statistics.js'
import type { Cluster } from './cluster.js'
import { FIRST_ROWS, ofFirstRows, rowsOf, rowsOfQuery } from './query.js'
import { queryOf } from './reads.js'

/** Columns whose values are counted in one query: each row is multiplied by so many. */
const TOGETHER = 32
/** Columns whose distinct values are counted in one query: Spark expands each row by so many, each as wide as all. */
const EXPANDED = 8
/** Beyond, values are not few. */
const FEW = 1000

type Asking = readonly [index: number, want: Wanted]

const asksForFew = ([, { request }]: Asking): boolean => request.distinct === 'few'

/** Also how many rows there are, and how many of them have a value. */
export interface Listed extends Frequent {
  readonly rows: number
  readonly count: number
}

/** The most frequent values, by index in `wanted`, for those that ask for some. */
export async function listPass(
  cluster: Cluster,
  values: Relation,
  wanted: readonly Wanted[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<number, Listed>> {
  const found = new Map<number, Listed>()
  const listed = [...wanted.entries()].filter(([, { request }]) => request.values !== undefined)
  for (let start = 0; start < listed.length; start += TOGETHER) {
    const some = listed.slice(start, start + TOGETHER)
    const most = Math.max(...some.map(([, { request }]) => request.values ?? 0), 1)
    const lists = some.map(() => ({ values: [] as { value: string; count: number }[], distinct: 0, rows: 0, count: 0 }))
    const query = queryOf(cluster, values, mostFrequent(values, some, most))
    for await (const [c, v, n, d, all, present] of rowsOfQuery(cluster, query, signal)) {
      const list = lists[Number(c)]
      if (list === undefined) continue
      if (typeof v === 'string') list.values.push({ value: v, count: Number(n) })
      Object.assign(list, { distinct: Number(d), rows: Number(all), count: Number(present ?? 0) })
    }
    for (const [i, list] of lists.entries()) found.set(some[i]?.[0] ?? 0, list)
  }
  return found
}

/**
 * Numbers of distinct values, by index in `wanted`, for those that ask for them and for no list.
 * @param given `values` before it was made ready for Spark
 */
export async function distinctPass(
  cluster: Cluster,
  given: Relation,
  values: Relation,
  wanted: readonly Wanted[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<number, Frequent>> {
  const found = new Map<number, Frequent>()
  const asked = [...wanted.entries()].filter(([, { request }]) => request.values === undefined && request.distinct)
  const many = await withMany(cluster, given, asked.filter(asksForFew), signal)
  const alone = asked.filter(([index]) => !many.has(index))
  for (let start = 0; start < alone.length; start += EXPANDED) {
    const some = alone.slice(start, start + EXPANDED)
    const counts = countsOf(some)
    for await (const row of rowsOf(cluster, aggregated(values, [], counts), signal))
      for (const [i, one] of some.entries()) {
        const distinct = Number(row[i])
        if (!asksForFew(one) || distinct <= FEW) found.set(one[0], { values: [], distinct })
      }
  }
  return found
}

const countsOf = (some: readonly Asking[]): readonly Named[] =>
  some.map(([, { column }]): Named => ({ name: column, expr: aggregate('count_distinct', [col(column)]) }))

/** Columns whose values are surely not few, as the first rows say, which are read here: spares shuffling all values. */
async function withMany(
  { embedded }: Cluster,
  given: Relation,
  some: readonly Asking[],
  signal?: AbortSignal,
): Promise<ReadonlySet<number>> {
  if (some.length === 0) return new Set()
  const sql = compile(aggregated(ofFirstRows(given, FIRST_ROWS), [], countsOf(some)), duckdb)
  const counts = await embedded.use(async (connection) => (await connection.runAndReadAll(sql)).getRows()[0], signal)
  return new Set(some.flatMap(([index], i) => (Number(counts?.[i] ?? 0) > FEW ? [index] : [])))
}

/** Each column's missing values come last, and always: they say how many there are. */
function mostFrequent(values: Relation, some: readonly Asking[], most: number): string {
  const texts = some.map(([, { column }]) => expression(cast(col(column), 'text'), values, spark))
  return `SELECT c, v, n, d, a, p FROM (
  SELECT c, v, n, row_number() OVER (PARTITION BY c ORDER BY v IS NULL, n DESC, v ASC) AS r,
    count(v) OVER (PARTITION BY c) AS d, sum(n) OVER (PARTITION BY c) AS a,
    sum(n) FILTER (WHERE v IS NOT NULL) OVER (PARTITION BY c) AS p
  FROM (
    SELECT c, v, count(*) AS n FROM (
      SELECT posexplode(array(${texts.join(', ')})) AS (c, v) FROM (\n${compile(values, spark)}\n) AS q
    ) AS e GROUP BY c, v
  ) AS g
) AS ranked WHERE r <= ${most} OR v IS NULL ORDER BY c, r`
}
