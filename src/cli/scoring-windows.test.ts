/** A pipeline with windows, and its model over rows that come later: the same values as the batch path has, to the bit. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../config/load.js'
import { openArtifactStore } from '../core/artifact-store.js'
import type { TableDocument } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import { Rng } from '../core/rng.js'
import { openDuckDb } from '../etl/duckdb/engine.js'
import { openSession } from '../etl/duckdb/session.js'
import { call, col, int } from '../etl/expr.js'
import { filter, select } from '../etl/relation.js'
import { openPredictor } from '../serving/onnx-predictor.js'
import { getJson } from '../stages/run-resources.js'
import { type RunOutcome, runPipeline } from '../stages/run-pipeline.js'
import { ROW, tableRelation } from '../stages/tables.js'
import { scoringInput } from './scoring-windows.js'
import { type ScoreOptions, scoreFile } from './scoring.js'

const HEAD = 'id,at,card,shop,amount,kind,fraud'
const ROWS = 900
/** Rows before are history, rows from here on are scored. */
const CUT = 700

let folder: string
let lines: string[]
let model: Uint8Array
let outcome: RunOutcome
const at = (name: string): string => join(folder, name)
const run = (...set: string[]): Promise<RunOutcome> =>
  runPipeline(loadConfig(at('pipeline.yaml'), { set }), { home: at('home') })

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-scoring-windows-'))
  const rng = new Rng(11)
  let minutes = 0
  const risk = new Map<number, number>()
  lines = Array.from({ length: ROWS }, (_, id) => {
    minutes += rng.below(3) * 60
    const [card, shop] = [rng.below(12), rng.below(6)]
    if (rng.below(60) === 0) risk.set(shop, 40)
    const left = risk.get(shop) ?? 0
    risk.set(shop, left - 1)
    const time = new Date(Date.UTC(2024, 0, 1) + minutes * 60_000).toISOString()
    const amount = rng.below(10) === 0 ? '' : (rng.below(100_000) / 100 + (left > 0 ? 50 : 0)).toFixed(2)
    const fraud = left > 0 ? rng.below(10) > 1 : rng.below(10) === 0
    return `${id},${time},${rng.below(40) === 0 ? '' : `c${card}`},${shop},${amount},${['a', 'b'][rng.below(2)]},${Number(fraud)}`
  })
  await writeFile(at('rows.csv'), [HEAD, ...lines, ''].join('\n'))
  await writeFile(
    at('pipeline.yaml'),
    `pipeline_name: cards
version: "1"
label: fraud
entity: id
timestamp: at
split: {method: time, train: 0.6, validation: 0.2, test: 0.2}
features:
  exclude: [card, shop]
  windows:
    count_2d: {by: card, compute: count, over: 2d}
    mean_2d: {by: card, of: amount, compute: mean, over: 2d}
    last_kind: {by: card, of: kind, compute: lag, rows: 1}
    top_5: {by: shop, of: amount, compute: max, rows: 5}
    risk_3d: {by: shop, of: fraud, compute: mean, over: 3d, delay: 12h}
data:
  source_path: rows.csv
  output_path: out
  validation_rules: {value_ranges: {shop: [0, 100]}}
training: {model_type: neural_network, hidden_dims: [8], max_epochs: 4, batch_size: 64, learning_rate: 0.02}
evaluation: {bootstrap: 50}
`,
  )
  outcome = await run()
  const store = await openArtifactStore(at('home/artifacts'), { readOnly: true })
  if (outcome.registration === undefined)
    throw new Error(JSON.stringify(outcome.state.stages.map(({ error }) => error)))
  model = await store.get(outcome.registration.model)
  await store.close()
  await writeFile(at('history.csv'), [HEAD, ...lines.slice(0, CUT), ''].join('\n'))
  await writeFile(at('data.csv'), [HEAD, ...lines.slice(CUT), ''].join('\n'))
  // later rows have no label yet, nor a column for it
  const unlabelled = [HEAD, ...lines.slice(CUT)].map((line) => line.slice(0, line.lastIndexOf(',')))
  await writeFile(at('unlabelled.csv'), [...unlabelled, ''].join('\n'))
}, 60_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

async function score(options: Omit<ScoreOptions, 'predictor'>) {
  await using predictor = await openPredictor(model)
  return await scoreFile({ predictor, ...options })
}
const refusal = (options: Omit<ScoreOptions, 'predictor'>): Promise<unknown> =>
  score(options).then(
    () => 'no error',
    (error: unknown) => (error instanceof MillraceError ? `${error.code}: ${error.message}` : error),
  )

/** The table that the pipeline trained from: the model's inputs of all rows from CUT on. */
async function batchRows(): Promise<readonly Readonly<Record<string, unknown>>[]> {
  await using predictor = await openPredictor(model)
  const { inputs } = predictor.metadata
  const store = await openArtifactStore(at('home/artifacts'), { readOnly: true })
  await using engine = await openDuckDb({})
  try {
    const ref = outcome.state.stages.find(({ name }) => name === 'features')?.value?.['table']
    const table = await tableRelation(store, await getJson<TableDocument>(store, ref))
    const late = filter(table, call('ge', col(ROW), int(CUT)))
    return await engine.rows(
      select(
        late,
        inputs.map(({ name }) => name),
      ),
    )
  } finally {
    await store.close()
  }
}

describe('a model with windows', () => {
  it('says which of its inputs are windows, in words', async () => {
    await using predictor = await openPredictor(model)
    const { windows = [], inputs, leftOut } = predictor.metadata
    expect(windows.map(({ name, inWords }) => `${name}: ${inWords}`)).toEqual([
      'count_2d: number of rows over the 2d before, by card',
      'last_kind: kind of the row before, by card',
      'mean_2d: mean of amount over the 2d before, by card',
      'risk_3d: mean of fraud over the 3d that end 12h before, by shop',
      'top_5: max of amount over the 5 rows before, by shop',
    ])
    const types = Object.fromEntries(inputs.map(({ name, type }) => [name, type]))
    expect(types).toMatchObject({ count_2d: 'number', risk_3d: 'number', last_kind: 'text' })
    expect(leftOut).toEqual(expect.arrayContaining(['card', 'shop', 'fraud', 'id']))
  })

  it('takes them from the rows and those before, with the very values of the batch path', async () => {
    const session = await openSession({})
    await using predictor = await openPredictor(model)
    const { metadata } = predictor
    await using engine = await openDuckDb({})
    try {
      const named = async (name: string) => ({
        ...(await engine.inferSchema({ format: 'csv', paths: [at(name)] })),
        location: name,
      })
      const [data, history] = [await named('data.csv'), await named('history.csv')]
      const { relation, computed } = await scoringInput(session, metadata, data, history, undefined)
      expect(computed).toEqual(metadata.windows)
      const batch = await batchRows()
      expect(await engine.rows(relation)).toEqual(batch)
      // something was there to be compared
      for (const { name } of computed) expect(new Set(batch.map((row) => row[name])).size).toBeGreaterThan(1)
    } finally {
      await session.close()
    }
  })

  it('scores alike whether the windows are in the data or computed from a history', async () => {
    const batch = await batchRows()
    const show = (value: unknown): string => (typeof value === 'number' || typeof value === 'string' ? `${value}` : '')
    const names = ['count_2d', 'last_kind', 'mean_2d', 'risk_3d', 'top_5']
    const given = batch.map((row, i) => [lines[CUT + i], ...names.map((name) => show(row[name]))].join(','))
    await writeFile(at('given.csv'), [[HEAD, ...names].join(','), ...given, ''].join('\n'))
    const one = await score({ data: at('given.csv'), out: at('given-out.csv') })
    const two = await score({ data: at('data.csv'), history: at('history.csv'), out: at('history-out.csv') })
    expect([one.computed, two.computed]).toEqual([[], names])
    const answers = async (name: string): Promise<string[]> =>
      (await readFile(at(name), 'utf8')).split('\n').map((line) => line.split(',').slice(-3).join())
    expect(await answers('history-out.csv')).toEqual(await answers('given-out.csv'))
    const ids = (await readFile(at('history-out.csv'), 'utf8')).trim().split('\n').slice(1)
    expect(ids.map((line) => Number(line.split(',')[0]))).toEqual(ids.map((_, i) => CUT + i))
  })

  it('scores rows whose label is not known yet, by the labels of the history', async () => {
    await score({ data: at('unlabelled.csv'), history: at('history.csv'), out: at('unlabelled-out.csv') })
    const rows = (await readFile(at('unlabelled-out.csv'), 'utf8')).trim().split('\n')
    expect(rows).toHaveLength(ROWS - CUT + 1)
    // the first rows see no label of their own days yet
    const known = (await readFile(at('history-out.csv'), 'utf8')).trim().split('\n')
    expect(rows[1]?.split(',').slice(-3)).toEqual(known[1]?.split(',').slice(-3))
  })

  it('says what is lacking where it can neither take nor compute them', async () => {
    await writeFile(at('bare.csv'), 'id,at,amount,kind\n1,2024-03-01T00:00:00Z,5,a\n')
    expect(await refusal({ data: at('bare.csv'), out: at('x.csv') })).toMatch(
      /^MR_WINDOW_HISTORY: .*bare.csv lacks the windows "count_2d" \(number of rows.*cannot tell, and it has no column "card", "shop", "fraud" to compute them from; it has "id"/,
    )
    expect(await refusal({ data: at('unlabelled.csv'), out: at('x.csv') })).toMatch(
      /^MR_WINDOW_HISTORY: .*lacks the window "risk_3d" .*no column "fraud" to compute it from/,
    )
    expect(await refusal({ data: at('data.csv'), history: at('bare.csv'), out: at('x.csv') })).toMatch(
      /^MR_WINDOW_HISTORY: .*bare.csv lacks/,
    )
    expect(await refusal({ data: at('given.csv'), history: at('history.csv'), out: at('x.csv') })).toMatch(
      /^MR_USAGE: --history is of no use: .*given.csv has all windows/,
    )
    await writeFile(at('less.csv'), 'card,shop,fraud\nc1,1,0\n')
    expect(await refusal({ data: at('less.csv'), out: at('x.csv') })).toMatch(
      /^MR_PREDICT_COLUMN: .*"at", "amount"|"amount"/,
    )
  })

  it('is compared with a champion whose windows mean the same only', async () => {
    const same = await run('training.learning_rate=0.03')
    expect(same.registration?.gate?.champion).toMatchObject({ version: 1 })
    const other = await run('features.windows.risk_3d.delay=1d')
    expect(other.registration?.gate?.reasons.join()).toMatch(
      /cannot be compared with: its input risk_3d is mean of fraud over the 3d that end 12h before, by shop/,
    )
  }, 60_000)

  it.each([
    [
      'an unknown column',
      'features.windows.top_5.of=amuont',
      /of: there is no column 'amuont' .*did you mean 'amount'/,
    ],
    ['an unknown entity', 'features.windows.top_5.by=carb', /by: there is no column 'carb' .*did you mean 'card'/],
    [
      'text where a number is needed',
      'features.windows.top_5.of=kind',
      /of: 'kind' is text; max is of number, integer or/,
    ],
    ['a time that is none', 'timestamp=shop', /timestamp: 'shop' is integer; over needs timestamp or date/],
    ['the label as entity', 'features.windows.top_5.by=fraud', /by: 'fraud' is the label/],
    [
      'a name that is taken',
      'features.windows.Amount={by: card, compute: count, rows: 1}',
      /'amount' is a column already/,
    ],
    ['a reserved name', 'features.windows.__row={by: card, compute: count, rows: 1}', /names that begin with __/],
    ['a time without end', 'features.windows.count_2d.over=99999999w', /over: 99999999w is longer than 365000d/],
  ])('refuses %s', async (_, set, message) => {
    const { state } = await run(set)
    const failed = state.stages.find(({ error }) => error !== undefined)
    expect([failed?.name, failed?.error?.code]).toEqual(['features', 'MR_WINDOW_COLUMN'])
    expect(failed?.error?.message).toMatch(message)
  })
})
