/** Partials per row group, where one thread reads in order: the same sums have the same bits. */
import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api'
import { MillraceError } from '../../core/errors.js'
import { figuresOf, isRanged, type Partial, TOO_LARGE } from '../counts.js'
import { aggregate, col, type Named } from '../expr.js'
import { aggregated, sort, type Relation } from '../relation.js'
import { compile } from '../sql/compile.js'
import { duckdb } from '../sql/duckdb.js'
import type { Wanted } from '../statistics.js'
import { groupOf, plainScan, positionName, rowGroups, withPosition } from './row-groups.js'

/** For each file of the relation the partials of its row groups, in order; those without rows are left out. */
export const partialsOf = (
  connection: DuckDBConnection,
  relation: Relation,
  wanted: readonly Wanted[],
): Promise<readonly (readonly Partial[])[]> =>
  readPartials(wanted, (isSure) =>
    partialsBy(connection, relation, wanted, isSure).catch((error: unknown) => {
      if (!isSure && /out of range/i.test(String(error))) return undefined
      throw error
    }),
  )

/**
 * The partials of some files. Comparing every value costs as much as its variance: where ranges are asked for, it is done
 * only if they say that it must be, or if there are none.
 * @param read by `figuresOf(want, isSure)`; undefined where the engine refuses to without being sure
 */
async function readPartials(
  wanted: readonly Wanted[],
  read: (isSure: boolean) => Promise<readonly (readonly Partial[])[] | undefined>,
): Promise<readonly (readonly Partial[])[]> {
  if (wanted.some(isRanged)) {
    const trusted = await read(false)
    if (trusted?.flat().every((partial) => isInRange(partial, wanted)) === true) return trusted
  }
  return (await read(true)) ?? []
}

function isInRange([, ...columns]: Partial, wanted: readonly Wanted[]): boolean {
  return wanted.every(
    (want, i) =>
      !isRanged(want) || (columns[i] ?? []).slice(-2).every((end) => end === null || Math.abs(end) < TOO_LARGE),
  )
}

async function partialsBy(
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
  const position = positionName(relation)
  const partials = aggregated(
    withPosition(relation, position, groups.rowsBefore),
    [{ name: 'group', expr: groupOf(col(position), groups.ends) }],
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
