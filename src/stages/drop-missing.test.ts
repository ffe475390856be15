/** `{impute: drop}` through the whole pipeline: every stage has the same training rows, and all validation and test rows. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadConfig } from '../config/load.js'
import type { FeaturesDocument } from '../core/documents.js'
import { Rng } from '../core/rng.js'
import { type RunOutcome, runPipeline } from './run-pipeline.js'
import type { PlanDocument } from './transform.js'

/** The same without drops. */
const KEPT = ['features.columns.x=[standard]', 'features.columns.colour=[one_hot]']

let folder: string
/** Row by row: whether x, whether the colour is missing. */
const missing: { readonly x: boolean; readonly colour: boolean }[] = []

const run = (...set: readonly string[]): Promise<RunOutcome> =>
  runPipeline(loadConfig(join(folder, 'pipeline.yaml'), { set }), { home: join(folder, 'home') })
const errorOf = ({ state }: RunOutcome) => state.stages.find(({ error }) => error !== undefined)?.error

async function document<T>(outcome: RunOutcome, stage: string, output: string): Promise<T> {
  const digest = outcome.state.stages.find(({ name }) => name === stage)?.value?.[output]?.digest.slice(7) ?? ''
  return JSON.parse(await readFile(join(folder, 'home/artifacts/sha256', digest.slice(0, 2), digest), 'utf8')) as T
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-drop-'))
  const rng = new Rng(7)
  const rows = Array.from({ length: 600 }, (_, id) => {
    const [x, colour] = [rng.normal(), ['red', 'green', 'blue'][rng.below(3)] ?? '']
    const absent = { x: rng.below(10) === 0, colour: rng.below(8) === 0 }
    missing.push(absent)
    const bought = x + (colour === 'red' ? 1 : 0) + rng.normal() / 2 > 0.3
    return [id, absent.x ? '' : x.toFixed(4), absent.colour ? '' : colour, '', bought ? 'yes' : 'no'].join()
  })
  await writeFile(join(folder, 'rows.csv'), `id,x,colour,never,bought\n${rows.join('\n')}\n`)
  await writeFile(
    join(folder, 'pipeline.yaml'),
    `pipeline_name: drop
version: "1"
label: bought
entity: id
data: {source_path: rows.csv, output_path: out, file_format: csv, partition_by: [split], schema: {never: number}}
features:
  exclude: [never]
  columns:
    x: [{impute: drop}, standard]
    colour: [{impute: {strategy: drop, indicator: true}}, one_hot]
training: {model_type: logistic_regression, max_epochs: 3, batch_size: 64, learning_rate: 0.02}
evaluation: {bootstrap: 50}
`,
  )
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test('training rows that miss a value are left out everywhere, others are kept and get the median or mode', async () => {
  const outcome = await run()
  // leaks counts training rows again and evaluate compares each row of every split with the served file's answer
  expect(errorOf(outcome)).toBeUndefined()
  const { split, columns } = await document<FeaturesDocument>(outcome, 'transform', 'report')
  const plan = await document<PlanDocument>(outcome, 'transform', 'plan')
  expect(plan.dropMissing).toEqual(['x', 'colour'])

  // the same rows, split in the same way, when nothing is dropped
  const all = await run(...KEPT, 'pipeline_name=all', 'data.output_path=all')
  const { split: whole } = await document<FeaturesDocument>(all, 'transform', 'report')
  expect([split.counts.validation, split.counts.test]).toEqual([whole.counts.validation, whole.counts.test])
  const { split: sides } = await published('all')
  const training = missing.filter((_, id) => sides.get(id) === 'train')
  const dropped = {
    rows: training.filter(({ x, colour }) => x || colour).length,
    columns: { x: training.filter(({ x }) => x).length, colour: training.filter(({ colour }) => colour).length },
  }
  expect(dropped.rows).toBeGreaterThan(50)
  expect(split.dropped).toEqual(dropped)
  expect(split.counts.train).toBe(whole.counts.train - dropped.rows)
  const inClasses = Object.values(split.classes ?? {}).reduce((sum, { train }) => sum + train, 0)
  expect(inClasses).toBe(split.counts.train)
  expect(columns.find(({ name }) => name === 'x')?.steps[0]).toMatch(
    /^drop training rows without it \(other rows: -?0\.\d+\)$/,
  )

  const features = await published('out')
  expect(features.split.size).toBe(600 - dropped.rows)
  for (const [id, side] of features.split) {
    expect(side).toBe(sides.get(id))
    if (side === 'train') expect(missing[id]).toEqual({ x: false, colour: false })
    expect(features.indicator.get(id)).toBe(missing[id]?.colour === true ? 1 : 0)
  }
  const parity = await document<{ readonly parity: { readonly rows: number } }>(outcome, 'evaluate', 'report')
  expect(parity.parity.rows).toBe(features.split.size)
})

test('a table that is published with a column of the source has the same rows', async () => {
  const outcome = await run('data.partition_by=[bought]')
  expect(errorOf(outcome)).toBeUndefined()
  const { split } = await document<FeaturesDocument>(outcome, 'transform', 'report')
  const { rows } = await manifest('out')
  expect(rows).toBe(split.counts.train + split.counts.validation + split.counts.test)
})

test('one error where no training row would be left', async () => {
  const error = errorOf(await run('features.columns={never: [{impute: drop}]}', 'features.exclude=[]'))
  expect(error).toMatchObject({ code: 'MR_TRANSFORM_NO_ROWS' })
  expect(error?.message).toMatch(/{impute: drop} leaves none of (\d+) training rows: .*, \1 miss never$/)
})

interface Manifest {
  readonly rows: number
  readonly files: readonly { readonly path: string }[]
}

async function manifest(output: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, output, 'manifest.json'), 'utf8')) as Manifest
}

/** Of each published row, by its id: the split, and what `colour_missing` says. */
async function published(output: string) {
  const split = new Map<number, string>()
  const indicator = new Map<number, number>()
  for (const { path } of (await manifest(output)).files) {
    const [header = '', ...lines] = (await readFile(join(folder, output, path), 'utf8')).trim().split('\n')
    const names = header.split(',')
    for (const line of lines) {
      const cells = line.split(',')
      const id = Number(cells[names.indexOf('id')])
      split.set(id, /split=(\w+)/.exec(path)?.[1] ?? '')
      indicator.set(id, Number(cells[names.indexOf('colour_missing')]))
    }
  }
  return { split, indicator }
}
