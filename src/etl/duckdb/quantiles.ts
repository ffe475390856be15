/**
 * Exact quantiles, by linear interpolation between neighbours as `quantile_cont`. DuckDB's own keeps all values of a
 * column in memory, outside its limit; of longer columns only those are kept that may be the wanted ones: a sample
 * brackets each, a count says whether it lies inside (Floyd and Rivest 1975), and what is left is sorted. Three scans.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Field } from '../../core/schema.js'
import type { Expr, Named } from '../expr.js'
import { project, type Relation } from '../relation.js'
import { compile } from '../sql/compile.js'
import { duckdb, identifier, numberLiteral } from '../sql/duckdb.js'
import { batches, vectorSql } from './batches.js'

export interface Asked {
  /** A number or NULL; not NaN. */
  readonly expr: Expr
  /** How many are not NULL. */
  readonly count: number
  /** From 0 to 1. */
  readonly fractions: readonly number[]
}

export interface QuantileLimits {
  /** Values that a query may hold: 8 bytes each, a few times over while they are sorted. */
  readonly held: number
  /** Rows of a sample: the more, the closer the brackets. */
  readonly sample: number
}

const LIMITS: QuantileLimits = { held: 2_000_000, sample: 65_536 }
/** Columns, and fractions of all of them, whose samples and counts are made together: four counts for each fraction. */
const TOGETHER = { columns: 16, fractions: 128 }

/** For each of `asked` its quantiles in the order of its fractions; none where it has no values. */
export async function quantiles(
  connection: DuckDBConnection,
  values: Relation,
  asked: readonly Asked[],
  limits: QuantileLimits = LIMITS,
): Promise<readonly (readonly number[])[]> {
  const found: (readonly number[])[] = asked.map(() => [])
  const wanted = asked.flatMap((one, index) =>
    one.count === 0 || one.fractions.length === 0 ? [] : [{ ...one, index }],
  )
  for (const isLong of [false, true]) {
    const columns = wanted.filter(({ count }) => count > limits.held === isLong)
    const rest = isLong ? columns.flatMap(inPieces) : columns
    while (rest.length > 0) {
      const some = isLong ? takeTogether(rest) : takeWithin(rest, limits.held)
      const input = project(
        values,
        some.map(({ expr }, i): Named => ({ name: `x${i}`, expr })),
      )
      const results = await (isLong ? byBrackets(connection, input, some, limits) : atOnce(connection, input, some))
      for (const [i, { index }] of some.entries())
        found[index] = [...(found[index] ?? []), ...(results[i] ?? []).map((value) => value + 0)]
    }
  }
  return found
}

/** The same column for each of so many fractions as one query takes. */
function inPieces<T extends Asked>(asked: T): readonly T[] {
  const { fractions } = asked
  const pieces = Math.ceil(fractions.length / TOGETHER.fractions)
  return Array.from({ length: pieces }, (_, i) => ({
    ...asked,
    fractions: fractions.slice(i * TOGETHER.fractions, (i + 1) * TOGETHER.fractions),
  }))
}

/** Takes from the front what one query takes. */
function takeTogether<T extends Asked>(from: T[]): T[] {
  let sum = 0
  const end = from.findIndex(
    ({ fractions }, i) => (sum += fractions.length) > TOGETHER.fractions || i === TOGETHER.columns,
  )
  return from.splice(0, end < 0 ? from.length : end)
}

/** Takes from the front as many as hold no more than `most` together, but one at least. */
function takeWithin<T extends { readonly count: number }>(from: T[], most: number): T[] {
  let sum = 0
  const end = from.findIndex(({ count }, i) => (sum += count) > most && i > 0)
  return from.splice(0, end < 0 ? from.length : end)
}

async function atOnce(connection: DuckDBConnection, input: Relation, asked: readonly Asked[]) {
  const parts = asked.map(
    ({ fractions }, i) => `quantile_cont(${nameOf(input, i)}, [${fractions.map(numberLiteral).join(', ')}])`,
  )
  const row = await firstRow(connection, `SELECT ${parts.join(', ')} FROM ${from(input)}`)
  return row.map((list) => (Array.isArray(list) ? list.map(Number) : []))
}

/** The values between `low` and `high`, both left out, of which those of some ranks are wanted. */
interface Bracket {
  readonly column: number
  readonly low?: number
  readonly high?: number
  readonly count: number
  /** Values of the column that come before. */
  readonly before: number
  /** Ascending, among all values of the column, from 0. */
  readonly ranks: readonly number[]
}

async function byBrackets(
  connection: DuckDBConnection,
  input: Relation,
  asked: readonly Asked[],
  limits: QuantileLimits,
): Promise<readonly (readonly number[])[]> {
  const places = asked.map(({ fractions, count }) => fractions.map((fraction) => placeOf(fraction, count)))
  const values = asked.map((): Ranked => new Map())
  const isSmall = ({ count }: Bracket): boolean => count <= limits.held
  let open = places.flatMap((of, column) =>
    of.map(({ ranks }): Bracket => ({ column, count: asked[column]?.count ?? 0, before: 0, ranks })),
  )
  const small: Bracket[] = []
  for (let round = 0; open.length > 0; round++) {
    const next = await narrow(connection, input, open, values, limits.sample, round)
    small.push(...next.filter(isSmall))
    open = next.filter((bracket) => !isSmall(bracket))
  }
  while (small.length > 0) await collect(connection, input, takeWithin(small, limits.held), values)
  return interpolate(connection, places, values)
}

/** A column's values by their rank. */
type Ranked = Map<number, number>

interface Place {
  readonly ranks: readonly number[]
  /** Of the way from the first rank's value to the second's. */
  readonly share: number
}

function placeOf(fraction: number, count: number): Place {
  const place = (count - 1) * fraction
  const [below, above] = [Math.floor(place), Math.ceil(place)]
  return { ranks: below === above ? [below] : [below, above], share: place - below }
}

/** Smaller brackets around the same ranks; ranks whose values are found out in passing are put into `values`. */
async function narrow(
  connection: DuckDBConnection,
  input: Relation,
  open: readonly Bracket[],
  values: readonly Ranked[],
  size: number,
  round: number,
): Promise<readonly Bracket[]> {
  const sample = await sampleOf(connection, input, open, size, round)
  const pivots = open.map((bracket) => pivotsOf(bracket, sample[bracket.column] ?? new Float64Array(0)))
  const counts = open.flatMap(({ column }, i) =>
    (pivots[i] ?? []).flatMap((pivot) =>
      ['<', '<='].map((than) => `count_if(${nameOf(input, column)} ${than} ${numberLiteral(pivot)})`),
    ),
  )
  const row = counts.length === 0 ? [] : await firstRow(connection, `SELECT ${counts.join(', ')} FROM ${from(input)}`)
  let at = 0
  return open.flatMap((bracket, i) => {
    const next: Bracket[] = []
    let { before, low, ranks } = bracket
    const upTo = (end: number, high: number | undefined): void => {
      const inside = ranks.filter((rank) => rank < end)
      ranks = ranks.filter((rank) => rank >= end)
      const { column } = bracket
      if (inside.length > 0)
        next.push({
          column,
          count: end - before,
          before,
          ranks: inside,
          ...(low === undefined ? {} : { low }),
          ...(high === undefined ? {} : { high }),
        })
    }
    for (const pivot of pivots[i] ?? []) {
      const [below, notAbove] = [Number(row[at++]), Number(row[at++])]
      upTo(below, pivot)
      for (const rank of ranks) if (rank < notAbove) values[bracket.column]?.set(rank, pivot)
      ranks = ranks.filter((rank) => rank >= notAbove)
      ;[before, low] = [notAbove, pivot]
    }
    upTo(bracket.before + bracket.count, bracket.high)
    return next
  })
}

/** Two values that the wanted ranks very likely lie between; one or none near an end. */
function pivotsOf({ low, high, count, before, ranks }: Bracket, sample: Float64Array): number[] {
  const inside = sample.filter((value) => (low === undefined || value > low) && (high === undefined || value < high))
  const at = (rank: number, sign: number): number => {
    const share = (rank - before + 0.5) / count
    // four standard deviations of how many of the sample lie below
    const margin = 4 * Math.sqrt(inside.length * share * (1 - share)) + 1
    return Math.floor(inside.length * share + sign * margin)
  }
  const chosen = [inside[at(ranks[0] ?? 0, -1)], inside[at(ranks.at(-1) ?? 0, 1)]]
  return [...new Set(chosen)].filter((value) => value !== undefined)
}

/** Values of each column from rows at random, ascending. What is found does not depend on them, only how fast. */
async function sampleOf(
  connection: DuckDBConnection,
  input: Relation,
  open: readonly Bracket[],
  size: number,
  round: number,
): Promise<readonly Float64Array[]> {
  const where = open.map((bracket) => `(${inside(input, bracket)})`).join(' OR ')
  const percent = Math.min(100, (100 * size) / Math.min(...open.map(({ count }) => count)))
  const sql = `SELECT * FROM (SELECT * FROM ${from(input)} WHERE ${where}) AS r
USING SAMPLE ${percent.toFixed(9)} PERCENT (bernoulli, ${round + 1})`
  const schema = input.schema.map(({ name }): Field => ({ name, type: 'number' }))
  const parts: Float64Array[][] = schema.map(() => [])
  for await (const { columns } of batches(connection, vectorSql(sql, schema), schema))
    for (const [i, column] of columns.entries())
      if (column instanceof Float64Array) parts[i]?.push(column.filter((value) => !Number.isNaN(value)))
  return parts.map((arrays) => {
    const all = new Float64Array(arrays.reduce((sum, { length }) => sum + length, 0))
    let at = 0
    for (const array of arrays) {
      all.set(array, at)
      at += array.length
    }
    return all.sort()
  })
}

/** Sorts what is inside the brackets and takes what stands at the ranks. */
async function collect(
  connection: DuckDBConnection,
  input: Relation,
  brackets: readonly Bracket[],
  values: readonly Ranked[],
): Promise<void> {
  const lists = brackets.map((bracket, i) => {
    const name = nameOf(input, bracket.column)
    return `list_sort(list(${name}) FILTER (WHERE ${inside(input, bracket)})) AS l${i}`
  })
  const taken = brackets.flatMap(({ column, before, ranks }, i) =>
    ranks.map((rank) => ({ column, rank, sql: `l${i}[${rank - before + 1}]` })),
  )
  const row = await firstRow(
    connection,
    `SELECT ${taken.map(({ sql }) => sql).join(', ')} FROM (SELECT ${lists.join(', ')} FROM ${from(input)})`,
  )
  taken.forEach(({ column, rank }, i) => values[column]?.set(rank, Number(row[i])))
}

/** Between two values as `quantile_cont` does it: by itself, so that the bits are its own. */
async function interpolate(
  connection: DuckDBConnection,
  places: readonly (readonly Place[])[],
  values: readonly Ranked[],
): Promise<readonly (readonly number[])[]> {
  const lists = places.map((of, column) => {
    const each = of.map(({ ranks, share }) => {
      const two = ranks.map((rank) => `(${numberLiteral(values[column]?.get(rank) ?? NaN)})`).join(', ')
      return `(SELECT quantile_cont(v, ${numberLiteral(share)}) FROM (VALUES ${two}) AS t(v))`
    })
    return `[${each.join(', ')}]`
  })
  const row = await firstRow(connection, `SELECT ${lists.join(', ')}`)
  return row.map((list) => (Array.isArray(list) ? list.map(Number) : []))
}

const nameOf = (input: Relation, column: number): string => identifier(input.schema[column]?.name ?? '')
const from = (input: Relation): string => `(\n${compile(input, duckdb)}\n) AS q`

function inside(input: Relation, { column, low, high }: Bracket): string {
  const name = nameOf(input, column)
  const bounds = [
    ...(low === undefined ? [] : [`${name} > ${numberLiteral(low)}`]),
    ...(high === undefined ? [] : [`${name} < ${numberLiteral(high)}`]),
  ]
  return bounds.length === 0 ? `${name} IS NOT NULL` : bounds.join(' AND ')
}

async function firstRow(connection: DuckDBConnection, sql: string): Promise<readonly unknown[]> {
  const reader = await connection.runAndReadAll(sql)
  return reader.getRowsJson()[0] ?? []
}
