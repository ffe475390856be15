/**
 * Which requests for predictions are taken at all. One process has one event loop: what it takes beyond what it can
 * answer soon makes every answer late. So requests whose body has arrived are counted, and further ones are turned away
 * when their headers are there: before routing, before the body is read, with an answer that is ready-made. The bytes of
 * all long bodies are bounded too, by what of them has arrived: a client that sends nothing keeps nobody out.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { Counter, Gauge, type Registry } from 'prom-client'
import { noLongerIdle } from './connections.js'

export interface AdmissionOptions {
  /** Requests for predictions that are read and not answered yet; default 256. More get 429. */
  readonly maxActive?: number
  /**
   * Bytes that have arrived of all bodies, from then to their answers, the first 64 KiB of each left out; default
   * 256 MiB. More get 429, but for one that is alone.
   */
  readonly maxBodies?: number
  /** Open connections; default 10,000. More are closed at once. */
  readonly maxConnections?: number
}

/** Why a request was not answered as it wanted. */
export type Reason = 'active' | 'bodies' | 'queue' | 'late' | 'rows' | 'body' | 'connections'

/**
 * So many bytes of a body are always read. A longer one that is not read ends its connection: reading it to its end
 * would cost more.
 */
const FREE_BYTES = 65_536
const JSON_TYPE = 'application/json; charset=utf-8'
type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** An answer that is the same each time: names and values in turn, which node:http writes without looking at each. */
interface Refusal {
  readonly body: string
  readonly headers: readonly string[]
}

function refusal(why: string): Refusal {
  const body = JSON.stringify({ error: `MR_SERVER_BUSY: ${why}; send it again later` })
  const length = String(Buffer.byteLength(body))
  return { body, headers: ['content-type', JSON_TYPE, 'content-length', length, 'retry-after', '1'] }
}

/** What a request that is let in holds until it is answered. */
interface Place {
  bytes: number
  active: boolean
}

/** The framework reads no body of these; it does of all others, also where no route has them. */
const hasNoBody = (method: string | undefined): boolean => method === 'GET' || method === 'HEAD'

/** Bytes of a body by its headers. */
const announced = ({ headers }: IncomingMessage): number => Number(headers['content-length'] ?? Infinity)

export interface AdmissionContext extends AdmissionOptions {
  /** Bytes of the longest body that is read. */
  readonly bodyLimit: number
  /** The id that a request's answer bears. */
  readonly idOf: (headers: IncomingHttpHeaders) => string
}

export class Admission {
  private active = 0
  private bytes = 0
  private readonly rejected = new Map<Reason, number>()
  private readonly maxActive: number
  private readonly maxBodies: number
  private readonly maxConnections: number
  private readonly tooMany: Refusal
  private readonly tooLong: Refusal

  /**
   * By connection the responses that hold a place. The responses' own events do not suffice: one that waits behind
   * another (pipelining) has none where the connection closes.
   */
  private readonly open = new WeakMap<Socket, Map<ServerResponse, Place>>()

  constructor(private readonly context: AdmissionContext) {
    const { maxActive = 256, maxBodies = 256 * 2 ** 20, maxConnections = 10_000 } = context
    this.maxActive = maxActive
    this.maxBodies = maxBodies
    this.maxConnections = maxConnections
    this.tooMany = refusal(`${maxActive} requests are being answered, the most that are at once`)
    this.tooLong = refusal(`the bodies under way would be longer than ${maxBodies} bytes, the most that are at once`)
  }

  /** The server around `handler`: what cannot be taken does not reach it. */
  server(handler: Handler, options: object): Server {
    const server = createServer(options, (request, response) => {
      noLongerIdle(request)
      if (hasNoBody(request.method)) return handler(request, response)
      if (this.active >= this.maxActive) return this.turnAway('active', this.tooMany, request, response)
      const length = announced(request)
      // one that is longer than the limit is refused by the framework before it is read
      if (length > FREE_BYTES && length <= this.context.bodyLimit && this.isTooMuch(length - FREE_BYTES, 0))
        return this.turnAway('bodies', this.tooLong, request, response)
      const place = this.enter(request.socket, response)
      if (place && length > FREE_BYTES) this.count(request, response, place)
      handler(request, response)
    })
    server.maxConnections = this.maxConnections
    server.on('drop', () => this.reject('connections'))
    return server
  }

  /** Counts the requests of `app` from when their body is read. */
  addHooks(app: FastifyInstance): void {
    app.addHook('preHandler', (request, reply, done) => {
      if (hasNoBody(request.method)) return done()
      if (this.active >= this.maxActive) {
        // bodies that took longer to arrive than others
        this.reject('active')
        return void reply.code(429).header('retry-after', '1').type(JSON_TYPE).send(this.tooMany.body)
      }
      const place = this.open.get(request.raw.socket)?.get(reply.raw)
      // without one the connection is closed, or there is none (app.inject)
      if (place) {
        place.active = true
        this.active++
      }
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
    gauge('millrace_body_bytes', 'Bytes of bodies that are here, beyond 64 KiB of each.', this.bytes)
    gauge('millrace_active_requests_max', 'The most of them; more are turned away.', this.maxActive)
  }

  /** Whether so many more bytes are too many for a body that holds `held`; never while no other holds any. */
  private isTooMuch(bytes: number, held: number): boolean {
    return this.bytes > held && this.bytes + bytes > this.maxBodies
  }

  /** Counts a body as it arrives, and turns it away where it comes to too much. */
  private count(request: IncomingMessage, response: ServerResponse, place: Place): void {
    let free = FREE_BYTES
    // paused first: with a listener alone the body would flow before the framework reads it, which resumes it
    request.pause().on('data', (chunk: Buffer) => {
      // what comes after the answer or the end of the connection is thrown away, and nothing would take it off again
      if (response.headersSent || request.destroyed) return
      const bytes = Math.max(0, chunk.length - free)
      free -= chunk.length - bytes
      if (bytes > 0 && this.isTooMuch(bytes, place.bytes)) {
        request.pause()
        return this.turnAway('bodies', this.tooLong, request, response)
      }
      place.bytes += bytes
      this.bytes += bytes
    })
  }

  private enter(socket: Socket, response: ServerResponse): Place | undefined {
    // nothing would take it off again
    if (socket.closed) return undefined
    let open = this.open.get(socket)
    if (!open) {
      const places = (open = new Map<ServerResponse, Place>())
      this.open.set(socket, places)
      socket.once('close', () => {
        for (const place of places.values()) this.leave(place)
        places.clear()
      })
    }
    const places = open
    const place: Place = { bytes: 0, active: false }
    places.set(response, place)
    response.once('close', () => {
      if (places.delete(response)) this.leave(place)
    })
    return place
  }

  private leave({ bytes, active }: Place): void {
    this.bytes -= bytes
    if (active) this.active--
  }

  private turnAway(
    reason: Reason,
    { body, headers }: Refusal,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    this.reject(reason)
    const ends = announced(request) > FREE_BYTES ? ['connection', 'close'] : []
    const id = this.context.idOf(request.headers)
    response.writeHead(429, [...headers, 'x-request-id', id, ...ends]).end(body)
  }
}
