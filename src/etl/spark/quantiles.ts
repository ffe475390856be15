/**
 * Exact quantiles, by linear interpolation between neighbours. Spark's own exact ones hold all distinct values of a
 * column in memory; here its approximate ones bracket each, and one more query counts what lies below and collects what
 * lies inside, which is few: two queries for all columns.
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

export interface Asked {
  /** A number or NULL; not NaN. */
  readonly expr: Expr
  /** How many are not NULL. */
  readonly count: number
  /** From 0 to 1. */
  readonly fractions: readonly number[]
}

/** Of Spark's `approx_percentile`: ranks are right to a share of 1 / ACCURACY. */
const ACCURACY = 10_000
/** Around the rank, in shares of all: more than twice what Spark may be off. */
const MARGIN = 2.5 / ACCURACY
/** Columns and fractions of one query. */
const TOGETHER = 128

interface Place {
  /** Index in `asked`. */
  readonly index: number
  readonly column: string
  readonly count: number
  readonly fraction: number
  /** The two neighbours' ranks from 0, and how far between them the quantile lies. */
  readonly low: number
  readonly high: number
  readonly share: number
}

/** For each of `asked` its quantiles in the order of its fractions; none where it has no values. */
export async function quantiles(
  cluster: Cluster,
  values: Relation,
  asked: readonly Asked[],
  signal?: AbortSignal,
): Promise<readonly (readonly number[])[]> {
  const wanted = asked.flatMap(({ expr, count, fractions }, index) =>
    count === 0 || fractions.length === 0 ? [] : [{ index, column: `x${index}`, expr, count, fractions }],
  )
  const found: number[][] = asked.map(() => [])
  if (wanted.length === 0) return found
  const input = project(
    values,
    wanted.map(({ column, expr }) => ({ name: column, expr })),
  )
  const places = wanted.flatMap(({ index, column, count, fractions }) =>
    fractions.map((fraction): Place => {
      const rank = (count - 1) * fraction
      return { index, column, count, fraction, low: Math.floor(rank), high: Math.ceil(rank), share: rank % 1 }
    }),
  )
  for (let start = 0; start < places.length; start += TOGETHER) {
    const some = places.slice(start, start + TOGETHER)
    const brackets = await bracketsOf(cluster, input, some, signal)
    const inside = await insideOf(cluster, input, some, brackets, signal)
    for (const [i, place] of some.entries()) found[place.index]?.push(interpolated(place, brackets[i], inside[i]))
  }
  return found
}

interface Bracket {
  readonly low: number
  readonly high: number
}

async function bracketsOf(
  cluster: Cluster,
  input: Relation,
  places: readonly Place[],
  signal?: AbortSignal,
): Promise<readonly Bracket[]> {
  const parts = places.map(({ column, count, low, high }) => {
    const ends = [Math.max(0, low / count - MARGIN), Math.min(1, (high + 1) / count + MARGIN)].map(numberLiteral)
    return `approx_percentile(${column}, array(${ends.join(', ')}), ${ACCURACY})`
  })
  const row = await onlyRow(cluster, input, parts, signal)
  return row.map((list) => {
    const [low = NaN, high = NaN] = numbers(list)
    return { low, high }
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
  brackets: readonly Bracket[],
  signal?: AbortSignal,
): Promise<readonly Inside[]> {
  const parts = places.flatMap(({ column }, i) => {
    const [low, high] = [numberLiteral(brackets[i]?.low ?? NaN), numberLiteral(brackets[i]?.high ?? NaN)]
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

function interpolated({ low, high, share, column, fraction }: Place, bracket?: Bracket, inside?: Inside): number {
  const at = (rank: number): number => {
    if (bracket === undefined || inside === undefined || rank < inside.below || rank >= inside.upToHigh)
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
