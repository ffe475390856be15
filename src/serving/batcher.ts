/**
 * Gathers the rows of all requests that arrived in one turn of the event loop into one run of the model. Without
 * `maxWait` there is no timer: a request that is alone runs in the next turn, so batching adds no latency.
 */
import { MillraceError } from '../core/errors.js'
import type { RecordBatch, Vector } from '../core/table.js'
import type { Predictions, Predictor } from './predictor.js'

export interface BatcherOptions {
  /** The most rows of one run; default 256. */
  readonly maxBatch?: number
  /** The most rows that wait; more are refused with MR_SERVER_BUSY. Default 100,000. */
  readonly maxQueue?: number
  /**
   * Milliseconds that a request may wait for others to share its run; a run begins earlier where maxBatch rows are
   * there. Default 0: it begins in the next turn of the event loop.
   */
  readonly maxWait?: number
  /**
   * Milliseconds for which rows may wait for a run, whether or not one begins meanwhile; then no run is spent on them,
   * and their request gets MR_SERVER_LATE. Default: any time.
   */
  readonly timeout?: number
  /** Called after each run with its rows and the milliseconds for which the oldest of its requests had waited. */
  readonly onBatch?: (rows: number, waited: number) => void
}

interface Waiting {
  readonly batch: RecordBatch
  /** When it came, on the clock of `performance.now()`. */
  readonly since: number
  /** Rows that were given to a run, and rows that came back. */
  taken: number
  done: number
  settled: boolean
  /** Of a request cut into parts: each part's first row and predictions, in any order. */
  readonly parts: { readonly start: number; readonly predictions: Predictions }[]
  resolve(predictions: Predictions): void
  reject(error: unknown): void
}

interface Share {
  readonly request: Waiting
  readonly start: number
  readonly end: number
}

/** Runs under way at once: one on this thread and one on the predictor's worker. */
const CONCURRENT_RUNS = 2

export class Batcher {
  private queue: Waiting[] = []
  /** Undefined, or what starts the next run: an immediate, or the timer of maxWait. */
  private next: NodeJS.Immediate | undefined
  private timer: NodeJS.Timeout | undefined
  /** Set while something waits that may be late: a run under way may take longer than rows may wait. */
  private lateness: NodeJS.Timeout | undefined
  /** Rows of the queue that no run has taken. */
  private queued = 0
  private runs = 0
  private stopped = false
  private idle: (() => void) | undefined
  private readonly maxBatch: number
  private readonly maxQueue: number
  private readonly maxWait: number
  private readonly timeout: number
  /** Rows that wait or run. */
  rows = 0

  constructor(
    private readonly predictor: Predictor,
    private readonly options: BatcherOptions = {},
  ) {
    this.maxBatch = options.maxBatch ?? 256
    this.maxQueue = options.maxQueue ?? 100_000
    this.maxWait = options.maxWait ?? 0
    this.timeout = options.timeout ?? Infinity
  }

  /**
   * Predictions of one request's rows. A request of more rows than a run may have goes in parts, between which other
   * requests have their turn. Throws what the predictor throws, MR_SERVER_BUSY, MR_SERVER_LATE, MR_SERVER_STOPPING.
   */
  predict(batch: RecordBatch): Promise<Predictions> {
    if (this.stopped) return Promise.reject(new MillraceError('MR_SERVER_STOPPING', 'the model is being closed'))
    if (this.rows > 0 && this.rows + batch.rows > this.maxQueue)
      return Promise.reject(
        new MillraceError('MR_SERVER_BUSY', `${this.rows} rows are waiting; at most ${this.maxQueue} may`, {
          retryable: true,
        }),
      )
    if (batch.rows === 0) return this.predictor.predict(batch)
    this.rows += batch.rows
    this.queued += batch.rows
    return new Promise((resolve, reject) => {
      const since = performance.now()
      this.queue.push({ batch, since, taken: 0, done: 0, settled: false, parts: [], resolve, reject })
      if (this.timeout < Infinity) this.lateness ??= setTimeout(() => this.expire(), this.timeout)
      this.schedule()
    })
  }

  /** Refuses new requests and waits for those that it has. */
  async stop(): Promise<void> {
    this.stopped = true
    this.schedule()
    if (this.rows > 0) await new Promise<void>((resolve) => (this.idle = resolve))
    clearTimeout(this.lateness)
  }

  /** Turns away what has waited too long, and looks again when the next may have. */
  private expire(): void {
    const now = performance.now()
    let oldest = Infinity
    this.queue = this.queue.filter((request) => {
      if (now - request.since >= this.timeout) this.settle(request, late(now - request.since))
      if (request.settled) this.queued -= request.batch.rows - request.taken
      else oldest = Math.min(oldest, request.since)
      return !request.settled
    })
    this.lateness =
      oldest === Infinity ? undefined : setTimeout(() => this.expire(), Math.max(1, oldest + this.timeout - now))
  }

  private schedule(): void {
    const oldest = this.queue[0]
    if (this.next !== undefined || this.runs >= CONCURRENT_RUNS || oldest === undefined) return
    if (this.maxWait > 0 && this.queued < this.maxBatch && !this.stopped) {
      const left = oldest.since + this.maxWait - performance.now()
      if (left > 0) {
        this.timer ??= setTimeout(() => {
          this.timer = undefined
          this.schedule()
        }, left)
        return
      }
    }
    clearTimeout(this.timer)
    this.timer = undefined
    this.next = setImmediate(() => {
      this.next = undefined
      void this.run(this.take())
    })
  }

  /** The next run's rows: whole requests in order of arrival, and a part of one that does not fit. */
  private take(): Share[] {
    const shares: Share[] = []
    const { queue } = this
    let room = this.maxBatch
    let taken = 0
    const now = performance.now()
    for (; taken < queue.length && room > 0; taken++) {
      const request = queue[taken] as Waiting
      if (now - request.since > this.timeout) this.settle(request, late(now - request.since))
      if (request.settled) {
        this.queued -= request.batch.rows - request.taken
        continue
      }
      const left = request.batch.rows - request.taken
      // a request that fits into a run of its own is not cut
      if (left > room && left <= this.maxBatch && shares.length > 0) break
      const rows = Math.min(left, room)
      shares.push({ request, start: request.taken, end: request.taken + rows })
      request.taken += rows
      this.queued -= rows
      room -= rows
    }
    this.queue = queue.slice(taken)
    // what is left of a long request goes to the end, so that others have their turn
    for (const { request } of shares) if (request.taken < request.batch.rows) this.queue.push(request)
    return shares
  }

  private async run(shares: readonly Share[]): Promise<void> {
    if (shares.length === 0) return this.schedule()
    this.runs++
    this.schedule()
    await this.predictShares(shares)
    this.runs--
    this.schedule()
  }

  private async predictShares(shares: readonly Share[]): Promise<void> {
    const batch = gather(shares)
    const began = performance.now()
    let predictions: Predictions
    try {
      predictions = await this.predictor.predict(batch)
    } catch (error) {
      // one request's rows must not fail another's: each again on its own
      if (shares.length > 1) for (const share of shares) await this.predictShares([share])
      else this.settle((shares[0] as Share).request, error)
      return
    }
    this.options.onBatch?.(batch.rows, began - (shares[0] as Share).request.since)
    let from = 0
    for (const { request, start, end } of shares) {
      const to = from + end - start
      request.done += end - start
      request.parts.push({ start, predictions: shares.length === 1 ? predictions : slice(predictions, from, to) })
      if (request.done === request.batch.rows) this.settle(request)
      from = to
    }
  }

  /** Answers a request once; what is left of a failed one is skipped where the queue meets it. */
  private settle(request: Waiting, error?: unknown): void {
    if (request.settled) return
    request.settled = true
    this.rows -= request.batch.rows
    if (error === undefined) request.resolve(join(request.parts))
    else request.reject(error)
    if (this.rows === 0) this.idle?.()
  }
}

function late(ms: number): MillraceError {
  return new MillraceError(
    'MR_SERVER_LATE',
    `the request waited ${Math.round(ms)} ms for its turn, longer than it may`,
    {
      retryable: true,
      hint: 'send it again later; --timeout says how long a request may take',
    },
  )
}

function gather(shares: readonly Share[]): RecordBatch {
  const [first] = shares as [Share]
  const { schema } = first.request.batch
  if (shares.length === 1 && first.start === 0 && first.end === first.request.batch.rows) return first.request.batch
  const rows = shares.reduce((sum, { start, end }) => sum + end - start, 0)
  const columns = schema.map((_, c) => {
    const source = first.request.batch.columns[c] as Vector
    if (source instanceof Float64Array) return fill(new Float64Array(rows), shares, c)
    if (source instanceof BigInt64Array) return fill(new BigInt64Array(rows), shares, c)
    return fill(new Array<string>(rows), shares, c)
  })
  return { schema, rows, columns }
}

/** Element by element: most requests have one row, for which `set` and `subarray` cost more than they save. */
function fill<T extends Float64Array | BigInt64Array | string[]>(
  target: T,
  shares: readonly Share[],
  column: number,
): T {
  let at = 0
  for (const { request, start, end } of shares) {
    const source = request.batch.columns[column] as T
    for (let r = start; r < end; r++) target[at++] = source[r] as T[number]
  }
  return target
}

function slice({ rows, labels, probabilities, values }: Predictions, start: number, end: number): Predictions {
  const width = probabilities ? probabilities.length / rows : 0
  return {
    rows: end - start,
    ...(labels && { labels: labels.slice(start, end) }),
    ...(probabilities && { probabilities: probabilities.subarray(start * width, end * width) }),
    ...(values && { values: values.subarray(start, end) }),
  }
}

function join(parts: Waiting['parts']): Predictions {
  const [first] = parts
  if (first && parts.length === 1) return first.predictions
  const ordered = parts.toSorted((a, b) => a.start - b.start).map(({ predictions }) => predictions)
  const has = (key: 'labels' | 'probabilities' | 'values'): boolean => ordered[0]?.[key] !== undefined
  return {
    rows: ordered.reduce((sum, { rows }) => sum + rows, 0),
    ...(has('labels') && { labels: ordered.flatMap(({ labels }) => labels ?? []) }),
    ...(has('probabilities') && { probabilities: concatenate(ordered.map((part) => part.probabilities!)) }),
    ...(has('values') && { values: concatenate(ordered.map((part) => part.values!)) }),
  }
}

function concatenate<T extends Float32Array | Float64Array>(arrays: readonly T[]): T {
  const length = arrays.reduce((sum, array) => sum + array.length, 0)
  const all = arrays[0] instanceof Float64Array ? new Float64Array(length) : new Float32Array(length)
  let at = 0
  for (const array of arrays) {
    all.set(array, at)
    at += array.length
  }
  return all as T
}
