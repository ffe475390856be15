/**
 * Runs a graph of stages: side by side where they do not depend on each other, not at all where the journal holds the
 * same work, again where an error can pass. Every outcome is recorded before anything follows from it.
 */
import { randomBytes, randomInt } from 'node:crypto'
import { availableParallelism } from 'node:os'
import type { EnvironmentValue } from '../config/environment.js'
import type { ArtifactStore } from '../core/artifacts.js'
import { systemClock, type Clock } from '../core/clock.js'
import { MillraceError, nearest } from '../core/errors.js'
import { canonicalJson } from '../core/json.js'
import { RetryStrategy } from '../core/retry.js'
import { Rng } from '../core/rng.js'
import type { RunEvent, RunStarted } from './events.js'
import { explainStages, type StageExplanation } from './explain.js'
import { checkGraph } from './graph.js'
import type { RunJournal } from './journal.js'
import type { ProgressReport } from './progress.js'
import type { Sealing } from './reads.js'
import { RunInProgress } from './run.js'
import type { StageKind } from './stage.js'
import { applyEvent, foldRun, type RunState } from './state.js'

export interface ExecutorOptions {
  readonly journal: RunJournal
  readonly store: ArtifactStore
  readonly clock?: Clock
  /** Jitter and run names; results never depend on it. */
  readonly random?: { uniform(): number }
  /** Stages at once; default: the processors of this machine. */
  readonly concurrency?: number
  readonly retry?: RetryStrategy
  /** The home's, for hashes of secrets; default: a random one, under which nothing recorded before is found again. */
  readonly key?: Uint8Array
}

/** What of a configuration must not be recorded. */
export interface Secrets {
  /** The configuration as it may be recorded: other values at the places of `environment`. */
  readonly recorded: unknown
  readonly environment: readonly EnvironmentValue[]
  /** Takes secrets out of logs, errors and command lines. */
  readonly hide: (text: string) => string
}

/** Not in the journal: how far a running stage is. */
export interface StageProgressEvent extends ProgressReport {
  readonly type: 'stage-progress'
  readonly run: string
  readonly time: number
  readonly stage: string
}

export type ExecutionEvent = RunEvent | StageProgressEvent

interface Common<Config> {
  readonly stages: readonly StageKind<Config>[]
  /** Of what the stages use (engines, this package): recorded. */
  readonly versions?: Readonly<Record<string, string>>
  /** Cancels: running stages get a few seconds to end, the run is `cancelled` and can be resumed. */
  readonly signal?: AbortSignal
  readonly secrets?: Secrets
  /** Hears of everything, in order. What it throws is reported as a process warning and changes nothing. */
  readonly onEvent?: (event: ExecutionEvent) => void
}

export interface ExecuteOptions<Config> extends Common<Config> {
  /** Default: the time and six random digits. */
  readonly runId?: string
  readonly name: string
  /** Plain JSON data. */
  readonly config: Config
  readonly seed: number
  /** Do again what the journal holds: all, or these stages. */
  readonly force?: boolean | readonly string[]
  readonly argv?: readonly string[]
  /** What relative paths of the configuration start from; recorded for `resume`. */
  readonly folder?: string
}

export class PipelineExecutor {
  readonly #journal: RunJournal
  readonly #store: ArtifactStore
  readonly #clock: Clock
  readonly #random: { uniform(): number }
  readonly #concurrency: number
  readonly #retry: RetryStrategy
  readonly #key: Uint8Array

  constructor(options: ExecutorOptions) {
    this.#journal = options.journal
    this.#store = options.store
    this.#clock = options.clock ?? systemClock
    this.#random = options.random ?? new Rng(randomInt(2 ** 47))
    this.#concurrency = options.concurrency ?? availableParallelism()
    this.#retry = options.retry ?? new RetryStrategy()
    this.#key = options.key ?? randomBytes(32)
    if (!(this.#concurrency >= 1)) throw new RangeError(`concurrency ${this.#concurrency}: must be at least 1`)
  }

  /**
   * Runs the stages to an end. Failures of stages are in the returned state; thrown are only MR_STAGE_GRAPH,
   * MR_RUN_INVALID, MR_JSON_UNREPRESENTABLE (before anything is recorded) and errors of the journal itself.
   */
  async execute<Config>(options: ExecuteOptions<Config>): Promise<RunState> {
    const order = checkGraph(options.stages)
    const force = checkForce(options.force ?? false, order)
    const run = await this.#checkRunId(options.runId)
    const { secrets } = options
    const config = JSON.parse(canonicalJson(options.config)) as Config
    const started: RunStarted = {
      type: 'run-started',
      run,
      time: this.#clock.now(),
      name: options.name,
      config: secrets === undefined ? config : (JSON.parse(canonicalJson(secrets.recorded)) as unknown),
      seed: options.seed,
      versions: options.versions ?? {},
      argv: (options.argv ?? []).map((word) => secrets?.hide(word) ?? word),
      ...(options.folder === undefined ? {} : { folder: options.folder }),
      ...(secrets === undefined || secrets.environment.length === 0 ? {} : { environment: secrets.environment }),
      force,
      stages: order.map(({ name, version, after }) => ({ name, version, after })),
    }
    return this.#work(options, order, started, undefined, config)
  }

  /**
   * Goes on with a run that was killed, cancelled or failed, under its own name; what it has done already is not done
   * again. MR_RUN_UNKNOWN.
   * @param options.config default: as recorded. A run that took values from the environment needs it, and `secrets`:
   * without them MR_RUN_INVALID, before anything is recorded
   */
  async resume<Config>(run: string, options: Common<Config> & { readonly config?: Config }): Promise<RunState> {
    const order = checkGraph(options.stages)
    const state = await foldRun(this.#journal.replay(run))
    if (state?.environment !== undefined && (options.config === undefined || options.secrets === undefined))
      throw new MillraceError(
        'MR_RUN_INVALID',
        `run ${run} took values from the environment, and has not recorded them`,
        {
          hint: `millrace resume ${run} takes them from there again; PipelineExecutor.resume needs config and secrets`,
        },
      )
    const event: RunEvent = {
      type: 'run-resumed',
      run,
      time: this.#clock.now(),
      versions: options.versions ?? state?.versions ?? {},
      stages: order.map(({ name, version, after }) => ({ name, version, after })),
    }
    return this.#work(options, order, event, state, options.config ?? (state?.config as Config))
  }

  /** A name for a run: the time and six random digits. */
  newRunId(): string {
    const time = new Date(this.#clock.now()).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')
    const digits = Math.floor(this.#random.uniform() * 2 ** 24)
    return `${time}-${digits.toString(16).padStart(6, '0')}`
  }

  /** For each stage: what `execute` would do, and why. Calls fingerprints; runs and records nothing. */
  explain<Config>(
    stages: readonly StageKind<Config>[],
    config: Config,
    { secrets, signal }: Pick<Common<Config>, 'secrets' | 'signal'> = {},
  ): Promise<StageExplanation[]> {
    const plain = JSON.parse(canonicalJson(config)) as Config
    const today = { config: plain, sealing: this.#sealing(secrets) }
    return explainStages(this.#journal, this.#store, checkGraph(stages), today, signal)
  }

  async #work<Config>(
    options: Common<Config>,
    order: readonly StageKind<Config>[],
    first: RunEvent,
    before: RunState | undefined,
    config: Config,
  ): Promise<RunState> {
    const state = applyEvent(before, first)
    if (state === undefined) throw new MillraceError('MR_INTERNAL_BUG', `run ${first.run} has no beginning`)
    await this.#journal.append(first)
    const { onEvent } = options
    const work = new RunInProgress<Config>({
      journal: this.#journal,
      store: this.#store,
      clock: this.#clock,
      random: this.#random,
      concurrency: this.#concurrency,
      retry: this.#retry,
      stages: order,
      state,
      config,
      sealing: this.#sealing(options.secrets),
      ...(options.secrets === undefined ? {} : { hide: options.secrets.hide }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      emit(event) {
        try {
          onEvent?.(event)
        } catch (error) {
          process.emitWarning(`a listener of run ${event.run} threw at ${event.type}: ${String(error)}`)
        }
      },
    })
    return work.finish(first)
  }

  #sealing(secrets: Secrets | undefined): Sealing {
    return { places: secrets?.environment.map(({ path }) => path) ?? [], key: this.#key }
  }

  async #checkRunId(given: string | undefined): Promise<string> {
    if (given === undefined) return this.newRunId()
    if (!/^[A-Za-z0-9][\w.-]{0,99}$/.test(given)) {
      const rule = 'must start with a letter or digit and hold only letters, digits, _ . -, at most 100'
      throw new MillraceError('MR_RUN_INVALID', `run name ${JSON.stringify(given)}: ${rule}`)
    }
    if ((await this.#journal.runs()).some(({ run }) => run === given)) {
      throw new MillraceError('MR_RUN_INVALID', `run name ${given} is taken`, { hint: `millrace resume ${given}` })
    }
    return given
  }
}

function checkForce(
  force: boolean | readonly string[],
  stages: readonly { readonly name: string }[],
): boolean | readonly string[] {
  if (typeof force === 'boolean') return force
  const names = stages.map(({ name }) => name)
  for (const name of force) {
    if (names.includes(name)) continue
    const close = nearest(name, names)
    throw new MillraceError(
      'MR_STAGE_GRAPH',
      `stage ${JSON.stringify(name)} cannot be forced: it does not exist; there are: ${names.join(', ')}`,
      close === undefined ? {} : { hint: `did you mean "${close}"?` },
    )
  }
  return force
}
