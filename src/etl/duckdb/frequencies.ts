/**
 * Values with their counts, and numbers of distinct values. Lists of a table's files merge while each is short; a column
 * that has more values in one file is counted over all rows together.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import { eachPart, type Memo } from '../../core/memo.js'
import type { Frequent } from '../counts.js'
import { aggregate, cast, col, type Expr, type Named } from '../expr.js'
import { lower } from '../lower.js'
import type { Parts } from '../parts.js'
import { aggregated, project, type Relation } from '../relation.js'
import { compile, expression } from '../sql/compile.js'
import { duckdb, identifier, pathLiteral, textLiteral } from '../sql/duckdb.js'
import type { Wanted } from '../statistics.js'
import { plainScan, withFile } from './row-groups.js'

/** The longest list of a file that is merged with others'. */
const LONGEST = 1000
/** Files whose lists are made together, and rows from which on one is enough: alone it needs no key beside the value. */
const TOGETHER = { files: 64, rows: 50_000 }
/** Columns whose values are counted at a time: a hash table each, of 8 MB at least with two threads. */
const TABLES = 4

const FILE = '#file'

/** For each column that asks, in their order: values as text and their counts, or null where there are too many. */
type Lists = readonly (readonly (readonly [value: string, count: number])[] | null)[]

const asks = ({ request }: Wanted): boolean => request.values !== undefined || (request.distinct ?? false) !== false
const asksForFew = ({ request }: Wanted): boolean => request.values === undefined && request.distinct === 'few'

/**
 * @param parts with the rows of each; undefined where nothing is known of the files
 * @returns by index in `wanted`; and how many columns were counted over all rows although the table has several files
 */
export async function valuePass(
  connection: DuckDBConnection,
  values: Relation,
  parts: (Parts & { readonly rows: readonly number[] }) | undefined,
  wanted: readonly Wanted[],
  memo: Memo | undefined,
): Promise<{ readonly found: ReadonlyMap<number, Frequent>; readonly whole: number }> {
  const asking = [...wanted.entries()].filter(([, want]) => asks(want))
  if (asking.length === 0) return { found: new Map(), whole: 0 }
  if (parts === undefined) {
    const found = [...(await overAll(connection, values, asking))]
    const isGiven = ([index, { distinct }]: (typeof found)[number]): boolean =>
      distinct <= LONGEST || !asking.some(([asked, want]) => asked === index && asksForFew(want))
    return { found: new Map(found.filter(isGiven)), whole: 0 }
  }
  const columns = asking.map(([, want]) => want)
  const about = ['values', 3, compile(parts.likeness, duckdb), columns.map(({ column, type }) => [column, type])]
  const { values: lists } = await eachPart<Lists>(memo, about, parts.names, async (absent, done) => {
    for (const some of takenTogether(absent, parts.rows)) {
      const made = await listsOf(connection, parts, some, columns)
      for (const [i, index] of some.entries()) await done(index, made[i] ?? [])
    }
  })
  const found = new Map<number, Frequent>()
  const left: typeof asking = []
  for (const [i, entry] of asking.entries()) {
    const [index, want] = entry
    const merged = merge(
      lists.map((list) => list[i] ?? null),
      want.type,
    )
    if (merged !== undefined) found.set(index, merged)
    else if (!asksForFew(want)) left.push(entry)
  }
  for (const [index, facts] of await overAll(connection, values, left)) found.set(index, facts)
  return { found, whole: parts.names.length === 1 ? 0 : left.length }
}

function takenTogether(files: readonly number[], rows: readonly number[]): readonly (readonly number[])[] {
  const taken: number[][] = []
  let held = Infinity
  for (const index of files) {
    const more = rows[index] ?? 0
    if (held + more > TOGETHER.rows || taken.at(-1)?.length === TOGETHER.files) {
      taken.push([])
      held = 0
    }
    taken.at(-1)?.push(index)
    held += more
  }
  return taken
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
  const relation = parts.only(files)
  const many = await withMany(connection, relation, columns)
  const tried = columns.filter((want) => files.some((_, i) => many[i]?.has(want) !== true))
  const lists = files.map((_, i) => columns.map((want): [string, number][] | null => (many[i]?.has(want) ? null : [])))
  const [input, keys] = files.length === 1 ? [relation, []] : [withFile(relation, FILE), [FILE]]
  for (let start = 0; start < tried.length; start += TABLES) {
    const some = tried.slice(start, start + TABLES)
    const names = [...some.map(({ column }) => column), ...keys]
    const rows = project(
      input,
      names.map((name): Named => ({ name, expr: col(name) })),
    )
    const sql = `SELECT f, c, v, n, d FROM (
  SELECT f, c, v, n, count(*) OVER (PARTITION BY f, c) AS d, row_number() OVER (PARTITION BY f, c) AS r
  FROM (${countedValues(rows, some, keys)}) AS g WHERE v IS NOT NULL
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

/**
 * For each file the columns of which it says itself that they hold more values than a list takes: by the number of values
 * of its dictionary or, if DuckDB wrote it, as it has none, which it writes wherever that is shorter. Each file tells for
 * itself, so that what is kept of it does not depend on the others; who is not found here is tried.
 */
async function withMany(
  connection: DuckDBConnection,
  relation: Relation,
  columns: readonly Wanted[],
): Promise<readonly ReadonlySet<Wanted>[]> {
  const scan = plainScan(relation)
  const stored = columns.flatMap((want) => {
    const name = want.type === 'boolean' ? undefined : storedColumn(col(want.column), relation)
    return name === undefined ? [] : [{ want, name }]
  })
  if (scan === undefined || stored.length === 0) return []
  const { paths } = scan.source
  const files = `[${paths.map(pathLiteral).join(', ')}]`
  const names = [...new Set(stored.map(({ name }) => textLiteral(name)))]
  const without = `CASE WHEN encodings NOT LIKE '%DICTIONARY%' AND created_by LIKE 'DuckDB%' THEN num_values - coalesce(stats_null_count, 0) END`
  const reader = await connection.runAndReadAll(`SELECT file_name, path_in_schema
    FROM parquet_metadata(${files}) JOIN parquet_file_metadata(${files}) USING (file_name)
    WHERE path_in_schema IN (${names.join(', ')}) AND coalesce(stats_distinct_count, ${without}) > ${LONGEST} GROUP BY 1, 2`)
  const found = reader.getRows().map((row) => row.map(String))
  return paths.map((path) => {
    const many = new Set(found.flatMap(([file, name]) => (file === path ? [name] : [])))
    return new Set(stored.flatMap(({ want, name }) => (many.has(name) ? [want] : [])))
  })
}

/** The scan's column whose values these are, or one text for each. */
function storedColumn(expr: Expr, relation: Relation): string | undefined {
  if (expr.op === 'cast' && expr.to === 'text') return storedColumn(expr.value, relation)
  if (expr.op === 'call' && expr.fn === 'nullif' && expr.args[0] !== undefined)
    return storedColumn(expr.args[0], relation)
  if (expr.op !== 'column') return undefined
  switch (relation.kind) {
    case 'scan':
      return expr.name === relation.rowNumber ? undefined : expr.name
    case 'filter':
      return storedColumn(expr, relation.input)
    case 'project': {
      const column = relation.columns.find(({ name }) => name === expr.name)
      return column === undefined ? undefined : storedColumn(lower(column.expr, relation.input), relation.input)
    }
    default:
      return undefined
  }
}

/** SQL of: the columns of `by` as f, the number of a column as c, its value as v, how often as n. */
function countedValues(rows: Relation, columns: readonly Wanted[], by: readonly string[]): string {
  const names = columns.map(({ column }) => identifier(column))
  const which = names.map((name, i) => `WHEN GROUPING(${name}) = 0 THEN ${i}`).join(' ')
  const texts = columns.map(({ column }) => expression(cast(col(column), 'text'), rows, duckdb))
  const keys = by.map(identifier)
  const sets = names.map((name) => `(${[...keys, name].join(', ')})`)
  return `SELECT ${keys[0] ?? '0'} AS f, CASE ${which} END AS c, coalesce(${texts.join(', ')}) AS v, count(*) AS n
    FROM (\n${compile(rows, duckdb)}\n) AS q GROUP BY GROUPING SETS (${sets.join(', ')})`
}

interface Counts extends Frequent {
  readonly values: { value: string; count: number }[]
  distinct: number
}

/** The values of columns that ask for them, a grouping set for each; the others' numbers of distinct values. */
async function overAll(
  connection: DuckDBConnection,
  values: Relation,
  asking: readonly (readonly [number, Wanted])[],
): Promise<ReadonlyMap<number, Frequent>> {
  const listed = asking.filter(([, { request }]) => request.values !== undefined)
  const found = new Map<number, Counts>(listed.map(([index]) => [index, { values: [], distinct: 0 }]))
  for (let start = 0; start < listed.length; start += TABLES) {
    const some = listed.slice(start, start + TABLES)
    const columns = some.map(([, want]) => want)
    // the first of each by themselves: to rank all values would sort them
    const firsts = columns.map(
      ({ request }, c) => `(SELECT c, v, n, (SELECT count(v) FROM g WHERE c = ${c}) AS d
  FROM g WHERE c = ${c} AND v IS NOT NULL ORDER BY n DESC, v ASC LIMIT ${Math.max(1, request.values ?? 0)})`,
    )
    const sql = `WITH g AS MATERIALIZED (${countedValues(values, columns, [])})
SELECT * FROM (${firsts.join(' UNION ALL ')}) AS listed ORDER BY c, n DESC, v ASC`
    for (const row of (await connection.runAndReadAll(sql)).getRows()) {
      const facts = found.get(some[Number(row[0])]?.[0] ?? 0)
      facts?.values.push({ value: String(row[1]), count: Number(row[2]) })
      if (facts !== undefined) facts.distinct = Number(row[3])
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
