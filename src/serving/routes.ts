/** The routes of a prediction server: Open Inference Protocol v2, MLflow's model scoring, health, metrics. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Answering, Protocol } from './answering.js'
import { docsPage, sendPage } from './docs-page.js'
import type { RouteStats, ServerMetrics } from './metrics.js'
import type { ServedModels } from './models.js'
import type { RecordBatch } from '../core/table.js'
import { openApi } from './openapi.js'
import type { ServedModel } from './served-model.js'
import { datatypeOf, type InferRequest, outputTensors, readInferRequest } from './tensors.js'
import { health, modelList, PREDICTIONS } from './torchserve.js'

export interface RouteContext {
  readonly models: ServedModels
  readonly metrics: ServerMetrics
  readonly answering: Answering
  /** Millrace's own, for /version and /v2. */
  readonly version: string
  /** Requests need a token. */
  readonly guarded: boolean
  /** False once the server drains. */
  ready(): boolean
}

/** Routes that answer without a token, so that an orchestrator can ask. */
export const OPEN_ROUTES: readonly string[] = ['/ping', '/health', '/v2/health/live', '/v2/health/ready']

/** Its page asks for the token where there is one. */
export const DOCS = '/docs'

type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown
interface ModelParams {
  readonly model: string
  readonly version?: string
}

export function addRoutes(app: FastifyInstance, context: RouteContext): void {
  const { models, metrics, answering } = context
  const route = (method: 'GET' | 'POST' | ('POST' | 'PUT')[], url: string, handler: Handler): void => {
    app.route({ method, url, handler, onResponse: observe(metrics.route(url)) })
  }

  const ready: Handler = (_, reply) => {
    const problems = models.names.flatMap((name) => models.problem(name) ?? [])
    return reply.code(context.ready() ? 200 : 503).send({
      ready: context.ready(),
      ...(context.ready() ? {} : { error: 'the server is stopping' }),
      ...(problems.length > 0 ? { detail: problems } : {}),
    })
  }
  route('GET', '/v2/health/live', () => ({ live: true }))
  route('GET', '/v2/health/ready', ready)
  // what TorchServe, MLflow and load balancers ask
  route('GET', '/ping', (_, reply) => reply.code(context.ready() ? 200 : 503).send(health(context.ready())))
  route('GET', '/health', (_, reply) =>
    reply
      .code(context.ready() ? 200 : 503)
      .type('text/plain; charset=utf-8')
      .send(context.ready() ? 'OK\n' : 'stopping\n'),
  )
  route('GET', '/version', (_, reply) => reply.type('text/plain; charset=utf-8').send(context.version))
  route('GET', '/v2', () => ({ name: 'millrace', version: context.version, extensions: ['binary_tensor_data'] }))
  route('GET', '/metrics', async (request, reply) => {
    const { body, type } = await metrics.exposition(models.numbers(), request.headers.accept)
    return reply.header('content-type', type).send(body)
  })

  /** The model that a path names, or an answer of 404. */
  const find = (request: FastifyRequest, reply: FastifyReply): ServedModel | undefined => {
    const { model: name, version } = request.params as ModelParams
    const model = models.get(name, version)
    if (model) return model
    const loaded = models.versions(name)
    const what = loaded.length
      ? `the model "${name}" has no version ${JSON.stringify(version)} here; ${inWords(loaded)}`
      : `there is no model ${JSON.stringify(name)} here; there is ${models.names.map((n) => `"${n}"`).join(', ')}`
    reply.code(404).send({ error: what })
    return undefined
  }
  const describe: Handler = (request, reply) => {
    const model = find(request, reply)
    return model ? metadataOf(model, models.versions(model.name)) : reply
  }
  const modelReady: Handler = (request, reply) => {
    const model = find(request, reply)
    if (!model) return reply
    const problem = models.problem(model.name)
    return reply
      .code(context.ready() ? 200 : 503)
      .send({ name: model.name, ready: context.ready(), ...(problem === undefined ? {} : { detail: problem }) })
  }
  const infer: Handler = (request, reply) => {
    const model = find(request, reply)
    const { version } = request.params as ModelParams
    return model ? answering.answer(request, reply, model, version !== undefined, INFER) : reply
  }
  for (const base of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    route('GET', base, describe)
    route('GET', `${base}/ready`, modelReady)
    route('POST', `${base}/infer`, infer)
  }
  route('POST', '/invocations', (request, reply) =>
    answering.answer(request, reply, models.get() as ServedModel, false, INVOCATIONS),
  )

  for (const url of ['/predictions/:model', '/predictions/:model/:version'])
    // TorchServe's manual sends a file with `curl -T`, which is PUT
    route(['POST', 'PUT'], url, (request, reply) => {
      const model = find(request, reply)
      const { version } = request.params as ModelParams
      return model ? answering.answer(request, reply, model, version !== undefined, PREDICTIONS) : reply
    })

  route('GET', '/models', () => modelList(models))

  route('GET', '/openapi.json', () => openApi(context))
  route('GET', DOCS, (request, reply) => sendPage(reply, docsPage(context, baseOf(request))))

  const unknown = metrics.route('unknown')
  app.setNotFoundHandler((request, reply) => {
    unknown.observe(404, reply.elapsedTime / 1000)
    const path = request.url.split('?', 1)[0]
    return reply.code(404).send({
      error: `there is no ${request.method} ${path}; predictions: POST /invocations, /v2/models/NAME/infer or /predictions/NAME; all: GET /docs`,
    })
  })
}

/** Where the client reached the server. A Host of other letters comes from no client that its user would copy from. */
function baseOf({ protocol, headers: { host = '' } }: FastifyRequest): string {
  return `${protocol}://${/^[\w.:[\]-]+$/.test(host) ? host : 'localhost:8080'}`
}

function observe(stats: RouteStats) {
  return (_: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    stats.observe(reply.statusCode, reply.elapsedTime / 1000)
    done()
  }
}

const INVOCATIONS: Protocol<{ readonly batch: RecordBatch }> = {
  read: (model, body) => ({ batch: model.reader.read(body) }),
  write: (model, predictions) => model.replies.invocations(predictions),
}

const INFER: Protocol<InferRequest> = {
  read: (model, body) => readInferRequest(body, model.reader, model.metadata),
  write: (model, predictions, { id, outputs }) => model.replies.infer(predictions, id, outputs),
}

const inWords = ([first, ...others]: readonly string[]): string =>
  `version ${first} answers${others.length > 0 ? `, and there is ${others.join(', ')}` : ''}`

function metadataOf({ name, metadata }: ServedModel, versions: readonly string[]): object {
  return {
    name,
    versions,
    platform: 'onnxruntime_onnx',
    inputs: metadata.inputs.map(({ name, type }) => ({ name, datatype: datatypeOf(type), shape: [-1, 1] })),
    outputs: outputTensors(metadata),
  }
}
