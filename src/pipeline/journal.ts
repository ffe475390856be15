/**
 * The one record of everything that happened: an append-only file of events. State, resume, cache and the run page are
 * folds over it. The file's format is in journal-format.ts.
 */
import { open, type FileHandle } from 'node:fs/promises'
import { devNull } from 'node:os'
import { dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { MillraceError, nearest } from '../core/errors.js'
import { fileError, makeFolder, syncFolder } from '../core/files.js'
import type { RunEvent, StageCheckpoint, StageSucceeded } from './events.js'
import { JournalIndex, type RunSummary } from './journal-index.js'
import { blankLine, corrupt, type Damage, encodeEvents, HEADER, scanLines } from './journal-format.js'

export interface RunJournal {
  /** What reading found and opening did, for people: a damaged line that was left out, a torn end that was cut. */
  readonly notes: readonly string[]
  /**
   * Resolves when the event is on disk. Events are written in the order of the calls; those of one turn of the event
   * loop, and those that arrive while one sync runs, share a sync. After a failed one nothing is known of the file's end,
   * so all later appends fail too.
   * @param durable false: resolves when readers see the event, which is on disk when a later durable one is
   */
  append(event: RunEvent, durable?: boolean): Promise<void>
  /** A run's events in order; MR_RUN_UNKNOWN, naming those that exist. */
  replay(run: string): AsyncIterable<RunEvent>
  /** All runs, oldest first. */
  runs(): Promise<readonly RunSummary[]>
  /** Successes of a stage, oldest first; with `base` only those of that base (see identity.ts). */
  successes(stage: string, base?: string): Promise<readonly StageSucceeded[]>
  /** Checkpoints of a base, oldest first, without those whose run went on to succeed at it. */
  checkpoints(base: string): Promise<readonly StageCheckpoint[]>
  /** Waits for what was appended, and closes the file. */
  close(): Promise<void>
}

/** Bytes read at a time when the file is scanned. */
const CHUNK = 4 * 2 ** 20

/**
 * Opens `<home>/journal`. With `write`, creates it, cuts a torn end and blanks damaged lines (said in `notes`); the caller must hold the
 * home's lock. Without, it only reads, also while another process writes: each call sees what is there by then.
 * @param options.orEmpty reading a home without a journal finds no runs, instead of MR_FILE_MISSING
 */
export async function openJournal(
  home: string,
  options: { readonly write?: boolean; readonly orEmpty?: boolean } = {},
): Promise<RunJournal> {
  const path = join(home, 'journal')
  const write = options.write ?? false
  let file: FileHandle | undefined
  try {
    if (write) await makeFolder(home)
    file = await open(path, write ? 'a+' : 'r').catch((error: unknown) => {
      if (write || options.orEmpty !== true || !isMissing(error)) throw error
      return open(devNull, 'r')
    })
    const journal = new FileJournal(path, file, write)
    await journal.load()
    return journal
  } catch (error) {
    await file?.close()
    throw fileError(error, 'open the journal', path)
  }
}

/** What is written together, and the promise of it that all share who wait for it. */
interface Batch {
  readonly events: RunEvent[]
  readonly json: string[]
  /** One of them must be on disk before the promise resolves. */
  durable: boolean
  readonly done: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

function newBatch(): Batch {
  let resolve: () => void = () => undefined
  let reject: (error: unknown) => void = () => undefined
  const done = new Promise<void>((yes, no) => ([resolve, reject] = [yes, no]))
  return { events: [], json: [], durable: false, done, resolve, reject }
}

class FileJournal implements RunJournal {
  readonly notes: string[] = []
  readonly #path: string
  readonly #file: FileHandle
  readonly #write: boolean
  readonly #index = new JournalIndex()
  /** Bytes that are good, and the lines in them; and, when writing, how many of the bytes are durable. */
  #size = 0
  #lines = 0
  #durable = 0
  /** By where they begin. */
  readonly #damages = new Map<number, Damage>()
  #waiting: Batch | undefined
  #flushing: Promise<void> | undefined
  #refreshing: Promise<void> | undefined
  #broken: MillraceError | undefined

  constructor(path: string, file: FileHandle, write: boolean) {
    this.#path = path
    this.#file = file
    this.#write = write
  }

  async load(): Promise<void> {
    await this.#read()
    if (!this.#write) return
    await this.#mend()
    const { size } = await this.#file.stat()
    if (size > this.#size) {
      await this.#file.truncate(this.#size)
      this.notes.push(`${this.#path}: its end was torn or damaged, and ${size - this.#size} bytes of it were cut`)
    }
    const isNew = this.#size === 0
    if (isNew) {
      await this.#file.write(HEADER)
      this.#size = HEADER.length
      this.#lines = 1
    }
    await this.#file.sync() // also what a killed process wrote and did not sync
    if (isNew) await syncFolder(dirname(this.#path))
    this.#durable = this.#size
  }

  /** Puts lines that say nothing where damage is, so that later lines do not bear witness against it. */
  async #mend(): Promise<void> {
    if (this.#damages.size === 0) return
    const file = await open(this.#path, 'r+') // what is opened to append writes nowhere else
    try {
      for (const damage of this.#damages.values())
        await file.write(blankLine(damage, HEADER.length, this.#path), 0, undefined, damage.start)
    } finally {
      await file.close()
    }
    this.#damages.clear()
  }

  append(event: RunEvent, durable = true): Promise<void> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken)
    if (!this.#write) return Promise.reject(closed(this.#path, 'was opened to read'))
    let json: string
    try {
      json = JSON.stringify(event)
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)))
    }
    const batch = (this.#waiting ??= newBatch())
    batch.events.push(event)
    batch.json.push(json)
    batch.durable ||= durable
    this.#flushing ??= this.#flush()
    return batch.done
  }

  async #flush(): Promise<void> {
    await setImmediate() // what is appended in the same turn goes together
    for (let batch = this.#waiting; batch !== undefined; batch = this.#waiting) {
      this.#waiting = undefined
      const start = this.#size
      const { bytes, ends } = encodeEvents(batch.json, this.#durable)
      try {
        let written = 0
        while (written < bytes.length) {
          written += (await this.#file.write(bytes, written, bytes.length - written)).bytesWritten
        }
        if (batch.durable) await this.#file.datasync()
      } catch (error) {
        await this.#break(error, start, batch)
        break
      }
      this.#size += bytes.length
      if (batch.durable) this.#durable = this.#size
      let from = start
      batch.events.forEach((event, i) => {
        const end = start + (ends[i] ?? 0)
        this.#index.add({ event, start: from, end, number: this.#lines + i + 1 })
        from = end
      })
      this.#lines += batch.events.length
      batch.resolve()
    }
    this.#flushing = undefined
  }

  async #break(error: unknown, at: number, batch: Batch): Promise<void> {
    const shown = fileError(error, 'write the journal', this.#path)
    this.#broken =
      shown instanceof MillraceError
        ? shown
        : new MillraceError('MR_FILE_ACCESS', `cannot write the journal ${this.#path}: ${String(error)}`, {
            cause: error,
          })
    // Best effort: the next writer cuts a torn end anyway.
    await this.#file.truncate(at).catch(() => undefined)
    batch.reject(this.#broken)
    this.#waiting?.reject(this.#broken)
    this.#waiting = undefined
  }

  async *replay(run: string): AsyncGenerator<RunEvent> {
    await this.#refresh()
    const range = this.#index.range(run)
    if (range === undefined) {
      const runs = this.#index.runs().map((known) => known.run)
      const close = nearest(run, runs)
      throw new MillraceError(
        'MR_RUN_UNKNOWN',
        `run ${JSON.stringify(run)} is not in ${this.#path}` +
          (runs.length === 0 ? ', which has no runs yet' : `; the latest are: ${runs.slice(-5).join(', ')}`),
        { hint: close === undefined ? 'millrace runs lists all' : `did you mean ${close}?` },
      )
    }
    let at = range.start
    let number = range.number
    while (at < range.end) {
      const chunk = await this.#chunk(at, range.end, number)
      const { lines, damages, end, next } = scanLines(chunk, at, number, this.#path)
      const fresh = damages.find(({ start }) => !this.#damages.has(start))
      if (fresh !== undefined) throw corrupt(this.#path, fresh)
      for (const { event } of lines) if (event.run === run) yield event
      if (end === at) throw this.#vanished(at)
      at = end
      number = next
    }
  }

  async runs(): Promise<readonly RunSummary[]> {
    await this.#refresh()
    return this.#index.runs()
  }

  async successes(stage: string, base?: string): Promise<readonly StageSucceeded[]> {
    if (!this.#write) await this.#refresh()
    return base === undefined ? this.#index.successesOf(stage) : this.#index.successes(stage, base)
  }

  async checkpoints(base: string): Promise<readonly StageCheckpoint[]> {
    if (!this.#write) await this.#refresh()
    return this.#index.checkpoints(base)
  }

  async close(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing
    await this.#refreshing
    if (this.#broken?.code === 'MR_JOURNAL_CLOSED') return
    const isWhole = this.#broken === undefined
    this.#broken = closed(this.#path, 'is closed')
    if (isWhole && this.#durable < this.#size && this.#write) await this.#file.datasync()
    await this.#file.close()
  }

  /** A reader takes in what was written since; a writer knows it all. */
  async #refresh(): Promise<void> {
    if (this.#write) return
    this.#refreshing ??= this.#read().finally(() => (this.#refreshing = undefined))
    await this.#refreshing
  }

  async #read(): Promise<void> {
    const { size } = await this.#file.stat()
    if (size < this.#size) throw this.#vanished(size)
    while (this.#size < size) {
      const chunk = await this.#chunk(this.#size, size, this.#lines + 1)
      const { lines, damages, end, next } = scanLines(chunk, this.#size, this.#lines + 1, this.#path)
      for (const damage of damages) {
        this.#damages.set(damage.start, damage)
        this.notes.push(
          `${this.#path}: line ${damage.number} (byte ${damage.start}) is damaged and was left out, ` +
            `${damage.end - damage.start} bytes; the lines after it are whole and count`,
        )
      }
      for (const line of lines) this.#index.add(line)
      this.#lines = next - 1
      if (end === this.#size) return
      this.#size = end
    }
  }

  /**
   * Bytes from `from` on: at least a whole line, if there is one before `to`; all of the file's end if the rest may be
   * torn, because what follows a damaged line decides what it means.
   */
  async #chunk(from: number, to: number, line: number): Promise<Buffer> {
    for (let length = CHUNK; ; length *= 2) {
      const whole = length >= to - from
      const buffer = Buffer.alloc(whole ? to - from : length)
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, from)
      const bytes = buffer.subarray(0, bytesRead)
      if (whole) return bytes
      const last = bytes.lastIndexOf(10)
      // A chunk that does not scan to its last newline holds damage: judge it with all that follows.
      const lines = bytes.subarray(0, last + 1)
      const { damages, end } = scanLines(lines, from, line, this.#path)
      if (last >= 0 && damages.length === 0 && end === from + last + 1) return lines
    }
  }

  #vanished(at: number): MillraceError {
    return new MillraceError('MR_JOURNAL_CORRUPT', `${this.#path} was cut at byte ${at} while it was open`, {
      hint: 'journals are only ever appended to: look for what else writes there, then run the same command again',
    })
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

function closed(path: string, why: string): MillraceError {
  return new MillraceError('MR_JOURNAL_CLOSED', `the journal ${path} ${why} and takes no events`)
}
