/** Checks that a training job is possible before anything is computed, and what its labels are like. */
import { MillraceError } from '../core/errors.js'
import type { ShardReader } from './shard-reader.js'
import type { TrainJob } from './trainer.js'

/** Throws MR_TRAIN_JOB_INVALID, naming the parameter, its value and the rule. */
export function checkJob(job: TrainJob): void {
  const { network, params, train, validation, task } = job
  const refuse = (what: string, hint?: string): never => {
    throw new MillraceError('MR_TRAIN_JOB_INVALID', what, hint === undefined ? {} : { hint })
  }
  const within = (name: string, value: number, low: number, high: number, whole = false): void => {
    if (!(value >= low && value <= high) || (whole && !Number.isInteger(value)))
      refuse(`${name} is ${value}; it must be ${whole ? 'a whole number ' : ''}from ${low} to ${high}`)
  }
  if (network.numeric + network.categories.length === 0) refuse('there are no features to train on')
  if (train.rows === 0) refuse('the training split has no rows', 'look at the split in the pipeline file')
  for (const set of [train, validation])
    if (set.rows > 0 && (set.numeric !== network.numeric || set.categories !== network.categories.length))
      refuse(
        `shards hold ${set.numeric} numbers and ${set.categories} categories a row, the network takes ` +
          `${network.numeric} and ${network.categories.length}`,
      )
  if (task.kind !== network.task) refuse(`the task is ${task.kind}, the network is for ${network.task}`)
  const outputs = task.kind === 'classification' ? task.classes.length : 1
  if (network.outputs !== outputs) refuse(`the network has ${network.outputs} outputs; the task needs ${outputs}`)
  const label = task.kind === 'classification' ? 'int32' : 'float32'
  if (train.label !== label) refuse(`labels are ${train.label}; ${task.kind} needs ${label}`)
  for (const size of network.hidden) within('hidden_dims', size, 1, 65_536, true)
  for (const size of network.categories) within('a category size', size, 1, 2 ** 31 - 1, true)
  within('batch_size', params.batchSize, 1, 2 ** 24, true)
  within('max_epochs', params.maxEpochs, 1, 1e6, true)
  within('learning_rate', params.learningRate, Number.MIN_VALUE, 1e6)
  within('dropout', params.dropout, 0, 0.99)
  within('weight_decay', params.weightDecay, 0, 1e6)
  within('clip_norm', params.clipNorm, 0, 1e30)
  within('warmup', params.warmup, 0, 1)
  within('patience', params.patience, 0, 1e6, true)
  within('checkpoint_freq', params.checkpointEvery, 0, 1e6, true)
  const weights = params.classWeights
  if (weights === undefined) return
  if (task.kind !== 'classification') return refuse('class weights are given, but the task is regression')
  if (weights.length !== outputs) refuse(`${weights.length} class weights for ${outputs} classes`)
  for (const [index, weight] of weights.entries())
    if (!(weight >= 0 && weight < Infinity))
      refuse(
        `the weight of class ${JSON.stringify(task.classes[index])} is ${weight}; it must be finite and not negative`,
      )
}

/** rows / (classes present · rows of the class); 0 for a class without rows, whose weight nothing depends on. */
export function balancedClassWeights(counts: readonly number[]): readonly number[] {
  const rows = counts.reduce((sum, count) => sum + count, 0)
  const present = counts.filter((count) => count > 0).length
  return counts.map((count) => (count > 0 ? rows / (present * count) : 0))
}

export interface LabelSummary {
  /** Classification: rows of each class. */
  readonly counts: readonly number[]
  /** Regression: mean and population deviation of the training rows (deviation 1 where it is 0). */
  readonly mean: number
  readonly scale: number
}

/** Two passes in shard order in double precision: the same bits every time. MR_SHARD_VALUE for a class that is none. */
export function summarizeLabels(reader: ShardReader, classes: number): LabelSummary {
  const counts = new Array<number>(classes).fill(0)
  let rows = 0
  let total = 0
  for (const label of labels(reader))
    for (const value of label) {
      rows++
      total += value
      if (reader.set.label === 'float32') continue
      if (value < 0 || value >= classes)
        throw new MillraceError(
          'MR_SHARD_VALUE',
          `label ${value} of training row ${rows - 1}; there are ${classes} classes`,
        )
      counts[value] = (counts[value] ?? 0) + 1
    }
  if (reader.set.label === 'int32') return { counts, mean: 0, scale: 1 }
  const mean = total / rows
  let squares = 0
  for (const label of labels(reader)) for (const value of label) squares += (value - mean) ** 2
  const scale = Math.sqrt(squares / rows)
  return { counts, mean, scale: scale > 0 ? scale : 1 }
}

function* labels(reader: ShardReader): Generator<Int32Array | Float32Array> {
  for (const { rows, values } of reader.chunks(65_536)) yield values.label.subarray(0, rows)
}
