/** Aggregates of a table of several files, by file where they merge: counts and sums add up, extremes compare. */
import { eachPart, type Memo } from '../core/memo.js'
import { parallel } from '../core/parallel.js'
import { plainScan, withFile } from './duckdb/row-groups.js'
import type { Engine } from './engine.js'
import { col, type Named } from './expr.js'
import { type Parts, partsOf } from './parts.js'
import { aggregated, project, type Relation } from './relation.js'
import { freeName } from './repeated.js'
import { columnsOf } from './types.js'

export type Merge = 'sum' | 'min' | 'max'
type Row = Readonly<Record<string, unknown>>

const AT_ONCE = 4

/**
 * The rows of `aggregated(input, groupBy, aggregates)`, in no order. Those of files that were there before come from the
 * memo; of the others the engine reads as many at once as it likes to.
 * @param aggregates each with how it merges; those without (distinct values) are counted over all rows, and only where
 *   there are no groups
 */
export async function mergedRows(
  engine: Engine,
  memo: Memo | undefined,
  input: Relation,
  groupBy: readonly Named[],
  aggregates: readonly (Named & { readonly merge?: Merge })[],
  signal?: AbortSignal,
): Promise<readonly Row[]> {
  const merging = aggregates.filter(({ merge }) => merge !== undefined)
  const used = new Set<string>()
  for (const { expr } of [...groupBy, ...merging]) columnsOf(expr, used)
  const [first] = input.schema
  const names = used.size === 0 && first !== undefined ? [first.name] : [...used]
  const read = project(
    input,
    names.map((name) => ({ name, expr: col(name) })),
  )
  const parts = partsOf(read)
  if (parts === undefined || parts.names.length === 1 || merging.length === 0)
    return engine.rows(aggregated(input, groupBy, aggregates), signal)
  const about = ['aggregates', 1, engine.dialect.compile(aggregated(parts.likeness, groupBy, merging)).sql]
  // rows are told apart by their numbers
  const together = plainScan(read)?.rowsBefore === undefined ? 1 : engine.filesAtOnce
  const { values, made } = await eachPart<readonly Row[]>(memo, about, parts.names, async (missing, done) => {
    const sets = Array.from({ length: Math.ceil(missing.length / together) }, (_, i) =>
      missing.slice(i * together, (i + 1) * together),
    )
    await parallel(sets, AT_ONCE, async (files) => {
      const rows = await rowsByFile(engine, parts, files, groupBy, merging, signal)
      for (const [i, file] of files.entries()) await done(file, (rows[i] ?? []).map(toJson))
    })
  })
  const rest = aggregates.filter(({ merge }) => merge === undefined)
  const whole = rest.length === 0 ? {} : ((await engine.rows(aggregated(input, [], rest), signal))[0] ?? {})
  if (made < parts.names.length) {
    memo?.note(
      `counts: ${made} of ${parts.names.length} files read, ${parts.names.length - made} taken from earlier runs`,
    )
    if (rest.length > 0) memo?.note(`${rest.length} counts of distinct values do not merge: all rows were read again`)
  }
  const groups = new Map<string, Record<string, unknown>>()
  for (const row of values.flat().map(fromJson)) {
    const key = JSON.stringify(groupBy.map(({ name }) => String(row[name])))
    const sum = groups.get(key)
    if (sum === undefined) groups.set(key, { ...row, ...whole })
    else for (const { name, merge } of merging) sum[name] = combined(merge, sum[name], row[name])
  }
  // of files without rows that were read together nothing is known, not even that their count is 0
  if (groups.size === 0 && groupBy.length === 0) return engine.rows(aggregated(input, groupBy, aggregates), signal)
  return [...groups.values()]
}

/** The aggregates of each of these files; of several, none without groups for one that has no rows. */
async function rowsByFile(
  engine: Engine,
  parts: Parts,
  files: readonly number[],
  groupBy: readonly Named[],
  aggregates: readonly Named[],
  signal?: AbortSignal,
): Promise<readonly (readonly Row[])[]> {
  const input = parts.only(files)
  const whole = aggregated(input, groupBy, aggregates)
  if (files.length === 1) return [await engine.rows(whole, signal)]
  const name = freeName('#file', [...input.schema, ...whole.schema])
  const rows = files.map((): Row[] => [])
  const keys = [...groupBy, { name, expr: col(name) }]
  for (const { [name]: file, ...row } of await engine.rows(aggregated(withFile(input, name), keys, aggregates), signal))
    rows[Number(file)]?.push(row)
  return rows
}

function combined(merge: Merge | undefined, a: unknown, b: unknown): unknown {
  if (a === null || b === null) return a ?? b
  if (merge === 'sum') return typeof a === 'bigint' && typeof b === 'bigint' ? a + b : Number(a) + Number(b)
  const isLess = (a as number) < (b as number)
  return isLess === (merge === 'min') ? a : b
}

/** Integers are bigint: in JSON as {int: '5'}. */
const toJson = (row: Row): Row => mapped(row, (value) => (typeof value === 'bigint' ? { int: String(value) } : value))
const fromJson = (row: Row): Row =>
  mapped(row, (value) =>
    typeof value === 'object' && value !== null && 'int' in value ? BigInt(String(value.int)) : value,
  )

const mapped = (row: Row, change: (value: unknown) => unknown): Row =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, change(value)]))
