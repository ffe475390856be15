/** What every trainer must do. A trainer's test calls this once. */
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { MillraceError } from '../../src/core/errors.js'
import type { TrainedModel, Trainer, TrainEvent, TrainJob, TrainParams } from '../../src/train/trainer.js'
import { makeRows, type Problem, type Row, temporaryFolder, writeRows } from './training-data.js'

const PARAMS: TrainParams = {
  hidden: [16],
  dropout: 0,
  batchSize: 32,
  maxEpochs: 8,
  learningRate: 0.02,
  weightDecay: 0.0001,
  clipNorm: 0,
  schedule: 'constant',
  warmup: 0,
  patience: 0,
  checkpointEvery: 0,
}

const digest = (weights: Float32Array): string =>
  createHash('sha256')
    .update(new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength))
    .digest('hex')

interface Given {
  readonly problem: Problem
  readonly train: readonly Row[]
  readonly validation: readonly Row[]
  readonly params?: Partial<TrainParams>
  readonly job?: Partial<TrainJob>
}

/** Two classes by the sign of a line through numbers and a category's own shift. */
const SEPARABLE: Problem = { numeric: 3, categories: [4], classes: 2 }
const side = (numeric: readonly number[], categories: readonly number[]): number =>
  (numeric[0] as number) - 2 * (numeric[1] as number) + (categories[0] as number) - 1 > 0 ? 1 : 0
const separable = (rows: number, seed: number): readonly Row[] => makeRows(SEPARABLE, rows, seed, side)

async function makeJob(folder: string, { problem, train, validation, params, job }: Given): Promise<TrainJob> {
  const merged = { ...PARAMS, ...params }
  const classes = problem.classes
  return {
    network: {
      numeric: problem.numeric,
      categories: problem.categories,
      hidden: merged.hidden,
      outputs: classes ?? 1,
      task: classes === undefined ? 'regression' : 'classification',
    },
    params: merged,
    task:
      classes === undefined
        ? { kind: 'regression' }
        : {
            kind: 'classification',
            classes: Array.from({ length: classes }, (_, k) => `class ${k}`),
            positive: undefined,
          },
    seed: 7,
    threads: 1,
    train: await writeRows(folder, 'train', problem, train, 150),
    validation: await writeRows(folder, 'validation', problem, validation),
    ...job,
  }
}

const last = (model: TrainedModel): TrainedModel['epochs'][number] =>
  model.epochs.at(-1) as TrainedModel['epochs'][number]

export function trainerConformance(name: string, make: () => Trainer): void {
  // most of the time is the start of threads, which a busy machine stretches
  describe(`trainer ${name}`, { timeout: 120_000 }, () => {
    const fit = async (
      given: Given,
      report: (event: TrainEvent) => Promise<'continue' | 'stop'> = async () => 'continue',
      signal?: AbortSignal,
    ): Promise<TrainedModel> => {
      await using folder = await temporaryFolder()
      return await make().fit(await makeJob(folder.path, given), report, signal)
    }

    test('learns two separable classes from numbers and a category', async () => {
      const model = await fit({ problem: SEPARABLE, train: separable(640, 1), validation: separable(200, 2) })
      expect(last(model).metrics['accuracy']).toBeGreaterThan(0.95)
      expect(model.epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
      expect(model.stoppedEarly).toBe(false)
      expect(last(model).validationLoss).toBeLessThan((model.epochs[0]?.validationLoss ?? 0) / 2)
    })

    test('learns with logistic regression, where there is no hidden layer', async () => {
      const params = { hidden: [], maxEpochs: 15, learningRate: 0.1 }
      const model = await fit({ problem: SEPARABLE, train: separable(640, 1), validation: separable(200, 2), params })
      expect(last(model).metrics['accuracy']).toBeGreaterThan(0.95)
      expect(model.weights).toHaveLength((3 + 4 + 1) * 2)
    })

    test('learns five classes', async () => {
      const problem = { numeric: 2, categories: [], classes: 5 }
      const sector = ([x, y]: readonly number[]): number =>
        Math.min(4, Math.floor(((Math.atan2(y as number, x as number) + Math.PI) / (2 * Math.PI)) * 5))
      const rows = (count: number, seed: number): readonly Row[] => makeRows(problem, count, seed, sector)
      const params = { maxEpochs: 20 }
      const model = await fit({ problem, train: rows(900, 3), validation: rows(300, 4), params })
      expect(last(model).metrics['accuracy']).toBeGreaterThan(0.93)
    })

    test('learns a regression from categories and numbers, whatever the unit of the target', async () => {
      const problem = { numeric: 1, categories: [3, 5] }
      const rows = (count: number, seed: number): readonly Row[] =>
        makeRows(
          problem,
          count,
          seed,
          ([x], [a, b]) => 1e6 + 1000 * ((x as number) + (a as number) - 2 * (b as number)),
        )
      const train = rows(600, 5)
      const model = await fit({ problem, train, validation: rows(200, 6), params: { hidden: [], maxEpochs: 30 } })
      const labels = train.map(({ label }) => Math.fround(label))
      const mean = labels.reduce((sum, label) => sum + label, 0) / labels.length
      const scale = Math.sqrt(labels.reduce((sum, label) => sum + (label - mean) ** 2, 0) / labels.length)
      expect(model.targetMean).toBeCloseTo(mean, 3)
      expect(model.targetScale).toBeCloseTo(scale, 6)
      expect(last(model).metrics['rmse']).toBeLessThan(0.05 * scale)
    })

    test('stops early on the validation loss and keeps the best epoch', async () => {
      // labels are noise, so the validation loss gets worse while the training loss falls
      const noise = (rows: number, seed: number): readonly Row[] =>
        makeRows(SEPARABLE, rows, seed, (_n, _c, rng) => rng.below(2))
      const given: Given = { problem: SEPARABLE, train: noise(100, 8), validation: noise(100, 9) }
      const model = await fit({ ...given, params: { maxEpochs: 60, patience: 3, learningRate: 0.05 } })
      const losses = model.epochs.map(({ validationLoss }) => validationLoss)
      expect(model.stoppedEarly).toBe(true)
      expect(model.bestEpoch).toBe(1 + losses.indexOf(Math.min(...losses)))
      expect(model.epochs).toHaveLength(model.bestEpoch + 3)
      // the weights are those of the best epoch: what a run that ends there has
      const params = { maxEpochs: 60, learningRate: 0.05 }
      const stopAtBest = async (event: TrainEvent): Promise<'continue' | 'stop'> =>
        event.kind === 'epoch' && event.record.epoch === model.bestEpoch ? 'stop' : 'continue'
      const shorter = await fit({ ...given, params }, stopAtBest)
      expect(shorter.epochs).toHaveLength(model.bestEpoch)
      expect(digest(shorter.weights)).toBe(digest(model.weights))
    })

    test('gives the same bytes twice, on one thread and on two, and others for another seed', async () => {
      const given: Given = {
        problem: SEPARABLE,
        train: separable(700, 1),
        validation: separable(100, 2),
        params: { hidden: [64, 32], dropout: 0.2, clipNorm: 0.5, batchSize: 256, maxEpochs: 3, schedule: 'cosine' },
      }
      const first = await fit(given)
      const again = await fit(given)
      const wide = await fit({ ...given, job: { threads: 2 } })
      const other = await fit({ ...given, job: { seed: 8 } })
      expect(digest(again.weights)).toBe(digest(first.weights))
      expect(digest(wide.weights)).toBe(digest(first.weights))
      expect(digest(other.weights)).not.toBe(digest(first.weights))
      const timeless = ({ epochs }: TrainedModel): unknown => epochs.map((record) => ({ ...record, seconds: 0 }))
      expect(timeless(again)).toEqual(timeless(first))
    })

    test('resumes from each checkpoint to the same bytes as an undisturbed run', async () => {
      const given: Given = {
        problem: SEPARABLE,
        train: separable(333, 1),
        validation: separable(100, 2),
        params: { dropout: 0.1, maxEpochs: 9, checkpointEvery: 2, schedule: 'linear', warmup: 0.2, patience: 5 },
      }
      const states = new Map<number, Uint8Array>()
      const whole = await fit(given, async (event) => {
        if (event.kind === 'checkpoint') states.set(event.epoch, event.state)
        return 'continue'
      })
      expect([...states.keys()]).toEqual([2, 4, 6, 8])
      for (const stopAt of [2, 6]) {
        let state: Uint8Array | undefined
        const cut = await fit(given, async (event) => {
          if (event.kind !== 'checkpoint' || event.epoch !== stopAt) return 'continue'
          state = event.state
          return 'stop'
        })
        expect(cut.epochs).toHaveLength(stopAt)
        expect(Buffer.compare(state as Uint8Array, states.get(stopAt) as Uint8Array)).toBe(0)
        const seen: number[] = []
        const resumed = await fit({ ...given, job: { resume: state as Uint8Array } }, async (event) => {
          if (event.kind === 'epoch') seen.push(event.record.epoch)
          return 'continue'
        })
        expect(seen[0]).toBe(stopAt + 1)
        expect(digest(resumed.weights)).toBe(digest(whole.weights))
        expect(resumed.bestEpoch).toBe(whole.bestEpoch)
        expect(resumed.epochs.map(({ validationLoss }) => validationLoss)).toEqual(
          whole.epochs.map(({ validationLoss }) => validationLoss),
        )
      }
    })

    test("refuses a torn, an altered and another job's checkpoint", async () => {
      const given: Given = { problem: SEPARABLE, train: separable(64, 1), validation: separable(32, 2) }
      let state = new Uint8Array()
      await fit({ ...given, params: { checkpointEvery: 1, maxEpochs: 1 } }, async (event) => {
        if (event.kind === 'checkpoint') state = Uint8Array.from(event.state)
        return 'continue'
      })
      const resume = (bytes: Uint8Array, seed: number): Promise<TrainedModel> =>
        fit({ ...given, params: { checkpointEvery: 1, maxEpochs: 1 }, job: { resume: bytes, seed } })
      const flipped = Uint8Array.from(state)
      flipped[state.length >> 1] = (flipped[state.length >> 1] as number) ^ 1
      await expect(resume(state.subarray(0, state.length - 9), 7)).rejects.toMatchObject({
        code: 'MR_CHECKPOINT_CORRUPT',
      })
      await expect(resume(flipped, 7)).rejects.toMatchObject({ code: 'MR_CHECKPOINT_CORRUPT' })
      await expect(resume(state.subarray(0, 5), 7)).rejects.toMatchObject({ code: 'MR_CHECKPOINT_CORRUPT' })
      await expect(resume(state, 8)).rejects.toMatchObject({ code: 'MR_CHECKPOINT_MISMATCH' })
      await expect(resume(state, 7)).resolves.toMatchObject({ bestEpoch: 1 })
    })

    test('is cancelled by its signal within a second', async () => {
      const controller = new AbortController()
      let at = 0
      const params = { maxEpochs: 100_000, hidden: [256, 256], batchSize: 128 }
      const running = fit(
        { problem: SEPARABLE, train: separable(2000, 1), validation: separable(100, 2), params },
        async (event) => {
          if (event.kind === 'epoch' && event.record.epoch === 2) {
            at = performance.now()
            controller.abort()
          }
          return 'continue'
        },
        controller.signal,
      )
      await expect(running).rejects.toMatchObject({ code: 'MR_CANCELLED' })
      expect(performance.now() - at).toBeLessThan(1000)
    })

    test('does not begin when its signal has fired, and fails when the report fails', async () => {
      const given: Given = { problem: SEPARABLE, train: separable(64, 1), validation: separable(32, 2) }
      await expect(fit(given, undefined, AbortSignal.abort())).rejects.toMatchObject({ code: 'MR_CANCELLED' })
      const broken = fit(given, () => Promise.reject(new Error('the journal is full')))
      await expect(broken).rejects.toThrow('the journal is full')
    })

    test("ends after the event that is answered with 'stop', and waits for each answer", async () => {
      const order: string[] = []
      const model = await fit(
        { problem: SEPARABLE, train: separable(300, 1), validation: separable(50, 2) },
        async (event) => {
          if (event.kind !== 'epoch') return 'continue'
          order.push(`begin ${event.record.epoch}`)
          await new Promise((resolve) => setTimeout(resolve, 20))
          order.push(`end ${event.record.epoch}`)
          return event.record.epoch === 2 ? 'stop' : 'continue'
        },
      )
      expect(order).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2'])
      expect(model.epochs).toHaveLength(2)
      expect(model.stoppedEarly).toBe(true)
    })

    test('class weights move decisions towards the class that weighs more', async () => {
      // one row in ten is of class 1 and nothing tells which: unweighted, class 0 is always the better answer
      const rare = (rows: number, seed: number): readonly Row[] =>
        makeRows(SEPARABLE, rows, seed, (_n, _c, rng) => (rng.below(10) === 0 ? 1 : 0))
      const given: Given = { problem: SEPARABLE, train: rare(600, 3), validation: rare(400, 4) }
      const params = { hidden: [], maxEpochs: 6 }
      const plain = await fit({ ...given, params })
      const weighted = await fit({ ...given, params: { ...params, classWeights: [1, 100] } })
      expect(last(plain).metrics['accuracy']).toBeGreaterThan(0.85)
      expect(last(weighted).metrics['accuracy']).toBeLessThan(0.3)
    })

    test('stops with a hint when the loss diverges', async () => {
      const problem = { numeric: 2, categories: [] }
      const rows = makeRows(problem, 200, 1, ([x]) => x as number)
      const params = { learningRate: 1e6, hidden: [16, 16, 16, 16], maxEpochs: 200 }
      const found = await fit({ problem, train: rows, validation: rows, params }).catch((error: MillraceError) => error)
      expect(found).toMatchObject({
        code: 'MR_TRAIN_DIVERGED',
        hint: expect.stringContaining('learning_rate') as string,
      })
    })

    test.each<[string, Problem, number, Partial<TrainParams>]>([
      ['one training row', { numeric: 2, categories: [3], classes: 2 }, 1, {}],
      ['batches of one row', { numeric: 2, categories: [], classes: 2 }, 5, { batchSize: 1, dropout: 0.5 }],
      ['no numbers', { numeric: 0, categories: [3, 4], classes: 2 }, 40, {}],
      ['no categories', { numeric: 2, categories: [], classes: 2 }, 40, {}],
      ['no numbers and no hidden layer', { numeric: 0, categories: [3], classes: 3 }, 40, { hidden: [] }],
      ['a last batch of one row', { numeric: 2, categories: [3], classes: 2 }, 65, {}],
      ['one class only', { numeric: 2, categories: [3], classes: 1 }, 40, {}],
      ['a constant target', { numeric: 2, categories: [3] }, 40, {}],
    ])('trains on %s', async (_, problem, count, params) => {
      const rows = makeRows(problem, count, 1, () => 0)
      const model = await fit({ problem, train: rows, validation: rows, params: { maxEpochs: 2, ...params } })
      expect(model.epochs).toHaveLength(2)
      expect(model.weights.every(Number.isFinite)).toBe(true)
    })

    test('says that a class is absent, and that training loss stands in for an empty validation split', async () => {
      const problem = { numeric: 2, categories: [], classes: 3 }
      const notes: string[] = []
      const train = makeRows(problem, 60, 1, ([x]) => ((x as number) > 0 ? 1 : 0))
      const params = { patience: 2, classWeights: [1, 1, 0] }
      const model = await fit({ problem, train, validation: [], params }, async (event) => {
        if (event.kind === 'note') notes.push(event.message)
        return 'continue'
      })
      expect(notes).toEqual([
        expect.stringContaining('validation split has no rows'),
        expect.stringContaining('"class 2"'),
      ])
      for (const { trainLoss, validationLoss, metrics } of model.epochs) {
        expect(validationLoss).toBe(trainLoss)
        expect(metrics).toEqual({})
      }
    })

    test('refuses a job that contradicts itself, naming what is wrong', async () => {
      const rows = separable(40, 1)
      const given: Given = { problem: SEPARABLE, train: rows, validation: rows }
      const refused = async (change: Given, text: string): Promise<void> => {
        const found = await fit(change).catch((error: MillraceError) => error)
        expect(found).toMatchObject({ code: 'MR_TRAIN_JOB_INVALID', message: expect.stringContaining(text) as string })
      }
      await refused({ ...given, train: [] }, 'no rows')
      await refused({ ...given, problem: { ...SEPARABLE, numeric: 0, categories: [] } }, 'no features')
      await refused({ ...given, params: { dropout: 1 } }, 'dropout is 1')
      await refused({ ...given, params: { batchSize: 0 } }, 'batch_size is 0')
      await refused({ ...given, params: { learningRate: NaN } }, 'learning_rate is NaN')
      await refused({ ...given, params: { classWeights: [1, Infinity] } }, '"class 1" is Infinity')
      await refused({ ...given, params: { classWeights: [1] } }, '1 class weights for 2')
      await refused({ ...given, params: { classWeights: [0, 0] } }, 'class weights are 0')
      await refused({ ...given, job: { task: { kind: 'regression' } } }, 'regression')
    })
  })
}
