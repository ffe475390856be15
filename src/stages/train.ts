/** Train: shards in, the best epoch's weights out. */
import type { PipelineConfig } from '../config/config.js'
import type { TrainingDocument } from '../core/documents.js'
import { MillraceError, nearest } from '../core/errors.js'
import type { Task } from '../core/schema.js'
import type { StageContext, StageKind } from '../pipeline/stage.js'
import { balancedClassWeights } from '../train/job.js'
import { embeddedTrainer } from '../train/onnx/embedded.js'
import { openShards, type ShardManifest } from '../train/shards.js'
import type { NetworkSpec, TrainEvent, TrainParams } from '../train/trainer.js'
import { getJson, putJson, type RunResources } from './run-resources.js'
import type { PlanDocument } from './transform.js'

export const WEIGHTS_TYPE = 'application/vnd.millrace.weights'
export const CHECKPOINT_TYPE = 'application/vnd.millrace.checkpoint'

/** The network and how its outputs become the target's unit; its weights are an artifact of their own. */
export interface NetworkDocument {
  readonly network: NetworkSpec
  /** Regression: prediction = output * scale + mean. */
  readonly target?: { readonly mean: number; readonly scale: number }
}

export function train(resources: RunResources): StageKind<PipelineConfig> {
  return {
    name: 'train',
    version: 1,
    after: ['pack', 'transform', 'leaks'],
    async run(context) {
      const { config, inputs, store, signal } = context
      const manifest = await getJson<ShardManifest>(store, inputs['pack']?.['manifest'])
      const { task, classCounts, targetMean = 0 } = await getJson<PlanDocument>(store, inputs['transform']?.['plan'])
      const { training } = config
      const isLogistic = training.model_type === 'logistic_regression'
      const network: NetworkSpec = {
        numeric: manifest.numeric.length,
        categories: manifest.categories.map(({ size }) => size),
        hidden: isLogistic ? [] : [...training.hidden_dims],
        outputs: task.kind === 'classification' ? task.classes.length : 1,
        task: task.kind,
      }
      const weights = classWeights(training.class_weights, task, classCounts.train)
      const params: TrainParams = {
        hidden: network.hidden,
        dropout: isLogistic ? 0 : training.dropout,
        batchSize: training.batch_size,
        maxEpochs: training.max_epochs,
        learningRate: training.learning_rate,
        weightDecay: training.weight_decay,
        clipNorm: training.clip_norm,
        schedule: training.schedule,
        warmup: training.warmup,
        patience: training.early_stopping_patience,
        checkpointEvery: training.checkpoint_freq,
        ...(weights === undefined ? {} : { classWeights: weights }),
      }
      const trainer = embeddedTrainer()
      const job = {
        network,
        params,
        task,
        seed: config.seed,
        threads: resources.threads,
        train: await openShards(manifest, 'train', store),
        validation: await openShards(manifest, 'validation', store),
      }
      const costly = tableNote(network, job.train.rows, params.batchSize)
      if (costly !== undefined) context.log(costly)
      const report = async (event: TrainEvent): Promise<'continue'> => {
        switch (event.kind) {
          case 'epoch': {
            const { epoch, trainLoss, validationLoss, metrics } = event.record
            const values = { loss: trainLoss, validation: validationLoss, ...metrics }
            context.progress({ unit: 'epochs', done: epoch, total: params.maxEpochs, values })
            break
          }
          case 'checkpoint':
            await context.checkpoint(await store.put(event.state, CHECKPOINT_TYPE))
            break
          case 'note':
            context.log(event.message, 'warn')
            break
          case 'step': {
            // long epochs: shows that something moves
            const done = event.epoch - 1 + event.rows / event.totalRows
            context.progress({ unit: 'epochs', done: Math.floor(done * 100) / 100, total: params.maxEpochs })
            break
          }
        }
        return 'continue'
      }
      const model = await resumed(context, (state) =>
        trainer.fit(state === undefined ? job : { ...job, resume: state }, report, signal),
      )
      const document: TrainingDocument = {
        trainer: trainer.name,
        modelType: training.model_type,
        parameters: model.weights.length,
        // no times in what is digested: equal weights give an equal report
        epochs: model.epochs.map(({ seconds: _, ...record }) => record),
        bestEpoch: model.bestEpoch,
        stoppedEarly: model.stoppedEarly,
      }
      const { buffer, byteOffset, byteLength } = model.weights
      const networkDocument: NetworkDocument = {
        network,
        ...(task.kind === 'regression'
          ? { target: { mean: targetMean + (model.targetMean ?? 0), scale: model.targetScale ?? 1 } }
          : {}),
      }
      return {
        weights: await store.put(new Uint8Array(buffer, byteOffset, byteLength), WEIGHTS_TYPE),
        network: await putJson(store, networkDocument),
        report: await putJson(store, document),
      }
    },
  }
}

/** Weights of categories above which a step is spent on their optimizer, not on its rows. */
const LARGE_TABLE = 1_000_000

/** What many categories cost, and the way out: Adam changes every weight in each step, also those of no row in it. */
export function tableNote(
  { categories, hidden, outputs }: NetworkSpec,
  rows: number,
  batch: number,
): string | undefined {
  const size = categories.reduce((sum, one) => sum + one, 0)
  const weights = size * (hidden[0] ?? outputs)
  const steps = Math.ceil(rows / batch)
  if (weights < LARGE_TABLE || steps < 100) return undefined
  return (
    `${size} categories have ${weights} weights, and each of ${steps} steps of an epoch updates all of them: ` +
    `a larger training.batch_size (${batch}) or a smaller max_categories is faster`
  )
}

function classWeights(
  wanted: PipelineConfig['training']['class_weights'],
  task: Task,
  counts: readonly number[],
): readonly number[] | undefined {
  if (wanted === 'none' || task.kind === 'regression') return undefined
  if (wanted === 'balanced') return balancedClassWeights(counts)
  return weightsByClass('training.class_weights', wanted, task.classes)
}

/**
 * Goes on from the last checkpoint if there is one. A checkpoint that cannot be used (made by another version, damaged) is
 * said and costs its epochs, no more.
 */
async function resumed<T>(
  { resumed: ref, store, log }: StageContext<PipelineConfig>,
  fit: (state: Uint8Array | undefined) => Promise<T>,
): Promise<T> {
  if (ref === undefined) return fit(undefined)
  try {
    const state = await store.get(ref)
    log('going on from the last checkpoint')
    return await fit(state)
  } catch (error) {
    if (!(error instanceof MillraceError) || !/^MR_(CHECKPOINT|ARTIFACT)_/.test(error.code)) throw error
    log(`the last checkpoint cannot be used, training starts anew: ${error.message}`, 'warn')
    return fit(undefined)
  }
}

/** Weights in the order of the classes; 1 where the file names none. Throws MR_LABEL_WEIGHT for an unknown class. */
export function weightsByClass(
  where: string,
  weights: Readonly<Record<string, number>>,
  classes: readonly string[],
): readonly number[] {
  for (const name of Object.keys(weights))
    if (!classes.includes(name)) {
      const near = nearest(name, classes)
      throw new MillraceError(
        'MR_LABEL_WEIGHT',
        `${where}: '${name}' is not a class${near === undefined ? '' : `; did you mean '${near}'?`}`,
        { hint: `classes: ${classes.slice(0, 20).join(', ')}` },
      )
    }
  return classes.map((name) => (Object.hasOwn(weights, name) ? (weights[name] ?? 1) : 1))
}
