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
  describe(`trainer ${name}`, () => {
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
      expect(model.epochs).toHaveLength(8)
    })
  })
}
