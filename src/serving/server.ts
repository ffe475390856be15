/** The prediction server: limits, token, errors and draining around the routes. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { Server } from 'node:net'
import { setImmediate as afterPoll, setTimeout as sleep } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import { MillraceError } from '../core/errors.js'
import { Answering } from './answering.js'
import { Admission, type AdmissionOptions } from './admission.js'
import { answerTo } from './answers.js'
import { JSON_LENGTH_HEADER, readBinaryBody } from './binary-tensors.js'
import { onClientError } from './connections.js'
import { addHostCheck, isLoopback } from './host-check.js'
import { ServerMetrics } from './metrics.js'
import type { ServedModels, ServerLog } from './models.js'
import type { PredictionLog } from './prediction-log.js'
import { lockedPage, sendPage } from './docs-page.js'
import { addRoutes, DOCS, OPEN_ROUTES } from './routes.js'
import { Shadows } from './shadow.js'
import { TrafficMetrics } from './traffic-metrics.js'

export interface ServerLimits extends AdmissionOptions {
  /** Bytes of a request's body; default 16 MiB. */
  readonly body?: number
  /** Milliseconds until a request's headers, and all of the request, must be there; defaults 10,000 and 60,000. */
  readonly headersTimeout?: number
  readonly requestTimeout?: number
  /** Milliseconds for which a connection may stay open without a request, also before its first; default 72,000. */
  readonly keepAliveTimeout?: number
  /**
   * Milliseconds that a server that was told to stop is not ready but still accepts, so that whoever sends it requests
   * can learn of it; default 250.
   */
  readonly drainDelay?: number
}

export interface ServerOptions {
  readonly models: ServedModels
  /** Shown by /version and /v2. */
  readonly version: string
  /**
   * Requests, except for health, must bring it as `Authorization: Bearer`. Without one the server answers only to names
   * of loopback, and no web page of another origin.
   */
  readonly token?: string
  /** Column whose value chooses between a model and its canaries, so that an entity stays with one. */
  readonly canaryKey?: string
  /** Takes a sample of what is answered; whoever opened it closes it after the server has stopped. */
  readonly predictionLog?: PredictionLog
  readonly limits?: ServerLimits
  readonly logger?: ServerLog
}

export interface RunningServer {
  /** `http://host:port`. */
  readonly address: string
  readonly app: FastifyInstance
  /**
   * Not ready at once; stops accepting after `drainDelay`, answers what it has, then closes server and models;
   * `deadlineMs` (10,000) after the call cuts what is left.
   */
  stop(deadlineMs?: number): Promise<void>
}

const BODY_LIMIT = 16 * 1024 * 1024
const DRAIN_DELAY = 250
/** Longer than what balancers keep connections open for, so that it is they who close them. */
const KEEP_ALIVE = 72_000
/** What clients call JSON: also what curl, urllib and browsers say when nobody tells them. */
const MAY_BE_JSON = /^$|[/+]json$|^text\/plain$|^application\/(x-www-form-urlencoded|octet-stream)$/

/** The type that the server gives to a body of JSON with bytes behind it; a request that calls itself so is a 415. */
const BINARY = 'application/vnd.millrace.tensors'

/** The server without a socket; `app.inject` answers requests. `drain()` makes it not ready and ends connections. */
export function buildServer(options: ServerOptions): { readonly app: FastifyInstance; readonly drain: () => void } {
  const { models, limits = {}, logger, token } = options
  const bodyLimit = limits.body ?? BODY_LIMIT
  const metrics = new ServerMetrics()
  const prefix = randomBytes(4).toString('hex')
  let requests = 0
  const idOf = (headers: IncomingHttpHeaders): string => {
    const given = headers['x-request-id']
    return typeof given === 'string' && /^[\w.:/+=-]{1,128}$/.test(given)
      ? given
      : `${prefix}-${(++requests).toString(36)}`
  }
  const admission = new Admission({ ...limits, bodyLimit, idOf })
  metrics.add((registry) => admission.fill(registry))
  const traffic = new TrafficMetrics()
  metrics.add((registry) => traffic.fill(registry))
  const { canaryKey, predictionLog } = options
  if (predictionLog) metrics.add((registry) => predictionLog.fill(registry))
  const answering = new Answering({
    models,
    metrics: traffic,
    shadows: new Shadows(traffic, logger ? { logger } : {}),
    ...(canaryKey === undefined ? {} : { canaryKey }),
    ...(predictionLog && { predictionLog }),
    ...(logger && { logger }),
  })
  models.onRetired = (model) => traffic.retired(model)
  models.onBatch = (model, rows, waited) => metrics.batch(model, rows, waited / 1000)
  let draining = false
  const { headersTimeout = 10_000, keepAliveTimeout = KEEP_ALIVE } = limits

  const app = Fastify({
    logger: false,
    bodyLimit,
    serverFactory: (handler) =>
      admission.server(handler, {
        requestTimeout: limits.requestTimeout ?? 60_000,
        headersTimeout,
        connectionsCheckingInterval: Math.min(1_000, headersTimeout),
        keepAliveTimeout,
      }),
    clientErrorHandler: onClientError(Math.max(1, keepAliveTimeout - headersTimeout)),
    forceCloseConnections: 'idle',
    // a request that comes in on an open connection while draining is answered, not refused
    return503OnClosing: false,
    routerOptions: { maxParamLength: 500 },
    genReqId: ({ headers }) => idOf(headers),
  })

  // rows may have columns called `__proto__`: the readers take own properties only, so plain JSON.parse is safe
  app.removeAllContentTypeParsers()
  // the type that most clients send is found by its name, without being taken apart
  app.addContentTypeParser(['application/json', '*'], { parseAs: 'string' }, (_, body, done) => {
    try {
      done(null, JSON.parse(body as string))
    } catch (error) {
      const what = body.length === 0 ? 'the body is empty' : `the body is not JSON: ${(error as Error).message}`
      done(new MillraceError('MR_REQUEST_SHAPE', what))
    }
  })

  app.addContentTypeParser(BINARY, { parseAs: 'buffer' }, ({ headers }, body, done) => {
    try {
      done(null, readBinaryBody(body as Buffer, headers[JSON_LENGTH_HEADER]))
    } catch (error) {
      done(error as Error)
    }
  })

  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    if (draining) reply.header('connection', 'close')
    const encoding = request.headers['content-encoding']
    if (encoding !== undefined && encoding !== 'identity') {
      reply.code(415).send({ error: `a body with Content-Encoding ${encoding} is not read; send it plain` })
      return
    }
    const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase() ?? ''
    if ((request.method === 'POST' || request.method === 'PUT') && !MAY_BE_JSON.test(type)) {
      const what = `a body of type ${JSON.stringify(type)} is not read; send rows as application/json`
      reply.code(415).send({ error: `${what}, e.g. {"dataframe_records": [{"column": 1}]}` })
      return
    }
    // parsers are chosen by the type alone, and clients give any or none with the header that says there are bytes
    if (request.headers[JSON_LENGTH_HEADER] !== undefined && request.routeOptions.url?.endsWith('/infer'))
      request.headers = { 'content-type': BINARY }
    done()
  })
  if (token === undefined) addHostCheck(app)
  else addToken(app, token)

  app.setErrorHandler((error, request, reply) => {
    const { status, message, fault, reason } = answerTo(error, bodyLimit)
    if (reason) admission.reject(reason)
    if (fault) logger?.('error', `request ${request.id}, ${request.method} ${request.url}: ${(error as Error).stack}`)
    if (status === 429 || status === 503) reply.header('retry-after', '1')
    return reply.code(status).send({ error: message })
  })
  admission.addHooks(app)
  addRoutes(app, {
    models,
    metrics,
    answering,
    version: options.version,
    guarded: token !== undefined,
    ready: () => !draining,
  })
  return { app, drain: () => void (draining = true) }
}

/**
 * Listens on loopback by default, port 8080; port 0 takes a free one.
 * @throws MR_SERVER_TOKEN for a host that others can reach without a token; MR_SERVER_ADDRESS where it cannot listen
 */
export async function startServer(
  options: ServerOptions & { readonly host?: string; readonly port?: number },
): Promise<RunningServer> {
  const { host = '127.0.0.1', port = 8080, models } = options
  if (!isLoopback(host) && options.token === undefined)
    throw new MillraceError(
      'MR_SERVER_TOKEN',
      `on ${host} others can reach the server, and it has no token; without one it listens on 127.0.0.1 only`,
      { hint: 'give --token-file FILE with a secret, e.g. from `openssl rand -hex 32 > FILE`' },
    )
  const { app, drain } = buildServer(options)
  let address: string
  try {
    address = await app.listen({ host, port })
  } catch (cause) {
    await app.close()
    const { code } = cause as NodeJS.ErrnoException
    const why = code === 'EADDRINUSE' ? 'another program listens there' : (code ?? (cause as Error).message)
    throw new MillraceError('MR_SERVER_ADDRESS', `the server cannot listen on ${host}:${port}: ${why}`, {
      cause,
      hint: 'give another --port; 0 takes a free one',
    })
  }
  let stopping: Promise<void> | undefined
  const stop = async (deadlineMs: number): Promise<void> => {
    const began = performance.now()
    drain()
    const cut = setTimeout(() => {
      options.logger?.('warn', `cutting connections that were not done after ${deadlineMs} ms`)
      app.server.closeAllConnections()
    }, deadlineMs)
    const delay = Math.min(options.limits?.drainDelay ?? DRAIN_DELAY, deadlineMs)
    await sleep(delay)
    await stopAccepting(app, Math.min(1_000, deadlineMs - delay))
    for (let waited = 0; waited < delay && (await connections(app)) > 0; waited += 10) await sleep(10)
    // a connection whose last answer was under way is idle only afterwards
    const idle = setInterval(() => app.server.closeIdleConnections(), 20)
    await app.close()
    clearTimeout(cut)
    clearInterval(idle)
    // a run of the model cannot be cut; connections that were cut leave it a moment
    await models.close(Math.max(1_000, deadlineMs - (performance.now() - began)))
  }
  return { address, app, stop: (deadlineMs = 10_000) => (stopping ??= stop(deadlineMs)) }
}

/**
 * Closes the listening socket when no connection waits in the system's queue, which would be reset: Node takes one of
 * them at each turn of its loop, so a turn that brought none has found the queue empty. Stops looking after `most` ms.
 */
async function stopAccepting(app: FastifyInstance, most: number): Promise<void> {
  let accepted = true
  const note = (): void => void (accepted = true)
  app.server.on('connection', note)
  for (const end = performance.now() + most; accepted && performance.now() <= end;) {
    accepted = false
    await afterPoll()
  }
  app.server.off('connection', note)
  // node:http's close would also cut connections that were just made and have not sent their request yet
  Server.prototype.close.call(app.server)
}

const connections = (app: FastifyInstance): Promise<number> =>
  new Promise((resolve) => app.server.getConnections((_, count) => resolve(count)))

/** Both sides are hashed first: equal lengths for the constant-time comparison, whatever was sent. */
function addToken(app: FastifyInstance, token: string): void {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  const wanted = digest(token)
  app.addHook('onRequest', (request, reply, done) => {
    const given = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? ''
    if (timingSafeEqual(digest(given), wanted) || OPEN_ROUTES.includes(request.routeOptions.url ?? '')) return done()
    reply.code(401).header('www-authenticate', 'Bearer realm="millrace"')
    if (request.routeOptions.url === DOCS && (request.headers.accept ?? '').includes('text/html'))
      return void sendPage(reply, lockedPage())
    reply.send({ error: 'the request needs the header Authorization: Bearer TOKEN with the server’s token' })
  })
}
