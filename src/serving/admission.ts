/**
 * Which requests for predictions are taken at all. One process has one event loop: what it takes beyond what it can
 * answer soon makes every answer late. So requests whose body has arrived are counted, and further ones are turned away
 * when their headers are there: before routing, before the body is read, with an answer that is ready-made.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { Counter, Gauge, type Registry } from 'prom-client'

export interface AdmissionOptions {
  /** Requests for predictions that are read and not answered yet; default 256. More get 429. */
  readonly maxActive?: number
  /** Open connections; default 10,000. More are closed at once. */
  readonly maxConnections?: number
}

/** Why a request was not answered as it wanted. */
export type Reason = 'active' | 'queue' | 'late' | 'rows' | 'body' | 'connections'

/** A body that was not read ends its connection if it is longer: reading it to its end would cost more. */
const UNREAD_BODY = 65_536
const JSON_TYPE = 'application/json; charset=utf-8'
type Handler = (request: IncomingMessage, response: ServerResponse) => void

export class Admission {
  private active = 0
  private readonly rejected = new Map<Reason, number>()
  private readonly maxActive: number
  private readonly maxConnections: number
  private readonly body: string
  /** Names and values in turn: node:http writes such a list without looking at each. */
  private readonly headers: readonly string[]

  /**
   * By connection the responses that are counted. Not by the responses' own events: one that waits behind another
   * (pipelining) has none where the connection closes.
   */
  private readonly open = new WeakMap<Socket, Set<ServerResponse>>()

  constructor({ maxActive = 256, maxConnections = 10_000 }: AdmissionOptions = {}) {
    this.maxActive = maxActive
    this.maxConnections = maxConnections
    const why = `${maxActive} requests are being answered, the most that are at once; send it again later`
    this.body = JSON.stringify({ error: `MR_SERVER_BUSY: ${why}` })
    this.headers = [
      ...['content-type', JSON_TYPE, 'content-length', String(Buffer.byteLength(this.body))],
      ...['retry-after', '1'],
    ]
  }

  /** The server around `handler`: what cannot be taken does not reach it. */
  server(handler: Handler, options: object): Server {
    const server = createServer(options, (request, response) => {
      if (this.active < this.maxActive || request.method !== 'POST') handler(request, response)
      else this.turnAway(request, response)
    })
    server.maxConnections = this.maxConnections
    server.on('drop', () => this.reject('connections'))
    return server
  }

  /** Counts the requests of `app` from when their body is read to the end of their answer. */
  addHooks(app: FastifyInstance): void {
    app.addHook('preHandler', (request, reply, done) => {
      if (request.method !== 'POST') return done()
      if (this.active >= this.maxActive) {
        // bodies that took longer to arrive than others
        this.reject('active')
        return void reply.code(429).header('retry-after', '1').type(JSON_TYPE).send(this.body)
      }
      this.count(request.raw.socket, reply.raw)
      done()
    })
    app.addHook('onResponse', (request, reply, done) => {
      if (this.open.get(request.raw.socket)?.delete(reply.raw)) this.active--
      done()
    })
  }

  reject(reason: Reason): void {
    this.rejected.set(reason, (this.rejected.get(reason) ?? 0) + 1)
  }

  /** For /metrics. */
  fill(registry: Registry): void {
    const registers = [registry]
    const help = 'Requests that were turned away, by what there was too much of.'
    const counter = new Counter({ name: 'millrace_rejected_total', help, labelNames: ['reason'], registers })
    for (const [reason, count] of this.rejected) counter.inc({ reason }, count)
    const gauge = (name: string, help: string, value: number): void => new Gauge({ name, help, registers }).set(value)
    gauge('millrace_active_requests', 'Requests for predictions that are read and not answered yet.', this.active)
    gauge('millrace_active_requests_max', 'The most of them; more are turned away.', this.maxActive)
  }

  private count(socket: Socket, response: ServerResponse): void {
    let open = this.open.get(socket)
    if (!open) {
      const counted = (open = new Set<ServerResponse>())
      this.open.set(socket, counted)
      // where the client has gone there is no onResponse
      socket.once('close', () => {
        this.active -= counted.size
        counted.clear()
      })
    }
    // nothing would take it off again
    if (socket.closed) return
    open.add(response)
    this.active++
  }

  private turnAway(request: IncomingMessage, response: ServerResponse): void {
    this.reject('active')
    const length = Number(request.headers['content-length'] ?? Infinity)
    const ends = length > UNREAD_BODY ? ['connection', 'close'] : []
    response.writeHead(429, [...this.headers, ...ends]).end(this.body)
  }
}
