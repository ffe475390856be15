/**
 * Scores a file: its columns as they are, then `prediction`, then `probability_<class>` for each class. The file is
 * read twice, first typed for the model, then raw and untouched for the output, where the predictions are put beside it
 * row by row; DuckDB spills what does not fit into memory.
 */
import { open, rename, rm, stat } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { basename, dirname, join, resolve } from 'node:path'
import {
  type DuckDBAppender,
  type DuckDBConnection,
  DuckDBDataChunk,
  type DuckDBType,
  DOUBLE,
  FLOAT,
  VARCHAR,
} from '@duckdb/node-api'
import type { ModelMetadata } from '../core/documents.js'
import { MillraceError, nearest } from '../core/errors.js'
import { fileError, syncFolder } from '../core/files.js'
import { batches, vectorSql } from '../etl/duckdb/batches.js'
import { inferSchema } from '../etl/duckdb/infer.js'
import { type DuckDbOptions, openSession, type Session } from '../etl/duckdb/session.js'
import type { Schema } from '../core/schema.js'
import { inferNamed } from '../etl/named-header.js'
import { type FileFormat, type Relation, scan, type Source } from '../etl/relation.js'
import type { S3Options } from '../etl/s3/store.js'
import { inWords } from '../etl/source-words.js'
import { expandSource, fetchSource, formatOf } from '../etl/source.js'
import { compile } from '../etl/sql/compile.js'
import { duckdb, identifier, pathLiteral, reader, textLiteral } from '../etl/sql/duckdb.js'
import type { Predictions, Predictor } from '../serving/predictor.js'
import { type NamedSource, scoringInput } from './scoring-windows.js'

export interface ScoreOptions {
  readonly predictor: Predictor
  /** A CSV, JSON lines or Parquet file, a folder or pattern of such. */
  readonly data: string
  /** Earlier rows, for windows: seen, not scored. Read as `data` is. */
  readonly history?: string
  /** Its format is told by its name. */
  readonly out: string
  /** Replaces a file at `out`. */
  readonly force?: boolean
  /** Leaves out columns of the data that are called as the ones to add; without it they are refused. */
  readonly replace?: boolean
  /** CSV for spreadsheets: a quote before every text and name that they would take for a formula. */
  readonly escapeFormulas?: boolean
  readonly engine?: DuckDbOptions
  /** For data in an object store. */
  readonly s3?: S3Options
  readonly progress?: (rows: number) => void
  readonly signal?: AbortSignal
}

export interface Scored {
  readonly rows: number
  /** The output's columns in order. */
  readonly columns: readonly string[]
  readonly out: string
  /** Windows that the data did not have, by name. */
  readonly computed: readonly string[]
}

/** Rows of a DuckDB chunk. */
const CHUNK = 2048

/**
 * Writes `out` whole or not at all, rows in the order of the data.
 * @throws MR_FILE_EXISTS, MR_SOURCE_*, MR_PREDICT_COLUMN (a column that the model needs is absent; lists the file's),
 *   MR_WINDOW_HISTORY (a window is absent and cannot be computed), MR_PREDICT_CLASH (the data has a column called as one to add), MR_CANCELLED
 */
export async function scoreFile(options: ScoreOptions): Promise<Scored> {
  const { predictor, signal } = options
  const out = resolve(options.out)
  const copyOptions = outputOptions(out)
  if (options.escapeFormulas && formatOf(out) !== 'csv')
    throw new MillraceError('MR_USAGE', `--escape-formulas is for CSV, and ${options.out} is none`, {
      hint: 'leave it out: only CSV does not tell texts from formulas',
    })
  if (!options.force && (await exists(out)))
    throw new MillraceError('MR_FILE_EXISTS', `${options.out} exists`, { hint: 'give --force to replace it' })
  if (!(await exists(dirname(out))))
    throw new MillraceError('MR_FILE_MISSING', `there is no folder ${dirname(out)} to write ${basename(out)} into`)
  const session = await openSession(options.engine ?? {})
  try {
    const { inputs, windows = [] } = predictor.metadata
    const needed = inputs.map(({ name }) => name).filter((name) => !windows.some((window) => window.name === name))
    const objects = {
      ...(options.s3 === undefined ? {} : { s3: options.s3 }),
      ...(signal === undefined ? {} : { signal }),
    }
    const open = async (location: string, columns: readonly string[]): Promise<NamedSource> => {
      const found = await expandSource(location, objects)
      await fetchSource(found, objects)
      const inferred = await inWords(found, () =>
        inferNamed(found, columns, (from) => inferSchema(session, from, signal)),
      )
      return { ...inferred, location }
    }
    const data = await open(options.data, needed)
    const { source, schema } = data
    const names = schema.map(({ name }) => name)
    checkColumns(predictor.metadata, needed, names, options.data)
    const read = windows.flatMap(({ reads }) => reads.map(({ name }) => name))
    const history = options.history === undefined ? undefined : await open(options.history, read)
    const added = addedColumns(predictor.metadata)
    const kept = keptColumns(names, added, options)
    const { relation, computed } = await scoringInput(session, predictor.metadata, data, history, signal)
    const rows = await predictAll(session, relation, options, added)
    const raw = rawTable(source, schema, formatOf(out))
    const select = [
      ...kept.map((name) => `d.${identifier(name)}`),
      ...added.map((name, i) => `p.c${i} AS ${identifier(name)}`),
    ]
    const plain = `SELECT ${select.join(', ')} FROM ${raw} AS d POSITIONAL JOIN scored AS p`
    const sql = options.escapeFormulas ? await withoutFormulas(session, plain) : plain
    await writeAtomic(session, sql, out, copyOptions, rows, signal)
    return { rows, columns: [...kept, ...added], out, computed: computed.map(({ name }) => name) }
  } finally {
    await session.close()
  }
}

/** The names of the columns that scoring adds, in order. */
export function addedColumns({ task }: ModelMetadata): readonly string[] {
  return ['prediction', ...(task.kind === 'classification' ? task.classes.map((name) => `probability_${name}`) : [])]
}

function checkColumns(
  metadata: ModelMetadata,
  needed: readonly string[],
  names: readonly string[],
  data: string,
): void {
  const absent = needed.filter((name) => !names.includes(name))
  if (absent.length === 0) return
  const near = absent.flatMap((name) => {
    const candidate = nearest(name, names)
    return candidate === undefined ? [] : [`"${candidate}" for "${name}"`]
  })
  const list = (items: readonly string[]): string => items.map((name) => `"${name}"`).join(', ')
  throw new MillraceError(
    'MR_PREDICT_COLUMN',
    `${data} lacks ${absent.length === 1 ? 'the column' : 'the columns'} ${list(absent)}, which the model "${metadata.name}" ` +
      `needs; it has ${list(names)}`,
    near.length > 0 ? { hint: `did you mean ${near.join(', ')}? Rename the columns in the data` } : {},
  )
}

function keptColumns(names: readonly string[], added: readonly string[], options: ScoreOptions): readonly string[] {
  const lower = new Map(added.map((name) => [name.toLowerCase(), name]))
  if (lower.size !== added.length)
    throw new MillraceError(
      'MR_PREDICT_CLASH',
      `the classes ${added.slice(1).join(', ')} differ in upper and lower case only: they cannot be columns of one table`,
    )
  const clashes = names.filter((name) => lower.has(name.toLowerCase()))
  if (clashes.length > 0 && !options.replace)
    throw new MillraceError(
      'MR_PREDICT_CLASH',
      `${options.data} already has ${clashes.map((name) => `"${name}"`).join(', ')}, which scoring would add`,
      { hint: 'give --replace to leave the old columns out, or rename them in the data' },
    )
  return names.filter((name) => !lower.has(name.toLowerCase()))
}

/** Predicts all rows in order into the table `scored` (c0, c1 …); returns how many. */
async function predictAll(
  session: Session,
  relation: Relation,
  { predictor, progress, signal }: ScoreOptions,
  added: readonly string[],
): Promise<number> {
  const { inputs } = predictor.metadata
  const sql = vectorSql(compile(relation, duckdb), inputs)
  let rows = 0
  const read = await session.lease(signal)
  try {
    await session.use(async (connection) => {
      let table: ScoredTable | undefined
      for await (const batch of batches(read.connection, sql, inputs)) {
        if (signal?.aborted) throw new MillraceError('MR_CANCELLED', 'the scoring was cancelled')
        const predictions = await predictor.predict(batch, signal)
        table ??= await ScoredTable.create(connection, predictions, added.length)
        table.append(predictions)
        rows += batch.rows
        progress?.(rows)
      }
      table?.close()
    }, signal)
  } finally {
    read.end()
  }
  return rows
}

/** The table `scored` with columns c0 (the prediction), c1 … (probabilities), one row a row of the data. */
class ScoredTable {
  private constructor(
    private readonly types: readonly DuckDBType[],
    private readonly appender: DuckDBAppender,
  ) {}

  static async create(connection: DuckDBConnection, kind: Predictions, width: number): Promise<ScoredTable> {
    const first = kind.labels ? VARCHAR : kind.values instanceof Float64Array ? DOUBLE : FLOAT
    const types = Array.from({ length: width }, (_, i) => (i === 0 ? first : FLOAT))
    await connection.run(`CREATE TABLE scored (${types.map((type, i) => `c${i} ${type.toString()}`).join(', ')})`)
    return new ScoredTable(types, await connection.createAppender('scored'))
  }

  append({ rows, labels, probabilities, values }: Predictions): void {
    const width = this.types.length - 1
    for (let start = 0; start < rows; start += CHUNK) {
      const end = Math.min(rows, start + CHUNK)
      const chunk = DuckDBDataChunk.create(this.types, end - start)
      chunk.setColumnValues(0, labels ? labels.slice(start, end) : Array.from(values?.subarray(start, end) ?? []))
      for (let c = 0; c < width; c++) {
        const column = new Array<number>(end - start)
        for (let r = start; r < end; r++) column[r - start] = probabilities?.[r * width + c] as number
        chunk.setColumnValues(c + 1, column)
      }
      this.appender.appendDataChunk(chunk)
    }
  }

  close(): void {
    this.appender.closeSync()
  }
}

/**
 * The data's columns for the output. Into the same format as they stand there, Parquet's types into any, all as text
 * into CSV; text files into formats with types by the types that were found in them, and so Parquet files that store a
 * column in different types.
 */
function rawTable(source: Source, schema: Schema, to: FileFormat | undefined): string {
  const names = schema.map(({ name }) => name)
  if (source.format === 'json' && to === 'json' && source.hive === undefined) {
    const types = names.map((name) => `${textLiteral(name)}: 'JSON'`)
    const paths = source.paths.map(pathLiteral).join(', ')
    return `read_json([${paths}], format = 'auto', hive_partitioning = false, columns = {${types.join(', ')}})`
  }
  const isStoredAlike = source.stored === undefined
  if (isStoredAlike && (source.format === 'parquet' || to === 'csv')) return reader(source, names)
  return `(${compile(scan(source, schema), duckdb)})`
}

/** Begins a formula, for one spreadsheet or another (OWASP, CSV Injection). */
const FORMULA = /^[=+\-@\t\r\n]/

/** The same rows with a quote before texts and names that begin a formula and are no numbers. */
async function withoutFormulas(session: Session, sql: string): Promise<string> {
  const described = await session.use(async (connection) =>
    (await connection.runAndReadAll(`DESCRIBE ${sql}`)).getRowObjects(),
  )
  const columns = described.map(({ column_name, column_type }) => {
    const name = String(column_name)
    const column = identifier(name)
    const isText = /^(VARCHAR|ENUM|JSON|BLOB|UNION|VARIANT)\b/.test(String(column_type))
    const text = `CAST(${column} AS VARCHAR)`
    const risky = `regexp_matches(${text}, '${FORMULA.source}') AND TRY_CAST(${text} AS DOUBLE) IS NULL`
    const value = isText ? `CASE WHEN ${risky} THEN '''' || ${text} ELSE ${text} END` : column
    return `${value} AS ${identifier(FORMULA.test(name) ? `'${name}` : name)}`
  })
  return `SELECT ${columns.join(', ')} FROM (${sql})`
}

function outputOptions(out: string): string {
  const lower = out.toLowerCase()
  const packed = lower.endsWith('.gz') ? ', COMPRESSION gzip' : lower.endsWith('.zst') ? ', COMPRESSION zstd' : ''
  switch (formatOf(out)) {
    case 'csv':
      return `FORMAT csv, HEADER true, DELIMITER '${/\.tsv(\.gz|\.zst)?$/.test(lower) ? '\t' : ','}'${packed}`
    case 'json':
      return `FORMAT json, ARRAY ${/\.json(\.gz|\.zst)?$/.test(lower)}${packed}`
    case 'parquet':
      return 'FORMAT parquet, COMPRESSION zstd'
    case undefined:
      throw new MillraceError('MR_USAGE', `the name ${out} does not tell a format`, {
        hint: 'end it in .csv, .jsonl or .parquet',
      })
  }
}

/** COPY into a file beside `out`, synced and renamed when it is whole. */
async function writeAtomic(
  session: Session,
  sql: string,
  out: string,
  copyOptions: string,
  rows: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const temporary = join(dirname(out), `.${basename(out).slice(0, 100)}.${randomBytes(6).toString('hex')}.tmp`)
  try {
    const written = await session.use(async (connection) => {
      const result = await connection.runAndReadAll(`COPY (${sql}) TO ${textLiteral(temporary)} (${copyOptions})`)
      return Number(result.getRows()[0]?.[0] ?? 0)
    }, signal)
    if (written !== rows)
      throw new MillraceError(
        'MR_SOURCE_CHANGED',
        `the data had ${rows} rows when it was scored and ${written} after`,
        {
          hint: 'score a file that nothing else writes to',
        },
      )
    const file = await open(temporary, 'r+')
    await file.sync()
    await file.close()
    await rename(temporary, out)
    await syncFolder(dirname(out))
  } catch (error) {
    await rm(temporary, { force: true })
    throw fileError(error, 'write', out)
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )
