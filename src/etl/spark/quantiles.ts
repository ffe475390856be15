/**
 * Exact quantiles, by linear interpolation between neighbours. Spark's own exact ones hold all distinct values of a
 * column in memory; here its approximate ones bracket each, and one more query counts what lies below and collects what
 * lies inside, which is few: two queries for all columns, which also say how many values there are.
 */
import { MillraceError } from '../../core/errors.js'
import type { Expr } from '../expr.js'
import { project, type Relation } from '../relation.js'
import { compile } from '../sql/compile.js'
import { numberLiteral } from '../sql/duckdb.js'
import { spark } from '../sql/spark-scan.js'
import type { Cluster } from './cluster.js'
import { rowsOfQuery } from './query.js'
import { queryOf } from './reads.js'

/** A column of numbers without NaN, and fractions from 0 to 1 of its values. */
export interface Asked {
  readonly expr: Expr
  readonly fractions: readonly number[]
}

/** What is found of a column: rows, those that have a value, and quantiles in the order of the fractions (none of no value). */
export interface Quantiles {
  readonly rows: number
  readonly count: number
  readonly values: readonly number[]
}

/** Of Spark's `approx_percentile`: ranks are right to a share of 1 / ACCURACY. */
const ACCURACY = 10_000
/** Around the rank, in shares of all: more than twice what Spark may be off. */
const MARGIN = 2.5 / ACCURACY
/** Of so few values all are looked at; of more the margin is several ranks wide. */
const FEW = 40_000
/** Columns of one query. */
const TOGETHER = 64

interface Column {
  readonly name: string
  readonly fractions: readonly number[]
}

/** For each of `asked` what is found. */
export async function quantiles(
  cluster: Cluster,
  values: Relation,
  asked: readonly Asked[],
  signal?: AbortSignal,
): Promise<readonly Quantiles[]> {
  const found: Quantiles[] = []
  for (let start = 0; start < asked.length; start += TOGETHER) {
    const some = asked.slice(start, start + TOGETHER)
    const columns = some.map(({ fractions }, i): Column => ({ name: `x${i}`, fractions }))
    const input = project(
      values,
      some.map(({ expr }, i) => ({ name: `x${i}`, expr })),
    )
    const around = await bracketsOf(cluster, input, columns, signal)
    const places = columns.flatMap(({ name, fractions }, i): readonly Place[] => {
      const { count = 0, brackets = [] } = around[i] ?? {}
      if (count === 0) return []
      return fractions.map((fraction, f) => {
        const rank = (count - 1) * fraction
        const bracket = brackets[f] ?? { low: NaN, high: NaN }
        return { column: name, fraction, bracket, low: Math.floor(rank), high: Math.ceil(rank), share: rank % 1 }
      })
    })
    const inside = places.length === 0 ? [] : await insideOf(cluster, input, places, signal)
    const at = places.map((place, i) => [place.column, interpolated(place, inside[i])] as const)
    for (const [i, { name }] of columns.entries()) {
      const { rows = 0, count = 0 } = around[i] ?? {}
      found.push({ rows, count, values: at.flatMap(([column, value]) => (column === name ? [value] : [])) })
    }
  }
  return found
}

interface Bracket {
  readonly low: number
  readonly high: number
}

interface Place {
  readonly column: string
  readonly fraction: number
  readonly bracket: Bracket
  /** The two neighbours' ranks from 0, and how far between them the quantile lies. */
  readonly low: number
  readonly high: number
  readonly share: number
}

/** Rows, values, and for each fraction two values that its quantile lies between. */
async function bracketsOf(
  cluster: Cluster,
  input: Relation,
  columns: readonly Column[],
  signal?: AbortSignal,
): Promise<readonly { readonly rows: number; readonly count: number; readonly brackets: readonly Bracket[] }[]> {
  const parts = columns.flatMap(({ name, fractions }) => {
    const ends = fractions.flatMap((fraction) => [Math.max(0, fraction - MARGIN), Math.min(1, fraction + MARGIN)])
    const list = ends.map(numberLiteral).join(', ')
    return [`count(${name})`, `min(${name})`, `max(${name})`, `approx_percentile(${name}, array(${list}), ${ACCURACY})`]
  })
  const [rows, ...row] = await onlyRow(cluster, input, ['count(*)', ...parts], signal)
  return columns.map(({ fractions }, i) => {
    const [count, min, max, list] = row.slice(i * 4, i * 4 + 4)
    const ends = numbers(list)
    const brackets = fractions.map((_, f) =>
      Number(count) <= FEW
        ? { low: Number(min), high: Number(max) }
        : { low: ends[f * 2] ?? NaN, high: ends[f * 2 + 1] ?? NaN },
    )
    return { rows: Number(rows), count: Number(count), brackets }
  })
}

interface Inside {
  /** Values below the bracket's lower end, and up to it. */
  readonly below: number
  readonly upToLow: number
  /** Values between the ends, both left out, ascending. */
  readonly between: readonly number[]
  readonly upToHigh: number
}

async function insideOf(
  cluster: Cluster,
  input: Relation,
  places: readonly Place[],
  signal?: AbortSignal,
): Promise<readonly Inside[]> {
  const parts = places.flatMap(({ column, bracket }) => {
    const [low, high] = [numberLiteral(bracket.low), numberLiteral(bracket.high)]
    return [
      `count_if(${column} < ${low})`,
      `count_if(${column} <= ${low})`,
      `sort_array(collect_list(${column}) FILTER (WHERE ${column} > ${low} AND ${column} < ${high}))`,
      `count_if(${column} <= ${high})`,
    ]
  })
  const row = await onlyRow(cluster, input, parts, signal)
  return places.map((_, i) => {
    const [below, upToLow, between, upToHigh] = row.slice(i * 4, i * 4 + 4)
    return {
      below: Number(below),
      upToLow: Number(upToLow),
      between: numbers(between),
      upToHigh: Number(upToHigh),
    }
  })
}

function interpolated({ low, high, share, column, fraction, bracket }: Place, inside?: Inside): number {
  const at = (rank: number): number => {
    if (inside === undefined || rank < inside.below || rank >= inside.upToHigh)
      throw new MillraceError('MR_INTERNAL_BUG', `quantile ${fraction} of ${column} lies outside its bracket`)
    if (rank < inside.upToLow) return bracket.low
    return inside.between[rank - inside.upToLow] ?? bracket.high
  }
  const first = at(low)
  // with an infinity beside it no difference is a number
  const value = low === high ? first : first * (1 - share) + at(high) * share
  return value + 0 // no negative zero
}

async function onlyRow(
  cluster: Cluster,
  input: Relation,
  parts: readonly string[],
  signal?: AbortSignal,
): Promise<readonly unknown[]> {
  const sql = `SELECT ${parts.map((part, i) => `${part} AS c${i}`).join(', ')} FROM (\n${compile(input, spark)}\n) AS q`
  for await (const row of rowsOfQuery(cluster, queryOf(cluster, input, sql), signal)) return row
  return []
}

const numbers = (list: unknown): readonly number[] =>
  list === null || list === undefined ? [] : Array.from(list as Iterable<number>, Number)
