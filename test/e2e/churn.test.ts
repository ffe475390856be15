/** The churn example as a newcomer meets it: run, look, predict, serve; the same bytes each time. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { evaluationOf, example, millrace, resultOf, start, succeed } from './cli.js'
import { python } from './python.js'

interface Scored {
  readonly rows: number
  readonly difference: number
  readonly wrong: number
}

describe('examples/churn', () => {
  let churn: Awaited<ReturnType<typeof example>>
  let one: ReturnType<typeof resultOf>
  let home: readonly string[]

  beforeAll(async () => {
    churn = await example('churn')
    home = ['--home', join(churn.path, '.millrace')]
    one = resultOf(await succeed(['run', churn.file, '--json']))
  })
  afterAll(() => churn[Symbol.asyncDispose]())

  test('raw file to champion; two runs in two homes give the same model.onnx', async () => {
    await using second = await example('churn')
    const two = resultOf(await succeed(['run', second.file, '--json']))
    expect(one.registration?.version).toBe(1)
    expect(one.registration?.model.digest).toBe(two.registration?.model.digest)
    expect(existsSync(one.page)).toBe(true)

    const again = await succeed(['run', churn.file])
    expect(again.stdout.match(/ cached /g)).toHaveLength(10)

    // at least as good as scikit-learn's logistic regression on the same rows (bench/results/quality.json has the
    // figures); the last digits of both depend on the processor
    const features = join(churn.path, 'output/features')
    const theirs = await python<{ roc_auc: number; rows: number }>('logistic_regression.py', features, 'Churn', '1')
    const ours = await evaluationOf(churn.path, one.run)
    expect(ours.rows).toBe(theirs.rows)
    expect(ours.metrics['roc_auc']?.value).toBeGreaterThanOrEqual(theirs.roc_auc - 0.0005)
    expect(ours.metrics['roc_auc']?.low).toBeGreaterThan(0.8)
    expect(ours.parity.maxDifference).toBeLessThanOrEqual(1e-6)
  })

  test('the model file alone, in Python’s ONNX Runtime, says what predict says', async () => {
    const data = join(churn.path, 'data/Telco-Customer-Churn.csv')
    const [model, scored] = [join(churn.path, 'model.onnx'), join(churn.path, 'scored.csv')]
    await succeed(['export', 'models:/churn@champion', '--out', model, ...home])
    await succeed(['predict', 'models:/churn@champion', data, '--out', scored, ...home])
    const result = await python<Scored>('same_predictions.py', model, data, scored)
    expect(result).toMatchObject({ rows: 7043, wrong: 0 })
    expect(result.difference).toBeLessThanOrEqual(1e-6)
    const header = (await readFile(scored, 'utf8')).split('\n')[0]
    expect(header).toMatch(/^customerID,.*,Churn,prediction,probability_No,probability_Yes$/)
  })

  test('serves raw rows; the alias moves under it; Ctrl-C ends it with 0', async () => {
    const server = start(['serve', 'models:/churn@champion', '--port', '0', ...home])
    const url = /http:\/\/\S+/.exec(await server.line(/http:\/\//))?.[0] ?? ''
    const row = {
      gender: 'Female',
      SeniorCitizen: 0,
      Partner: 'Yes',
      Dependents: 'No',
      tenure: 1,
      PhoneService: 'No',
      MultipleLines: 'No phone service',
      InternetService: 'DSL',
      OnlineSecurity: 'No',
      OnlineBackup: 'Yes',
      DeviceProtection: 'No',
      TechSupport: 'No',
      StreamingTV: 'No',
      StreamingMovies: 'No',
      Contract: 'Month-to-month',
      PaperlessBilling: 'Yes',
      PaymentMethod: 'Electronic check',
      MonthlyCharges: 29.85,
      TotalCharges: 29.85,
    }
    const ask = async (record: unknown): Promise<{ status: number; body: string }> => {
      const response = await fetch(`${url}/invocations`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ dataframe_records: [record] }),
      })
      return { status: response.status, body: await response.text() }
    }
    const before = await ask(row)
    expect(before.status).toBe(200)
    expect(before.body).toContain('"prediction":"Yes"')
    const refused = await ask({ ...row, tenure: 'long' })
    expect(refused.status).toBe(400)
    expect(refused.body).toContain('tenure')

    // a second version becomes champion; the running server takes it without a lost request
    await succeed(['run', churn.file, '--set', 'training.hidden_dims=[16]'])
    const versions = new Set([before.body])
    const deadline = Date.now() + 20_000
    while (Date.now() < deadline && versions.size < 2) {
      const answer = await ask(row)
      expect(answer.status).toBe(200)
      versions.add(answer.body)
    }
    expect(versions.size).toBe(2)
    const ready = await fetch(`${url}/v2/health/ready`)
    expect(ready.status).toBe(200)
    const metrics = await (await fetch(`${url}/metrics`)).text()
    expect(metrics).toMatch(/millrace_requests_total\{route="\/invocations",status="200"\} \d+/)
    server.child.kill('SIGINT')
    expect((await server.finished).code).toBe(0)

    const back = await succeed(['models', 'rollback', 'churn', ...home])
    expect(back.stdout).toContain('1')
  })

  test('the gate says no with exit code 3, and nothing is promoted', async () => {
    await using other = await example('churn')
    const set = ['--set', 'gate.minimum=0.99', '--set', 'data.validation_rules.value_ranges.tenure=[1, 70]']
    const result = await millrace(['run', other.file, '--json', ...set])
    expect(result.code).toBe(3)
    // the rows that were taken out lie beside the page, with the rule that each broke
    const pages = dirname(resultOf(result).page)
    const { quarantine } = JSON.parse(await readFile(join(pages, 'validation.json'), 'utf8')) as {
      readonly quarantine: { readonly rows: number }
    }
    expect(quarantine.rows).toBeGreaterThan(100)
    expect(existsSync(join(pages, 'quarantine.parquet'))).toBe(true)
    const served = await millrace([
      'export',
      'models:/churn@champion',
      '--out',
      join(other.path, 'm.onnx'),
      '--home',
      join(other.path, '.millrace'),
    ])
    expect(served.code).not.toBe(0)
    expect(served.stderr).toMatch(/^error MR_MODEL_/)
  })
})
