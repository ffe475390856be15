/**
 * Rows, counts, means, deviations and ranges: partials per row group, where one thread reads in order, combined in the
 * order of files. Those of a file that is still there are taken from the memo: the same bits, as they are the same sums.
 */
import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api'
import { MillraceError } from '../../core/errors.js'
import { eachPart, type Memo } from '../../core/memo.js'
import { aggregate, call, col, type Expr, missing, type Named, num, when } from '../expr.js'
import type { Parts } from '../parts.js'
import { aggregated, sort, type Relation } from '../relation.js'
import { compile } from '../sql/compile.js'
import { duckdb } from '../sql/duckdb.js'
import { combine, NO_MOMENTS, numberOf, type Moments, type Wanted } from '../statistics.js'
import { groupOf, plainScan, rowGroups, withPosition } from './row-groups.js'

const POSITION = '#position'

export interface Counted {
  rows: number
  moments: Moments
  min: number | undefined
  max: number | undefined
}

/** One row group's rows, then for each column its figures: those of `figuresOf`, null where there is none. */
type Partial = readonly [rows: number, ...(readonly (number | null)[])[]]

/** From here on a square may be infinite: DuckDB's variance refuses those values, with no word of the column. */
const TOO_LARGE = 1e150
const squarable = (value: Expr): Expr => call('lt', call('abs', value), num(TOO_LARGE))

const hasMean = ({ request }: Wanted): boolean => request.mean === true || request.stddev === true
/** Whether the range tells that all values are squarable, so that not each need be compared. */
const isRanged = ({ request }: Wanted): boolean => request.stddev === true && request.range === true

/**
 * What is asked of each column, in the order of a partial.
 * @param isSure false leaves it to the range to say that values were too large
 */
function figuresOf(want: Wanted, isSure: boolean): readonly Expr[] {
  const { request, column, type } = want
  const number = numberOf(column, type)
  const isTrusted = !isSure && isRanged(want)
  return [
    aggregate('count', [col(column)]),
    ...(hasMean(want) ? [aggregate('avg', [number])] : []),
    ...(request.stddev === true
      ? [
          aggregate('var_pop', [isTrusted ? number : when(squarable(number), number, missing('number'))]),
          isTrusted ? aggregate('count', [col(column)]) : aggregate('count_if', [squarable(number)]),
        ]
      : []),
    ...(request.range === true ? [aggregate('min', [number]), aggregate('max', [number])] : []),
  ]
}

/** Facts for each wanted column. @returns also the rows of each part, and how many of the parts were read */
export async function countPass(
  connection: DuckDBConnection,
  parts: Parts,
  wanted: readonly Wanted[],
  memo: Memo | undefined,
): Promise<{ readonly counted: readonly Counted[]; readonly partRows: readonly number[]; readonly made: number }> {
  const about = [
    'counts',
    1,
    compile(parts.likeness, duckdb),
    wanted.map(({ type, request: { mean, stddev, range } }) => [type, mean ?? false, stddev ?? false, range ?? false]),
  ]
  const { values, made } = await eachPart<readonly Partial[]>(memo, about, parts.names, async (absent, done) => {
    const found = await partialsOf(connection, parts.only(absent), wanted)
    // of what is no table of ours all files are one part
    for (const [i, index] of absent.entries()) await done(index, absent.length === 1 ? found.flat() : (found[i] ?? []))
  })
  const counted = wanted.map((): Counted => ({ rows: 0, moments: NO_MOMENTS, min: undefined, max: undefined }))
  for (const [rows, ...columns] of values.flat())
    for (const [i, want] of wanted.entries()) {
      const facts = counted[i]
      if (facts !== undefined) add(facts, want, rows, columns[i] ?? [])
    }
  const partRows = values.map((partials) => partials.reduce((sum, [rows]) => sum + rows, 0))
  return { counted, partRows, made }
}

function add(facts: Counted, want: Wanted, rows: number, figures: readonly (number | null)[]): void {
  const left = [...figures]
  const next = (): number | undefined => left.shift() ?? undefined
  const count = next() ?? 0
  const mean = hasMean(want) ? next() : undefined
  const [variance, ordinary] = want.request.stddev === true ? [next(), next()] : []
  const [min, max] = want.request.range === true ? [next(), next()] : []
  facts.rows += rows
  // the deviation of what has none is not that of the rest
  const squares = (ordinary ?? count) < count ? Infinity : (variance ?? 0) * count
  facts.moments = combine(facts.moments, { count, mean: mean ?? 0, squares })
  if (min !== undefined && (facts.min === undefined || min < facts.min)) facts.min = min
  if (max !== undefined && (facts.max === undefined || max > facts.max)) facts.max = max
}

/**
 * For each file of the relation the partials of its row groups, in order; those without rows are left out. Comparing every
 * value costs as much as its variance: where ranges are asked for, it is done only if they or DuckDB say that it must be.
 */
async function partialsOf(
  connection: DuckDBConnection,
  relation: Relation,
  wanted: readonly Wanted[],
): Promise<readonly (readonly Partial[])[]> {
  if (wanted.some(isRanged)) {
    const trusted = await readPartials(connection, relation, wanted, false).catch((error: unknown) => {
      if (/out of range/i.test(String(error))) return undefined
      throw error
    })
    if (trusted?.flat().every((partial) => isInRange(partial, wanted)) === true) return trusted
  }
  return readPartials(connection, relation, wanted, true)
}

function isInRange([, ...columns]: Partial, wanted: readonly Wanted[]): boolean {
  return wanted.every(
    (want, i) =>
      !isRanged(want) || (columns[i] ?? []).slice(-2).every((end) => end === null || Math.abs(end) < TOO_LARGE),
  )
}

async function readPartials(
  connection: DuckDBConnection,
  relation: Relation,
  wanted: readonly Wanted[],
  isSure: boolean,
): Promise<readonly (readonly Partial[])[]> {
  const scan = plainScan(relation)
  if (scan === undefined) throw new MillraceError('MR_INTERNAL_BUG', `partials of a ${relation.kind} are in no order`)
  const figures = wanted.map((want) => figuresOf(want, isSure))
  const groups = await rowGroups(connection, scan.source, scan.rowsBefore)
  const columns = figures.flatMap((exprs, i) => exprs.map((expr, j): Named => ({ name: `${i}.${j}`, expr })))
  const partials = aggregated(
    withPosition(relation, POSITION, groups.rowsBefore),
    [{ name: 'group', expr: groupOf(col(POSITION), groups.ends) }],
    [{ name: 'rows', expr: aggregate('count', []) }, ...columns],
  )
  const reader = await connection.runAndReadAll(compile(sort(partials, [{ expr: col('group') }]), duckdb))
  const found = scan.source.paths.map((): Partial[] => [])
  for (const [group, rows, ...values] of reader.getRows()) {
    const left = values.map(numberOrNull)
    const partial: Partial = [Number(rows), ...figures.map((exprs) => left.splice(0, exprs.length))]
    found[groups.files[Number(group)] ?? 0]?.push(partial)
  }
  return found
}

const numberOrNull = (value: DuckDBValue): number | null => (value === null ? null : Number(value))
