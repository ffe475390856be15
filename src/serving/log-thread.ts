/**
 * The thread of the prediction log: gathers rows in DuckDB, one table for each version and day, and writes a table as
 * Parquet when it is long or old enough. A file gets its name when it is whole and on the disk. DuckDB is used as it
 * is, not by way of the engine: there is no relation here, and serving knows nothing of the batch path.
 */
import { randomBytes } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import {
  type DuckDBConnection,
  DuckDBDataChunk,
  DuckDBDateValue,
  DuckDBInstance,
  DuckDBTimestampValue,
  type DuckDBType,
  type DuckDBValue,
} from '@duckdb/node-api'
import { makeFolder, syncFolder } from '../core/files.js'
import { type ColumnType, MISSING_TIME } from '../core/schema.js'
import type { Vector } from '../core/table.js'
import { layoutOf, type LogLayout, type LogReply, type LogRows, type LogThreadData, TEMPORARY } from './log-rows.js'

/** Rows of a DuckDB chunk. */
const CHUNK = 2048
const US_PER_DAY = 86_400_000_000n

interface OpenFile {
  readonly table: string
  readonly folder: string
  readonly layout: LogLayout
  readonly types: readonly DuckDBType[]
  readonly openedAt: number
  rows: number
  bytes: number
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`
const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`
/** Percent-encoded; lone surrogates, which cannot be, become U+FFFD on the way through UTF-8. */
const folderName = (key: string, value: string): string =>
  `${encodeURIComponent(key)}=${encodeURIComponent(Buffer.from(value).toString())}`

class LogWriter {
  private readonly files = new Map<string, OpenFile>()
  private count = 0

  constructor(
    private readonly connection: DuckDBConnection,
    private readonly options: LogThreadData,
    private readonly tell: (reply: LogReply) => void,
  ) {}

  async add(rows: LogRows): Promise<void> {
    try {
      const file = await this.file(rows)
      await this.append(file, rows)
      file.rows += rows.rows
      file.bytes += rows.bytes
    } catch (error) {
      this.tell({ kind: 'failed', rows: rows.rows, message: (error as Error).message })
    }
    this.tell({ kind: 'taken', rows: rows.rows, bytes: rows.bytes })
    await this.finish()
  }

  /** Writes what is due, or everything. */
  async finish(all = false): Promise<void> {
    const { rows, bytes, ms } = this.options
    const sum = [...this.files.values()].reduce((total, file) => total + file.bytes, 0)
    for (const [key, file] of this.files)
      if (all || sum >= bytes || file.rows >= rows || performance.now() - file.openedAt >= ms) {
        this.files.delete(key)
        await this.write(file)
      }
  }

  private async file(rows: LogRows): Promise<OpenFile> {
    const { model, version, date, inputs, classes } = rows
    const key = JSON.stringify([model, version, date, inputs, classes])
    const found = this.files.get(key)
    if (found) return found
    const layout = layoutOf(rows)
    const table = `t${this.count++}`
    const columns = layout.columns.map(([name, type]) => `${quoted(name)} ${type}`).join(', ')
    await this.connection.run(`CREATE TABLE ${table} (${columns})`)
    const types = (await this.connection.run(`FROM ${table} LIMIT 0`)).columnTypes()
    const [m, v, d] = layout.folders
    const folder = join(this.options.folder, folderName(m, model), folderName(v, version), folderName(d, date))
    const file = { table, folder, layout, types, openedAt: performance.now(), rows: 0, bytes: 0 }
    this.files.set(key, file)
    return file
  }

  private async append(file: OpenFile, rows: LogRows): Promise<void> {
    const appender = await this.connection.createAppender(file.table)
    try {
      for (let start = 0; start < rows.rows; start += CHUNK)
        appender.appendDataChunk(chunkOf(file.types, rows, start, Math.min(rows.rows, start + CHUNK)))
    } finally {
      appender.closeSync()
    }
  }

  private async write({ table, folder, rows }: OpenFile): Promise<void> {
    if (rows === 0) return void (await this.connection.run(`DROP TABLE ${table}`))
    const name = `part-${new Date().toISOString().replace(/[-:.]/g, '')}-${randomBytes(4).toString('hex')}.parquet`
    const temporary = join(folder, `.${name}${TEMPORARY}`)
    const path = join(folder, name)
    try {
      await makeFolder(folder)
      await this.connection.run(`COPY ${table} TO ${literal(temporary)} (FORMAT parquet, COMPRESSION zstd)`)
      const file = await open(temporary, 'r+')
      await file.sync().finally(() => file.close())
      await rename(temporary, path)
      await syncFolder(folder)
      this.tell({ kind: 'written', rows, path })
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined)
      this.tell({ kind: 'failed', rows, message: (error as Error).message })
    } finally {
      await this.connection.run(`DROP TABLE ${table}`)
    }
  }
}

function chunkOf(types: readonly DuckDBType[], rows: LogRows, start: number, end: number): DuckDBDataChunk {
  const { inputs, columns, classes, labels, probabilities, values, ids, places, times } = rows
  const chunk = DuckDBDataChunk.create(types, end - start)
  let at = 0
  const put = (value: (row: number) => DuckDBValue): void => {
    const column = new Array<DuckDBValue>(end - start)
    for (let r = start; r < end; r++) column[r - start] = value(r)
    chunk.setColumnValues(at++, column)
  }
  inputs.forEach(({ type }, c) => put(reader(columns[c] as Vector, type)))
  put((r) => labels?.[r] ?? values?.[r] ?? null)
  classes.forEach((_, c) => put((r) => probabilities?.[r * classes.length + c] ?? null))
  put((r) => ids[r] as string)
  put((r) => places[r] as number)
  put((r) => new DuckDBTimestampValue(times[r] as bigint))
  return chunk
}

/** The model's conventions for missing values become NULL; so do whole numbers that 64 bits do not hold. */
function reader(column: Vector, type: ColumnType): (row: number) => DuckDBValue {
  if (column instanceof Float64Array) {
    const number = (r: number): number => column[r] as number
    if (type === 'boolean') return (r) => (Number.isNaN(number(r)) ? null : number(r) !== 0)
    if (type === 'integer') return (r) => (Math.abs(number(r)) < 2 ** 63 ? BigInt(number(r)) : null)
    return (r) => (Number.isNaN(number(r)) ? null : number(r))
  }
  if (column instanceof BigInt64Array)
    return (r) => {
      const time = column[r] as bigint
      if (time === MISSING_TIME) return null
      return type === 'date' ? new DuckDBDateValue(Number(time / US_PER_DAY)) : new DuckDBTimestampValue(time)
    }
  return (r) => (column[r] === '' ? null : (column[r] as string))
}

const port = parentPort
if (port) {
  const tell = (reply: LogReply): void => port.postMessage(reply)
  // no spilling: what is open is bounded, and a full disk must not fill further
  const settings = { threads: '1', memory_limit: '512MB', temp_directory: '', autoinstall_known_extensions: 'false' }
  const instance = await DuckDBInstance.create(':memory:', settings)
  const writer = new LogWriter(await instance.connect(), workerData as LogThreadData, tell)
  let last: Promise<void> = Promise.resolve()
  const next = (work: () => Promise<void>): void => {
    last = last.then(work).catch((error: unknown) => {
      tell({ kind: 'failed', rows: 0, message: (error as Error).message })
    })
  }
  const timer = setInterval(() => next(() => writer.finish()), 1000)
  port.on('message', (message: LogRows | { readonly kind: 'close' }) => {
    if (message.kind === 'rows') return next(() => writer.add(message))
    next(() => writer.finish(true))
    next(async () => {
      tell({ kind: 'closed' })
      // with nothing left to wait for, the thread ends
      clearInterval(timer)
      port.close()
    })
  })
}
