/** The embedded trainer's loop over epochs and calls. Runs on a worker thread: reads and runs block. */
import { MillraceError } from '../../core/errors.js'
import { decodeCheckpoint, encodeCheckpoint, type TrainState } from '../checkpoint.js'
import { EpochReader } from '../epoch-reader.js'
import { summarizeLabels, type LabelSummary } from '../job.js'
import { EpochOrder, orderGeometry } from '../order.js'
import { ShardReader } from '../shard-reader.js'
import type { TrainEvent, TrainedModel, TrainJob } from '../trainer.js'
import { type Evaluated, evaluateSplit } from './evaluate.js'
import { initialWeights } from './network.js'
import { learningRate } from './optimizer.js'
import { EvaluationSession, TrainingSession } from './sessions.js'
import { dropoutPool, StepFiller } from './steps.js'

/** A call should be short beside the second within which cancelling works; how long never changes a number. */
const CALL_MS = 150
const STEP_EVENT_MS = 250

export interface FitHost {
  report(event: TrainEvent): Promise<'continue' | 'stop'>
  /** Asked between calls. */
  cancelled(): boolean
}

/** Trains a job that `checkJob` has passed to its end, to a 'stop', or to MR_CANCELLED. See `Trainer.fit`. */
export async function fitNetwork(job: TrainJob, host: FitHost): Promise<TrainedModel> {
  using train = new ShardReader(job.train)
  using validation = new ShardReader(job.validation)
  const labels = summarizeLabels(train, job.network.outputs)
  await reportOddities(job, labels, host)
  const fit = new Fit(job, host, train, validation, labels)
  try {
    return await fit.run()
  } finally {
    await fit.release()
  }
}

class Fit {
  readonly #state: TrainState
  readonly #filler: StepFiller
  readonly #stepsPerEpoch: number
  #training: TrainingSession | undefined
  #evaluation: EvaluationSession | undefined
  #callSteps = 8
  #lastStepEvent = performance.now()
  #stopped = false

  constructor(
    private readonly job: TrainJob,
    private readonly host: FitHost,
    train: ShardReader,
    private readonly validation: ShardReader,
    private readonly labels: LabelSummary,
  ) {
    const { seed } = job
    this.#state = job.resume ? decodeCheckpoint(job, job.resume) : firstState(job)
    const rowBytes = 4 * (job.train.numeric + job.train.categories + 1)
    const geometry = orderGeometry(rowBytes)
    const shards = job.train.shards.map(({ rows }) => rows)
    const order = (epoch: number): EpochOrder => new EpochOrder(shards, seed, epoch, geometry)
    this.#filler = new StepFiller(job, labels, new EpochReader(train, order(1)), order, rowBytes)
    this.#stepsPerEpoch = this.#filler.stepsPerEpoch
  }

  async run(): Promise<TrainedModel> {
    const { network, params, threads } = this.job
    const { batch, poolSize, capacity } = this.#filler
    const pool = dropoutPool(this.job, poolSize)
    const options = { batch, pool: poolSize, clipNorm: params.clipNorm, weightDecay: params.weightDecay }
    this.#training = await TrainingSession.create(network, options, pool, capacity, threads)
    this.#evaluation = await EvaluationSession.create(network, threads)
    while (!this.#finished()) await this.#epoch(this.#training, this.#evaluation)
    const { best, bestEpoch, history } = this.#state
    return {
      network,
      weights: best,
      epochs: history,
      bestEpoch,
      stoppedEarly: history.length < params.maxEpochs,
      ...(network.task === 'regression' ? { targetMean: this.labels.mean, targetScale: this.labels.scale } : {}),
    }
  }

  async release(): Promise<void> {
    await this.#training?.release()
    await this.#evaluation?.release()
  }

  #finished(): boolean {
    const { params } = this.job
    const { history, bestEpoch } = this.#state
    const patient = params.patience === 0 || history.length - bestEpoch < params.patience
    return this.#stopped || history.length >= params.maxEpochs || !patient
  }

  async #epoch(training: TrainingSession, evaluation: EvaluationSession): Promise<void> {
    const started = performance.now()
    const { job, host } = this
    const state = this.#state
    const { epoch } = state.position
    const trainLoss = await this.#trainEpoch(training, epoch)
    const found = await this.#validate(evaluation)
    const validationLoss = found.weight > 0 ? found.loss : trainLoss
    if (!Number.isFinite(validationLoss)) throw this.#diverged('validation', validationLoss, epoch, state.steps)
    const best = validationLoss < state.bestLoss
    if (best) Object.assign(state, { best: state.parameters, bestEpoch: epoch, bestLoss: validationLoss })
    const record = {
      epoch,
      learningRate: learningRate(job.params, state.steps - 1, job.params.maxEpochs * this.#stepsPerEpoch),
      trainLoss,
      validationLoss,
      metrics: job.validation.rows > 0 ? found.metrics : {},
      seconds: (performance.now() - started) / 1000,
    }
    state.history = [...state.history, record]
    state.position = { seed: job.seed, epoch: epoch + 1, step: 0 }
    if ((await host.report({ kind: 'epoch', record, best })) === 'stop') this.#stopped = true
    const { checkpointEvery } = job.params
    if (this.#stopped || checkpointEvery === 0 || epoch % checkpointEvery !== 0) return
    const answer = await host.report({ kind: 'checkpoint', epoch, state: encodeCheckpoint(job, state) })
    this.#stopped = answer === 'stop'
  }

  /** All steps of an epoch, or those before a 'stop'. The mean loss of its rows, each before its own step's update. */
  async #trainEpoch(training: TrainingSession, epoch: number): Promise<number> {
    const state = this.#state
    const { seed, train } = this.job
    this.#filler.begin(epoch)
    let total = 0
    let weight = 0
    for (let step = 0; step < this.#stepsPerEpoch && !this.#stopped;) {
      this.#throwIfCancelled()
      const steps = Math.min(this.#callSteps, this.#stepsPerEpoch - step)
      const weights = this.#filler.fill(step, steps, state.steps)
      const called = performance.now()
      const { losses, ...vectors } = await training.run(state, this.#filler.block, steps)
      this.#adapt(steps, performance.now() - called)
      for (let i = 0; i < steps; i++) {
        const loss = losses[i] as number
        if (!Number.isFinite(loss)) throw this.#diverged('training', loss, epoch, state.steps + i + 1)
        total += loss * (weights[i] as number)
        weight += weights[i] as number
      }
      step += steps
      Object.assign(state, vectors, { steps: state.steps + steps, position: { seed, epoch, step } })
      await this.#reportSteps(epoch, Math.min(step * this.#filler.batch, train.rows), weight > 0 ? total / weight : 0)
    }
    return weight > 0 ? total / weight : 0
  }

  async #validate(evaluation: EvaluationSession): Promise<Evaluated> {
    const { network, params } = this.job
    const { mean, scale } = this.labels
    const labels = { mean, scale, ...(params.classWeights === undefined ? {} : { classWeights: params.classWeights }) }
    const cancelled = (): boolean => this.host.cancelled()
    const { parameters } = this.#state
    const found = await evaluateSplit(evaluation, parameters, this.validation, network, labels, cancelled)
    this.#throwIfCancelled()
    return found
  }

  async #reportSteps(epoch: number, rows: number, loss: number): Promise<void> {
    const now = performance.now()
    if (now - this.#lastStepEvent < STEP_EVENT_MS) return
    this.#lastStepEvent = now
    const answer = await this.host.report({ kind: 'step', epoch, rows, totalRows: this.job.train.rows, loss })
    this.#stopped = answer === 'stop'
  }

  #adapt(steps: number, milliseconds: number): void {
    const ideal = (steps * CALL_MS) / Math.max(milliseconds, 0.1)
    this.#callSteps = Math.max(1, Math.min(this.#filler.capacity, Math.floor(ideal)))
  }

  #throwIfCancelled(): void {
    if (this.host.cancelled()) throw new MillraceError('MR_CANCELLED', 'training was cancelled')
  }

  #diverged(split: string, loss: number, epoch: number, step: number): MillraceError {
    const { learningRate: rate, clipNorm } = this.job.params
    return new MillraceError(
      'MR_TRAIN_DIVERGED',
      `the ${split} loss became ${loss} in epoch ${epoch}, step ${step} (learning_rate ${rate})`,
      { hint: `lower learning_rate${clipNorm === 0 ? ', or set clip_norm, e.g. to 1' : ''}` },
    )
  }
}

function firstState(job: TrainJob): TrainState {
  const parameters = initialWeights(job.network, job.seed)
  return {
    steps: 0,
    position: { seed: job.seed, epoch: 1, step: 0 },
    parameters,
    first: new Float32Array(parameters.length),
    second: new Float32Array(parameters.length),
    best: parameters,
    bestEpoch: 0,
    bestLoss: Infinity,
    history: [],
  }
}

async function reportOddities(job: TrainJob, labels: LabelSummary, host: FitHost): Promise<void> {
  const note = (message: string): Promise<unknown> => host.report({ kind: 'note', message })
  if (job.validation.rows === 0)
    await note('the validation split has no rows: the training loss stands in for it, also for early stopping')
  if (job.task.kind === 'regression') return
  const absent = job.task.classes.filter((_, index) => labels.counts[index] === 0)
  if (absent.length > 0)
    await note(`no training rows of class ${absent.map((name) => JSON.stringify(name)).join(', ')}: never predicted`)
  const { classWeights } = job.params
  const weight = labels.counts.reduce((sum, count, index) => sum + count * (classWeights?.[index] ?? 1), 0)
  if (weight === 0)
    throw new MillraceError('MR_TRAIN_JOB_INVALID', 'the class weights are 0 for every class that has training rows')
}
