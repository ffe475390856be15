/** Column types of Parquet files: what they say themselves, mapped to ours. */
import type { DuckDBConnection } from '@duckdb/node-api'
import { MillraceError } from '../../core/errors.js'
import type { ColumnType, Field } from '../../core/schema.js'
import type { Source } from '../relation.js'
import { identifier, reader } from '../sql/duckdb.js'

const WHOLE = ['TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'UTINYINT', 'USMALLINT', 'UINTEGER']

/** With the engine's name of the type in the file. */
export interface StoredField extends Field {
  readonly stored: string
}

/**
 * Of the files' own columns, without what their folders give; of these `names` where files have different ones. Whole
 * types are integers (those wider than 64 bits only if all their values fit, else numbers), decimals and floats numbers,
 * times of any unit timestamps in UTC, and lists, structs and the rest text. Bytes are refused, by name.
 */
export async function parquetSchema(
  connection: DuckDBConnection,
  source: Source,
  names: readonly string[] = [],
): Promise<readonly StoredField[]> {
  const { hive: _, ...files } = source
  const from = reader(files, names)
  const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${from}`)
  const columns = described.getRows().map((row) => ({ name: String(row[0]), type: String(row[1]) }))
  const refused = columns.filter(({ type }) => type === 'BLOB')
  if (refused.length > 0)
    throw new MillraceError(
      'MR_SOURCE_TYPE',
      `${source.paths[0]}: columns of raw bytes cannot be read: ${refused.map(({ name }) => name).join(', ')}`,
      { hint: 'write them as text (UTF-8) or leave them out' },
    )
  const wide = columns.filter(({ type }) => ['UBIGINT', 'HUGEINT', 'UHUGEINT'].includes(type))
  const fitting = await fitInto64Bits(
    connection,
    from,
    wide.map(({ name }) => name),
  )
  return columns.map(({ name, type }) => ({ name, type: fitting.get(name) ?? columnType(type), stored: type }))
}

async function fitInto64Bits(
  connection: DuckDBConnection,
  from: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, ColumnType>> {
  if (names.length === 0) return new Map()
  const parts = names.map((name) => `count(${identifier(name)}) - count(TRY_CAST(${identifier(name)} AS BIGINT))`)
  const row = (await connection.runAndReadAll(`SELECT ${parts.join(', ')} FROM ${from}`)).getRows()[0] ?? []
  return new Map(names.map((name, i) => [name, Number(row[i]) === 0 ? 'integer' : 'number']))
}

function columnType(type: string): ColumnType {
  if (WHOLE.includes(type)) return 'integer'
  const decimal = /^DECIMAL\((\d+),(\d+)\)$/.exec(type)
  if (decimal !== null) return decimal[2] === '0' && Number(decimal[1]) <= 18 ? 'integer' : 'number'
  if (type === 'FLOAT' || type === 'DOUBLE') return 'number'
  if (type === 'BOOLEAN') return 'boolean'
  if (type === 'DATE') return 'date'
  if (/^TIMESTAMP(_S|_MS|_NS)?$|^TIMESTAMP WITH TIME ZONE$/.test(type)) return 'timestamp'
  return 'text'
}
