/**
 * Column statistics, the same bits on every run: sums of floating-point numbers are made per row group of a Parquet
 * file, where one thread reads in order, and combined in file order (statistics.ts); everything else is exact anyway.
 * What is not a Parquet file with projections and filters is written to one first, in a total order.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api'
import type { ColumnType } from '../../core/schema.js'
import type { ColumnStatistics, StatisticsRequest } from '../engine.js'
import { aggregate, call, cast, col, type Expr, missing, type Named, num, when } from '../expr.js'
import { aggregated, project, scan, sort, type Relation } from '../relation.js'
import { compile, expression } from '../sql/compile.js'
import { duckdb, identifier, numberLiteral } from '../sql/duckdb.js'
import { combine, NO_MOMENTS, numberOf, presentValue, sampleDeviation, type Moments } from '../statistics.js'
import { groupOf, plainScan, rowGroups, withPosition } from './row-groups.js'
import type { Session } from './session.js'
import { writeFiles } from './write.js'

/** Quantiles hold all values of a column in memory: so many values at a time. */
const QUANTILE_VALUES = 32_000_000
const POSITION = '#position'
let temporary = 0

interface Wanted {
  readonly request: StatisticsRequest
  /** Its column in the relation that the passes read. */
  readonly column: string
  readonly type: ColumnType
}

/** See `Engine.statistics`. */
export async function statistics(
  session: Session,
  relation: Relation,
  requests: readonly StatisticsRequest[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, ColumnStatistics>> {
  if (requests.length === 0) return new Map()
  const present = requests.map((request) => presentValue(request, relation.schema))
  const wanted = requests.map((request, i): Wanted => ({
    request,
    column: `x${i}`,
    type: present[i]?.type ?? 'number',
  }))
  const columns = wanted.map(({ column }, i): Named => ({ name: column, expr: present[i]?.expr ?? col(column) }))
  const values = project(relation, columns)
  if (plainScan(relation) !== undefined) return session.use((connection) => passes(connection, values, wanted), signal)
  const folder = join(session.tempFolder, `statistics-${temporary++}`)
  try {
    const written = await writeFiles(session, values, { folder, format: 'parquet' }, undefined, signal)
    const paths = written.files.map(({ path }) => join(folder, path))
    const stored = scan({ format: 'parquet', paths }, values.schema)
    return await session.use((connection) => passes(connection, stored, wanted), signal)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

interface Counted {
  rows: number
  moments: Moments
  min: number | undefined
  max: number | undefined
  distinct: number | undefined
}

async function passes(
  connection: DuckDBConnection,
  values: Relation,
  wanted: readonly Wanted[],
): Promise<ReadonlyMap<string, ColumnStatistics>> {
  const counted = await countPass(connection, values, wanted)
  const rows = counted[0]?.rows ?? 0
  const quantiles = await quantilePass(connection, values, wanted, rows)
  const frequent = await valuePass(connection, values, wanted)
  return new Map(
    wanted.map(({ request }, i): [string, ColumnStatistics] => {
      const { moments, min, max, distinct } = counted[i] ?? { moments: NO_MOMENTS }
      const listed = frequent.get(i)
      const any = moments.count > 0
      return [
        request.name,
        {
          rows,
          missing: rows - moments.count,
          ...(request.mean === true && any ? { mean: moments.mean } : {}),
          ...(request.stddev === true ? { stddev: sampleDeviation(moments) } : {}),
          ...(request.range === true && min !== undefined && max !== undefined ? { min, max } : {}),
          ...(request.quantiles !== undefined && any ? { quantiles: quantiles.get(i) ?? [] } : {}),
          ...(request.values === undefined ? {} : { values: listed?.values.slice(0, request.values) ?? [] }),
          ...(request.distinct === true ? { distinct: distinct ?? listed?.distinct ?? 0 } : {}),
        },
      ]
    }),
  )
}

/** Not infinite, and not so large that its square is: DuckDB's variance refuses those, with no word of the column. */
const squarable = (value: Expr): Expr => call('lt', call('abs', value), num(1e150))

/** Rows, counts, means, deviations, ranges, and numbers of distinct values where no list is asked for. */
async function countPass(
  connection: DuckDBConnection,
  values: Relation,
  wanted: readonly Wanted[],
): Promise<readonly Counted[]> {
  const source = plainScan(values)?.source
  const sums = wanted.some(({ request }) => request.mean === true || request.stddev === true)
  const groups = sums && source !== undefined ? await rowGroups(connection, source) : undefined
  const input = groups === undefined ? values : withPosition(values, POSITION, groups.rowsBefore)
  const parts = wanted.flatMap(({ request, column, type }): Named[] => {
    const number = numberOf(column, type)
    return [
      { name: `${column}.count`, expr: aggregate('count', [col(column)]) },
      ...(request.mean === true || request.stddev === true
        ? [{ name: `${column}.mean`, expr: aggregate('avg', [number]) }]
        : []),
      ...(request.stddev === true
        ? [
            {
              name: `${column}.variance`,
              expr: aggregate('var_pop', [when(squarable(number), number, missing('number'))]),
            },
            { name: `${column}.squarable`, expr: aggregate('count_if', [squarable(number)]) },
          ]
        : []),
      ...(request.range === true
        ? [
            { name: `${column}.min`, expr: aggregate('min', [number]) },
            { name: `${column}.max`, expr: aggregate('max', [number]) },
          ]
        : []),
    ]
  })
  const by: Named[] = groups === undefined ? [] : [{ name: 'group', expr: groupOf(col(POSITION), groups.ends) }]
  const partials = aggregated(input, by, [{ name: 'rows', expr: aggregate('count', []) }, ...parts])
  const query = groups === undefined ? partials : sort(partials, [{ expr: col('group') }])
  const reader = await connection.runAndReadAll(compile(query, duckdb))
  const names = query.schema.map(({ name }) => name)
  const found = wanted.map((): Counted => ({
    rows: 0,
    moments: NO_MOMENTS,
    min: undefined,
    max: undefined,
    distinct: undefined,
  }))
  for (const row of reader.getRows()) {
    const at = new Map<string, DuckDBValue>(names.map((name, i) => [name, row[i] ?? null]))
    const number = (name: string): number | undefined => {
      const value = at.get(name)
      return value === null || value === undefined ? undefined : Number(value)
    }
    wanted.forEach(({ column }, i) => {
      const facts = found[i]
      if (facts === undefined) return
      const count = number(`${column}.count`) ?? 0
      facts.rows += number('rows') ?? 0
      facts.moments = combine(facts.moments, {
        count,
        mean: number(`${column}.mean`) ?? 0,
        // the deviation of what has none is not that of the rest
        squares:
          (number(`${column}.squarable`) ?? count) < count ? Infinity : (number(`${column}.variance`) ?? 0) * count,
      })
      const [min, max] = [number(`${column}.min`), number(`${column}.max`)]
      if (min !== undefined && (facts.min === undefined || min < facts.min)) facts.min = min
      if (max !== undefined && (facts.max === undefined || max > facts.max)) facts.max = max
    })
  }
  const alone = wanted.filter(({ request }) => request.distinct === true && request.values === undefined)
  if (alone.length > 0) {
    const each = alone.map(({ column }): Named => ({ name: column, expr: aggregate('count_distinct', [col(column)]) }))
    const row = (await connection.runAndReadAll(compile(aggregated(values, [], each), duckdb))).getRows()[0] ?? []
    alone.forEach((want, i) => {
      const facts = found[wanted.indexOf(want)]
      if (facts !== undefined) facts.distinct = Number(row[i])
    })
  }
  return found
}

/** Exact quantiles, as many columns at a time as memory allows. */
async function quantilePass(
  connection: DuckDBConnection,
  values: Relation,
  wanted: readonly Wanted[],
  rows: number,
): Promise<ReadonlyMap<number, readonly number[]>> {
  const found = new Map<number, readonly number[]>()
  const asking = [...wanted.entries()].filter(([, { request }]) => (request.quantiles ?? []).length > 0)
  const atATime = Math.max(1, Math.floor(QUANTILE_VALUES / Math.max(1, rows)))
  for (let start = 0; start < asking.length; start += atATime) {
    const some = asking.slice(start, start + atATime)
    const numbers = some.map(([, { column, type }]): Named => ({ name: column, expr: numberOf(column, type) }))
    const parts = some.flatMap(([, { request, column }]) => [
      `quantile_cont(${identifier(column)}, [${(request.quantiles ?? []).map(numberLiteral).join(', ')}])`,
    ])
    const sql = `SELECT ${parts.join(', ')} FROM (\n${compile(project(values, numbers), duckdb)}\n) AS q`
    const reader = await connection.runAndReadAll(sql)
    const first = reader.getRowsJson()[0] ?? []
    some.forEach(([index], i) => found.set(index, listOf(first[i])))
  }
  return found
}

const listOf = (value: unknown): readonly number[] => (Array.isArray(value) ? value.map(Number) : [])

interface Frequent {
  readonly values: { readonly value: string; readonly count: number }[]
  readonly distinct: number
}

/** The most frequent values of all columns that ask, in one pass: a grouping set for each. */
async function valuePass(
  connection: DuckDBConnection,
  values: Relation,
  wanted: readonly Wanted[],
): Promise<ReadonlyMap<number, Frequent>> {
  const found = new Map<number, Frequent>()
  const asking = [...wanted.entries()].filter(([, { request }]) => request.values !== undefined)
  if (asking.length === 0) return found
  const most = Math.max(...asking.map(([, { request }]) => request.values ?? 0), 1)
  const names = asking.map(([, { column }]) => identifier(column))
  const which = names.map((name, i) => `WHEN GROUPING(${name}) = 0 THEN ${i}`).join(' ')
  const asText = asking.map(([, { column }]) => expression(cast(col(column), 'text'), values.schema, duckdb))
  const sql = `SELECT c, v, n, d FROM (
  SELECT c, v, n, row_number() OVER (PARTITION BY c ORDER BY n DESC, v ASC) AS r, count(*) OVER (PARTITION BY c) AS d
  FROM (
    SELECT CASE ${which} END AS c, coalesce(${asText.join(', ')}) AS v, count(*) AS n
    FROM (\n${compile(values, duckdb)}\n) AS q
    GROUP BY GROUPING SETS (${names.map((name) => `(${name})`).join(', ')})
  ) AS g WHERE v IS NOT NULL
) AS ranked WHERE r <= ${most} ORDER BY c, r`
  const reader = await connection.runAndReadAll(sql)
  for (const row of reader.getRows()) {
    const index = asking[Number(row[0])]?.[0] ?? 0
    const facts = found.get(index) ?? { values: [], distinct: Number(row[3]) }
    facts.values.push({ value: String(row[1]), count: Number(row[2]) })
    found.set(index, facts)
  }
  return found
}
