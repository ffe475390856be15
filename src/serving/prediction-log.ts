/**
 * A sample of inputs and predictions for Parquet files, off the request path: requests leave references to their
 * columns here, a few times a second they go to a thread that writes (log-thread.ts). What that thread has not taken is
 * bounded; requests beyond it are dropped and counted. Nothing here throws into a request.
 */
import { readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { Counter, Gauge, type Registry } from 'prom-client'
import { fileError, makeFolder } from '../core/files.js'
import type { RecordBatch } from '../core/table.js'
import { startWorker } from '../core/worker.js'
import {
  gatherRows,
  type LogEntry,
  type LogReply,
  type LogRows,
  type LogThreadData,
  sizeOf,
  TEMPORARY,
} from './log-rows.js'
import type { ServerLog } from './models.js'
import type { Predictions } from './predictor.js'
import type { ServedModel } from './served-model.js'
import { draw } from './traffic.js'

export interface PredictionLogOptions {
  readonly folder: string
  /** Of the requests, from 0 to 1. */
  readonly share: number
  /** A file is finished at this many rows (100,000), bytes in memory (64 MiB) or milliseconds (10 minutes). */
  readonly rows?: number
  readonly bytes?: number
  readonly ms?: number
  /**
   * The most rows, and about the most bytes, that wait for the thread; defaults 50,000 and 64 MiB. One request may have
   * more where nothing else waits.
   */
  readonly maxPending?: number
  readonly maxPendingBytes?: number
  readonly logger?: ServerLog
  readonly onFile?: (path: string, rows: number) => void
}

interface Entry extends LogEntry {
  readonly model: ServedModel
  readonly bytes: number
}

/** Entries go to the thread after this many milliseconds or rows, a long request in pieces of so many, one a turn. */
const FLUSH_MS = 100
const FLUSH_ROWS = 1024
const PIECE_ROWS = 4096
/** What a row takes beside its columns and its answer's numbers: its id, place, time and label. */
const ROW_BYTES = 60
/** A thread that died is started again after this many milliseconds. */
const RESTART_MS = 30_000
/** What a process that was killed left open is removed after this many milliseconds. */
const STALE_MS = 3_600_000

export class PredictionLog {
  private entries: Entry[] = []
  /** Of the entries, and of what was given to the thread and not acknowledged. */
  private readonly waiting = { rows: 0, bytes: 0 }
  private readonly sent = { rows: 0, bytes: 0 }
  private timer: NodeJS.Timeout | undefined
  private thread: Worker | undefined
  private closed: (() => void) | undefined
  private diedAt = -Infinity
  private failing = false
  private dropping = false
  /** Rows by their fate; `taken` is with the thread or in its open files. */
  readonly rows = { taken: 0, written: 0, dropped: 0, failed: 0 }
  private files = 0

  private constructor(private readonly options: PredictionLogOptions) {}

  /** Throws MR_FILE_ACCESS or MR_DISK_FULL where the folder cannot be written. */
  static async open(options: PredictionLogOptions): Promise<PredictionLog> {
    const { folder } = options
    try {
      await makeFolder(folder)
      const probe = join(folder, `.probe-${process.pid}${TEMPORARY}`)
      await writeFile(probe, '')
      await rm(probe)
      await removeStale(folder)
    } catch (error) {
      throw fileError(error, 'write the prediction log to', folder)
    }
    const log = new PredictionLog(options)
    log.start()
    return log
  }

  /** Keeps the rows of an answered request, if the sample holds its id. The arrays must not change. */
  add(model: ServedModel, id: string, batch: RecordBatch, predictions: Predictions): void {
    const { share, maxPending = 50_000, maxPendingBytes = 64 * 2 ** 20, logger } = this.options
    if (batch.rows === 0 || (share < 1 && draw(id, 'log') >= share)) return
    const { waiting, sent } = this
    const time = BigInt(Math.floor((performance.timeOrigin + performance.now()) * 1000))
    const pieces: Entry[] = []
    const { task } = model.metadata
    const rowBytes = ROW_BYTES + (task.kind === 'classification' ? 4 * task.classes.length : 8)
    for (let from = 0; from < batch.rows; from += PIECE_ROWS) {
      const to = Math.min(batch.rows, from + PIECE_ROWS)
      const bytes = sizeOf(batch.columns, from, to) + (to - from) * rowBytes
      pieces.push({ model, id, time, batch, predictions, from, to, bytes })
    }
    const bytes = pieces.reduce((sum, piece) => sum + piece.bytes, 0)
    const rows = waiting.rows + sent.rows
    const full = rows + batch.rows > maxPending || waiting.bytes + sent.bytes + bytes > maxPendingBytes
    if ((full && rows > 0) || this.closed) {
      this.rows.dropped += batch.rows
      if (!this.dropping) logger?.('warn', 'the prediction log is slower than the requests come: rows are left out')
      this.dropping = true
      return
    }
    this.entries.push(...pieces)
    waiting.rows += batch.rows
    waiting.bytes += bytes
    if (waiting.rows >= FLUSH_ROWS) this.flush()
    else this.timer ??= setTimeout(() => this.flush(), FLUSH_MS).unref()
  }

  /** Writes what is buffered; what is not written after `deadlineMs` is lost, counted as failed, and said. */
  async close(deadlineMs = 10_000): Promise<void> {
    while (this.entries.length > 0) this.flush()
    const { thread } = this
    if (!thread) return
    const finished = new Promise<void>((resolve) => {
      this.closed = resolve
      setTimeout(resolve, deadlineMs).unref()
    })
    // the thread alone keeps the process alive until it has written
    thread.ref()
    thread.postMessage({ kind: 'close' })
    await finished
    // not terminated: DuckDB aborts the process where a thread ends in the middle of its work
    this.thread = undefined
    thread.unref()
    const { taken } = this.rows
    if (taken === 0) return
    this.lose()
    const what = `${taken} rows of the prediction log were not written within ${deadlineMs} ms`
    this.options.logger?.('error', `${what}, and are lost`)
  }

  fill(registry: Registry): void {
    const rows = new Counter({
      name: 'millrace_prediction_log_rows_total',
      help: 'Sampled rows: written to finished files, dropped because too many waited, failed because the disk did.',
      labelNames: ['outcome'],
      registers: [registry],
    })
    for (const outcome of ['written', 'dropped', 'failed'] as const) rows.inc({ outcome }, this.rows[outcome])
    const files = { name: 'millrace_prediction_log_files_total', help: 'Files finished.', registers: [registry] }
    new Counter(files).inc(this.files)
    const gauge = (name: string, help: string, value: number): void =>
      new Gauge({ name, help, registers: [registry] }).set(value)
    gauge('millrace_prediction_log_open_rows', 'Rows in no finished file yet.', this.waiting.rows + this.rows.taken)
    gauge('millrace_prediction_log_failing', '1 where the last file could not be written.', this.failing ? 1 : 0)
  }

  /** Gives the thread a message's worth of entries; what is left goes in the next turn. */
  private flush(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    let rows = 0
    let count = 0
    for (; count < this.entries.length && rows < PIECE_ROWS; count++) {
      const { from, to, bytes } = this.entries[count] as Entry
      rows += to - from
      this.waiting.bytes -= bytes
    }
    const entries = this.entries.splice(0, count)
    this.waiting.rows -= rows
    if (this.entries.length > 0) this.timer = setTimeout(() => this.flush(), 0).unref()
    if (!this.thread && performance.now() - this.diedAt > RESTART_MS && !this.closed) this.start()
    for (const rows of grouped(entries)) {
      if (!this.thread) {
        this.rows.dropped += rows.rows
        continue
      }
      this.sent.rows += rows.rows
      this.sent.bytes += rows.bytes
      this.rows.taken += rows.rows
      this.thread.postMessage(rows)
    }
  }

  /** What the thread had is lost. */
  private lose(): void {
    this.rows.failed += this.rows.taken
    this.rows.taken = this.sent.rows = this.sent.bytes = 0
  }

  private start(): void {
    const { folder, rows = 100_000, bytes = 64 * 2 ** 20, ms = 600_000 } = this.options
    const workerData: LogThreadData = { folder, rows, bytes, ms }
    const thread = startWorker(new URL('./log-thread.js', import.meta.url), { workerData })
    this.thread = thread
    thread.unref()
    let why = ''
    thread.on('message', (reply: LogReply) => {
      // what a thread tells after it was given up is lost already
      if (this.thread === thread) this.heard(reply)
    })
    thread.on('error', (error) => (why = `: ${error.message}`))
    thread.on('exit', () => {
      if (this.thread !== thread) return
      this.thread = undefined
      this.diedAt = performance.now()
      this.lose()
      this.options.logger?.('error', `the thread of the prediction log ended${why}; another is tried in 30 s`)
      this.closed?.()
    })
  }

  private heard(reply: LogReply): void {
    const { logger, onFile } = this.options
    if (reply.kind === 'taken') {
      this.sent.rows -= reply.rows
      this.sent.bytes -= reply.bytes
      if (this.sent.rows === 0) this.dropping = false
    } else if (reply.kind === 'written') {
      this.rows.taken -= reply.rows
      this.rows.written += reply.rows
      this.files++
      if (this.failing) logger?.('info', 'the prediction log can be written again')
      this.failing = false
      onFile?.(reply.path, reply.rows)
    } else if (reply.kind === 'failed') {
      this.rows.taken -= reply.rows
      this.rows.failed += reply.rows
      if (!this.failing) logger?.('error', `the prediction log cannot be written, rows are lost: ${reply.message}`)
      this.failing = true
    } else this.closed?.()
  }
}

/** One message for each version and day. */
function grouped(entries: readonly Entry[]): LogRows[] {
  const groups = new Map<ServedModel, Map<string, Entry[]>>()
  for (const entry of entries) {
    const date = new Date(Number(entry.time / 1000n)).toISOString().slice(0, 10)
    const days = groups.get(entry.model) ?? new Map<string, Entry[]>()
    groups.set(entry.model, days)
    const day = days.get(date)
    if (day) day.push(entry)
    else days.set(date, [entry])
  }
  return [...groups].flatMap(([{ name, version, metadata }, days]) =>
    [...days].map(([date, group]) => {
      const bytes = group.reduce((sum, entry) => sum + entry.bytes, 0)
      return gatherRows({ model: name, version, date, metadata }, group, bytes)
    }),
  )
}

async function removeStale(folder: string): Promise<void> {
  for (const item of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!item.isFile() || !item.name.startsWith('.part-') || !item.name.endsWith(TEMPORARY)) continue
    const path = join(item.parentPath, item.name)
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Infinity }))
    if (Date.now() - mtimeMs > STALE_MS) await rm(path, { force: true })
  }
}
