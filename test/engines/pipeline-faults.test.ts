/**
 * The process of a run is killed while Spark works, or the server is, under a run: what goes on leaves what a run leaves
 * on DuckDB that nobody disturbs, both the same bits, and in between there is nothing half-written.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type LoadedConfig, loadConfig } from '../../src/config/load.js'
import { type RunOutcome, runPipeline } from '../../src/stages/run-pipeline.js'
import { leftovers, treeOf } from '../chaos/small-pipeline.js'
import { heal, kill } from './cluster.js'
import { cells, published } from './same.js'

const spark = inject('spark')
const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const TOKEN = 'MILLRACE_TEST_SPARK_TOKEN'

const FILE = `pipeline_name: fares
version: "1"
seed: 3
label: fare
entity: id
features:
  columns:
    km: [{impute: median}, standard]
    city: [one_hot]
data:
  source_path: raw
  num_partitions: 4
  engine: spark
  spark: {remote: "sc://${spark.endpoint}/;token=\${${TOKEN}}"}
  validation_rules: {required_columns: [id, fare], value_ranges: {km: [0, 95]}, severity: {value_ranges: drop}}
training: {model_type: neural_network, hidden_dims: [4], max_epochs: 2, batch_size: 128}
evaluation: {bootstrap: 20}
leak_check: {action: warn}
`

let folder: string
let file: string
/** Rows that DuckDB leaves. */
let expected: Awaited<ReturnType<typeof published>>
/** What the first of the disturbed runs left. */
let first: { readonly tree: Readonly<Record<string, string>>; readonly model: string | undefined } | undefined

const output = (name: string): string => join(folder, `${name}-out`)
const home = (name: string): string => join(folder, name)
const loaded = (name: string, more: readonly string[] = []): LoadedConfig =>
  loadConfig(file, { set: [`data.output_path=${output(name)}`, ...more] })

function modelOf({ state, registration }: RunOutcome): string | undefined {
  expect(state.status, JSON.stringify(state.stages.map(({ name, error }) => [name, error]))).toBe('success')
  return registration?.model.digest
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-pipelines-'))
  process.env[TOKEN] = spark.token
  await mkdir(join(folder, 'raw'))
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await connection.run(`COPY (
    SELECT i AS id, CASE WHEN i % 17 = 0 THEN NULL ELSE i * 31 % 100 END AS km,
      ['Bern', 'Basel', 'Chur'][1 + i % 3] AS city, 3 + (i * 31 % 100) * 1.7 + i % 3 AS fare
    FROM range(2000) AS r(i)) TO '${join(folder, 'raw', 'fares.parquet')}' (FORMAT parquet)`)
  connection.closeSync()
  instance.closeSync()
  file = join(folder, 'pipeline.yaml')
  await writeFile(file, FILE)
  modelOf(await runPipeline(loaded('duckdb', ['data.engine=duckdb']), { home: home('duckdb') }))
  expected = await published(output('duckdb'))
  expect(expected.size).toBeGreaterThan(1)
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
  await heal(spark)
})

interface Told {
  readonly type?: string
  readonly stage?: string
  readonly registration?: { readonly model: { readonly digest: string } }
}

/** `millrace ARGS --json`; every line of it is given to `hear`, with the process. Resolves to its exit code and last line. */
async function millrace(args: readonly string[], hear: (told: Told, child: ChildProcess) => void = () => undefined) {
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...args, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [last, errors]: [Told, string] = [{}, '']
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()))
  createInterface({ input: child.stdout }).on('line', (line) => {
    last = JSON.parse(line) as Told
    hear(last, child)
  })
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, last, errors }
}

/** SIGKILL once Spark works on the stage. */
const killedIn = (stage: string) => (told: Told, child: ChildProcess) => {
  if (told.type === 'stage-started' && told.stage === stage) setTimeout(() => child.kill('SIGKILL'), 400)
}

async function expectWhole(name: string, model: string | undefined): Promise<void> {
  const parts = await published(output(name))
  expect([...parts.keys()]).toEqual([...expected.keys()])
  for (const [part, rows] of expected) expect(cells(rows, parts.get(part) ?? []), part).toEqual([])
  const left = { tree: await treeOf(output(name)), model }
  expect(model).toMatch(/^sha256:/)
  expect(left).toEqual((first ??= left))
  expect(await leftovers(home(name))).toEqual([])
  expect(await readdir(join(home(name), 'artifacts', 'scratch'))).toEqual([])
}

describe('a run on Spark', () => {
  it('whose process is killed in features and, resumed, in transform: resumed to the end', async () => {
    const ran = await millrace(
      ['run', file, '--home', home('killed'), '--set', `data.output_path=${output('killed')}`],
      killedIn('features'),
    )
    expect(ran.code, ran.errors).toBe(null)
    expect(await readdir(output('killed')).catch(() => [])).toEqual([])
    const again = await millrace(['resume', '--home', home('killed')], killedIn('transform'))
    expect(again.code, again.errors).toBe(null)
    expect(await readdir(output('killed')).catch(() => [])).toEqual([])
    const { code, last, errors } = await millrace(['resume', '--home', home('killed')])
    expect(code, errors).toBe(0)
    await expectWhole('killed', last.registration?.model.digest)
  })

  it('whose server is killed and started again in the middle goes on by itself', async () => {
    const notes: string[] = []
    let struck: Promise<void> | undefined
    const ran = await runPipeline(loaded('restarted'), {
      home: home('restarted'),
      onNote: (note) => notes.push(note),
      onEvent: (event) => {
        if (event.type === 'stage-started' && event.stage === 'transform')
          struck ??= kill(spark, 'connect').then(() => heal(spark))
      },
    })
    await struck
    expect(notes.join('\n')).toContain('Spark does not answer')
    await expectWhole('restarted', modelOf(ran))
  })
})
