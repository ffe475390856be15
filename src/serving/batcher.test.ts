import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loanRows } from '../../test/conformance/predictor.js'
import { LOAN_INPUTS, loanModel } from '../../test/models.js'
import type { RecordBatch } from '../core/table.js'
import { Batcher } from './batcher.js'
import { missingRows, type OnnxPredictor, openPredictor } from './onnx-predictor.js'

let predictor: OnnxPredictor
beforeAll(async () => {
  predictor = await openPredictor(loanModel({ regression: true }))
})
afterAll(async () => predictor[Symbol.asyncDispose]())

/** Rows whose score is `income / 100`. */
function rows(...income: number[]): RecordBatch {
  const { columns } = missingRows(LOAN_INPUTS, income.length)
  return { schema: LOAN_INPUTS, rows: income.length, columns: columns.with(0, Float64Array.from(income)) }
}
const scores = (values: ArrayLike<number> | undefined): number[] => Array.from(values ?? [], (v) => Math.round(v * 100))

describe('Batcher', () => {
  it('puts all requests of one turn into one run and gives each its own', async () => {
    const runs: number[] = []
    const batcher = new Batcher(predictor, { onBatch: (n) => runs.push(n) })
    const answers = await Promise.all([batcher.predict(rows(1)), batcher.predict(rows(2, 3)), batcher.predict(rows(4))])
    expect(runs).toEqual([4])
    expect(answers.map(({ values }) => scores(values))).toEqual([[1], [2, 3], [4]])
    expect(batcher.rows).toBe(0)
  })

  it('cuts a long request, keeps its order and lets others in between', async () => {
    const runs: number[] = []
    const done: string[] = []
    const batcher = new Batcher(predictor, { maxBatch: 10, onBatch: (n) => runs.push(n) })
    const income = Array.from({ length: 95 }, (_, i) => i)
    const long = batcher.predict(rows(...income)).finally(() => done.push('long'))
    const short = batcher.predict(rows(7)).finally(() => done.push('short'))
    expect(scores((await long).values)).toEqual(income)
    expect(scores((await short).values)).toEqual([7])
    expect(done).toEqual(['short', 'long'])
    expect(Math.max(...runs)).toBe(10)
  })

  it('fails only the request whose rows fail', async () => {
    const batcher = new Batcher(predictor)
    const bad = batcher.predict({ ...rows(6), columns: [['x'], ...rows(6).columns.slice(1)] })
    const good = batcher.predict(rows(5))
    await expect(bad).rejects.toMatchObject({ code: 'MR_PREDICT_COLUMN' })
    expect(scores((await good).values)).toEqual([5])
  })

  it('refuses what does not fit into its queue, and what comes after stop', async () => {
    const batcher = new Batcher(predictor, { maxQueue: 3 })
    const first = batcher.predict(rows(1, 2))
    await expect(batcher.predict(rows(3, 4))).rejects.toMatchObject({ code: 'MR_SERVER_BUSY', retryable: true })
    const stopped = batcher.stop()
    await expect(batcher.predict(rows(5))).rejects.toMatchObject({ code: 'MR_SERVER_STOPPING' })
    await stopped
    expect(scores((await first).values)).toEqual([1, 2])
  })

  it('with maxWait lets requests of several turns share a run, until the oldest has waited', async () => {
    const runs: [number, number][] = []
    const batcher = new Batcher(predictor, { maxWait: 60, onBatch: (n, waited) => runs.push([n, waited]) })
    const first = batcher.predict(rows(1))
    await sleep(15)
    const second = batcher.predict(rows(2, 3))
    expect(runs).toEqual([])
    expect([scores((await first).values), scores((await second).values)]).toEqual([[1], [2, 3]])
    expect(runs.map(([n]) => n)).toEqual([3])
    expect(runs[0]?.[1]).toBeGreaterThanOrEqual(59)
  })

  it('with maxWait runs at once what fills a run, and what is left when it is stopped', async () => {
    const runs: [number, number][] = []
    const batcher = new Batcher(predictor, {
      ...{ maxBatch: 2, maxWait: 60_000 },
      onBatch: (n, waited) => runs.push([n, waited]),
    })
    await Promise.all([batcher.predict(rows(1)), batcher.predict(rows(2))])
    const last = batcher.predict(rows(3))
    await batcher.stop()
    expect(scores((await last).values)).toEqual([3])
    expect(runs.map(([n]) => n)).toEqual([2, 1])
    expect(Math.max(...runs.map(([, waited]) => waited))).toBeLessThan(30_000)
  })

  it('does no work for a request whose time is over, and answers the others', async () => {
    const runs: number[] = []
    const batcher = new Batcher(predictor, { maxBatch: 2, maxWait: 60_000, timeout: 20, onBatch: (n) => runs.push(n) })
    const late = expect(batcher.predict(rows(1))).rejects.toMatchObject({
      code: 'MR_SERVER_LATE',
      retryable: true,
    })
    await sleep(30)
    expect(scores((await batcher.predict(rows(2, 3))).values)).toEqual([2, 3])
    await late
    expect(runs).toEqual([2])
    expect(batcher.rows).toBe(0)
    // nothing of it is left in the count that a full run is told by
    const pair = await Promise.all([batcher.predict(rows(4)), batcher.predict(rows(5))])
    expect(pair.map(({ values }) => scores(values))).toEqual([[4], [5]])
    expect(runs).toEqual([2, 2])
  })

  it('tells what has waited too long also while no run begins', async () => {
    const started: (() => void)[] = []
    // the model is real; its runs begin when they are told to
    const held = {
      metadata: predictor.metadata,
      predict: async (batch: RecordBatch) => {
        await new Promise<void>((resolve) => started.push(resolve))
        return predictor.predict(batch)
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }
    const batcher = new Batcher(held, { maxBatch: 1, timeout: 30 })
    const running = [batcher.predict(rows(1)), batcher.predict(rows(2))]
    await expect.poll(() => started.length).toBe(2)
    await expect(batcher.predict(rows(3))).rejects.toMatchObject({ code: 'MR_SERVER_LATE' })
    expect(batcher.rows).toBe(2)
    for (const go of started) go()
    expect((await Promise.all(running)).map(({ values }) => scores(values))).toEqual([[1], [2]])
    await batcher.stop()
    expect([started.length, batcher.rows]).toEqual([2, 0])
  })

  it('answers labels and probabilities of a cut request as of a whole one', async () => {
    await using classifier = await openPredictor(loanModel())
    const whole = await classifier.predict(loanRows())
    const cut = await new Batcher(classifier, { maxBatch: 1 }).predict(loanRows())
    expect(cut.labels).toEqual(whole.labels)
    expect([...(cut.probabilities ?? [])].map((p) => p.toFixed(6))).toEqual(
      [...(whole.probabilities ?? [])].map((p) => p.toFixed(6)),
    )
  })
})
