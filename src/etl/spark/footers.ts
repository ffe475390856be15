/** What the footers of Parquet files say, read in this process: types as Spark reads them, and numbers of rows. */
import type { Session } from '../duckdb/session.js'
import { pathLiteral } from '../sql/duckdb.js'

/** By lower-case name: Spark's type for what is stored, or null for what Spark reads otherwise than DuckDB, or not at all. */
export type StoredColumns = ReadonlyMap<string, string | null>

export async function storedColumns(
  embedded: Session,
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, StoredColumns>> {
  const rows = await embedded.use(async (connection) => {
    const reader = await connection.runAndReadAll(
      `SELECT file_name, name, type, repetition_type, num_children, converted_type, scale, precision, logical_type
      FROM parquet_schema(${list(paths)})`,
    )
    return reader.getRows()
  }, signal)
  const found = new Map<string, Map<string, string | null>>(paths.map((path) => [path, new Map()]))
  /** By file, fields left below the root, then below a field that has fields itself. */
  let below = 0
  let file = ''
  for (const [name, column, type, repetition, children, converted, scale, precision, logical] of rows) {
    if (name !== file) {
      // each file begins with its root
      ;[file, below] = [String(name), 0]
      continue
    }
    const count = Number(children ?? 0)
    if (below > 0) below += count - 1
    else {
      const isPlain = count === 0 && repetition !== 'REPEATED'
      const words = [type, converted, logical].map((word) => String(word ?? ''))
      const digits = `(${Number(precision)},${Number(scale)})`
      found.get(file)?.set(String(column).toLowerCase(), isPlain ? sparkType(words, digits) : null)
      below = count
    }
  }
  return found
}

function sparkType([type = '', converted = '', logical = '']: readonly string[], digits: string): string | null {
  if (converted === 'DECIMAL' || logical.startsWith('Decimal')) return `DECIMAL${digits}`
  const plain = converted === '' && logical === ''
  switch (type) {
    case 'BOOLEAN':
      return 'BOOLEAN'
    case 'INT32':
      if (converted === 'DATE' || logical.startsWith('Date')) return 'DATE'
      return plain || isInteger(converted, logical) ? 'BIGINT' : null
    case 'INT64':
      if (converted === 'UINT_64') return 'DECIMAL(20,0)'
      if (/^TIMESTAMP_/.test(converted)) return 'TIMESTAMP'
      if (logical.startsWith('Timestamp')) return /NANOS=<null>/.test(logical) ? 'TIMESTAMP' : null
      return plain || isInteger(converted, logical) ? 'BIGINT' : null
    case 'INT96':
      return 'TIMESTAMP'
    case 'FLOAT':
    case 'DOUBLE':
      return 'DOUBLE'
    case 'BYTE_ARRAY':
      return ['UTF8', 'ENUM', 'JSON'].includes(converted) || /^(String|Enum|Json)/i.test(logical) ? 'STRING' : null
    default:
      return null
  }
}

const isInteger = (converted: string, logical: string): boolean =>
  /^U?INT_/.test(converted) || logical.startsWith('Int')

/** Rows of each of these Parquet files, in order. */
export async function rowsOf(
  embedded: Session,
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<readonly number[]> {
  if (paths.length === 0) return []
  const found = await embedded.use(async (connection) => {
    const reader = await connection.runAndReadAll(
      `SELECT file_name, num_rows FROM parquet_file_metadata(${list(paths)})`,
    )
    return new Map(reader.getRows().map(([path, rows]) => [String(path), Number(rows)]))
  }, signal)
  return paths.map((path) => found.get(path) ?? 0)
}

/** Of files with so many rows the position of each one's first. */
export function startsOf(rows: readonly number[]): readonly number[] {
  let sum = 0
  return rows.map((count) => (sum += count) - count)
}

const list = (paths: readonly string[]): string => `[${paths.map(pathLiteral).join(', ')}]`
