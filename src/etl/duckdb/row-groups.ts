/** Row groups of Parquet files: one thread reads one, in order, so what is summed inside one always has the same bits. */
import type { DuckDBConnection } from '@duckdb/node-api'
import { MillraceError } from '../../core/errors.js'
import { call, col, int, when, type Expr } from '../expr.js'
import { project, type Relation, type Source } from '../relation.js'
import { pathLiteral } from '../sql/duckdb.js'

export interface RowGroups {
  /** Position after the last row of each group, in the order of files and groups. */
  readonly ends: readonly number[]
  /** The file of each group, by index. */
  readonly files: readonly number[]
  readonly rowsBefore: readonly number[]
}

/** @param before the position of each file's first row, where the files are some of a larger table's */
export async function rowGroups(
  connection: DuckDBConnection,
  { paths }: Source,
  before?: readonly number[],
): Promise<RowGroups> {
  const reader = await connection.runAndReadAll(
    `SELECT file_name, row_group_id, any_value(row_group_num_rows)
     FROM parquet_metadata([${paths.map(pathLiteral).join(', ')}]) GROUP BY ALL ORDER BY ALL`,
  )
  const sizes = new Map<string, number[]>()
  for (const [path, , rows] of reader.getRows()) {
    const found = sizes.get(String(path)) ?? []
    found.push(Number(rows))
    sizes.set(String(path), found)
  }
  const ends: number[] = []
  const files: number[] = []
  const rowsBefore: number[] = []
  let rows = 0
  for (const [i, path] of paths.entries()) {
    rows = before?.[i] ?? rows
    rowsBefore.push(rows)
    for (const size of sizes.get(path) ?? []) {
      rows += size
      ends.push(rows)
      files.push(i)
    }
  }
  return { ends, files, rowsBefore }
}

/** The Parquet scan that the relation reads row by row, if nothing but projections and filters stand on it. */
export function plainScan(relation: Relation): (Relation & { kind: 'scan' }) | undefined {
  if (relation.kind === 'scan') return relation.source.format === 'parquet' ? relation : undefined
  return relation.kind === 'project' || relation.kind === 'filter' ? plainScan(relation.input) : undefined
}

/** A name for the position of rows that no column has which the relation gives or reads. */
export function positionName(relation: Relation): string {
  const taken = new Set<string>()
  for (let one = relation; ; one = one.input) {
    for (const { name } of one.schema) taken.add(name.toLowerCase())
    if (one.kind !== 'project' && one.kind !== 'filter') break
  }
  let name = '#position'
  while (taken.has(name)) name += '_'
  return name
}

/** The relation with one more column: the position of its row in the source. Only for what `plainScan` accepts. */
export function withPosition(relation: Relation, name: string, rowsBefore: readonly number[]): Relation {
  switch (relation.kind) {
    case 'scan': {
      const { rowNumber, schema } = relation
      if (rowNumber === undefined)
        return { ...relation, rowNumber: name, rowsBefore, schema: [...schema, { name, type: 'integer' }] }
      const columns = schema.map((field) => ({ name: field.name, expr: col(field.name) }))
      return project({ ...relation, rowsBefore }, [...columns, { name, expr: col(rowNumber) }])
    }
    case 'project': {
      const input = withPosition(relation.input, name, rowsBefore)
      return project(input, [...relation.columns, { name, expr: col(name) }])
    }
    case 'filter': {
      const input = withPosition(relation.input, name, rowsBefore)
      return { ...relation, input, schema: input.schema }
    }
    default:
      throw new MillraceError('MR_INTERNAL_BUG', `rows of a ${relation.kind} have no position`)
  }
}

/**
 * The relation with one more column: which of its files a row is of, by index. Only for several files of a table, whose
 * first rows' numbers are known.
 */
export function withFile(relation: Relation, name: string): Relation {
  const { rowsBefore = [] } = plainScan(relation) ?? {}
  const place = positionName(relation)
  const placed = withPosition(relation, place, rowsBefore)
  return project(placed, [
    ...relation.schema.map((field) => ({ name: field.name, expr: col(field.name) })),
    { name, expr: groupOf(col(place), rowsBefore.slice(1), 0, rowsBefore.length - 1) },
  ])
}

/** Index of the row group that a position lies in: nested halves, so that a thousand groups cost ten comparisons. */
export function groupOf(position: Expr, ends: readonly number[], from = 0, to = ends.length - 1): Expr {
  if (from >= to) return int(Math.max(0, from))
  const middle = (from + to) >> 1
  const below = call('lt', position, int(ends[middle] ?? 0))
  return when(below, groupOf(position, ends, from, middle), groupOf(position, ends, middle + 1, to))
}
