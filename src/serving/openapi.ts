/** The server's own description: an OpenAPI 3.1 document of its routes, with the columns of the models served now. */
import type { ServedModels } from './models.js'
import { exampleRow, exampleTensors, type JsonSchema, schemasOf } from './openapi-schemas.js'
import type { ServedModel } from './served-model.js'

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'header'
  readonly required: boolean
  readonly description: string
  readonly schema: JsonSchema
  /** Of those in the path. */
  readonly example?: string
}

export interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly tags: readonly string[]
  /** Whose route it is; absent for the server's own. */
  readonly 'x-model'?: string
  readonly security?: readonly []
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: {
    readonly required: true
    readonly content: {
      readonly 'application/json': {
        readonly schema: JsonSchema
        readonly examples: Readonly<Record<string, Example>>
      }
      /** Binary tensors: no schema says what bytes are. */
      readonly 'application/octet-stream'?: object
    }
    readonly description?: string
  }
  readonly responses: Readonly<Record<string, object>>
}

interface Example {
  readonly summary: string
  readonly value: unknown
}

type Method = 'get' | 'post' | 'put'

export interface OpenApiDocument {
  readonly openapi: '3.1.0'
  readonly info: object
  readonly servers: readonly object[]
  readonly security?: readonly object[]
  readonly tags: readonly object[]
  /** By path, then by method in lower case. */
  readonly paths: Readonly<Record<string, Readonly<Partial<Record<Method, Operation>>>>>
  readonly components: object
}

export interface Described {
  readonly models: ServedModels
  /** Millrace's own. */
  readonly version: string
  /** Requests need a token. */
  readonly guarded: boolean
}

const ERRORS = {
  400: 'What is wrong with the request: column, row and value',
  401: 'The token is missing or wrong',
  404: 'No such model or version',
  413: 'The body is too long, or has too many rows',
  415: 'The body is not plain JSON',
  429: 'Too many requests or rows wait; Retry-After says how many seconds to stay away',
  503: 'The rows waited too long, or the server is stopping',
  default: 'Anything else',
} as const
type Status = keyof typeof ERRORS

const ref = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` })
const text: JsonSchema = { type: 'string' }
const number: JsonSchema = { type: 'integer' }
const content = (schema: JsonSchema, type = 'application/json'): object => ({ content: { [type]: { schema } } })
const flag = (name: string): JsonSchema => ({ type: 'object', properties: { [name]: { type: 'boolean' } } })
const ERROR: JsonSchema = { type: 'object', properties: { error: text }, required: ['error'] }
const PREDICTED = {
  description: 'Predictions, in the order of the rows',
  headers: { 'millrace-model-version': { description: 'The version that answered, percent-encoded', schema: text } },
}

const JSON_LENGTH: Parameter = {
  ...{ name: 'Inference-Header-Content-Length', in: 'header', required: false },
  description: 'Only with binary tensors: how many bytes of the body are its JSON; the bytes of the tensors follow',
  schema: { type: 'integer', minimum: 0 },
}
const BINARY =
  'As JSON, or with binary tensors (the extension binary_tensor_data): tensors that have the parameter binary_data_size ' +
  'instead of data lie, little-endian and in the order of the inputs, behind the JSON; each element of BYTES stands ' +
  'behind its length, a UINT32. The parameter binary_data of an output, or binary_data_output of the request, asks for ' +
  'outputs in the same form.'

/** A route of the document; its errors follow from the rest. */
interface Route {
  readonly method: Method
  readonly path: string
  readonly id: string
  readonly summary: string
  /** Its name; absent for routes of the server. */
  readonly model?: string
  readonly answer: object
  readonly parameters?: readonly Parameter[]
  readonly body?: JsonSchema
  /** It takes and gives binary tensors too. */
  readonly binary?: boolean
  readonly examples?: Readonly<Record<string, Example>>
  /** Answers without a token. */
  readonly open?: boolean
  /** Answers 503 while the server stops. */
  readonly stops?: boolean
}

const SERVER: readonly Route[] = [
  read('/v2/health/live', 'live', 'Is the server there', content(flag('live')), { open: true }),
  read('/v2/health/ready', 'ready', 'Does it take requests', content(flag('ready')), { open: true, stops: true }),
  read('/ping', 'ping', 'TorchServe’s health', content({ type: 'object' }), { open: true, stops: true }),
  read('/health', 'health', 'Health in plain text', content(text, 'text/plain'), { open: true, stops: true }),
  read('/version', 'version', 'The server’s version', content(text, 'text/plain')),
  read('/v2', 'server', 'The server, in the Open Inference Protocol', content({ type: 'object' })),
  read('/models', 'models', 'The models, in TorchServe’s shape', content({ type: 'object' })),
  read('/metrics', 'metrics', 'Measurements for Prometheus', content(text, 'text/plain')),
  read('/openapi.json', 'openapi', 'This description', content({ type: 'object' })),
  read('/docs', 'docs', 'This description for people', content(text, 'text/html')),
]

function read(path: string, id: string, summary: string, answer: object, more: Partial<Route> = {}): Route {
  return { method: 'get', path, id, summary, answer, ...more }
}

/**
 * All routes as they are now: a version that takes another's place, or a canary that comes, changes the answer. Every
 * example is answered with 200. Paths name the models; a model whose name no path can carry has only `/invocations`.
 */
export function openApi({ models, version, guarded }: Described): OpenApiDocument {
  const names = new Names()
  const ids = new Names()
  const schemas: [string, JsonSchema][] = [['error', ERROR]]
  const routes = [...SERVER]
  for (const name of models.names) routes.push(...modelRoutes(models, name, schemas, names))
  const paths = new Map<string, Partial<Record<Method, Operation>>>()
  for (const route of routes)
    paths.set(route.path, { ...paths.get(route.path), [route.method]: operation(route, ids, guarded) })
  const tags = ['server', ...models.names.filter((name) => name !== 'server')]
  return {
    openapi: '3.1.0',
    info: { title: 'Millrace', version, description: 'Predictions of the models that this server has loaded.' },
    servers: [{ url: '/' }],
    ...(guarded && { security: [{ bearer: [] }] }),
    tags: tags.map((name) => ({ name })),
    paths: Object.fromEntries(paths),
    components: {
      schemas: Object.fromEntries(schemas),
      responses: Object.fromEntries(
        Object.entries(ERRORS).map(([status, description]) => [
          `error-${status}`,
          {
            description,
            ...((status === '429' || status === '503') && { headers: { 'retry-after': { schema: number } } }),
            ...content(ref('error')),
          },
        ]),
      ),
      ...(guarded && { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } }),
    },
  }
}

function operation(route: Route, ids: Names, guarded: boolean): Operation {
  const { id, summary, model, body, examples = {}, binary = false, open = false, stops = false } = route
  const parameters = [...(route.parameters ?? []), ...(binary ? [JSON_LENGTH] : [])]
  const answer = binary ? withBinary(route.answer) : route.answer
  const errors: Status[] = [
    ...(body ? ([400, 413, 415, 429, 503] as const) : []),
    ...(guarded && !open ? ([401] as const) : []),
    ...(model !== undefined && route.path !== '/invocations' ? ([404] as const) : []),
    'default',
  ]
  return {
    operationId: ids.of(id),
    summary,
    tags: [model ?? 'server'],
    ...(model !== undefined && { 'x-model': model }),
    ...(guarded && open && { security: [] }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: {
        required: true,
        ...(binary && { description: BINARY }),
        content: {
          'application/json': { schema: body, examples },
          ...(binary && { 'application/octet-stream': {} }),
        },
      },
    }),
    responses: {
      200: { description: summary, ...answer },
      ...(stops && { 503: { description: 'The server is stopping', ...answer } }),
      ...Object.fromEntries(errors.map((status) => [status, { $ref: `#/components/responses/error-${status}` }])),
    },
  }
}

/** An answer that may have bytes behind its JSON. */
function withBinary(answer: { readonly content?: object; readonly headers?: object }): object {
  const { description, schema } = JSON_LENGTH
  return {
    ...answer,
    headers: { ...answer.headers, 'inference-header-content-length': { description, schema } },
    content: { ...answer.content, 'application/octet-stream': {} },
  }
}

/** The routes of one model; adds the schemas that they refer to. */
function modelRoutes(models: ServedModels, name: string, schemas: [string, JsonSchema][], names: Names): Route[] {
  const main = models.get(name)
  if (!main) return []
  // versions of the same columns and classes share their schemas
  const shapes = new Map<string, string>()
  const shapeOf = (model: ServedModel): string => {
    const { inputs, task, leftOut, windows } = model.metadata
    const key = JSON.stringify([inputs, task, leftOut, windows])
    let base = shapes.get(key)
    if (base === undefined) {
      shapes.set(key, (base = names.of(model === main ? name : `${name}.${model.version}`)))
      const own = schemasOf(model, (kind) => ref(`${base}.${kind}`))
      for (const [kind, schema] of Object.entries(own)) schemas.push([`${base}.${kind}`, schema])
    }
    return base
  }
  const schemaOf = (kind: string, versions: readonly ServedModel[]): JsonSchema => {
    const refs = [...new Set(versions.map(shapeOf))].map((base) => ref(`${base}.${kind}`))
    return refs.length === 1 ? (refs[0] as JsonSchema) : { anyOf: refs }
  }
  const answering = [main, ...models.beside(name, 'canary').map(({ model }) => model)]
  const loaded = models.versions(name).flatMap((version) => models.get(name, version) ?? [])
  const row = exampleRow(main.metadata.inputs)
  const split = { columns: Object.keys(row), data: [Object.values(row)] }
  const examples = {
    invocations: {
      records: { summary: 'Rows', value: { dataframe_records: [row] } },
      split: { summary: 'Columns, then rows', value: { dataframe_split: split } },
    },
    infer: { tensors: { summary: 'A tensor a column', value: exampleTensors(main.metadata.inputs) } },
    predictions: {
      row: { summary: 'One row', value: row },
      rows: { summary: 'Rows', value: [row, row] },
    },
  }
  const ask = (path: string, kind: keyof typeof examples, id: string, summary: string, of?: Parameter): Route => ({
    ...{ method: 'post', path, id, summary, model: name, examples: examples[kind] },
    body: schemaOf(kind, of ? loaded : [main]),
    answer: { ...PREDICTED, ...content(schemaOf(`${kind}Answer`, of ? loaded : answering)) },
    ...(kind === 'infer' && { binary: true }),
    ...(of && { parameters: [of] }),
  })
  const describe = (path: string, id: string, of?: Parameter): readonly Route[] => {
    const more = { model: name, ...(of && { parameters: [of] }) }
    return [
      read(path, `metadata${id}`, 'Versions, inputs and outputs', content({ type: 'object' }), more),
      read(`${path}/ready`, `ready${id}`, 'Does the model answer', content(flag('ready')), { ...more, stops: true }),
    ]
  }
  const first = models.names[0] === name ? [ask('/invocations', 'invocations', 'invocations', 'MLflow’s scoring')] : []
  const part = inPath(name)
  if (part === undefined) return first
  const [oip, torchserve] = [`/v2/models/${part}`, `/predictions/${part}`]
  const routes = [
    ...first,
    ask(`${oip}/infer`, 'infer', `infer_${name}`, 'Open Inference Protocol v2'),
    ...alsoPut(ask(torchserve, 'predictions', `predictions_${name}`, 'TorchServe’s inference')),
    ...describe(oip, `_${name}`),
  ]
  if (inPath(main.version) === undefined) return routes
  const of: Parameter = {
    ...{ name: 'version', in: 'path', required: true, description: 'A version that is loaded' },
    schema: { type: 'string', enum: loaded.map((model) => model.version) },
    example: main.version,
  }
  return [
    ...routes,
    ask(`${oip}/versions/{version}/infer`, 'infer', `infer_version_${name}`, 'The same, of one version', of),
    ...alsoPut(
      ask(`${torchserve}/{version}`, 'predictions', `predictions_version_${name}`, 'The same, of one version', of),
    ),
    ...describe(`${oip}/versions/{version}`, `_version_${name}`, of),
  ]
}

/** The route, and the same for those who send a file with `curl -T`. */
const alsoPut = (route: Route): readonly Route[] => [route, { ...route, method: 'put', id: `put_${route.id}` }]

/** Names of the letters that OpenAPI allows, each taken once: a model's own name may be anything. */
class Names {
  private readonly taken = new Set<string>()
  of(name: string): string {
    const base = name.replace(/[^A-Za-z0-9._-]+/g, '_')
    let free = base
    for (let i = 2; this.taken.has(free); i++) free = `${base}_${i}`
    this.taken.add(free)
    return free
  }
}

/** A name as part of a path; undefined where it cannot be: clients resolve `.` and `..`, the router stops at 500. */
function inPath(name: string): string | undefined {
  if (name === '' || name === '.' || name === '..' || name.length > 500 || /\p{Surrogate}/u.test(name)) return undefined
  return encodeURIComponent(name)
}
