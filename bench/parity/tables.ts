/**
 * Two runs' tables beside each other, cell by cell, by SQL in DuckDB: rows by the million are no objects of JavaScript.
 * Rows are taken as they stand in the files, so another order is a difference too.
 */
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api'
import { LEAST, TOLERANCE } from '../../test/engines/same.js'

/** What was compared, and how far apart it is. */
export interface Compared {
  readonly what: string
  /** Of a table. */
  readonly rows?: number
  /** Cells of a table, or values of a document. */
  readonly values: number
  /** Those that are not the same to the last bit. */
  readonly unequal: number
  /** The largest difference of two numbers, relative to the larger one, and where it is. */
  readonly largest: number
  readonly at?: string
  /** The most that `largest` may be; texts, times, whole numbers and what is missing must be equal. */
  readonly allowed: number
  /** What differs by more: how many values, and the first few. */
  readonly beyond: number
  readonly faults: readonly string[]
}

/** Files in order; `by` sorts their rows where files of one table may stand in any. */
export interface Rows {
  readonly paths: readonly string[]
  readonly by?: string
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`
const MOST_FAULTS = 5

/** Opens an engine of its own for comparisons, with dates in UTC. */
export async function comparer(): Promise<{ readonly connection: DuckDBConnection } & Disposable> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' })
  const connection = await instance.connect()
  await connection.run(`SET TimeZone = 'UTC'`)
  return {
    connection,
    [Symbol.dispose]() {
      connection.closeSync()
      instance.closeSync()
    },
  }
}

/** Compares rows at equal places; names and types of columns, and the number of rows, must be the same. */
export async function compareRows(connection: DuckDBConnection, what: string, a: Rows, b: Rows): Promise<Compared> {
  const all = async (sql: string) => (await connection.runAndReadAll(sql)).getRows()
  const table = ({ paths }: Rows): string => {
    const list = paths.map((path) => `'${path.replaceAll("'", "''")}'`).join(', ')
    return `read_parquet([${list}], hive_partitioning = false)`
  }
  const shape = async (rows: Rows): Promise<readonly (readonly [string, string])[]> =>
    (await all(`DESCRIBE FROM ${table(rows)}`)).map(([name, type]) => [String(name), String(type)] as const)
  const count = async (rows: Rows): Promise<number> =>
    Number((await all(`SELECT count(*) FROM ${table(rows)}`))[0]?.[0])
  const [columns, others, rows, otherRows] = [await shape(a), await shape(b), await count(a), await count(b)]
  const base = { what, rows, values: rows * columns.length, allowed: TOLERANCE }
  if (rows !== otherRows || JSON.stringify(columns) !== JSON.stringify(others)) {
    const faults = rows === otherRows ? differingShapes(columns, others) : [`${rows} and ${otherRows} rows`]
    return { ...base, unequal: base.values, largest: 0, beyond: base.values, faults }
  }
  const place = `"the place of a row"`
  const numbered = (rows: Rows): string =>
    `SELECT *, row_number() OVER (${rows.by === undefined ? '' : `ORDER BY ${quoted(rows.by)}`}) AS ${place} FROM ${table(rows)}`
  const from = `FROM (${numbered(a)}) a JOIN (${numbered(b)}) b USING (${place})`
  const tests = columns.map(([name, type]) => {
    const [x, y] = [`a.${quoted(name)}`, `b.${quoted(name)}`]
    const isFloat = type === 'DOUBLE' || type === 'FLOAT'
    const [u, v] = [`${x}::DOUBLE`, `${y}::DOUBLE`]
    // as `distance` in same.ts: NaN, which is above every number here, where one of them is no finite number
    const far = `abs(${u} - ${v}) / greatest(abs(${u}), abs(${v}), ${LEAST})`
    const isUnequal = `${x} IS DISTINCT FROM ${y}`
    return {
      ...{ name, x, y, isUnequal },
      far: isFloat ? `max(${far}) FILTER (WHERE ${isUnequal} AND isfinite(${far}))` : '0',
      isBeyond: isFloat ? `(${isUnequal} AND coalesce(${far}, 'NaN'::DOUBLE) > ${TOLERANCE})` : `(${isUnequal})`,
    }
  })
  const wanted = tests.map(({ isUnequal, far, isBeyond }) => `count_if(${isUnequal}), ${far}, count_if(${isBeyond})`)
  const [joined, ...counts] = ((await all(`SELECT count(*), ${wanted.join(', ')} ${from}`))[0] ?? []).map(Number)
  if (joined !== rows) throw new Error(`${what}: ${rows} rows, ${joined} of them compared`)
  let [unequal, largest, beyond, at]: [number, number, number, string | undefined] = [0, 0, 0, undefined]
  const faults: string[] = []
  for (const [i, { name, x, y, isBeyond }] of tests.entries()) {
    const [differ = 0, far = 0, over = 0] = counts.slice(3 * i, 3 * i + 3)
    unequal += differ
    beyond += over
    if (far > largest) [largest, at] = [far, name]
    if (over > 0 && faults.length < MOST_FAULTS)
      for (const [row, one, other] of await all(
        `SELECT ${place}, ${x}::VARCHAR, ${y}::VARCHAR ${from} WHERE ${isBeyond} LIMIT 2`,
      ))
        faults.push(`row ${String(row)}, ${name}: ${String(one)} and ${String(other)}`)
  }
  return { ...base, unequal, largest, ...(at === undefined ? {} : { at }), beyond, faults }
}

/** The parts of one table as one. */
export function together(what: string, parts: readonly Compared[]): Compared {
  const sum = (of: (part: Compared) => number): number => parts.reduce((total, part) => total + of(part), 0)
  const largest = Math.max(0, ...parts.map((part) => part.largest))
  const at = parts.find((part) => part.at !== undefined && part.largest === largest)?.at
  return {
    ...{ what, rows: sum(({ rows = 0 }) => rows), values: sum(({ values }) => values) },
    ...{ unequal: sum(({ unequal }) => unequal), largest, ...(at === undefined ? {} : { at }), allowed: TOLERANCE },
    beyond: sum(({ beyond }) => beyond),
    faults: parts.flatMap((part) => part.faults.map((fault) => `${part.what}: ${fault}`)).slice(0, MOST_FAULTS),
  }
}

type Shape = readonly (readonly [string, string])[]

function differingShapes(a: Shape, b: Shape): readonly string[] {
  const words = (shape: Shape): readonly string[] => shape.map((column) => column.join(' '))
  const [here, there] = [words(a), words(b)]
  const only = (some: readonly string[], others: readonly string[]): string =>
    some.filter((word) => !others.includes(word)).join(', ')
  return [`columns only on one engine: ${only(here, there)}; only on the other: ${only(there, here)}`]
}
