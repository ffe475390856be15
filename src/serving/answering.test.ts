/** Canaries, shadows and the prediction log around a real server with real models. */
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { LOAN_INPUTS, loanModel } from '../../test/models.js'
import { openArtifactStore } from '../core/artifact-store.js'
import type { ArtifactStore } from '../core/artifacts.js'
import type { ModelRegistry } from '../registry/registry.js'
import { openRegistry } from '../registry/sqlite.js'
import { ServedModels, type ServedModelsOptions } from './models.js'
import { PredictionLog, type PredictionLogOptions } from './prediction-log.js'
import type { ServedModel } from './served-model.js'
import { buildServer } from './server.js'
import { Shadows } from './shadow.js'
import { TrafficMetrics } from './traffic-metrics.js'

const row = { income: 100, children: 1, 'owns home': true, city: 'Oslo', since: '2021-01-01' }

let folder: string
let registry: ModelRegistry
let store: ArtifactStore
const VERSIONS = { lower: 3, narrow: 4, broken: 5 }
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-traffic-'))
  registry = await openRegistry(join(folder, 'registry.db'))
  store = await openArtifactStore(join(folder, 'artifacts'))
  const models = [
    loanModel(),
    loanModel({ bias: 1 }),
    loanModel({ bias: -8 }),
    loanModel({ inputs: LOAN_INPUTS.map((field, i) => (i === 0 ? { ...field, name: 'salary' } : field)) }),
    new TextEncoder().encode('no model'),
  ]
  for (const [i, bytes] of models.entries()) {
    const model = await store.put(bytes, 'application/onnx')
    const lineage = { runId: `run-${i}`, data: 'd', config: 'c' }
    await registry.register({ name: 'loan', model, lineage, metrics: {} })
  }
  await registry.setAlias('loan', 'champion', 1, 'test')
})
afterAll(async () => {
  await store.close()
  await registry.close()
  await rm(folder, { recursive: true })
})

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function open(
  options: Partial<ServedModelsOptions> & { canaryKey?: string; predictionLog?: PredictionLog } = {},
) {
  const lines: string[] = []
  const log = (level: string, message: string): void => void lines.push(`${level}: ${message}`)
  const { canaryKey, predictionLog, ...rest } = options
  const models = await ServedModels.open({
    ...{ sources: ['models:/loan@champion'], registry, store, pollMs: 600_000, log, worker: true },
    ...rest,
  })
  const { app } = buildServer({
    models,
    version: '9',
    logger: log,
    ...(canaryKey === undefined ? {} : { canaryKey }),
    ...(predictionLog && { predictionLog }),
  })
  closing.push(async () => {
    await app.close()
    await models.close()
  })
  const post = async (body: unknown, id?: string, url = '/invocations') => {
    const headers = id === undefined ? {} : { 'x-request-id': id }
    const answer = await app.inject({ method: 'POST', url, headers, payload: body as object })
    return { status: answer.statusCode, version: answer.headers['millrace-model-version'], body: answer.body }
  }
  const metric = async (line: string): Promise<number> => {
    const text = (await app.inject('/metrics')).body.split('\n').find((each) => each.startsWith(`${line} `))
    return text === undefined ? NaN : Number(text.slice(line.length + 1))
  }
  return { app, models, lines, post, metric }
}

async function until(done: () => Promise<boolean> | boolean): Promise<void> {
  for (let i = 0; i < 500 && !(await done()); i++) await new Promise((resolve) => setTimeout(resolve, 20))
  expect(await done()).toBe(true)
}

describe('several versions', () => {
  it('answers by each, lists them, and says which there are', async () => {
    const { app, post } = await open({ sources: ['models:/loan@champion', 'models:/loan/2', 'models:/loan/3'] })
    for (let i = 0; i < 3; i++) expect(await post([row], undefined, '/invocations')).toMatchObject({ version: '1' })
    for (const version of ['1', '2', '3']) {
      const url = `/v2/models/loan/versions/${version}`
      expect((await app.inject(url)).json()).toMatchObject({ name: 'loan', versions: ['1', '2', '3'] })
      const inputs = [
        { name: 'income', datatype: 'FP64', shape: [1], data: [100] },
        { name: 'children', datatype: 'INT64', shape: [1], data: [1] },
        { name: 'owns home', datatype: 'BOOL', shape: [1], data: [true] },
        { name: 'city', datatype: 'BYTES', shape: [1], data: ['Oslo'] },
        { name: 'since', datatype: 'INT64', shape: [1], data: [0] },
      ]
      const answer = await post({ inputs }, undefined, `${url}/infer`)
      expect([answer.status, answer.version]).toEqual([200, version])
      expect(JSON.parse(answer.body)).toMatchObject({ model_version: version })
    }
    const unknown = await app.inject('/v2/models/loan/versions/9')
    expect(unknown.statusCode).toBe(404)
    expect(unknown.body).toContain('version 1 answers, and there is 2, 3')
  })

  it('loads a version once, and keeps it while one of its names holds it', async () => {
    await registry.setAlias('loan', 'challenger', 2, 'test')
    const { models } = await open({ sources: ['models:/loan@champion', 'models:/loan@challenger'] })
    await registry.setAlias('loan', 'champion', 2, 'test')
    await models.refresh()
    expect([models.get('loan'), models.versions('loan')]).toEqual([models.get('loan', '2'), ['2']])
    await registry.setAlias('loan', 'challenger', 3, 'test')
    await registry.setAlias('loan', 'champion', 1, 'test')
    await models.refresh()
    expect(models.versions('loan')).toEqual(['1', '3'])
  })

  it.each([
    [{ sources: ['models:/loan/1', 'models:/loan/1'] }, /given twice/],
    [{ canaries: [{ source: 'models:/other/1', share: 0.1 }] }, /"other" is not served/],
    [
      {
        canaries: [
          { source: 'models:/loan/2', share: 0.6 },
          { source: 'models:/loan/3', share: 0.6 },
        ],
      },
      /more than 100%/,
    ],
    [{ shadows: [{ source: 'models:loan', share: 1 }] }, /is no model address/],
  ])('refuses %j', async (options, message) => {
    await expect(open(options)).rejects.toThrow(message)
  })
})

describe('a canary', () => {
  it('answers its share; an id stays where it is', async () => {
    const { post, metric } = await open({ canaries: [{ source: 'models:/loan/2', share: 0.2 }] })
    const ask = async () => {
      const answers: Awaited<ReturnType<typeof post>>[] = []
      for (let i = 0; i < 1000; i += 100)
        answers.push(...(await Promise.all(Array.from({ length: 100 }, (_, j) => post([row], `id-${i + j}`)))))
      return answers
    }
    const first = (await ask()).map(({ version }) => version)
    expect((await ask()).map(({ version }) => version)).toEqual(first)
    const share = first.filter((version) => version === '2').length
    // 200 with a standard deviation of 12.6
    expect(share).toBeGreaterThan(150)
    expect(share).toBeLessThan(250)
    expect(await metric('millrace_version_requests_total{model="loan",version="2",outcome="ok"}')).toBe(2 * share)
    expect(await metric('millrace_version_duration_seconds_count{model="loan",version="1"}')).toBe(2000 - 2 * share)
  })

  it('keeps an entity by the key’s column, whatever the id', async () => {
    const { post } = await open({ canaries: [{ source: 'models:/loan/2', share: 0.5 }], canaryKey: 'income' })
    const of = async (income: number) =>
      new Set((await Promise.all([1, 2, 3, 4].map(() => post([{ ...row, income }])))).map(({ version }) => version))
    const seen = await Promise.all(Array.from({ length: 40 }, (_, i) => of(i)))
    expect(seen.every(({ size }) => size === 1)).toBe(true)
    expect(new Set(seen.flatMap((each) => [...each])).size).toBe(2)
  })

  it.each([
    ['cannot be loaded', `models:/loan/${VERSIONS.broken}`, /^error: canary models:.* cannot be loaded/],
    ['is unknown', 'models:/loan@nobody', /^error: canary models:.* cannot be loaded/],
    ['has other columns', `models:/loan/${VERSIONS.narrow}`, /^warn: the canary loan version 4 did not answer/],
  ])('that %s leaves its share to the version that is served', async (_, source, line) => {
    const { post, lines } = await open({ canaries: [{ source, share: 1 }] })
    expect(await post([row])).toMatchObject({ status: 200, version: '1' })
    expect(await post([row])).toMatchObject({ status: 200, version: '1' })
    expect(lines).toEqual([expect.stringMatching(line)])
    expect((await post([{}])).body).toContain('lacks the columns')
  })

  it('follows its alias, also to a version that cannot be loaded and back', async () => {
    await registry.setAlias('loan', 'challenger', 2, 'test')
    const events: unknown[] = []
    const { post, models } = await open({
      canaries: [{ source: 'models:/loan@challenger', share: 1 }],
      onEvent: (event) => events.push(event),
    })
    for (const [version, answers] of [
      [3, '3'],
      [VERSIONS.broken, '1'],
      [2, '2'],
    ] as const) {
      await registry.setAlias('loan', 'challenger', version, 'test')
      await models.refresh()
      expect((await post([row])).version).toBe(answers)
    }
    expect(events).toMatchObject([
      { event: 'version', role: 'canary', version: '3', before: '2' },
      { event: 'problem', role: 'canary' },
      { event: 'version', role: 'canary', version: '2', before: null },
    ])
  })
})

describe('a shadow', () => {
  it('is compared with what was answered', async () => {
    const { post, metric } = await open({ shadows: [{ source: `models:/loan/${VERSIONS.lower}`, share: 1 }] })
    const { body, version } = await post(Array.from({ length: 5 }, () => row))
    expect(version).toBe('1')
    const labels = '{model="loan",version="3",against="1"}'
    await until(async () => (await metric(`millrace_shadow_rows_total${labels}`)) === 5)
    expect(await metric(`millrace_shadow_disagreement_ratio${labels}`)).toBe(1)
    const yes = (JSON.parse(body) as { predictions: { probability_yes: number }[] }).predictions[0]?.probability_yes
    // the shadow's score is lower by 8: see loanModel
    const shadow = 1 / (1 + Math.exp(-(Math.log((yes ?? 0) / (1 - (yes ?? 0))) - 8)))
    expect(await metric(`millrace_shadow_mean_absolute_difference${labels}`)).toBeCloseTo((yes ?? 0) - shadow, 4)
  })

  it('that cannot read the rows fails for itself only', async () => {
    const { post, metric, lines } = await open({
      shadows: [{ source: `models:/loan/${VERSIONS.narrow}`, share: 1 }],
    })
    for (let i = 0; i < 3; i++) expect((await post([row])).status).toBe(200)
    await until(async () => (await metric('millrace_shadow_failed_rows_total{model="loan",version="4"}')) === 3)
    expect(lines).toEqual([expect.stringMatching(/^warn: the shadow loan version 4 failed: .*salary/)])
  })
})

describe('shadows under a moving alias', () => {
  it('compares also where the alias moves while the answer is sent', async () => {
    await registry.setAlias('loan', 'challenger', 2, 'test')
    const { app, models, post, metric } = await open({ shadows: [{ source: 'models:/loan@challenger', share: 1 }] })
    app.addHook('onSend', async ({ method }) => {
      if (method !== 'POST') return
      await registry.setAlias('loan', 'challenger', VERSIONS.lower, 'test')
      await models.refresh()
    })
    expect((await post([row])).status).toBe(200)
    await until(async () => (await metric('millrace_shadow_rows_total{model="loan",version="2",against="1"}')) === 1)
    expect(await metric('millrace_shadow_failed_rows_total{model="loan",version="2"}')).toBeNaN()
  })

  it('bounds what waits by its bytes too', async () => {
    const { models } = await open({ shadows: [{ source: 'models:/loan/2', share: 1 }] })
    const [model, shadow] = [models.get('loan')!, models.get('loan', '2')!]
    const metrics = new TrafficMetrics()
    const shadows = new Shadows(metrics, { maxBytes: 1_000 })
    const batch = model.reader.read([{ ...row, city: 'x'.repeat(600) }])
    const answer = await model.batcher.predict(batch)
    const refuse = (): never => expect.fail('both have the same inputs')
    for (let i = 0; i < 3; i++) shadows.compare(shadow, model, batch, answer, refuse)
    await shadows.idle()
    expect(metrics.agreement(shadow, '1').rows).toBe(1)
    expect(metrics.unshadowed(shadow, 'dropped', 0)).toBe(2)
    shadows.compare(shadow, model, batch, answer, refuse)
    await shadows.idle()
    expect(metrics.agreement(shadow, '1').rows).toBe(2)
  })
})

describe('numbers of versions', () => {
  it('stay for a while after a version is closed, and not for ever', async () => {
    const { models, post, metric } = await open()
    const retired: string[] = []
    const tell = models.onRetired
    models.onRetired = (model) => {
      retired.push(model.version)
      tell?.(model)
    }
    const count = (version: number) =>
      metric(`millrace_version_requests_total{model="loan",version="${version}",outcome="ok"}`)
    try {
      expect((await post([row])).version).toBe('1')
      await registry.setAlias('loan', 'champion', 2, 'test')
      await models.refresh()
      expect((await post([row])).version).toBe('2')
      await until(() => retired.length === 1)
    } finally {
      await registry.setAlias('loan', 'champion', 1, 'test')
    }
    expect([retired, await count(1), await count(2)]).toEqual([['1'], 1, 1])
    // as if twenty more had come and gone
    for (let i = 0; i < 20; i++) tell?.({ name: 'loan', version: `v${i}` })
    expect([await count(1), await count(2)]).toEqual([NaN, 1])
  })
})

describe('the prediction log', () => {
  async function openLog(options: Partial<PredictionLogOptions> = {}) {
    const path = await mkdtemp(join(folder, 'log-'))
    const lines: string[] = []
    const logger = (level: string, message: string): void => void lines.push(`${level}: ${message}`)
    const log = await PredictionLog.open({ folder: path, share: 1, logger, ...options })
    closing.push(() => log.close())
    return { log, path, lines }
  }
  async function read(path: string): Promise<Record<string, unknown>[]> {
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    const from = `read_parquet('${path}/**/*.parquet', hive_partitioning = true)`
    const rows = (await connection.runAndReadAll(`SELECT * FROM ${from} ORDER BY request_id, row`)).getRowObjectsJson()
    instance.closeSync()
    return rows
  }

  it('holds inputs in their types and answers as they were given, missing values as NULL', async () => {
    const { log, path } = await openLog()
    const { post } = await open({ predictionLog: log })
    const none = { income: null, children: null, 'owns home': null, city: null, since: null }
    const answers = JSON.parse((await post([row, none], 'a')).body) as { predictions: Record<string, unknown>[] }
    await log.close()
    const rows = await read(path)
    const answer = (r: number) => {
      const { prediction, probability_no: no, probability_yes: yes } = answers.predictions[r] ?? {}
      return { prediction, probability_no: no, probability_yes: yes }
    }
    expect(rows).toMatchObject([
      {
        ...{ income: 100, children: '1', 'owns home': true, city: 'Oslo', since: '2021-01-01 00:00:00' },
        ...{ ...answer(0), request_id: 'a', row: 0, model: 'loan', version: '1' },
      },
      { ...none, ...answer(1), request_id: 'a', row: 1 },
    ])
    expect(Math.abs(Date.now() - Date.parse(`${String(rows[0]?.['time']).replace(' ', 'T')}Z`))).toBeLessThan(60_000)
    expect(rows[0]?.['date']).toBe(String(rows[0]?.['time']).slice(0, 10))
  })

  it('takes its share of the requests, whole ones, and files of the length asked for', async () => {
    const { log, path } = await openLog({ share: 0.25, rows: 200 })
    const { post, metric } = await open({ predictionLog: log })
    for (let i = 0; i < 10; i++)
      await Promise.all(Array.from({ length: 200 }, (_, j) => post([row, row], `id-${i}-${j}`)))
    await log.close()
    const rows = await read(path)
    // 500 of 2,000 requests with a standard deviation of 19
    expect(rows.length / 2).toBeGreaterThan(420)
    expect(rows.length / 2).toBeLessThan(580)
    expect(new Set(rows.map(({ request_id: id }) => id)).size).toBe(rows.length / 2)
    expect(await metric('millrace_prediction_log_rows_total{outcome="written"}')).toBe(rows.length)
    const files = (await readdir(path, { recursive: true })).filter((name) => name.endsWith('.parquet'))
    expect(files.length).toBeGreaterThan(1)
    expect(await metric('millrace_prediction_log_files_total')).toBe(files.length)
  })

  it('drops and counts what the thread cannot take', async () => {
    const { log, lines } = await openLog({ maxPending: 10 })
    const { post } = await open({ predictionLog: log })
    for (let i = 0; i < 4; i++) expect((await post(Array(8).fill(row))).status).toBe(200)
    expect(log.rows.dropped).toBe(24)
    expect(lines).toEqual([expect.stringContaining('slower than the requests')])
  })

  it('bounds what waits for the thread by its bytes too', async () => {
    const { log } = await openLog({ maxPendingBytes: 100_000 })
    const { post } = await open({ predictionLog: log })
    for (let i = 0; i < 4; i++) expect((await post([{ ...row, city: 'x'.repeat(60_000) }])).status).toBe(200)
    expect(log.rows.dropped).toBe(3)
    await log.close()
    expect(log.rows).toEqual({ taken: 0, written: 1, dropped: 3, failed: 0 })
  })

  it('counts the probability of each class among the bytes that wait, and in a file', async () => {
    const { log, path } = await openLog({ maxPendingBytes: 30_000, bytes: 20_000 })
    const file = join(path, 'model.onnx')
    await writeFile(file, loanModel({ classes: Array.from({ length: 1_000 }, (_, i) => `class ${i}`) }))
    const { models } = await open({ sources: [file] })
    const model = models.get() as ServedModel
    // 4 bytes for each of 1,000 classes, and little else
    const batch = model.reader.read(Array(7).fill(row))
    const predictions = await model.predictor.predict(batch)
    log.add(model, 'taken', batch, predictions)
    log.add(model, 'dropped', batch, predictions)
    expect(log.rows.dropped).toBe(7)
    await until(() => log.rows.written === 7)
  })

  it('takes a request of more rows than may wait where nothing else does, in pieces', async () => {
    const { log, path } = await openLog({ maxPending: 5_000 })
    const { post } = await open({ predictionLog: log })
    const many = Array.from({ length: 10_000 }, (_, i) => ({ ...row, income: i, city: `c${i}` }))
    const { body } = await post(many, 'long')
    const { predictions } = JSON.parse(body) as { predictions: { probability_yes: number }[] }
    await log.close()
    const rows = await read(path)
    expect(rows.map(({ row: place, income, city }) => [place, income, city])).toEqual(
      many.map(({ income, city }, i) => [i, income, city]),
    )
    expect(rows.map(({ probability_yes: yes }) => yes)).toEqual(predictions.map((each) => each.probability_yes))
  })

  it('says and counts what is lost when it may not take longer to stop', async () => {
    const started = once(process, 'worker') as Promise<[Worker]>
    const { log, lines } = await openLog()
    const [thread] = await started
    const { post } = await open({ predictionLog: log })
    await post([row, row])
    const ended = once(thread, 'exit')
    // the thread has not begun yet
    await log.close(0)
    const lost = { taken: 0, written: 0, dropped: 0, failed: 2 }
    expect(log.rows).toEqual(lost)
    // it writes them all the same, when nobody counts on it
    await ended
    expect(log.rows).toEqual(lost)
    expect(lines).toEqual(['error: 2 rows of the prediction log were not written within 0 ms, and are lost'])
  })

  it('goes on where a file cannot be written, says it once, and writes again', async () => {
    const { log, path, lines } = await openLog({ rows: 1 })
    await writeFile(join(path, 'model=loan'), 'in the way')
    const { post, metric } = await open({ predictionLog: log })
    for (let i = 1; i <= 3; i++) {
      expect((await post([row])).status).toBe(200)
      await until(() => log.rows.failed === i)
    }
    expect(lines).toEqual([expect.stringMatching(/^error: the prediction log cannot be written/)])
    expect(await metric('millrace_prediction_log_failing')).toBe(1)
    await rm(join(path, 'model=loan'))
    await post([row])
    await until(() => log.rows.written === 1)
    expect(lines[1]).toMatch(/can be written again/)
    expect((await read(path)).length).toBe(1)
  })

  it('refuses a folder that it cannot write', async () => {
    const file = join(folder, 'a-file')
    await writeFile(file, '')
    await expect(PredictionLog.open({ folder: join(file, 'log'), share: 1 })).rejects.toThrow(/prediction log/)
  })
})
