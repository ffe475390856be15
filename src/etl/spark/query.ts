/** Rows out of the cluster: as record batches in a plan's order, or as objects. */
import type { Column, Table } from '@uwdata/flechette'
import { MillraceError } from '../../core/errors.js'
import { MISSING_TIME, type Field, type Schema } from '../../core/schema.js'
import type { Dataset, RecordBatch, Vector } from '../../core/table.js'
import { rowObjects as embeddedRows } from '../duckdb/engine.js'
import { plainScan } from '../duckdb/row-groups.js'
import { call, cast, col, int, num, text, type Expr } from '../expr.js'
import { limit, project, type Relation } from '../relation.js'
import type { Cluster } from './cluster.js'
import type { SparkQuery } from './connect/plan.js'
import { ATTEMPTS, isLost, sparkEngineError } from './errors.js'
import { piecesOf } from './order.js'
import { queryOf } from './reads.js'

/** Rows of a table that are looked through in this process. */
const EARLY = 2 ** 16

const isTime = ({ type }: Field): boolean => type === 'timestamp' || type === 'date'

/** The rows of a relation that `prepare` makes ready. */
export function dataset(
  schema: Schema,
  prepare: (signal?: AbortSignal) => Promise<Relation>,
  cluster: Cluster,
  outer?: AbortSignal,
): Dataset {
  return {
    schema,
    async *batches(inner) {
      const signals = [outer, inner].filter((signal) => signal !== undefined)
      const signal = signals.length === 0 ? undefined : AbortSignal.any(signals)
      const vectors = project(
        await prepare(signal),
        schema.map((field) => ({ name: field.name, expr: asVector(field) })),
      )
      let any = false
      for (const { relation } of piecesOf(vectors)) {
        for await (const table of tables(cluster, relation, signal)) {
          if (table.numRows === 0) continue
          any = true
          yield { schema, rows: table.numRows, columns: schema.map((field, i) => vector(table, i, field)) }
        }
      }
      if (!any) yield empty(schema)
    },
  }
}

/** What vectors hold, missing values included. */
function asVector(field: Field): Expr {
  const value = col(field.name)
  if (field.type === 'text') return call('coalesce', value, text(''))
  if (isTime(field)) return call('coalesce', call('epoch_us', value), int(MISSING_TIME))
  return call('coalesce', cast(value, 'number'), num(NaN))
}

/** A query's rows as they come; an abort and Spark's errors are MillraceErrors. */
export async function* tables(
  cluster: Cluster,
  relation: Relation,
  signal?: AbortSignal,
): AsyncGenerator<Table, void, undefined> {
  yield* tablesOf(cluster, queryOf(cluster, relation), signal)
}

async function* tablesOf(
  cluster: Cluster,
  query: SparkQuery,
  signal?: AbortSignal,
): AsyncGenerator<Table, void, undefined> {
  for (let attempt = 1; ; attempt++) {
    let any = false
    try {
      for await (const table of cluster.spark.batches(query, { signal })) {
        any = true
        yield table
      }
      return
    } catch (error) {
      // of rows that were given already none may come twice
      if (any || !isLost(error) || attempt === ATTEMPTS || signal?.aborted === true)
        throw sparkEngineError(error, signal)
    }
  }
}

const empty = (schema: Schema): RecordBatch => ({
  schema,
  rows: 0,
  columns: schema.map((field) =>
    field.type === 'text' ? [] : isTime(field) ? new BigInt64Array(0) : new Float64Array(0),
  ),
})

function vector(table: Table, index: number, field: Field): Vector {
  const values: unknown = columnAt(table, index).toArray()
  if (field.type === 'text' && Array.isArray(values)) return values as string[]
  if (isTime(field) && values instanceof BigInt64Array) return values
  // a number whose cast was left out is a float of 32 bits still
  if (values instanceof Float32Array) return Float64Array.from(values)
  if (values instanceof Float64Array && field.type !== 'text') return values
  throw new MillraceError('MR_INTERNAL_BUG', `column ${field.name} came as ${Object.prototype.toString.call(values)}`)
}

function columnAt(table: Table, index: number): Column<unknown> {
  const column = table.children[index]
  if (column === undefined) throw new MillraceError('MR_INTERNAL_BUG', `Spark gave no column ${index}`)
  return column
}

/** Rows that tell beforehand what to expect of values. */
export const FIRST_ROWS = 50_000

/** What projections and filters make of the first rows of what they stand on. */
export const ofFirstRows = (relation: Relation, count: number): Relation =>
  relation.kind === 'project' || relation.kind === 'filter'
    ? { ...relation, input: ofFirstRows(relation.input, count) }
    : limit(relation, count)

/**
 * The first rows that projections and filters make of a Parquet table, where its own first rows have enough: no task of the
 * cluster would stop there.
 */
export async function foundEarly(
  { embedded }: Cluster,
  relation: Relation,
  signal?: AbortSignal,
): Promise<readonly Readonly<Record<string, unknown>>[] | undefined> {
  if (relation.kind !== 'limit' || plainScan(relation.input) === undefined) return undefined
  const first = { ...relation, input: ofFirstRows(relation.input, EARLY) }
  const rows = await embedded.use((connection) => embeddedRows(connection, first), signal)
  return rows.length === relation.count ? rows : undefined
}

/** Row objects of a prepared relation, in its order: as `Engine.rows` gives them. */
export async function rowObjects(
  cluster: Cluster,
  relation: Relation,
  signal?: AbortSignal,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const { schema } = relation
  const plain = project(
    relation,
    schema.map((field) => ({
      name: field.name,
      expr: isTime(field) ? call('epoch_us', col(field.name)) : col(field.name),
    })),
  )
  const rows: Readonly<Record<string, unknown>>[] = []
  for (const piece of piecesOf(plain))
    for await (const values of rowsOf(cluster, piece.relation, signal)) rows.push(rowObject(values, schema))
  return rows
}

/** Rows as lists of plain values, in the order of one query. */
export async function* rowsOf(
  cluster: Cluster,
  relation: Relation,
  signal?: AbortSignal,
): AsyncGenerator<readonly unknown[], void, undefined> {
  for await (const table of tables(cluster, relation, signal)) yield* listed(table)
}

/** As `rowsOf`, of SQL that no relation says. */
export async function* rowsOfQuery(
  cluster: Cluster,
  query: SparkQuery,
  signal?: AbortSignal,
): AsyncGenerator<readonly unknown[], void, undefined> {
  for await (const table of tablesOf(cluster, query, signal)) yield* listed(table)
}

export function* listed(table: Table): Generator<readonly unknown[], void, undefined> {
  for (let i = 0; i < table.numRows; i++) yield table.children.map((column: Column<unknown>) => column.at(i))
}

/** No prototype: `__proto__` is a name like any other. */
function rowObject(row: readonly unknown[], schema: Schema): Readonly<Record<string, unknown>> {
  const object = Object.create(null) as Record<string, unknown>
  schema.forEach(({ name, type }, i) => {
    const value = row[i] ?? null
    object[name] =
      typeof value === 'number' && Number.isNaN(value)
        ? null
        : typeof value === 'number' && (type === 'integer' || type === 'timestamp' || type === 'date')
          ? BigInt(value)
          : value
  })
  return object
}
