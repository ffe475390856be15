/** The built server with two versions of a model: canary, shadow, prediction log, and aliases that move under them. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openArtifactStore } from '../../src/core/artifact-store.js'
import { openRegistry, registryFile } from '../../src/registry/sqlite.js'
import { loanModel } from '../models.js'
import { folder, type Started, start, succeed } from './cli.js'

const row = (i: number) => ({
  income: i % 7 === 0 ? null : i * 1.5,
  children: i % 4,
  'owns home': i % 2 === 0,
  city: ['Oslo', 'Rome', null][i % 3],
  since: i % 5 === 0 ? null : '2021-03-04T05:06:07.25Z',
})

interface Answer {
  readonly id: string
  readonly version: string | null
  readonly row: ReturnType<typeof row>
  readonly prediction: Readonly<Record<string, unknown>>
}

describe('millrace serve with two versions', () => {
  let made: Awaited<ReturnType<typeof folder>>
  let home: readonly string[]
  beforeAll(async () => {
    made = await folder()
    const path = join(made.path, '.millrace')
    home = ['--home', path]
    const store = await openArtifactStore(join(path, 'artifacts'))
    const registry = await openRegistry(registryFile(path))
    for (const bias of [0, 0.5, -6]) {
      const model = await store.put(loanModel({ bias }), 'application/onnx')
      const lineage = { runId: `run${bias}`, data: 'd', config: 'c' }
      await registry.register({ name: 'loan', model, lineage, metrics: {} })
    }
    await registry.setAlias('loan', 'champion', 1, 'test')
    await registry.setAlias('loan', 'challenger', 2, 'test')
    await registry.close()
    await store.close()
  })
  afterAll(() => made[Symbol.asyncDispose]())

  async function serve(...options: string[]): Promise<{ server: Started; url: string }> {
    const server = start(['serve', 'models:/loan@champion', '--port', '0', '--json', ...options, ...home])
    const line = JSON.parse(await server.line(/"event":"serving"/)) as { address: string }
    return { server, url: line.address }
  }
  async function ask(url: string, id: string, i: number): Promise<Answer> {
    const response = await fetch(`${url}/invocations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-id': id },
      body: JSON.stringify([row(i)]),
    })
    const body = (await response.json()) as { predictions?: Record<string, unknown>[] }
    expect([response.status, body]).toMatchObject([200, { predictions: [{}] }])
    const version = response.headers.get('millrace-model-version')
    return { id, version, row: row(i), prediction: body.predictions?.[0] ?? {} }
  }
  async function askAll(url: string, name: string, count: number): Promise<Answer[]> {
    const answers: Answer[] = []
    for (let i = 0; i < count; i += 16)
      answers.push(...(await Promise.all(Array.from({ length: 16 }, (_, j) => ask(url, `${name}-${i + j}`, i + j)))))
    return answers
  }
  async function metric(url: string, line: string): Promise<number> {
    const text = (await (await fetch(`${url}/metrics`)).text()).split('\n').find((each) => each.startsWith(`${line} `))
    return text === undefined ? NaN : Number(text.slice(line.length + 1))
  }
  async function until(done: () => Promise<boolean> | boolean): Promise<void> {
    for (let i = 0; i < 400 && !(await done()); i++) await new Promise((resolve) => setTimeout(resolve, 25))
    expect(await done()).toBe(true)
  }
  async function query(sql: string): Promise<Record<string, unknown>[]> {
    const instance = await DuckDBInstance.create(':memory:')
    const rows = (await (await instance.connect()).runAndReadAll(sql)).getRowObjectsJson()
    instance.closeSync()
    return rows
  }

  test('a canary takes its share, ids stay, its alias moves, and the log holds what was answered', async () => {
    const log = join(made.path, 'log')
    const { server, url } = await serve('--canary', 'models:/loan@challenger=20%', '--log-predictions', log)
    const answers = await askAll(url, 'id', 800)
    const canary = answers.filter(({ version }) => version === '2')
    // binomial: 160 with a standard deviation of 11.3
    expect(canary.length).toBeGreaterThan(160 - 57)
    expect(canary.length).toBeLessThan(160 + 57)
    const again = await askAll(url, 'id', 160)
    expect(again.map(({ version }) => version)).toEqual(answers.slice(0, 160).map(({ version }) => version))

    await succeed(['models', 'alias', 'loan', 'challenger', '3', ...home])
    await server.line(/"event":"version".*"version":"3"/)
    const moved = await askAll(url, 'id', 160)
    const wanted = again.map(({ version }) => (version === '2' ? '3' : '1'))
    expect(moved.map(({ version }) => version)).toEqual(wanted)

    server.child.kill('SIGTERM')
    expect(await server.finished).toMatchObject({ code: 0 })
    const logged = await query(
      `SELECT * FROM read_parquet('${log}/**/*.parquet', hive_partitioning = true) ORDER BY time, request_id`,
    )
    const all = [...answers, ...again, ...moved]
    expect(logged).toHaveLength(all.length)
    const key = (id: unknown, version: unknown): string => `${String(id)} ${String(version)}`
    const found = new Map(logged.map((each) => [key(each['request_id'], each['version']), each]))
    for (const { id, version, row: given, prediction } of all)
      expect(found.get(key(id, version))).toMatchObject({
        ...given,
        children: String(given.children),
        since: given.since === null ? null : '2021-03-04 05:06:07.25',
        ...prediction,
        model: 'loan',
      })
    const types = await query(`DESCRIBE SELECT * FROM read_parquet('${log}/**/*.parquet')`)
    expect(Object.fromEntries(types.map((each) => [each['column_name'], each['column_type']]))).toMatchObject({
      ...{ income: 'DOUBLE', children: 'BIGINT', 'owns home': 'BOOLEAN', city: 'VARCHAR', since: 'TIMESTAMP' },
      ...{ prediction: 'VARCHAR', probability_yes: 'FLOAT', request_id: 'VARCHAR', time: 'TIMESTAMP' },
    })
    // the log is data as any other: Millrace scores it again, with the same answers
    const out = join(made.path, 'scored.parquet')
    const files = join(log, 'model=loan/version=1')
    await succeed(['predict', 'models:/loan/1', files, '--out', out, '--replace', ...home])
    const served = logged.filter((each) => each['version'] === '1').map((each) => each['probability_yes'])
    const scored = await query(`SELECT probability_yes FROM '${out}'`)
    expect(scored.map((each) => each['probability_yes']).sort()).toEqual(served.sort())
  })

  test('a shadow is compared and never answers; its alias moves', async () => {
    await succeed(['models', 'alias', 'loan', 'challenger', '2', ...home])
    const { server, url } = await serve('--shadow', 'models:/loan@challenger')
    const answers = await askAll(url, 'shadow', 160)
    expect(new Set(answers.map(({ version }) => version))).toEqual(new Set(['1']))
    const two = '{model="loan",version="2",against="1"}'
    await until(async () => (await metric(url, `millrace_shadow_rows_total${two}`)) === 160)
    const direct = start(['serve', 'models:/loan/2', '--port', '0', '--json', ...home])
    const line = JSON.parse(await direct.line(/"event":"serving"/)) as { address: string }
    const others = await askAll(line.address, 'direct', 160)
    direct.child.kill('SIGTERM')
    const pairs = answers.map(({ prediction }, i) => [prediction, others[i]?.prediction ?? {}] as const)
    const differ = pairs.filter(([a, b]) => a['prediction'] !== b['prediction']).length
    const gap = pairs.reduce(
      (sum, [a, b]) => sum + Math.abs(Number(a['probability_yes']) - Number(b['probability_yes'])),
      0,
    )
    expect(await metric(url, `millrace_shadow_disagreements_total${two}`)).toBe(differ)
    expect(await metric(url, `millrace_shadow_mean_absolute_difference${two}`)).toBeCloseTo(gap / 160, 5)

    await succeed(['models', 'alias', 'loan', 'challenger', '3', ...home])
    await server.line(/"event":"version".*"version":"3"/)
    await askAll(url, 'moved', 16)
    const three = '{model="loan",version="3",against="1"}'
    await until(async () => (await metric(url, `millrace_shadow_rows_total${three}`)) === 16)
    server.child.kill('SIGTERM')
    expect(await server.finished).toMatchObject({ code: 0 })
    await direct.finished
  })

  test('killed, it leaves no file that is not whole', async () => {
    const log = join(made.path, 'killed')
    const { server, url } = await serve('--log-predictions', log, '--log-rows', '50')
    const asked = askAll(url, 'kill', 1600).catch(() => undefined)
    await server.line(/"event":"log_file"/)
    await new Promise((resolve) => setTimeout(resolve, 150))
    server.child.kill('SIGKILL')
    await Promise.all([asked, server.finished])
    const files = (await readdir(log, { recursive: true })).filter((name) => name.endsWith('.parquet'))
    expect(files.length).toBeGreaterThan(0)
    for (const file of files) {
      const [counted] = await query(
        `SELECT count(*)::INTEGER AS n, count(prediction)::INTEGER AS p FROM '${join(log, file)}'`,
      )
      expect(counted?.['n']).toBeGreaterThanOrEqual(50)
      expect(counted?.['p']).toBe(counted?.['n'])
    }
  })
})
