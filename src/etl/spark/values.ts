/** Values with their counts, and numbers of distinct values, counted and cut short on the cluster. */
import type { Frequent } from '../counts.js'
import { aggregate, cast, col, type Named } from '../expr.js'
import { aggregated, type Relation } from '../relation.js'
import { compile, expression } from '../sql/compile.js'
import { identifier } from '../sql/spark.js'
import { spark } from '../sql/spark-scan.js'
import type { Wanted } from '../statistics.js'
import type { Cluster } from './cluster.js'
import { rowsOf, rowsOfQuery } from './query.js'
import { queryOf } from './reads.js'

/** Columns whose values are counted in one query: each row is multiplied by so many. */
const TOGETHER = 8

/** @returns by index in `wanted`, for those that ask */
export async function valuePass(
  cluster: Cluster,
  values: Relation,
  wanted: readonly Wanted[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<number, Frequent>> {
  const found = new Map<number, Frequent>()
  const listed = [...wanted.entries()].filter(([, { request }]) => request.values !== undefined)
  for (let start = 0; start < listed.length; start += TOGETHER) {
    const some = listed.slice(start, start + TOGETHER)
    const most = Math.max(...some.map(([, { request }]) => request.values ?? 0), 1)
    const lists = new Map<number, { values: { value: string; count: number }[]; distinct: number }>()
    const query = queryOf(cluster, values, mostFrequent(values, some, most))
    for await (const [c, v, n, d] of rowsOfQuery(cluster, query, signal)) {
      const index = some[Number(c)]?.[0] ?? 0
      const list = lists.get(index) ?? { values: [], distinct: Number(d) }
      list.values.push({ value: String(v), count: Number(n) })
      lists.set(index, list)
    }
    for (const [index, list] of lists) found.set(index, list)
  }
  const alone = [...wanted.entries()].filter(([, { request }]) => request.values === undefined && request.distinct)
  for (let start = 0; start < alone.length; start += TOGETHER) {
    const some = alone.slice(start, start + TOGETHER)
    const counts = some.map(([, { column }]): Named => ({
      name: column,
      expr: aggregate('count_distinct', [col(column)]),
    }))
    for await (const row of rowsOf(cluster, aggregated(values, [], counts), signal))
      for (const [i, [index]] of some.entries()) found.set(index, { values: [], distinct: Number(row[i]) })
  }
  return found
}

function mostFrequent(values: Relation, some: readonly (readonly [number, Wanted])[], most: number): string {
  const columns = some.map(([, { column }]) => identifier(column))
  const which = columns.map((column, i) => `WHEN GROUPING(${column}) = 0 THEN ${i}`).join(' ')
  const texts = some.map(([, { column }]) => expression(cast(col(column), 'text'), values.schema, spark))
  const sets = columns.map((column) => `(${column})`)
  return `SELECT c, v, n, d FROM (
  SELECT c, v, n, row_number() OVER (PARTITION BY c ORDER BY n DESC, v ASC) AS r, count(*) OVER (PARTITION BY c) AS d
  FROM (
    SELECT CASE ${which} END AS c, coalesce(${texts.join(', ')}) AS v, count(*) AS n
    FROM (\n${compile(values, spark)}\n) AS q GROUP BY GROUPING SETS (${sets.join(', ')})
  ) AS g WHERE v IS NOT NULL
) AS ranked WHERE r <= ${most} ORDER BY c, r`
}
