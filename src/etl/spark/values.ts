/** Values with their counts, and numbers of distinct values, counted and cut short on the cluster. */
import type { Frequent } from '../counts.js'
import { aggregate, cast, col, type Named } from '../expr.js'
import { aggregated, type Relation } from '../relation.js'
import { compile, expression } from '../sql/compile.js'
import { duckdb } from '../sql/duckdb.js'
import { identifier } from '../sql/spark.js'
import { spark } from '../sql/spark-scan.js'
import type { Wanted } from '../statistics.js'
import type { Cluster } from './cluster.js'
import { ofFirstRows, rowsOf, rowsOfQuery } from './query.js'
import { queryOf } from './reads.js'

/** Columns whose values are counted in one query: each row is multiplied by so many. */
const TOGETHER = 8
/** Beyond, values are not few. */
const FEW = 1000
/** Rows that are looked at beforehand. */
const LOOKED_AT = 50_000

type Asking = readonly [index: number, want: Wanted]

const asksForFew = ([, { request }]: Asking): boolean => request.distinct === 'few'

/**
 * @param given `values` before it was made ready for Spark
 * @returns by index in `wanted`, for those that ask
 */
export async function valuePass(
  cluster: Cluster,
  given: Relation,
  values: Relation,
  wanted: readonly Wanted[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<number, Frequent>> {
  const found = new Map<number, Frequent>()
  const listed = [...wanted.entries()].filter(([, { request }]) => request.values !== undefined)
  for (let start = 0; start < listed.length; start += TOGETHER) {
    const some = listed.slice(start, start + TOGETHER)
    const most = Math.max(...some.map(([, { request }]) => request.values ?? 0), 1)
    const lists = some.map(() => ({ values: [] as { value: string; count: number }[], distinct: 0 }))
    const query = queryOf(cluster, values, mostFrequent(values, some, most))
    for await (const [c, v, n, d] of rowsOfQuery(cluster, query, signal)) {
      const list = lists[Number(c)]
      list?.values.push({ value: String(v), count: Number(n) })
      if (list !== undefined) list.distinct = Number(d)
    }
    for (const [i, list] of lists.entries()) found.set(some[i]?.[0] ?? 0, list)
  }
  const asked = [...wanted.entries()].filter(([, { request }]) => request.values === undefined && request.distinct)
  const many = await withMany(cluster, given, asked.filter(asksForFew), signal)
  const alone = asked.filter(([index]) => !many.has(index))
  for (let start = 0; start < alone.length; start += TOGETHER) {
    const some = alone.slice(start, start + TOGETHER)
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
  const sql = compile(aggregated(ofFirstRows(given, LOOKED_AT), [], countsOf(some)), duckdb)
  const counts = await embedded.use(async (connection) => (await connection.runAndReadAll(sql)).getRows()[0], signal)
  return new Set(some.flatMap(([index], i) => (Number(counts?.[i] ?? 0) > FEW ? [index] : [])))
}

function mostFrequent(values: Relation, some: readonly Asking[], most: number): string {
  const columns = some.map(([, { column }]) => identifier(column))
  const which = columns.map((column, i) => `WHEN GROUPING(${column}) = 0 THEN ${i}`).join(' ')
  const texts = some.map(([, { column }]) => expression(cast(col(column), 'text'), values, spark))
  const sets = columns.map((column) => `(${column})`)
  return `SELECT c, v, n, d FROM (
  SELECT c, v, n, row_number() OVER (PARTITION BY c ORDER BY n DESC, v ASC) AS r, count(*) OVER (PARTITION BY c) AS d
  FROM (
    SELECT CASE ${which} END AS c, coalesce(${texts.join(', ')}) AS v, count(*) AS n
    FROM (\n${compile(values, spark)}\n) AS q GROUP BY GROUPING SETS (${sets.join(', ')})
  ) AS g WHERE v IS NOT NULL
) AS ranked WHERE r <= ${most} ORDER BY c, r`
}
