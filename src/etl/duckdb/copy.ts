/** One query to one file. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Progress, Target, Written } from '../engine.js'
import { textLiteral } from '../sql/duckdb.js'
import type { Session } from './session.js'

/** Rows of a Parquet row group: DuckDB's own default, a multiple of its vectors. */
export const ROW_GROUP = 122_880

export type File = Written['files'][number]

/** Writes the rows of a query to `part-0` in the folder. */
export async function writeOne(
  session: Session,
  sql: string,
  folder: string,
  target: Target,
  progress?: Progress,
  signal?: AbortSignal,
): Promise<File> {
  const name = `part-0.${target.format}${target.format !== 'parquet' && target.compression === 'gzip' ? '.gz' : ''}`
  const path = join(folder, name)
  const rows = await copy(session, sql, path, target, progress, signal)
  return { path: name, rows, bytes: (await stat(path)).size }
}

export async function copy(
  session: Session,
  query: string,
  path: string,
  target: Target,
  progress?: Progress,
  signal?: AbortSignal,
): Promise<number> {
  const sql = `COPY (\n${query}\n) TO ${textLiteral(path)} (${copyOptions(target)})`
  return session.use(async (connection) => {
    const stop = progress === undefined ? undefined : await watch(connection, progress)
    try {
      const reader = await connection.runAndReadAll(sql)
      const rows = Number(reader.getRows()[0]?.[0] ?? 0)
      progress?.({ rows, total: rows, fraction: 1 })
      return rows
    } finally {
      stop?.()
    }
  }, signal)
}

/** Different values in a row group beyond which a quick table has no dictionary of them: numbers have far more. */
const QUICK_DICTIONARY = 4096

function copyOptions({ format, compression = format === 'parquet' ? 'snappy' : 'none', quick }: Target): string {
  switch (format) {
    case 'parquet': {
      const level = quick === true && compression === 'zstd' ? ', COMPRESSION_LEVEL 1' : ''
      const effort = quick === true ? `${level}, DICTIONARY_SIZE_LIMIT ${QUICK_DICTIONARY}` : ''
      return `FORMAT parquet, COMPRESSION ${compression === 'none' ? 'uncompressed' : compression}${effort}, ROW_GROUP_SIZE ${ROW_GROUP}`
    }
    case 'csv':
      return `FORMAT csv, HEADER true, DELIMITER ',', QUOTE '"', ESCAPE '"'${compression === 'gzip' ? ', COMPRESSION gzip' : ''}`
    case 'json':
      return `FORMAT json${compression === 'gzip' ? ', COMPRESSION gzip' : ''}`
  }
}

/** Reports ten times a second what DuckDB says of its progress; the function returned ends it. */
async function watch(connection: DuckDBConnection, progress: Progress): Promise<() => void> {
  for (const setting of ['enable_progress_bar = true', 'enable_progress_bar_print = false', 'progress_bar_time = 0'])
    await connection.run(`SET ${setting}`)
  const timer = setInterval(() => {
    const { percentage, rows_processed, total_rows_to_process } = connection.progress
    if (percentage < 0) return
    progress({ rows: Number(rows_processed), total: Number(total_rows_to_process), fraction: percentage / 100 })
  }, 100)
  timer.unref()
  return () => clearInterval(timer)
}
