/** Tables that Millrace has never seen: init, run, predict, export and serve, with no edit by hand. */
import { createReadStream, existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { evaluationOf, folder, millrace, resultOf, ROOT, start, succeed } from './cli.js'
import { python } from './python.js'

const SHARED = join(ROOT, '../shared/data')

interface Table {
  readonly file: string
  readonly label: string
  readonly metric: string
  /** What the score must reach: well above chance, and within reach of any sound model. */
  readonly least: number
  readonly delimiter?: string
}

let tables: Awaited<ReturnType<typeof folder>>
beforeAll(async () => {
  tables = await folder()
  await python('tables.py', tables.path)
})
afterAll(() => tables[Symbol.asyncDispose]())

/** The first row of a CSV without its label, as a client would send it. */
async function firstRow(path: string, label: string, delimiter: string): Promise<Record<string, unknown>> {
  const lines: string[] = []
  for await (const line of createInterface({ input: createReadStream(path) })) if (lines.push(line) === 2) break
  const [names = [], values = []] = lines.map((line) => line.replace('\ufeff', '').split(delimiter))
  const cell = (text: string): unknown => (text !== '' && Number.isFinite(Number(text)) ? Number(text) : text)
  return Object.fromEntries(
    names.map((name, i) => [name, cell(values[i] ?? '')] as const).filter(([name]) => name !== label),
  )
}

async function wholeWay({ file, label, metric, least, delimiter = ',' }: Table): Promise<void> {
  await using made = await folder()
  const pipeline = join(made.path, 'pipeline.yaml')
  const model = join(made.path, 'model.onnx')
  const scored = join(made.path, 'scored.csv')
  const home = ['--home', join(made.path, '.millrace')]
  await succeed(['init', file, '--label', label, '--out', pipeline, '--yes'])
  await succeed(['check', pipeline])
  const result = resultOf(await succeed(['run', pipeline, '--json']))
  expect(existsSync(result.page)).toBe(true)
  const evaluation = await evaluationOf(made.path, result.run)
  expect(evaluation.metrics[metric]?.value).toBeGreaterThanOrEqual(least)
  expect(evaluation.metrics[metric]?.low).toBeLessThanOrEqual(evaluation.metrics[metric]?.value ?? 0)
  expect(evaluation.parity.maxDifference).toBeLessThanOrEqual(1e-6)

  const name = /^pipeline_name: "?([^"\n]*)/m.exec(await readFile(pipeline, 'utf8'))?.[1] ?? ''
  const champion = `models:/${name}@champion`
  await succeed(['predict', champion, file, '--out', scored, ...home])
  await succeed(['export', champion, '--out', model, ...home])
  const same = await python<{ rows: number; difference: number; wrong: number }>(
    'same_predictions.py',
    model,
    file,
    scored,
  )
  expect(same.wrong).toBe(0)
  expect(same.difference).toBeLessThanOrEqual(1e-6)

  // a row of the file as it is: with its id, and whatever else the model leaves out
  const parquet = file.endsWith('.parquet')
  const row = await firstRow(parquet ? scored : file, label, parquet ? ',' : delimiter)
  for (const added of Object.keys(row).filter((key) => /^(prediction|probability_)/.test(key))) delete row[added]
  const server = start(['serve', champion, '--port', '0', ...home])
  try {
    const url = /http:\/\/\S+/.exec(await server.line(/http:\/\//))?.[0] ?? ''
    const response = await fetch(`${url}/invocations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ dataframe_records: [row] }),
    })
    const answer = await response.text()
    expect(response.status, answer).toBe(200)
    const [answered] = (JSON.parse(answer) as { predictions: readonly unknown[] }).predictions
    const [header = '', first = ''] = (await readFile(scored, 'utf8')).split('\n')
    const at = header.trimEnd().split(',').indexOf('prediction')
    const expected = first.trimEnd().split(',')[at] ?? ''
    if (typeof answered === 'number') expect(answered).toBeCloseTo(Number(expected), 6)
    else expect(answered).toMatchObject({ prediction: expected })
  } finally {
    server.child.kill('SIGINT')
    expect((await server.finished).code).toBe(0)
  }
}

describe('tables of scikit-learn', () => {
  test.each([
    ['wine.csv', { label: 'target', metric: 'accuracy', least: 0.85 }],
    ['breast_cancer.parquet', { label: 'target', metric: 'roc_auc', least: 0.97 }],
    ['diabetes.csv', { label: 'target', metric: 'r2', least: 0.3, delimiter: ';' }],
  ])('%s', async (name, table) => wholeWay({ ...table, file: join(tables.path, name) }))
})

describe('tables that may not be bundled', () => {
  test.for([
    ['adult/adult.parquet', { label: 'income', metric: 'roc_auc', least: 0.905 }],
    ['bank_churn/Bank_Customer_Churn_Prediction.csv', { label: 'churn', metric: 'roc_auc', least: 0.835 }],
  ] as const)('%s', async ([name, table], { skip }) => {
    const file = join(SHARED, name)
    skip(!existsSync(file), `${name} is not in ../shared/data beside the repository`)
    await wholeWay({ ...table, file })
  })
})

test('a table of another shape is refused by predict, and nothing is written', async () => {
  await using made = await folder()
  const pipeline = join(made.path, 'pipeline.yaml')
  const home = ['--home', join(made.path, '.millrace')]
  await succeed(['init', join(tables.path, 'wine.csv'), '--label', 'target', '--out', pipeline, '--yes'])
  await succeed(['run', pipeline, '--set', 'training.max_epochs=1'])
  const out = join(made.path, 'scored.csv')
  const refused = await millrace([
    'predict',
    'models:/wine@champion',
    join(tables.path, 'diabetes.csv'),
    '--out',
    out,
    ...home,
  ])
  expect(refused.code).toBe(2)
  expect(refused.stderr).toMatch(/^error MR_PREDICT_COLUMN: .*alcohol/)
  expect(existsSync(out)).toBe(false)
})
