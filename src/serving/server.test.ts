import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { loanModel } from '../../test/models.js'
import { openArtifactStore } from '../core/artifact-store.js'
import type { ArtifactStore } from '../core/artifacts.js'
import type { ModelRegistry } from '../registry/registry.js'
import { openRegistry } from '../registry/sqlite.js'
import { ServedModels } from './models.js'
import { buildServer, type RunningServer, startServer } from './server.js'

const row = { income: 100, children: 1, 'owns home': true, city: 'Oslo', since: '2021-01-01' }
const tensors = (n = 1, shape: number[] = [n, 1]) =>
  [
    ['income', 'FP64', 100],
    ['children', 'INT64', 1],
    ['owns home', 'BOOL', true],
    ['city', 'BYTES', 'Oslo'],
    ['since', 'INT64', 1_609_459_200_000_000],
  ].map(([name, datatype, value]) => ({ name, datatype, shape, data: Array<unknown>(n).fill(value) }))

let folder: string
let registry: ModelRegistry
let store: ArtifactStore
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-serving-'))
  registry = await openRegistry(join(folder, 'registry.db'))
  store = await openArtifactStore(join(folder, 'artifacts'))
  for (const version of [1, 2, 3]) await register(loanModel({ version: String(version), bias: version }))
  await registry.setAlias('loan', 'champion', 1, 'test')
  await writeFile(join(folder, 'loan.onnx'), loanModel())
})
afterAll(async () => {
  await store.close()
  await registry.close()
  await rm(folder, { recursive: true })
})

let count = 0
async function register(bytes: Uint8Array): Promise<number> {
  const model = await store.put(bytes, 'application/onnx')
  const lineage = { runId: `run-${count++}`, data: 'd', config: 'c' }
  return (await registry.register({ name: 'loan', model, lineage, metrics: {} })).version
}

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function open(
  options: { file?: string; token?: string; maxRows?: number; maxQueue?: number; body?: number } = {},
) {
  const { file = join(folder, 'loan.onnx'), token, body } = options
  const models = await ServedModels.open({ sources: [file], ...options })
  const server = buildServer({
    models,
    version: '9.9.9',
    ...(token === undefined ? {} : { token }),
    ...(body === undefined ? {} : { limits: { body } }),
  })
  closing.push(async () => {
    await server.app.close()
    await models.close()
  })
  const post = async (url: string, payload: unknown, headers = {}) => {
    const text = typeof payload === 'string' ? payload : JSON.stringify(payload)
    const answer = await server.app.inject({ method: 'POST', url, payload: text, headers })
    return { status: answer.statusCode, headers: answer.headers, body: JSON.parse(answer.body) as unknown }
  }
  const get = (url: string, headers = {}) => server.app.inject({ method: 'GET', url, headers })
  return { ...server, models, post, get }
}

/** What curl, and what Python's urllib and others say where nobody tells them. */
const UNTOLD = ['application/x-www-form-urlencoded', 'application/octet-stream', 'application/vnd.api+json']

const near = (value: number) => expect.closeTo(value, 5) as number
const yes = 1 / (1 + Math.exp(-4.5))

describe('routes', () => {
  it('answers /invocations in all shapes, with and without a content type', async () => {
    const { post } = await open()
    const prediction = { prediction: 'yes', probability_no: near(1 - yes), probability_yes: near(yes) }
    for (const body of [[row], { dataframe_records: [row] }, { instances: [row] }, { inputs: [row] }])
      for (const type of ['application/json', 'application/json; charset=utf-8', 'text/plain', ...UNTOLD])
        expect(await post('/invocations', body, { 'content-type': type })).toMatchObject({
          status: 200,
          body: { predictions: [prediction] },
        })
    expect((await post('/invocations', [])).body).toEqual({ predictions: [] })
  })

  it('answers the Open Inference Protocol', async () => {
    const { post, get } = await open()
    const answer = await post('/v2/models/loan/infer', { id: 'a"b', inputs: tensors(2) })
    expect(answer.body).toEqual({
      model_name: 'loan',
      model_version: '1',
      id: 'a"b',
      outputs: [
        { name: 'label', datatype: 'BYTES', shape: [2], data: ['yes', 'yes'] },
        { name: 'probability', datatype: 'FP32', shape: [2, 2], data: [1 - yes, yes, 1 - yes, yes].map(near) },
      ],
    })
    const one = await post('/v2/models/loan/versions/1/infer', {
      inputs: tensors(1, [1]),
      outputs: [{ name: 'label' }],
    })
    expect(one.body).toMatchObject({ outputs: [{ name: 'label', data: ['yes'] }] })
    expect((await get('/v2/models/loan')).json()).toMatchObject({
      name: 'loan',
      versions: ['1'],
      inputs: expect.arrayContaining([{ name: 'city', datatype: 'BYTES', shape: [-1, 1] }]) as unknown,
    })
    for (const url of ['/v2/health/ready', '/v2/models/loan/ready', '/v2/models/loan/versions/1/ready'])
      expect((await get(url)).json()).toMatchObject({ ready: true })
    expect((await get('/v2/health/live')).json()).toEqual({ live: true })
    expect((await get('/v2')).json()).toMatchObject({ name: 'millrace', version: '9.9.9' })
    expect((await get('/version')).body).toBe('9.9.9')
    for (const url of ['/ping', '/health']) expect((await get(url)).statusCode).toBe(200)
  })

  it.each([
    ['7', '7'],
    ['1.0-β', '1.0-%CE%B2'],
    ['1.0\n', '1.0%0A'],
    ['a\ud800', 'a%EF%BF%BD'],
  ])('says its version in a header, whatever that is: %j', async (version, header) => {
    const file = join(folder, 'version.onnx')
    await writeFile(file, loanModel({ version }))
    const { post } = await open({ file })
    const answer = await post('/invocations', [row])
    expect([answer.status, answer.headers['millrace-model-version']]).toEqual([200, header])
  })

  it('tells who sends a row without a window what to send, and answers where it is given or null', async () => {
    const reads = [
      { name: 'who', type: 'text' },
      { name: 'at', type: 'timestamp' },
    ]
    const inWords = 'number of rows over the 7d before, by who'
    const window = {
      name: 'income',
      by: 'who',
      compute: 'count',
      over: 604_800_000_000,
      timestamp: 'at',
      reads,
      inWords,
    }
    const file = join(folder, 'windows.onnx')
    await writeFile(file, loanModel({ metadata: { windows: [window] } }))
    const { post } = await open({ file })
    const { income: _, ...bare } = row
    const { status, body } = await post('/invocations', { dataframe_records: [bare] })
    expect(status).toBe(400)
    expect((body as { error: string }).error).toBe(
      `MR_WINDOW_HISTORY: the request lacks the window "income" (${inWords}), which a row alone cannot tell; ` +
        'send its value with the row, computed from the rows before it; null where it is missing',
    )
    expect((await post('/v2/models/loan/infer', { inputs: tensors().slice(1) })).body).toEqual(body)
    expect((await post('/invocations', [{ ...row, income: null }])).status).toBe(200)
    expect((await post('/invocations', [row])).status).toBe(200)
  })

  it.each<[string, string, unknown, number, string]>([
    ['no body', '/invocations', '', 400, 'body is empty|it is absent'],
    ['no JSON', '/invocations', '{"inputs"', 400, 'not JSON'],
    ['a wrong value', '/invocations', [{ ...row, income: 'x' }], 400, 'column "income", row 0: "x"'],
    ['too many rows', '/invocations', [row, row, row, row], 413, 'at most 3'],
    ['a long body', '/invocations', `[${' '.repeat(4000)}]`, 413, '4000 bytes'],
    ['no tensors', '/v2/models/loan/infer', {}, 400, 'inputs is absent'],
    ['a tensor less', '/v2/models/loan/infer', { inputs: tensors().slice(1) }, 400, '"income"'],
    ['a tensor twice', '/v2/models/loan/infer', { inputs: [...tensors(), tensors()[0]] }, 400, 'twice'],
    [
      'an unknown tensor',
      '/v2/models/loan/infer',
      { inputs: [...tensors(), { ...tensors()[0], name: 'incom' }] },
      400,
      'the model has no column "incom"; did you mean "income"? its columns are',
    ],
    [
      'a tensor like no column',
      '/v2/models/loan/infer',
      { inputs: [...tensors(), { ...tensors()[0], name: 'zz' }] },
      400,
      'the model has no column "zz"; its columns are',
    ],
    ['a wide tensor', '/v2/models/loan/infer', { inputs: tensors(1, [1, 2]) }, 400, '[N,1]'],
    ['a short tensor', '/v2/models/loan/infer', { inputs: tensors(1, [2, 1]) }, 400, '1 values for the shape'],
    [
      'a wrong datatype',
      '/v2/models/loan/infer',
      { inputs: tensors().map((t) => ({ ...t, datatype: 'BYTES' })) },
      400,
      'not BYTES',
    ],
    [
      'a wrong tensor value',
      '/v2/models/loan/infer',
      { inputs: tensors().map((t) => ({ ...t, data: [{}] })) },
      400,
      'row 0: {}',
    ],
    [
      'an unknown output',
      '/v2/models/loan/infer',
      { inputs: tensors(), outputs: [{ name: 'x' }] },
      400,
      'no output "x"',
    ],
    [
      'binary tensors',
      '/v2/models/loan/infer',
      { inputs: tensors().map((t) => ({ ...t, parameters: { binary_data_size: 8 } })) },
      400,
      'the request no header Inference-Header-Content-Length',
    ],
    ['an unknown model', '/v2/models/lone/infer', { inputs: tensors() }, 404, 'there is no model "lone"'],
    ['an unknown version', '/v2/models/loan/versions/7/infer', { inputs: tensors() }, 404, 'no version "7"'],
    ['an unknown path', '/predict', {}, 404, 'POST /invocations'],
  ])('answers %s with a clear error', async (_, url, body, status, words) => {
    const { post } = await open({ maxRows: 3, body: 4000 })
    const answer = await post(url, body)
    expect(answer.status).toBe(status)
    const { error } = answer.body as { error: string }
    expect(
      words.split('|').some((word) => error.includes(word)),
      error,
    ).toBe(true)
    expect(Object.keys(answer.body as object)).toEqual(['error'])
    expect(error).not.toMatch(/\.ts\b|node_modules|\n/)
  })

  it.each(['text/csv', 'text/csv; charset=utf-8', 'multipart/form-data; boundary=x', 'application/xml'])(
    'refuses a body of type %s, and says which it reads',
    async (type) => {
      const { post } = await open()
      for (const url of ['/invocations', '/v2/models/loan/infer'])
        expect(await post(url, 'income,children\n1,2\n', { 'content-type': type })).toMatchObject({
          status: 415,
          body: { error: expect.stringMatching(/is not read; send rows as application\/json/) as string },
        })
    },
  )

  it('answers a value or a shape that is nested deeper than the stack with a 400', async () => {
    const { post } = await open()
    const nested = '['.repeat(20_000) + ']'.repeat(20_000)
    const answer = await post('/invocations', `[{"income":${nested}}]`)
    expect([answer.status, answer.body]).toEqual([
      400,
      { error: expect.stringContaining('row 0: a list is not') as string },
    ])
    const tensor = `{"inputs":[{"name":"income","datatype":"FP64","shape":${nested},"data":[]}]}`
    expect((await post('/v2/models/loan/infer', tensor)).status).toBe(400)
  })

  it('refuses compressed bodies, and rows that do not fit into the queue', async () => {
    const { post } = await open({ maxQueue: 2 })
    expect((await post('/invocations', [row], { 'content-encoding': 'gzip' })).status).toBe(415)
    const answers = await Promise.all([post('/invocations', [row, row]), post('/invocations', [row])])
    expect(answers.map(({ status }) => status)).toEqual([200, 429])
    expect(answers[1]?.headers['retry-after']).toBe('1')
  })

  it('asks for its token everywhere but for health', async () => {
    const { post, get } = await open({ token: 'open sesame' })
    const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
    expect((await post('/invocations', [row])).status).toBe(401)
    expect((await post('/invocations', [row], bearer('open'))).status).toBe(401)
    expect((await post('/invocations', [row], bearer('open sesame'))).status).toBe(200)
    for (const url of ['/metrics', '/v2', '/version', '/nothing']) expect((await get(url)).statusCode).toBe(401)
    for (const url of ['/ping', '/health', '/v2/health/live', '/v2/health/ready'])
      expect((await get(url)).statusCode).toBe(200)
  })

  it('without a token answers only to names of loopback, so that no web page can rebind its own', async () => {
    const { post, get } = await open()
    const status = async (host: string) => (await post('/invocations', [row], { host })).status
    for (const host of ['localhost', 'LOCALHOST:8080', '127.0.0.1:8080', '127.1.2.3', '[::1]', '[::1]:8080'])
      expect(await status(host), host).toBe(200)
    for (const host of [
      'evil.example',
      'evil.example:8080',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      '::1:80',
    ])
      expect(await status(host), host).toBe(421)
    for (const host of ['10.0.0.1', '0.0.0.0', '[::2]', '[::1', 'localhost:x', '@127.0.0.1']) {
      const answer = await post('/invocations', [row], { host })
      expect([answer.status, Object.keys(answer.body as object)], host).toEqual([421, ['error']])
    }
    expect((await get('/metrics', { host: 'evil.example' })).statusCode).toBe(421)
    const { post: withToken } = await open({ token: 'open sesame' })
    const headers = { host: 'models.example', authorization: 'Bearer open sesame' }
    expect((await withToken('/invocations', [row], headers)).status).toBe(200)
  })

  it('without a token refuses what a browser sends for a page of another origin, JSON as text/plain too', async () => {
    const { post, app } = await open()
    const from = async (origin: string, type: string) =>
      (await post('/invocations', [row], { host: 'localhost:8080', origin, 'content-type': type })).status
    for (const type of [
      'application/json',
      'text/plain',
      'text/plain;charset=UTF-8',
      'application/x-www-form-urlencoded',
    ]) {
      for (const origin of ['https://evil.example', 'null', 'http://localhost:3000', 'http://127.0.0.1:8080', ''])
        expect(await from(origin, type), `${origin} ${type}`).toBe(403)
      expect(await from('http://localhost:8080', type)).toBe(200)
    }
    const preflight = await app.inject({
      method: 'OPTIONS',
      url: '/invocations',
      headers: { host: 'localhost:8080', origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    })
    expect([preflight.statusCode, preflight.headers['access-control-allow-origin']]).toEqual([403, undefined])
  })

  it('gives every answer a request id, the client’s where it is harmless', async () => {
    const { get } = await open()
    const id = async (given?: string) =>
      (await get('/ping', given === undefined ? {} : { 'x-request-id': given })).headers['x-request-id']
    expect(await id('abc-1')).toBe('abc-1')
    expect(await id('a b')).not.toBe('a b')
    expect(await id()).not.toBe(await id())
  })

  it('counts in both Prometheus formats, again and again', async () => {
    const { post, get } = await open()
    await post('/invocations', [row, row])
    await post('/invocations', [{}])
    await get('/metrics')
    const open1 = await get('/metrics', { accept: 'application/openmetrics-text; version=1.0.0' })
    expect(open1.headers['content-type']).toMatch(/^application\/openmetrics-text; version=1\.0\.0/)
    expect(open1.body).toMatch(/# EOF\n$/)
    expect(open1.body).toContain('# TYPE millrace_requests counter\n')
    const plain = await get('/metrics')
    expect(plain.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/)
    const samples = new Map<string, number>()
    for (const line of plain.body.split('\n').filter((text) => text !== '' && !text.startsWith('#'))) {
      const match = /^([a-z_]+(?:\{(?:[a-z_]+="[^"]*",?)*\})?) ([0-9.e+-]+)$/.exec(line)
      expect(match, line).not.toBeNull()
      samples.set(match?.[1] ?? '', Number(match?.[2]))
    }
    expect(samples.get('millrace_requests_total{route="/invocations",status="200"}')).toBe(1)
    expect(samples.get('millrace_requests_total{route="/invocations",status="400"}')).toBe(1)
    expect(samples.get('millrace_rows_total{model="loan"}')).toBe(2)
    expect(samples.get('millrace_batch_rows_bucket{le="1",model="loan"}')).toBe(0)
    expect(samples.get('millrace_batch_rows_bucket{le="2",model="loan"}')).toBe(1)
    expect(samples.get('millrace_batch_rows_bucket{le="+Inf",model="loan"}')).toBe(1)
    expect(samples.get('millrace_request_duration_seconds_count{route="/invocations"}')).toBe(2)
    expect([...samples.keys()].filter((key) => key.startsWith('millrace_model_info'))).toHaveLength(1)
  })
})

describe('startServer', () => {
  const models = (sources = ['models:/loan@champion'], pollMs = 20) =>
    ServedModels.open({ sources, registry, store, pollMs, worker: true })

  async function start(served: ServedModels, options = {}): Promise<RunningServer> {
    const server = await startServer({ models: served, version: '9.9.9', port: 0, ...options })
    closing.push(() => server.stop())
    return server
  }

  it('needs a token off loopback, and an address that is free', async () => {
    const served = await models()
    await expect(startServer({ models: served, version: '1', host: '0.0.0.0', port: 0 })).rejects.toMatchObject({
      code: 'MR_SERVER_TOKEN',
    })
    const { address } = await start(served)
    const port = Number(new URL(address).port)
    await expect(startServer({ models: served, version: '1', port })).rejects.toMatchObject({
      code: 'MR_SERVER_ADDRESS',
    })
  })

  it('loses no request while the alias moves', { timeout: 60_000 }, async () => {
    await registry.setAlias('loan', 'champion', 1, 'test')
    const served = await models()
    const { address } = await start(served)
    const agent = new Agent({ keepAlive: true, maxSockets: 64 })
    closing.push(async () => agent.destroy())
    let moving = true
    const statuses = new Map<number | string, number>()
    const versions: string[] = []
    const client = async (): Promise<void> => {
      while (moving) {
        const { status, body } = await send(agent, `${address}/v2/models/loan/infer`, { inputs: tensors() })
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
        const { model_version: version, outputs } = body as {
          model_version: string
          outputs: { data: number[] }[]
        }
        // the answer is the version's own
        expect(outputs[1]?.data[1]).toBeCloseTo(1 / (1 + Math.exp(-4.5 - Number(version))), 4)
        if (versions.at(-1) !== version) versions.push(version)
      }
    }
    const clients = Promise.all(Array.from({ length: 64 }, client))
    for (const version of [2, 3, 1, 2, 3]) {
      await registry.setAlias('loan', 'champion', version, 'test')
      while (served.get('loan')?.version !== String(version)) await new Promise((resolve) => setTimeout(resolve, 10))
      await new Promise((resolve) => setTimeout(resolve, 400))
    }
    moving = false
    await clients
    expect([...statuses.keys()]).toEqual([200])
    expect(statuses.get(200)).toBeGreaterThan(200)
    expect(new Set(versions).size).toBe(3)
    expect(versions.length).toBeGreaterThanOrEqual(6)
  })

  it('keeps the version that works when the next cannot load, and says so', async () => {
    await registry.setAlias('loan', 'champion', 1, 'test')
    const lines: string[] = []
    const served = await ServedModels.open({
      ...{ sources: ['models:/loan@champion'], registry, store, pollMs: 600_000 },
      log: (level, message) => lines.push(`${level}: ${message}`),
    })
    const { app } = await start(served)
    await registry.setAlias('loan', 'champion', await register(new TextEncoder().encode('no model')), 'test')
    await served.refresh()
    await served.refresh()
    expect(lines).toEqual([expect.stringMatching(/^error: version \d+ cannot be loaded: .*; version 1 goes on/)])
    const ready = (await app.inject('/v2/health/ready')).json<{ ready: boolean; detail: string[] }>()
    expect(ready).toMatchObject({ ready: true, detail: [expect.stringContaining('cannot be loaded') as string] })
    const metrics = (await app.inject('/metrics')).body
    expect(metrics).toContain('millrace_model_load_failures_total{model="loan"} 1')
    expect(metrics).toContain('millrace_model_ready{model="loan"} 0')
    expect(served.get('loan')?.version).toBe('1')
    await registry.setAlias('loan', 'champion', 2, 'test')
    await served.refresh()
    expect([served.get('loan')?.version, served.problem('loan')]).toEqual(['2', undefined])
  })

  it('does not take a listener that throws, or a version that does not close, for a version that cannot load', async () => {
    const lines: string[] = []
    await registry.setAlias('loan', 'champion', 1, 'test')
    const models = await ServedModels.open({
      ...{ sources: ['models:/loan@champion'], registry, store, pollMs: 600_000 },
      log: (level, message) => lines.push(`${level}: ${message}`),
      onEvent: () => {
        throw new Error('nobody listens')
      },
    })
    closing.push(() => models.close())
    const first = models.get('loan')!
    first.retire = () => Promise.reject(new Error('it is stuck'))
    await registry.setAlias('loan', 'champion', 2, 'test')
    await models.refresh()
    expect(models.numbers()[0]).toMatchObject({ ready: true, loads: 2, loadFailures: 0, versions: [{ version: '2' }] })
    expect(lines).toEqual([
      'info: loan: version 2 answers now, 1 before',
      'error: an event of loan was not taken: nobody listens',
      'error: loan version 1 was not closed cleanly: it is stuck',
    ])
    await registry.setAlias('loan', 'champion', 1, 'test')
  })

  it('does not wait for ever for a version that is in use', async () => {
    const lines: string[] = []
    const log = (level: string, message: string): void => void lines.push(`${level}: ${message}`)
    const models = await ServedModels.open({ sources: [join(folder, 'loan.onnx')], log })
    models.get()?.acquire()
    await models.close(20)
    expect(lines).toEqual(['warn: models were still at work after 20 ms; they are left'])
  })

  it('answers what it has when it is stopped, then refuses connections', async () => {
    const server = await start(await models([join(folder, 'loan.onnx')]))
    const agent = new Agent({ keepAlive: true })
    closing.push(async () => agent.destroy())
    const many = Array.from({ length: 20_000 }, () => row)
    const long = send(agent, `${server.address}/invocations`, many)
    // the rows are in the batcher once the server has read the body
    while ((await server.app.inject('/metrics')).body.includes('millrace_queue_rows{model="loan"} 0'))
      await new Promise((resolve) => setTimeout(resolve, 1))
    const stopped = server.stop()
    expect((await server.app.inject('/v2/health/ready').catch(() => undefined))?.statusCode ?? 503).toBe(503)
    const { status, body } = await long
    expect([status, (body as { predictions: unknown[] }).predictions.length]).toEqual([200, 20_000])
    await stopped
    // a new agent: the old one may hold a connection that it does not yet know to be closed
    await expect(send(new Agent(), `${server.address}/ping`)).rejects.toThrow(/ECONNREFUSED/)
  })

  it('is not ready at once when it is stopped, and ends connections that are kept alive with an answer', async () => {
    const server = await start(await models([join(folder, 'loan.onnx')]))
    const { address } = server
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    closing.push(async () => agent.destroy())
    expect((await send(agent, `${address}/v2/health/ready`)).headers.connection).toBe('keep-alive')
    const stopped = server.stop()
    const { status, headers } = await send(agent, `${address}/v2/health/ready`)
    expect([status, headers.connection]).toEqual([503, 'close'])
    expect((await send(agent, `${address}/invocations`, [row])).status).toBe(200)
    await stopped
  })

  it.each([
    ['signal', 250, 200],
    ['closing of the listening socket', 60, 400],
  ])('resets no connection that was opened around the %s', { timeout: 20_000 }, async (_, drainDelay, count) => {
    const server = await start(await models([join(folder, 'loan.onnx')]), { limits: { drainDelay } })
    const port = Number(new URL(server.address).port)
    const ends: Promise<string>[] = []
    let stopped: Promise<void> | undefined
    for (let i = 0; i < count; i++) {
      if (i === 100) stopped = server.stop()
      ends.push(openAndAsk(port))
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    await stopped
    const kinds = new Set(await Promise.all(ends))
    kinds.delete('refused')
    expect([...kinds]).toEqual(['answered'])
    expect(await openAndAsk(port)).toBe('refused')
  })

  it('cuts a client that sends its headers too slowly', { timeout: 20_000 }, async () => {
    const limits = { headersTimeout: 500, requestTimeout: 1000 }
    const { address } = await start(await models([join(folder, 'loan.onnx')]), { limits })
    const socket = connect(Number(new URL(address).port), '127.0.0.1')
    socket.write('POST /invocations HTTP/1.1\r\nHost: x\r\nX-Slow')
    const answer = await new Promise<string>((resolve) => {
      let text = ''
      socket.on('data', (data) => (text += data.toString()))
      socket.on('close', () => resolve(text))
    })
    expect(answer).toMatch(/^HTTP\/1\.1 408/)
  })
})

/** What becomes of a new connection that sends its request a little after it was opened. */
function openAndAsk(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let [open, text, fault] = [false, '', 'closed']
    socket.on('connect', () => {
      open = true
      setTimeout(() => socket.write('GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n'), 10)
    })
    socket.on('data', (data) => {
      text += data.toString()
      if (text.includes('9.9.9')) socket.end()
    })
    socket.on('error', ({ message }) => (fault = message))
    socket.on('close', () => resolve(text.startsWith('HTTP/1.1 200') ? 'answered' : open ? fault : 'refused'))
  })
}

interface Sent {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: unknown
}

function send(agent: Agent, url: string, body?: unknown): Promise<Sent> {
  return new Promise((resolve, reject) => {
    const call = request(url, { agent, method: body === undefined ? 'GET' : 'POST' }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => (text += chunk))
      answer.on('error', reject)
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: JSON.parse(text) as unknown }),
      )
    })
    call.on('error', reject)
    call.end(body === undefined ? undefined : JSON.stringify(body))
  })
}
