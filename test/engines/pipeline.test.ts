/** A pipeline file on Spark and on the engine in this process: one line differs, and what the runs leave is the same. */
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type LoadedConfig, loadConfig } from '../../src/config/load.js'
import type { EvaluationDocument, ValidationDocument } from '../../src/core/documents.js'
import { MillraceError } from '../../src/core/errors.js'
import { DistributedETLPipeline, EndToEndMLPipeline } from '../../src/stages/pipelines.js'
import { resumePipeline, type RunOutcome, runPipeline } from '../../src/stages/run-pipeline.js'
import { cells, differences, Left, published, TOLERANCE } from './same.js'

const spark = inject('spark')
const LONG = 600_000
const churn = fileURLToPath(new URL('../../examples/churn/pipeline.yaml', import.meta.url))
let folder: string
let sales: string

/** Parquet in three files; windows, a time split, rows that break rules, published by a column of the source. */
const SALES = `pipeline_name: sales
version: "1"
label: price
entity: id
timestamp: at
split: {method: time, train: 0.6, validation: 0.2, test: 0.2}
features:
  columns:
    size: [{impute: median}, log, standard]
    amount: [{clip: [1, 800]}, robust]
  windows:
    spent_week: {by: customer, of: amount, compute: sum, over: 7d}
    visits_day: {by: customer, compute: count, over: 1d}
    amount_before: {by: customer, of: amount, compute: lag, rows: 1}
    mean_of_five: {by: customer, of: amount, compute: mean, rows: 5}
data:
  source_path: raw
  output_path: out
  partition_by: [city]
  num_partitions: 8
  validation_rules:
    required_columns: [id, price]
    non_null_columns: [id, price]
    unique_columns: [id]
    value_ranges: {amount: [0, 990]}
    patterns: {code: "^[A-Z]{2}-[0-9]+$"}
    comparisons: [{left: amount, is: "<", right: ceiling}]
    severity: {value_ranges: drop, patterns: drop}
training: {model_type: neural_network, hidden_dims: [8], max_epochs: 6, batch_size: 128, learning_rate: 0.01}
evaluation: {bootstrap: 50}
leak_check: {action: warn}
`

async function makeSales(): Promise<string> {
  const at = join(folder, 'sales')
  await mkdir(join(at, 'raw'), { recursive: true })
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  for (const [part, start] of [0, 1200, 2400].entries())
    await connection.run(`COPY (
      SELECT i AS id, 'customer ' || (i * 7919 % 61) AS customer,
        TIMESTAMP '2024-01-01' + INTERVAL (i * 104729 % 260000) MINUTE AS at,
        CASE WHEN i % 17 = 0 THEN NULL ELSE (i * 31 % 1009)::DOUBLE END AS amount,
        CASE WHEN i % 29 = 0 THEN NULL ELSE 1 + (i * 131 % 977) / 7.0 END AS size,
        CASE i % 5 WHEN 0 THEN 'Zürich' WHEN 1 THEN NULL WHEN 2 THEN 'Köln' ELSE 'Bern, Stadt' END AS city,
        CASE WHEN i % 97 = 0 THEN 'xx' ELSE 'AB-' || (i % 7) END AS code,
        i % 3 = 0 AS again, DATE '2023-06-01' + (i * 13 % 40 * 10)::INTEGER AS since,
        1000 - (i % 11) AS ceiling,
        20 + (i * 131 % 977) / 9.0 + CASE WHEN i % 5 = 2 THEN 8 ELSE 0 END + (i * 37 % 101) / 30.0 AS price
      FROM range(${start}, ${start + 1200}) AS r(i)
    ) TO '${join(at, 'raw', `part-${part}.parquet`)}' (FORMAT parquet)`)
  connection.closeSync()
  instance.closeSync()
  await writeFile(join(at, 'pipeline.yaml'), SALES)
  return join(at, 'pipeline.yaml')
}

const onSpark = (address = spark.address): readonly string[] => ['data.engine=spark', `data.spark.remote=${address}`]

function loaded(file: string, output: string, more: readonly string[] = []): LoadedConfig {
  return loadConfig(file, { set: [`data.output_path=${join(folder, output)}`, 'data.num_partitions=8', ...more] })
}

async function failure(work: () => Promise<unknown>): Promise<MillraceError> {
  try {
    await work()
  } catch (error) {
    if (error instanceof MillraceError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

const statuses = ({ state }: RunOutcome): readonly string[] =>
  state.stages.map(({ name, status, error }) => `${name} ${status}${error === undefined ? '' : `: ${error.message}`}`)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-engines-'))
  sales = await makeSales()
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Both runs' documents and tables. */
async function compare(name: string, ours: RunOutcome, theirs: RunOutcome): Promise<void> {
  await using here = await Left.open(join(folder, `${name}-duckdb`), ours.state)
  await using there = await Left.open(join(folder, `${name}-spark`), theirs.state)
  for (const [stage, output] of [
    ['extract', 'table'],
    ['extract', 'source'],
    ['validate', 'table'],
    ['validate', 'report'],
    ['features', 'table'],
    ['features', 'windows'],
    ['transform', 'plan'],
    ['transform', 'report'],
    ['transform', 'features'],
    ['leaks', 'report'],
  ] as const) {
    // leaks bin rows by quantiles: one that differs in its last bit moves the rows that lie on it
    const tolerance = stage === 'leaks' ? 1e-3 : TOLERANCE
    const found = differences(await here.document(stage, output), await there.document(stage, output), tolerance)
    expect.soft(found.slice(0, 10), `${stage}.${output}`).toEqual([])
  }
  const [{ quarantine: a }, { quarantine: b }] = [
    await here.document<ValidationDocument>('validate', 'report'),
    await there.document<ValidationDocument>('validate', 'report'),
  ]
  if (a !== undefined && b !== undefined) expect(cells(await here.rows(a), await there.rows(b))).toEqual([])
  const [tables, others] = [
    await published(join(folder, `${name}-duckdb-out`)),
    await published(join(folder, `${name}-spark-out`)),
  ]
  expect([...tables.keys()]).toEqual([...others.keys()])
  for (const [part, rows] of tables) expect.soft(cells(rows, others.get(part) ?? []), part).toEqual([])
  const [{ metrics }, { metrics: other }] = [
    await here.document<EvaluationDocument>('evaluate', 'report'),
    await there.document<EvaluationDocument>('evaluate', 'report'),
  ]
  expect(Object.keys(metrics)).toEqual(Object.keys(other))
  for (const [metric, { value }] of Object.entries(metrics))
    expect
      .soft(Math.abs(value - (other[metric]?.value ?? NaN)), metric)
      .toBeLessThan(1e-3 * Math.max(1, Math.abs(value)))
}

describe('the churn example, from CSV, as chapter programs 3 and 7 run it', () => {
  const home = (engine: string): string => join(folder, `churn-${engine}`)

  it('leaves the same', { timeout: LONG }, async () => {
    const ours = await new EndToEndMLPipeline(loaded(churn, 'churn-duckdb-out'), { home: home('duckdb') }).run()
    const file = loaded(churn, 'churn-spark-out', onSpark())
    const data = await new DistributedETLPipeline(file, { home: home('spark') }).run()
    expect(data.state.stages.map(({ status }) => status)).toEqual(Array.from({ length: 5 }, () => 'success'))
    const pipeline = new EndToEndMLPipeline(file, { home: home('spark') })
    const theirs = await pipeline.run()
    expect(statuses(theirs)).toEqual(
      theirs.state.stages.map(
        ({ name }) => `${name} ${data.state.stages.some((stage) => stage.name === name) ? 'cached' : 'success'}`,
      ),
    )
    expect(theirs.registration?.gate?.passed).toBe(true)
    expect(theirs.state.versions).toMatchObject({ spark: expect.stringMatching(/^4\./) as string })
    await compare('churn', ours, theirs)
    expect((await pipeline.explain()).map(({ action }) => action)).toEqual(theirs.state.stages.map(() => 'cached'))
  })

  it('keeps no token of the file in the home, and does not go on without it', { timeout: LONG }, async () => {
    const names = await readdir(home('spark'), { recursive: true })
    const recorded: string[] = []
    for (const name of names) {
      const path = join(home('spark'), name)
      if (!(await stat(path)).isFile()) continue
      const bytes = await readFile(path)
      expect(bytes.includes(spark.token), name).toBe(false)
      if (bytes.includes(`sc://${spark.endpoint}/;token=***`)) recorded.push(name)
    }
    expect(recorded.length).toBeGreaterThan(0)
    const controller = new AbortController()
    const cut = await runPipeline(loaded(churn, 'churn-spark-out', onSpark()), {
      ...{ home: home('cut'), signal: controller.signal },
      onEvent: ({ type }) => {
        if (type === 'stage-started') controller.abort()
      },
    })
    expect(cut.state.status).toBe('cancelled')
    const error = await failure(() => resumePipeline(undefined, { home: home('cut') }))
    expect(error).toMatchObject({ code: 'MR_RUN_INVALID' })
    expect(error.hint).toMatch(/token=\$\{/)
  })
})

describe('sales, from Parquet, with windows and rules', () => {
  it('leaves the same', { timeout: LONG }, async () => {
    const ours = await runPipeline(loaded(sales, 'sales-duckdb-out'), { home: join(folder, 'sales-duckdb') })
    expect(ours.state.status, statuses(ours).join('\n')).toBe('success')
    const file = loaded(sales, 'sales-spark-out', onSpark())
    const theirs = await runPipeline(file, { home: join(folder, 'sales-spark') })
    expect(theirs.state.status, statuses(theirs).join('\n')).toBe('success')
    await compare('sales', ours, theirs)
  })

  it('takes nothing that another engine made for its own, in one home', { timeout: LONG }, async () => {
    const home = join(folder, 'sales-duckdb')
    const data = (more: readonly string[]) =>
      new DistributedETLPipeline(loaded(sales, 'sales-both-out', more), { home }).run()
    const all = async (more: readonly string[]): Promise<ReadonlySet<string>> =>
      new Set((await data(more)).state.stages.map(({ status }) => status))
    expect(await all(onSpark())).toEqual(new Set(['success']))
    expect(await all(onSpark())).toEqual(new Set(['cached']))
  })
})

describe('what goes wrong', () => {
  const seconds = async (work: () => Promise<unknown>): Promise<number> => {
    const began = performance.now()
    await work()
    return (performance.now() - began) / 1000
  }

  it.each([
    ['a wrong token', () => `sc://${spark.endpoint}/;token=another-token-of-tests`, 'MR_SPARK_AUTH'],
    ['no server', () => 'sc://127.0.0.1:9', 'MR_SPARK_UNREACHABLE'],
  ])('%s: one error within seconds, and no home is made', async (_, address, code) => {
    const home = join(folder, `none-${code}`)
    let error: MillraceError | undefined
    const took = await seconds(async () => {
      error = await failure(() => runPipeline(loaded(sales, 'none-out', onSpark(address())), { home }))
    })
    expect(took).toBeLessThan(10)
    expect(error?.code).toBe(code)
    expect(`${error?.message} ${error?.hint}`).not.toContain('another-token-of-tests')
    expect(await stat(home).catch(() => undefined)).toBeUndefined()
  })

  it('Ctrl-C in the middle of a stage: cancelled within seconds, and resumed', { timeout: LONG }, async () => {
    const home = join(folder, 'stopped')
    process.env['MILLRACE_TEST_SPARK_TOKEN'] = spark.token
    const address = `sc://${spark.endpoint}/;token=\${MILLRACE_TEST_SPARK_TOKEN}`
    const file = loaded(sales, 'stopped-out', onSpark(address))
    const controller = new AbortController()
    let stopped = 0
    const cut = await runPipeline(file, {
      ...{ home, signal: controller.signal },
      onEvent: (event) => {
        if (event.type !== 'stage-started' || event.stage !== 'transform') return
        setTimeout(() => {
          stopped = performance.now()
          controller.abort()
        }, 700)
      },
    })
    expect((performance.now() - stopped) / 1000).toBeLessThan(10)
    expect(cut.state.status).toBe('cancelled')
    expect(cut.state.stages.find(({ name }) => name === 'features')?.status).toBe('success')
    const resumed = await resumePipeline(undefined, { home })
    expect(resumed.state.status, statuses(resumed).join('\n')).toBe('success')
    const parts = await published(join(folder, 'stopped-out'))
    const others = await published(join(folder, 'sales-spark-out'))
    expect(others.size).toBeGreaterThan(2)
    for (const [part, rows] of others) expect(cells(rows, parts.get(part) ?? []), part).toEqual([])
  })
})
