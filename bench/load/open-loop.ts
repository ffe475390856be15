/**
 * An open-loop load generator: requests fall due by a Poisson process whether or not earlier ones are answered, as the
 * requests of many independent users do. Raw keep-alive sockets with one request at a time each, as proxies use them.
 * Run it in a process of its own on a core of its own: it does not sleep, so that what is due goes out at once.
 */
import { connect, type Socket } from 'node:net'

export interface OpenLoopOptions {
  readonly port: number
  readonly path: string
  /** The JSON of every request. */
  readonly body: string
  readonly perSecond: number
  readonly seconds: number
  /** Sockets, opened before the clock starts. A request that finds none free waits here, and its latency shows it. */
  readonly connections: number
  /** Milliseconds after the last request until answers that are still out count as lost; default 5,000. */
  readonly patienceMs?: number
}

/** Milliseconds; NaN where there was nothing to measure. */
export interface Quantiles {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

export interface OpenLoopResult {
  /** Requests that fell due, and those written to a socket. The difference found no free socket until the end. */
  readonly due: number
  readonly sent: number
  /** Answers: 200; 429 and 503; all else. */
  readonly ok: number
  readonly rejected: number
  readonly failed: number
  /** Sent, and never answered. */
  readonly lost: number
  /** Answers of 200 that are other than an earlier one of the same version of the model; they count as `ok` too. */
  readonly wrong: number
  /** What came on a socket that had asked nothing. */
  readonly unasked: number
  /** From when the first request was due until the last, in seconds; `ok / seconds` is the goodput. */
  readonly seconds: number
  /** From when a request was due to the end of its answer. */
  readonly okMs: Quantiles
  readonly rejectedMs: Quantiles
  /** From when a request was written to the end of its refusal: what of it is the server's. */
  readonly rejectedSentMs: Quantiles
  /** From when a request was due until it was written: what this process, or a lack of free sockets, adds. */
  readonly lateMs: Quantiles
  readonly statuses: Readonly<Record<string, number>>
}

/** One keep-alive connection; connects again where the server closes it. */
class Connection {
  private socket: Socket | undefined
  /** Of the request that is out; NaN while none is. */
  private due = NaN
  private sent = NaN
  private rest = ''

  constructor(private readonly loop: Loop) {}

  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      const { port, buffer } = this.loop
      const socket = connect({
        port,
        host: '127.0.0.1',
        noDelay: true,
        onread: { buffer, callback: (bytes) => this.read(bytes) },
      })
      this.socket = socket
      socket.on('connect', resolve)
      socket.on('error', reject)
      socket.on('close', () => this.closed())
    })
  }

  send(due: number): void {
    this.due = due
    this.sent = performance.now()
    this.socket?.write(this.loop.request)
  }

  /** Lets go of the socket; an answer that is still out does not come any more. */
  end(): void {
    this.socket?.removeAllListeners('close')
    this.socket?.destroy()
  }

  private read(bytes: number): boolean {
    const { buffer } = this.loop
    if (Number.isNaN(this.due)) {
      this.loop.unasked++
      return true
    }
    const text = this.rest + buffer.toString('latin1', 0, bytes)
    const head = text.indexOf('\r\n\r\n')
    const length = head < 0 ? undefined : /\r\ncontent-length: *(\d+)/i.exec(text)?.[1]
    if (length === undefined || text.length < head + 4 + Number(length)) {
      this.rest = text
      return true
    }
    this.rest = ''
    const now = performance.now()
    this.loop.answered(text, head, now - this.due, now - this.sent)
    this.due = NaN
    // a connection that the server ends after this answer is free once it is open again
    if (!/\r\nconnection: *close/i.test(text.slice(0, head))) this.loop.free(this)
    return true
  }

  private closed(): void {
    if (!Number.isNaN(this.due)) this.loop.lost++
    this.due = NaN
    this.rest = ''
    this.loop.notFree(this)
    if (this.loop.over) return
    this.open().then(
      () => this.loop.free(this),
      () => undefined,
    )
  }
}

class Loop {
  readonly port: number
  readonly request: Buffer
  /** Of all sockets: each read is dealt with before the next. */
  readonly buffer = Buffer.allocUnsafe(65_536)
  readonly idle: Connection[] = []
  readonly ok: number[] = []
  readonly rejected: number[] = []
  readonly rejectedSent: number[] = []
  /** By version of the model its answer: each request asks the same. */
  private readonly bodies = new Map<string, string>()
  readonly statuses = new Map<number, number>()
  answers = 0
  lost = 0
  wrong = 0
  unasked = 0
  over = false

  constructor({ port, path, body }: OpenLoopOptions) {
    this.port = port
    const length = Buffer.byteLength(body)
    this.request = Buffer.from(
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${body}`,
    )
  }

  /** An answer, of which the headers end at `head`, with the time since its request was due and since it was sent. */
  answered(text: string, head: number, ms: number, sentMs: number): void {
    const status = Number(text.slice(9, 12))
    this.answers++
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1)
    if (status === 200) {
      this.ok.push(ms)
      this.check(text, head)
    } else if (status === 429 || status === 503) {
      this.rejected.push(ms)
      this.rejectedSent.push(sentMs)
    }
  }

  private check(text: string, head: number): void {
    const version = /\r\nmillrace-model-version: *(\S+)/i.exec(text.slice(0, head))?.[1] ?? ''
    const body = text.slice(head)
    const known = this.bodies.get(version)
    if (known === undefined) this.bodies.set(version, body)
    else if (known !== body) this.wrong++
  }

  free(connection: Connection): void {
    this.idle.push(connection)
  }

  /** A connection that the server closed is out of the others until it is open again. */
  notFree(connection: Connection): void {
    const at = this.idle.indexOf(connection)
    if (at >= 0) this.idle.splice(at, 1)
  }
}

/** Sends `perSecond` requests a second for `seconds` and waits for their answers. Rejects where it cannot connect. */
export async function openLoop(options: OpenLoopOptions): Promise<OpenLoopResult> {
  const { perSecond, seconds, patienceMs = 5_000 } = options
  const loop = new Loop(options)
  const connections = Array.from({ length: options.connections }, () => new Connection(loop))
  for (const connection of connections) await connection.open()
  loop.idle.push(...connections)

  const gap = (): number => (-Math.log(1 - Math.random()) * 1000) / perSecond
  const late: number[] = []
  /** Due times of requests that no socket was free for, oldest first. */
  let waiting: number[] = []
  let taken = 0
  let due = 0
  const start = performance.now()
  const end = start + seconds * 1000
  let next = start + gap()
  while (next < end) {
    const now = performance.now()
    for (; next <= now && next < end; next += gap()) {
      waiting.push(next)
      due++
    }
    for (; taken < waiting.length && loop.idle.length > 0; taken++) {
      const when = waiting[taken] as number
      late.push(performance.now() - when)
      ;(loop.idle.pop() as Connection).send(when)
    }
    if (taken === waiting.length || taken > 10_000) {
      waiting = waiting.slice(taken)
      taken = 0
    }
    await turn()
  }
  const patience = performance.now() + patienceMs
  while (loop.answers + loop.lost < late.length && performance.now() < patience) await turn()
  loop.over = true
  for (const connection of connections) connection.end()
  return {
    due,
    sent: late.length,
    ok: loop.ok.length,
    rejected: loop.rejected.length,
    failed: loop.answers - loop.ok.length - loop.rejected.length,
    lost: late.length - loop.answers,
    wrong: loop.wrong,
    unasked: loop.unasked,
    seconds,
    okMs: quantiles(loop.ok),
    rejectedMs: quantiles(loop.rejected),
    rejectedSentMs: quantiles(loop.rejectedSent),
    lateMs: quantiles(late),
    statuses: Object.fromEntries(loop.statuses),
  }
}

/** The next turn of the event loop, after sockets were read. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Of any number of values, in place. */
function quantiles(values: number[]): Quantiles {
  const sorted = Float64Array.from(values).sort()
  const at = (q: number): number => Math.round((sorted[Math.floor(q * (sorted.length - 1))] ?? NaN) * 1000) / 1000
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1) }
}
