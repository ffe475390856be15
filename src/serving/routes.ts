/** The routes of a prediction server: Open Inference Protocol v2, MLflow's model scoring, health, metrics. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { RouteStats, ServerMetrics } from './metrics.js'
import type { ServedModels } from './models.js'
import type { ServedModel } from './served-model.js'
import { datatypeOf, outputTensors, readInferRequest } from './tensors.js'

export interface RouteContext {
  readonly models: ServedModels
  readonly metrics: ServerMetrics
  /** Millrace's own, for /version and /v2. */
  readonly version: string
  /** False once the server drains. */
  ready(): boolean
}

/** Routes that answer without a token, so that an orchestrator can ask. */
export const OPEN_ROUTES: readonly string[] = ['/ping', '/health', '/v2/health/live', '/v2/health/ready']

const JSON_TYPE = 'application/json; charset=utf-8'
type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown
interface ModelParams {
  readonly model: string
  readonly version?: string
}

export function addRoutes(app: FastifyInstance, context: RouteContext): void {
  const { models, metrics } = context
  const route = (method: 'GET' | 'POST', url: string, handler: Handler): void => {
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
  // what MLflow and load balancers ask
  for (const url of ['/ping', '/health'])
    route('GET', url, (_, reply) =>
      reply
        .code(context.ready() ? 200 : 503)
        .type('text/plain; charset=utf-8')
        .send(context.ready() ? 'OK\n' : 'stopping\n'),
    )
  route('GET', '/version', (_, reply) => reply.type('text/plain; charset=utf-8').send(context.version))
  route('GET', '/v2', () => ({ name: 'millrace', version: context.version, extensions: [] }))
  route('GET', '/metrics', async (request, reply) => {
    const { body, type } = await metrics.exposition(models.numbers(), request.headers.accept)
    return reply.header('content-type', type).send(body)
  })

  /** The model that a path names, or an answer of 404. */
  const find = (request: FastifyRequest, reply: FastifyReply): ServedModel | undefined => {
    const { model: name, version } = request.params as ModelParams
    const model = models.get(name)
    if (model && (version === undefined || version === model.version)) return model
    const what = model
      ? `the model "${name}" has no version ${JSON.stringify(version)} here; version ${model.version} answers`
      : `there is no model ${JSON.stringify(name)} here; there is ${models.names.map((n) => `"${n}"`).join(', ')}`
    reply.code(404).send({ error: what })
    return undefined
  }
  const describe: Handler = (request, reply) => {
    const model = find(request, reply)
    return model ? metadataOf(model) : reply
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
    return model ? answer(reply, model, (held) => inferReply(held, request.body)) : reply
  }
  for (const base of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    route('GET', base, describe)
    route('GET', `${base}/ready`, modelReady)
    route('POST', `${base}/infer`, infer)
  }
  route('POST', '/invocations', (request, reply) =>
    answer(reply, models.get() as ServedModel, async (model) =>
      model.replies.invocations(await model.batcher.predict(model.reader.read(request.body))),
    ),
  )

  const unknown = metrics.route('unknown')
  app.setNotFoundHandler((request, reply) => {
    unknown.observe(404, reply.elapsedTime / 1000)
    const path = request.url.split('?', 1)[0]
    return reply.code(404).send({
      error: `there is no ${request.method} ${path}; predictions: POST /invocations or /v2/models/NAME/infer`,
    })
  })
}

function observe(stats: RouteStats) {
  return (_: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    stats.observe(reply.statusCode, reply.elapsedTime / 1000)
    done()
  }
}

/** Answers with the text that `make` gives, holding the model's version open meanwhile. */
async function answer(
  reply: FastifyReply,
  model: ServedModel,
  make: (model: ServedModel) => Promise<string>,
): Promise<FastifyReply> {
  model.acquire()
  try {
    const body = await make(model)
    return reply.header('content-type', JSON_TYPE).header('millrace-model-version', model.versionHeader).send(body)
  } finally {
    model.release()
  }
}

async function inferReply(model: ServedModel, body: unknown): Promise<string> {
  const { batch, id, outputs } = readInferRequest(body, model.reader, model.metadata)
  return model.replies.infer(await model.batcher.predict(batch), id, outputs)
}

function metadataOf({ name, version, metadata }: ServedModel): object {
  return {
    name,
    versions: [version],
    platform: 'onnxruntime_onnx',
    inputs: metadata.inputs.map(({ name, type }) => ({ name, datatype: datatypeOf(type), shape: [-1, 1] })),
    outputs: outputTensors(metadata),
  }
}
