/**
 * Values with their counts, and numbers of distinct values. Lists of a table's files merge while each is short; a column
 * that has more values in one file is counted over all rows together.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import { eachPart, type Memo } from '../../core/memo.js'
import type { Frequent } from '../counts.js'
import { aggregate, cast, col, int, type Named } from '../expr.js'
import type { Parts } from '../parts.js'
import { aggregated, limit, project, union, type Relation } from '../relation.js'
import { compile, expression } from '../sql/compile.js'
import { duckdb, identifier } from '../sql/duckdb.js'
import type { Wanted } from '../statistics.js'
import { groupOf, plainScan, rowGroups, withPosition } from './row-groups.js'

/** The longest list of a file that is merged with others'. */
const LONGEST = 1000
/** Rows of a file that tell, if they hold more values than that, that it need not be tried. */
const LOOK = 4096
/** Files whose lists are made together. */
const FILES = 64
/** Columns whose values are counted at a time: a hash table each, of 8 MB at least with two threads. */
const TABLES = 4

const [PLACE, FILE] = ['#place', '#file']

/** For each column that asks, in their order: values as text and their counts, or null where there are too many. */
type Lists = readonly (readonly (readonly [value: string, count: number])[] | null)[]

const asks = ({ request }: Wanted): boolean => request.values !== undefined || request.distinct === true

/** @returns by index in `wanted`; and how many columns were counted over all rows although the table has several files */
export async function valuePass(
  connection: DuckDBConnection,
  values: Relation,
  parts: Parts,
  wanted: readonly Wanted[],
  memo: Memo | undefined,
): Promise<{ readonly found: ReadonlyMap<number, Frequent>; readonly whole: number }> {
  const asking = [...wanted.entries()].filter(([, want]) => asks(want))
  if (asking.length === 0) return { found: new Map(), whole: 0 }
  if (parts.names.length === 1) return { found: await overAll(connection, values, asking), whole: 0 }
  const columns = asking.map(([, want]) => want)
  const about = ['values', 1, compile(parts.likeness, duckdb), columns.map(({ column, type }) => [column, type])]
  const { values: lists } = await eachPart<Lists>(memo, about, parts.names, async (absent, done) => {
    for (let start = 0; start < absent.length; start += FILES) {
      const some = absent.slice(start, start + FILES)
      const made = await listsOf(connection, parts, some, columns)
      for (const [i, index] of some.entries()) await done(index, made[i] ?? [])
    }
  })
  const found = new Map<number, Frequent>()
  const left: typeof asking = []
  for (const [i, entry] of asking.entries()) {
    const [index, { type }] = entry
    const merged = merge(
      lists.map((list) => list[i] ?? null),
      type,
    )
    if (merged === undefined) left.push(entry)
    else found.set(index, merged)
  }
  for (const [index, facts] of await overAll(connection, values, left)) found.set(index, facts)
  return { found, whole: left.length }
}

function merge(lists: readonly Lists[number][], type: Wanted['type']): Frequent | undefined {
  const counts = new Map<string, number>()
  for (const list of lists) {
    if (list === null) return undefined
    for (const [value, count] of list) {
      // one value to every engine
      const key = type === 'number' && value === '-0.0' ? '0.0' : value
      counts.set(key, (counts.get(key) ?? 0) + count)
    }
  }
  const values = [...counts].map(([value, count]) => ({ value, count }))
  values.sort((a, b) => b.count - a.count || Buffer.compare(Buffer.from(a.value), Buffer.from(b.value)))
  return { values, distinct: values.length }
}

/** The lists of these files, a few columns at a time. */
async function listsOf(
  connection: DuckDBConnection,
  parts: Parts,
  files: readonly number[],
  columns: readonly Wanted[],
): Promise<readonly Lists[]> {
  const many = await withMany(connection, parts, files, columns)
  const tried = columns.filter((_, i) => many.some((file) => file[i] !== true))
  const lists = files.map((_, f) =>
    columns.map((__, i): [string, number][] | null => (many[f]?.[i] === true ? null : [])),
  )
  const relation = parts.only(files)
  const scan = plainScan(relation)
  if (tried.length === 0 || scan === undefined) return lists
  const { ends, files: of, rowsBefore } = await rowGroups(connection, scan.source, scan.rowsBefore)
  const last = files.map((_, f) => ends[of.lastIndexOf(f)] ?? rowsBefore[f] ?? 0)
  const placed = withPosition(relation, PLACE, rowsBefore)
  for (let start = 0; start < tried.length; start += TABLES) {
    const some = tried.slice(start, start + TABLES)
    const rows = project(placed, [
      ...some.map(({ column }): Named => ({ name: column, expr: col(column) })),
      { name: FILE, expr: groupOf(col(PLACE), last) },
    ])
    const sql = `SELECT f, c, v, n, d FROM (
  SELECT f, c, v, n, count(*) OVER (PARTITION BY f, c) AS d, row_number() OVER (PARTITION BY f, c) AS r
  FROM (${countedValues(rows, some, [FILE])}) AS g WHERE v IS NOT NULL
) AS listed WHERE d <= ${LONGEST} OR r = 1`
    const reader = await connection.runAndReadAll(sql)
    for (const [file, column, value, count, distinct] of reader.getRows()) {
      const want = some[Number(column)]
      const list = lists[Number(file)]
      if (want === undefined || list === undefined) continue
      const i = columns.indexOf(want)
      if (Number(distinct) > LONGEST) list[i] = null
      else list[i]?.push([String(value), Number(count)])
    }
  }
  return lists
}

/** For each file and column true if its first rows already hold more values than a list takes. */
async function withMany(
  connection: DuckDBConnection,
  parts: Parts,
  files: readonly number[],
  columns: readonly Wanted[],
): Promise<readonly (readonly boolean[])[]> {
  const looks = files.map((index, f) => {
    const names = columns.map(({ column }): Named => ({ name: column, expr: col(column) }))
    return project(limit(parts.only([index]), LOOK), [...names, { name: FILE, expr: int(f) }])
  })
  const counts = columns.map(({ column }): Named => ({
    name: column,
    expr: aggregate('count_distinct', [col(column)]),
  }))
  const query = aggregated(union(looks), [{ name: FILE, expr: col(FILE) }], counts)
  const found = files.map(() => columns.map(() => false))
  for (const [file, ...distinct] of (await connection.runAndReadAll(compile(query, duckdb))).getRows())
    found[Number(file)] = distinct.map((count) => Number(count) > LONGEST)
  return found
}

/** SQL of: the columns of `by` as f, the number of a column as c, its value as v, how often as n. */
function countedValues(rows: Relation, columns: readonly Wanted[], by: readonly string[]): string {
  const names = columns.map(({ column }) => identifier(column))
  const which = names.map((name, i) => `WHEN GROUPING(${name}) = 0 THEN ${i}`).join(' ')
  const texts = columns.map(({ column }) => expression(cast(col(column), 'text'), rows.schema, duckdb))
  const keys = by.map(identifier)
  const sets = names.map((name) => `(${[...keys, name].join(', ')})`)
  return `SELECT ${keys.map((key) => `${key} AS f, `).join('')}CASE ${which} END AS c, coalesce(${texts.join(', ')}) AS v, count(*) AS n
    FROM (\n${compile(rows, duckdb)}\n) AS q GROUP BY GROUPING SETS (${sets.join(', ')})`
}

/** The values of columns that ask for them, a grouping set for each; the others' numbers of distinct values. */
async function overAll(
  connection: DuckDBConnection,
  values: Relation,
  asking: readonly (readonly [number, Wanted])[],
): Promise<ReadonlyMap<number, Frequent>> {
  const found = new Map<number, { values: { value: string; count: number }[]; distinct: number }>()
  const listed = asking.filter(([, { request }]) => request.values !== undefined)
  const most = Math.max(...listed.map(([, { request }]) => request.values ?? 0), 1)
  for (let start = 0; start < listed.length; start += TABLES) {
    const some = listed.slice(start, start + TABLES)
    const columns = some.map(([, want]) => want)
    const sql = `SELECT c, v, n, d FROM (
  SELECT c, v, n, row_number() OVER (PARTITION BY c ORDER BY n DESC, v ASC) AS r, count(*) OVER (PARTITION BY c) AS d
  FROM (${countedValues(values, columns, [])}) AS g WHERE v IS NOT NULL
) AS ranked WHERE r <= ${most} ORDER BY c, r`
    for (const row of (await connection.runAndReadAll(sql)).getRows()) {
      const index = some[Number(row[0])]?.[0] ?? 0
      const facts = found.get(index) ?? { values: [], distinct: Number(row[3]) }
      facts.values.push({ value: String(row[1]), count: Number(row[2]) })
      found.set(index, facts)
    }
  }
  const alone = asking.filter(([, { request }]) => request.values === undefined)
  for (let start = 0; start < alone.length; start += TABLES) {
    const some = alone.slice(start, start + TABLES)
    const each = some.map(([, { column }]): Named => ({
      name: column,
      expr: aggregate('count_distinct', [col(column)]),
    }))
    const row = (await connection.runAndReadAll(compile(aggregated(values, [], each), duckdb))).getRows()[0] ?? []
    for (const [i, [index]] of some.entries()) found.set(index, { values: [], distinct: Number(row[i]) })
  }
  return found
}
