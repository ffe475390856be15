/** What every trainer takes and gives. */
import type { EpochRecord } from '../core/documents.js'
import type { Task } from '../core/schema.js'
import type { ShardSet } from './shards.js'

/** The network, without the features in front of it. */
export interface NetworkSpec {
  readonly numeric: number
  /** Sizes of the category columns; a linear first layer gathers one row of its weights for each. */
  readonly categories: readonly number[]
  /** [] is logistic (or linear) regression. */
  readonly hidden: readonly number[]
  /** Classes, or 1 for regression. */
  readonly outputs: number
  readonly task: 'classification' | 'regression'
}

export interface TrainParams {
  readonly hidden: readonly number[]
  readonly dropout: number
  readonly batchSize: number
  readonly maxEpochs: number
  readonly learningRate: number
  readonly weightDecay: number
  /** Global norm; 0 is off. */
  readonly clipNorm: number
  readonly schedule: 'constant' | 'cosine' | 'linear'
  /** Fraction of all steps. */
  readonly warmup: number
  /** Epochs without a better validation loss; 0 is off. */
  readonly patience: number
  readonly checkpointEvery: number
  /** One weight a class, in the order of the classes; undefined is all 1. */
  readonly classWeights?: readonly number[]
}

export interface TrainJob {
  readonly network: NetworkSpec
  readonly params: TrainParams
  readonly task: Task
  readonly seed: number
  readonly threads: number
  readonly train: ShardSet
  readonly validation: ShardSet
  /** State given by an earlier `checkpoint` event of the same job: training goes on to the same bytes. */
  readonly resume?: Uint8Array
}

export type TrainEvent =
  | { readonly kind: 'epoch'; readonly record: EpochRecord; readonly best: boolean }
  | {
      readonly kind: 'step'
      readonly epoch: number
      readonly rows: number
      readonly totalRows: number
      readonly loss: number
    }
  | { readonly kind: 'checkpoint'; readonly epoch: number; readonly state: Uint8Array }
  /** Something a person should know, e.g. that there are no validation rows; not part of the result, and no answer stops. */
  | { readonly kind: 'note'; readonly message: string }

export interface TrainedModel {
  readonly network: NetworkSpec
  /** Parameters of the best epoch, flat, in the order of `parameterLayout(network)`. */
  readonly weights: Float32Array
  readonly epochs: readonly EpochRecord[]
  readonly bestEpoch: number
  readonly stoppedEarly: boolean
  /** Regression: the network predicts (target - targetMean) / targetScale; `emitHead` undoes it. */
  readonly targetMean?: number
  readonly targetScale?: number
}

export interface Trainer {
  readonly name: string
  /** Runs off the main thread. Events arrive in order and are awaited; 'stop' ends training after that event. */
  fit(
    job: TrainJob,
    report: (event: TrainEvent) => Promise<'continue' | 'stop'>,
    signal?: AbortSignal,
  ): Promise<TrainedModel>
}
