/**
 * One pipeline, one model file: whatever the threads, the memory, what else the machine does, and in which order or
 * form the source's files come. Stages run in this process, so that engine and trainer can be given more threads than
 * the machine has cores.
 */
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  fromYaml,
  openDuckDb,
  openHome,
  openRegistry,
  PipelineExecutor,
  registryFile,
  RetryStrategy,
} from '../../src/index.js'
import { systemClock } from '../../src/core/clock.js'
import { openMemo } from '../../src/core/memo.js'
import { Rng } from '../../src/core/rng.js'
import { col } from '../../src/etl/expr.js'
import { scan, sort } from '../../src/etl/relation.js'
import { pipelineStages } from '../../src/stages/pipeline-stages.js'
import type { RunResources } from '../../src/stages/run-resources.js'

/** More than a row group in all, so that threads share the work. */
const ROWS = 126_000
const FILES = 3
const HEADER = 'id,customer,at,amount,score,shop,label'

let root: string
let parts: readonly string[]
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-same-'))
  const rng = new Rng(11)
  const lines = Array.from({ length: ROWS }, (_, i) => {
    const [customer, amount, score] = [rng.below(3000), rng.normal() * 10 ** rng.below(4), rng.uniform()]
    const at = new Date(Date.UTC(2024, 0, 1) + i * 60_000 + rng.below(60_000)).toISOString().slice(0, 19)
    const label = score + rng.uniform() + (amount > 0 ? 0.3 : 0) > 1.2 ? 'yes' : 'no'
    const shop = `shop ${Math.floor(rng.uniform() ** 2 * 300)}`
    return `${i},c${customer},${at},${i % 13 === 0 ? '' : amount.toFixed(6)},${score},${shop},${label}`
  })
  parts = Array.from({ length: FILES }, (_, i) => {
    const some = lines.slice((i * ROWS) / FILES, ((i + 1) * ROWS) / FILES)
    return `${HEADER}\n${some.join('\n')}\n`
  })
})
afterAll(() => rm(root, { recursive: true, force: true }))

const pipelineOf = (source: string): string => `
pipeline_name: same
version: "1"
label: label
entity: customer
timestamp: at
split: {method: stratified}
data:
  source_path: ${source}
  output_path: out
  validation_rules: {unique_columns: [id], value_ranges: {score: [0.001, 1]}}
features:
  exclude: [id]
  columns: {amount: [{impute: median}, robust], score: [{bucket: 10}]}
  windows: {spent: {by: customer, of: amount, compute: mean, rows: 5}}
training: {model_type: neural_network, hidden_dims: [8], batch_size: 512, max_epochs: 1}
evaluation: {calibration: temperature, bootstrap: 50}
leak_check: {action: warn}
`

interface Variant {
  readonly threads?: number
  readonly memoryLimit?: string
  readonly form?: 'csv' | 'gz' | 'parquet'
  /** The order in which the files are made. */
  readonly backwards?: boolean
  /** Other programs at work. */
  readonly busy?: number
}

let count = 0

async function digestsOf({ threads = 2, memoryLimit, form = 'csv', backwards = false, busy = 0 }: Variant) {
  const folder = join(root, `run-${count++}`)
  const order = parts.map((_, i) => (backwards ? parts.length - 1 - i : i))
  await mkdir(join(folder, 'data'), { recursive: true })
  for (const i of order) await writePart(join(folder, 'data', `part-${i}`), parts[i] ?? '', form)
  const load = Array.from({ length: busy }, () => spawn(process.execPath, ['-e', 'for (;;) Math.random()']))
  const home = await openHome(join(folder, 'home'))
  const memo = await openMemo(join(home.path, 'memo'), { scope: {} })
  const engine = openDuckDb({
    memo,
    threads,
    tempFolder: join(home.path, 'tmp'),
    ...(memoryLimit === undefined ? {} : { memoryLimit }),
  })
  const registry = openRegistry(registryFile(home.path))
  try {
    const resources: RunResources = {
      memo,
      engine: () => engine,
      embedded: () => engine,
      registry: () => registry,
      resolve: (path) => join(folder, path),
      home: home.path,
      threads,
      runId: 'same',
      started: 0,
      configDigest: 'sha256:0',
      hide: (text) => text,
      versions: {},
    }
    const executor = new PipelineExecutor({
      journal: home.journal,
      store: home.store,
      clock: systemClock,
      concurrency: 2,
      retry: new RetryStrategy({ maxRetries: 0 }),
    })
    const config = fromYaml(pipelineOf('data'))
    const state = await executor.execute({
      name: 'same',
      stages: pipelineStages(resources).filter(({ name }) => name !== 'register'),
      config,
      seed: config.seed,
      runId: executor.newRunId(),
      folder,
    })
    expect(state.status, JSON.stringify(state.stages.find(({ error }) => error !== undefined)?.error)).toBe('success')
    const output = (stage: string, name: string) =>
      state.stages.find((result) => result.name === stage)?.value?.[name]?.digest
    return {
      model: output('evaluate', 'model'),
      report: output('evaluate', 'report'),
      features: output('transform', 'features'),
      weights: output('train', 'weights'),
    }
  } finally {
    for (const child of load) child.kill()
    await (await engine)[Symbol.asyncDispose]()
    await (await registry).close()
    await home.close()
    await rm(folder, { recursive: true, force: true })
  }
}

async function writePart(path: string, text: string, form: Variant['form']): Promise<void> {
  if (form === 'gz') return writeFile(`${path}.csv.gz`, gzipSync(text, { level: 1 }))
  await writeFile(`${path}.csv`, text)
  if (form !== 'parquet') return
  await using engine = await openDuckDb({ threads: 2 })
  const { source, schema } = await engine.inferSchema({ format: 'csv', paths: [`${path}.csv`] })
  const ordered = sort(scan(source, schema), [{ expr: col('id') }])
  await engine.write(ordered, { folder: `${path}.folder`, format: 'parquet' })
  await rename(join(`${path}.folder`, 'part-0.parquet'), `${path}.parquet`)
  await rm(`${path}.folder`, { recursive: true })
  await rm(`${path}.csv`)
}

const first = new Map<string, Awaited<ReturnType<typeof digestsOf>>>()
const variants: Readonly<Record<string, Variant>> = {
  // the engine never uses fewer than two
  'one thread': { threads: 1 },
  'two threads, compressed files made in another order': { threads: 2, form: 'gz', backwards: true },
  'four threads, little memory, other programs': { threads: 4, memoryLimit: '200MB', busy: 2 },
  'Parquet files': { form: 'parquet', backwards: true, threads: 4 },
}

test.each(Object.entries(variants))('%s', async (_, variant) => {
  const found = await digestsOf(variant)
  expect(found.model).toMatch(/^sha256:/)
  if (first.size === 0) first.set('first', found)
  const expected = first.get('first')
  // a Parquet file is taken as it is, and the model file names the table it is of: all but that name is the same
  if (variant.form === 'parquet') expect(found).toEqual({ ...expected, model: found.model })
  else expect(found).toEqual(expected)
})
