/** What every Predictor must do. An implementation's test is one call. */
import { expect, it } from 'vitest'
import { MISSING_TIME } from '../../src/core/schema.js'
import type { RecordBatch } from '../../src/core/table.js'
import type { Predictor } from '../../src/serving/predictor.js'
import { LOAN_INPUTS, loanModel } from '../models.js'

/** Rows for the loan model; their scores are 3.5 + bias, 0.5 + bias and -1 + bias (see test/models.ts). */
export function loanRows(): RecordBatch {
  return {
    schema: LOAN_INPUTS,
    rows: 3,
    columns: [
      Float64Array.of(100, NaN, 0),
      Float64Array.of(1, NaN, 0),
      Float64Array.of(0, NaN, 0),
      ['Oslo', '', 'Rome'],
      BigInt64Array.of(1_600_000_000_000_000n, MISSING_TIME, 0n),
    ],
  }
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

/** @param open opens a model file of test/models.ts */
export function predictorConformance(name: string, open: (bytes: Uint8Array) => Promise<Predictor>): void {
  it(`${name}: predicts labels and probabilities in the order of the rows`, async () => {
    await using predictor = await open(loanModel())
    const { rows, labels, probabilities, values } = await predictor.predict(loanRows())
    expect(rows).toBe(3)
    expect(labels).toEqual(['yes', 'yes', 'no'])
    expect(values).toBeUndefined()
    for (const [r, score] of [3.5, 0.5, -1].entries()) {
      expect(probabilities?.[2 * r + 1]).toBeCloseTo(sigmoid(score), 6)
      expect(probabilities?.[2 * r]).toBeCloseTo(1 - sigmoid(score), 6)
    }
  })

  it(`${name}: predicts values for regression and nothing else`, async () => {
    await using predictor = await open(loanModel({ regression: true }))
    const { labels, probabilities, values } = await predictor.predict(loanRows())
    expect([labels, probabilities]).toEqual([undefined, undefined])
    for (const [r, score] of [3.5, 0.5, -1].entries()) expect(values?.[r]).toBeCloseTo(score, 6)
  })

  it(`${name}: finds columns by name and ignores further ones`, async () => {
    await using predictor = await open(loanModel())
    const { schema, columns, rows } = loanRows()
    const turned = {
      schema: [{ name: 'id', type: 'text' as const }, ...schema.toReversed()],
      columns: [['a', 'b', 'c'], ...columns.toReversed()],
      rows,
    }
    const straight = await predictor.predict({ schema, columns, rows })
    expect(await predictor.predict(turned)).toEqual(straight)
  })

  it(`${name}: answers an empty batch, one row, one class and several classes`, async () => {
    await using predictor = await open(loanModel({ classes: ['a', 'b', 'c'] }))
    const { schema, columns } = loanRows()
    const first = (n: number): RecordBatch => ({ schema, rows: n, columns: columns.map((c) => c.slice(0, n)) })
    expect(await predictor.predict(first(0))).toMatchObject({ rows: 0, labels: [] })
    const one = await predictor.predict(first(1))
    expect([one.rows, one.labels, one.probabilities?.length]).toEqual([1, ['c'], 3])
    await using single = await open(loanModel({ classes: ['only'] }))
    expect((await single.predict(loanRows())).labels).toEqual(['only', 'only', 'only'])
  })

  it(`${name}: takes hostile column names`, async () => {
    const names = ['__proto__', 'constructor', 'a "quoted", name', 'toString', '🙂.x y']
    const inputs = LOAN_INPUTS.map((field, i) => ({ ...field, name: names[i] as string }))
    await using predictor = await open(loanModel({ inputs }))
    expect((await predictor.predict({ ...loanRows(), schema: inputs })).labels).toEqual(['yes', 'yes', 'no'])
  })

  it(`${name}: says which column is absent or of another type`, async () => {
    await using predictor = await open(loanModel())
    const { schema, columns, rows } = loanRows()
    await expect(predictor.predict({ schema: schema.slice(1), columns: columns.slice(1), rows })).rejects.toMatchObject(
      {
        code: 'MR_PREDICT_COLUMN',
        message: expect.stringContaining('"income"') as string,
      },
    )
    const wrong = columns.with(3, new Float64Array(3))
    await expect(predictor.predict({ schema, columns: wrong, rows })).rejects.toThrow(/"city" must be of type text/)
  })

  it(`${name}: gives every caller its own answer when many call at once`, async () => {
    await using predictor = await open(loanModel({ regression: true }))
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => {
        const { schema, columns } = loanRows()
        const column = columns.map((c) => c.slice(2, 3))
        return predictor.predict({ schema, rows: 1, columns: column.with(0, Float64Array.of(i * 100)) })
      }),
    )
    answers.forEach(({ values }, i) => expect(values?.[0]).toBeCloseTo(i - 1, 5))
  })

  it(`${name}: stops when cancelled and after it is closed`, async () => {
    const predictor = await open(loanModel())
    await expect(predictor.predict(loanRows(), AbortSignal.abort())).rejects.toMatchObject({ code: 'MR_CANCELLED' })
    const last = predictor.predict(loanRows())
    await predictor[Symbol.asyncDispose]()
    expect((await last).labels).toEqual(['yes', 'yes', 'no'])
    await expect(predictor.predict(loanRows())).rejects.toMatchObject({ code: 'MR_SERVER_STOPPING' })
  })
}
