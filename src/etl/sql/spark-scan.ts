/**
 * A scan as Spark reads it: SQL over a name, which the engine lets stand for Parquet files (../spark/reads.ts) whose
 * columns are stored as what the schema says or what can be cast to it.
 */
import { sha256Json } from '../../core/json.js'
import type { Relation } from '../relation.js'
import type { SqlDialect } from './dialect.js'
import { identifier, SPARK_TYPES, sparkDialect } from './spark.js'

type Scan = Relation & { readonly kind: 'scan' }

/** Of a read: the position of the row in all of its source's rows, from 0. */
export const POSITION = '__millrace_position'

/** What stands for the scan's files in SQL: another name for another scan, the same for the same. */
export function scanName({ source, schema, rowNumber, rowsBefore }: Scan): string {
  const { digests: _, objects: __, ...read } = source
  const about = [read, schema.map(({ name, type }) => [name, type]), rowNumber ?? null, rowsBefore ?? null]
  return `t_${sha256Json(JSON.parse(JSON.stringify(about))).slice('sha256:'.length, 'sha256:'.length + 24)}`
}

/** A SELECT that gives exactly the scan's schema: typed, what is missing (NaN and '' too) as NULL. */
function scanSql(relation: Scan): string {
  const { source, schema, rowNumber } = relation
  const columns = schema.map(({ name, type }) => {
    const column = identifier(name)
    if (name === rowNumber) return `  ${POSITION} AS ${column}`
    const value = `CAST(${column} AS ${SPARK_TYPES[type]})`
    if (source.plain === true || (type !== 'number' && type !== 'text')) return `  ${value} AS ${column}`
    return `  nullif(${value}, ${type === 'number' ? `CAST('NaN' AS DOUBLE)` : `''`}) AS ${column}`
  })
  return `SELECT\n${columns.join(',\n')}\nFROM ${scanName(relation)}`
}

export const spark: SqlDialect = sparkDialect(scanSql)
