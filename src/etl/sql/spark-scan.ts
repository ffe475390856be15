/**
 * A scan as Spark reads it: SQL over a name, which the engine lets stand for Parquet files (../spark/reads.ts) whose
 * columns are stored as what the schema says or what can be cast to it.
 */
import { sha256Json } from '../../core/json.js'
import type { Schema } from '../../core/schema.js'
import { lacksRows, type Relation, type Source } from '../relation.js'
import { freeName } from '../repeated.js'
import type { SqlDialect } from './dialect.js'
import { identifier, SPARK_TYPES, sparkDialect } from './spark.js'

type Scan = Relation & { readonly kind: 'scan' }

/** Of a read of these columns: the position of the row in all of its source's rows, from 0, counting those that are left out. */
export const positionOf = (schema: Schema): string => freeName('__millrace_position', schema)

/** Of what a scan leaves out: a row for each chunk of positions, in it a number for each word of them, whose bits say which. */
export const DELETED = { chunk: 'chunk', words: 'words' } as const
/** Positions of a chunk and of a word: powers of two. */
export const CHUNK = 2 ** 16
export const WORD = 32

/** What stands for the scan's files in SQL: another name for another scan, the same for the same. */
export function scanName({ source, schema, rowNumber, rowsBefore }: Scan): string {
  const { digests: _, objects: __, deleted: ___, ...read } = source
  const about = [read, schema.map(({ name, type }) => [name, type]), rowNumber ?? null, rowsBefore ?? null]
  return `t_${shortDigest(lacksRows(source) ? [...about, deletedDigests(source)] : about)}`
}

/** What stands for the rows that the scan leaves out: for all scans that leave out the same, the same. */
export function deletedName({ source }: Scan): string {
  return `d_${shortDigest([...new Set(deletedDigests(source))].filter((digest) => digest !== null))}`
}

/** The vectors' own bits are no part of any text. */
const deletedDigests = ({ paths, deleted = {} }: Source): readonly (string | null)[] =>
  paths.map((path) => deleted[path]?.digest ?? null)

const shortDigest = (about: unknown): string =>
  sha256Json(JSON.parse(JSON.stringify(about))).slice('sha256:'.length, 'sha256:'.length + 24)

/** A SELECT that gives exactly the scan's schema: typed, what is missing (NaN and '' too) as NULL. */
function scanSql(relation: Scan): string {
  const { source, schema, rowNumber } = relation
  const place = positionOf(schema)
  const columns = schema.map(({ name, type }) => {
    const column = identifier(name)
    if (name === rowNumber) return `  ${place} AS ${column}`
    const value = `CAST(${column} AS ${SPARK_TYPES[type]})`
    if (source.plain === true || (type !== 'number' && type !== 'text')) return `  ${value} AS ${column}`
    return `  nullif(${value}, ${type === 'number' ? `CAST('NaN' AS DOUBLE)` : `''`}) AS ${column}`
  })
  const list = columns.join(',\n')
  if (!lacksRows(source)) return `SELECT\n${list}\nFROM ${scanName(relation)}`
  // what is left out is sent to all tasks, so that each keeps its rows and their order
  const position = `t.${place}`
  const word = `d.${DELETED.words}[CAST(${position} DIV ${WORD} & ${CHUNK / WORD - 1} AS INT)]`
  return (
    `SELECT /*+ BROADCAST(d) */\n${list}\nFROM ${scanName(relation)} AS t\n` +
    `LEFT JOIN ${deletedName(relation)} AS d ON ${position} DIV ${CHUNK} = d.${DELETED.chunk}\n` +
    `WHERE coalesce(${word} & shiftleft(1L, CAST(${position} & ${WORD - 1} AS INT)), 0L) = 0L`
  )
}

export const spark: SqlDialect = sparkDialect(scanSql)
