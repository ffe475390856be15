/** One run while a process works at it: what is done, what may start, and the record of it. */
import type { ArtifactStore } from '../core/artifacts.js'
import type { Clock } from '../core/clock.js'
import { MillraceError } from '../core/errors.js'
import type { RetryStrategy } from '../core/retry.js'
import { cancelled, runAttempt, stageError } from './attempt.js'
import type { InputDigests, RunEvent, StageCheckpoint } from './events.js'
import type { ExecutionEvent } from './executor.js'
import { Frontier } from './graph.js'
import { baseKey, changedInputs, findSuccess, inputDigests, stageKey } from './identity.js'
import type { RunJournal } from './journal.js'
import { agrees, type Sealing } from './reads.js'
import type { Artifacts, StageKind } from './stage.js'
import { RunFold, type RunState } from './state.js'

export interface RunOptions<Config> {
  readonly journal: RunJournal
  readonly store: ArtifactStore
  readonly clock: Clock
  readonly random: { uniform(): number }
  readonly concurrency: number
  readonly retry: RetryStrategy
  /** In topological order. */
  readonly stages: readonly StageKind<Config>[]
  /** After `run-started` or `run-resumed`. */
  readonly state: RunState
  /** With its secrets, which the state's has not. */
  readonly config: Config
  readonly sealing: Sealing
  /** Takes secrets out of texts. */
  readonly hide?: (text: string) => string
  readonly signal?: AbortSignal
  readonly emit: (event: ExecutionEvent) => void
}

export class RunInProgress<Config> {
  readonly #options: RunOptions<Config>
  readonly #controller = new AbortController()
  readonly #done = new Map<string, Artifacts>()
  readonly #failed = new Set<string>()
  readonly #state: RunState
  readonly #fold: RunFold
  /** What running attempts do when the run is cancelled: one listener of the signal for all. */
  readonly #cancels: (() => void)[] = []
  /** The journal cannot be written: nothing that happens from here on can count. */
  #fatal: { readonly error: unknown } | undefined

  constructor(options: RunOptions<Config>) {
    this.#options = options
    this.#state = options.state
    this.#fold = new RunFold(options.state)
  }

  /** Works until all stages have ended, or nothing more can start; `first` is the event that was just recorded. */
  async finish(first: RunEvent): Promise<RunState> {
    const { clock, emit, signal } = this.#options
    const start = clock.monotonic()
    const cancel = () => this.#controller.abort(signal?.reason)
    if (signal?.aborted) cancel()
    signal?.addEventListener('abort', cancel, { once: true })
    const cancelAttempts = () => [...this.#cancels].forEach((cancelAttempt) => cancelAttempt())
    this.#controller.signal.addEventListener('abort', cancelAttempts, { once: true })
    try {
      emit(first)
      await this.#schedule()
    } finally {
      signal?.removeEventListener('abort', cancel)
    }
    if (this.#fatal !== undefined) throw this.#fatal.error
    const complete = this.#done.size === this.#options.stages.length
    const status = complete ? 'success' : this.#failed.size > 0 ? 'failed' : 'cancelled'
    const { run } = this.#state
    const seconds = this.#secondsSince(start)
    const hint = status === 'cancelled' ? `millrace resume ${run}` : `mend the cause, then: millrace resume ${run}`
    const end = { type: 'run-finished', run, time: clock.now(), status, seconds } as const
    await this.#record(complete ? end : { ...end, hint })
    return this.#fold.state ?? this.#state
  }

  /** Resolves when nothing runs and nothing more can start. */
  #schedule(): Promise<void> {
    const { stages, concurrency } = this.#options
    const frontier = new Frontier(stages)
    let active = 0
    return new Promise((resolve, reject) => {
      const ended = (stage: StageKind<Config>): void => {
        active--
        if (this.#done.has(stage.name)) frontier.done(stage)
        else if (this.#failed.has(stage.name)) this.#skip(frontier.after(stage))
        start()
      }
      const start = (): void => {
        while (active < concurrency && !this.#controller.signal.aborted) {
          const stage = frontier.next()
          if (stage === undefined) break
          active++
          this.#runStage(stage)
            .then(() => ended(stage))
            .catch(reject)
        }
        if (active === 0) resolve()
      }
      start()
    })
  }

  #skip(stages: readonly StageKind<Config>[]): void {
    for (const stage of stages) {
      const because = stage.after.find((name) => this.#failed.has(name))
      if (because === undefined || this.#failed.has(stage.name)) continue
      this.#failed.add(stage.name)
      this.#recordLater({ type: 'stage-skipped', ...this.#about(stage), because })
    }
  }

  /** Never rejects: a stage's failure is recorded, a failure to record ends the run. */
  async #runStage(stage: StageKind<Config>): Promise<void> {
    const { clock, random, retry } = this.#options
    const { signal } = this.#controller
    const start = clock.monotonic()
    let attempts = 0
    try {
      const outputs = await retry.run(
        (attempt) => {
          attempts = attempt
          return this.#attempt(stage, attempt, start)
        },
        {
          clock,
          random,
          signal,
          before: ({ attempt, delay, error }) =>
            this.#record({ type: 'stage-retrying', ...this.#about(stage), attempt, delay, error: stageError(error) }),
        },
      )
      this.#done.set(stage.name, outputs)
    } catch (error) {
      if (this.#fatal !== undefined || signal.aborted) return
      const seconds = this.#secondsSince(start)
      this.#failed.add(stage.name)
      await this.#record({
        ...{ type: 'stage-failed', ...this.#about(stage), error: stageError(error), seconds, attempts },
      }).catch(() => undefined)
    }
  }

  /** The outputs: found in the journal, or made and recorded. */
  async #attempt(stage: StageKind<Config>, attempt: number, start: number): Promise<Artifacts> {
    const { clock, store, journal, emit, config, sealing } = this.#options
    const { signal } = this.#controller
    const { run } = this.#state
    const inputs = Object.fromEntries(stage.after.map((name) => [name, this.#done.get(name) ?? {}]))
    const fingerprint = await this.#fingerprint(stage)
    const { name, version, engines = {}, after } = stage
    const digests = inputDigests(inputs)
    const base = baseKey({ name, version, engines, after, fingerprint })

    const successes = await journal.successes(name, base)
    const usable =
      successes.length > 0 && this.#isForced(name) ? successes.filter((success) => success.run === run) : successes
    const found = usable.length === 0 ? undefined : await findSuccess(usable, digests, this.#options, store, stage)
    if (found !== undefined) {
      const known = this.#state.stages.find((result) => result.name === name)
      // Done by this very run, before it was interrupted: still so.
      if (found.run !== run || known?.status !== 'success' || known.key !== found.key) {
        const { key, outputs } = found
        await this.#record({ type: 'stage-cached', ...this.#about(stage), from: found.run, key, outputs })
      }
      return found.outputs
    }

    // Not waited for: it precedes the outcome in the file, and alone it says nothing that must not be lost.
    this.#recordLater({
      type: 'stage-started',
      run,
      time: clock.now(),
      stage: name,
      attempt,
      version,
      inputs: digests,
      fingerprint,
    })
    const {
      outputs,
      inputs: used,
      reads,
    } = await runAttempt({
      ...{ run, stage, base, config, sealing, inputs, store, clock, signal, cancels: this.#cancels },
      resumed: await this.#checkpoint(base, digests, name),
      checkSource: () => this.#checkSource(stage, fingerprint),
      record: (event) => this.#record(event),
      progress: (report) => emit({ type: 'stage-progress', run, time: clock.now(), stage: name, ...report }),
    })
    await this.#record({
      type: 'stage-succeeded',
      run,
      time: clock.now(),
      stage: name,
      version,
      engines,
      base,
      key: stageKey(base, used, reads),
      inputs: used,
      fingerprint,
      reads,
      outputs,
      seconds: this.#secondsSince(start),
      attempts: attempt,
    })
    return outputs
  }

  /** To the microsecond: more is noise that makes lines longer. */
  #secondsSince(start: number): number {
    return Math.round((this.#options.clock.monotonic() - start) * 1000) / 1e6
  }

  async #fingerprint(stage: StageKind<Config>): Promise<string | null> {
    if (stage.fingerprint === undefined) return null
    const { signal } = this.#controller
    return (await this.#unlessAborted(stage.name, stage.fingerprint(this.#options.config, signal))) ?? null
  }

  /** What was made of a source that changed meanwhile belongs to neither content: it must not be found under one. */
  async #checkSource(stage: StageKind<Config>, before: string | null): Promise<void> {
    if (before === null || (await this.#fingerprint(stage)) === before) return
    const words = `stage "${stage.name}": its source changed while it was read; what came of it does not count`
    const hint = 'let what writes the source come to its end, then run again'
    throw new MillraceError('MR_SOURCE_CHANGED', words, { retryable: true, hint })
  }

  /** The newest checkpoint that agrees with the configuration and whose bytes are good. */
  async #checkpoint(base: string, inputs: InputDigests, stage: string): Promise<StageCheckpoint | undefined> {
    const { config, sealing, journal } = this.#options
    const all = await journal.checkpoints(base)
    for (const checkpoint of all.toReversed()) {
      if (this.#isForced(stage) && checkpoint.run !== this.#state.run) continue
      if (changedInputs(checkpoint.inputs, inputs).length > 0 || !agrees(checkpoint.reads, config, sealing)) continue
      const isGood = await this.#options.store.path(checkpoint.state).then(
        () => true,
        () => false, // missing or damaged: the one before it, or from the start
      )
      if (isGood) return checkpoint
    }
    return undefined
  }

  #isForced(stage: string): boolean {
    const { force } = this.#state
    return typeof force === 'boolean' ? force : force.includes(stage)
  }

  #about(stage: StageKind<Config>): { run: string; time: number; stage: string } {
    return { run: this.#state.run, time: this.#options.clock.now(), stage: stage.name }
  }

  async #record(given: RunEvent): Promise<void> {
    const event = hidden(given, this.#options.hide)
    try {
      await this.#options.journal.append(event)
    } catch (error) {
      this.#fatal ??= { error }
      this.#controller.abort(error)
      throw error
    }
    this.#apply(event)
  }

  /** For what need not be durable before something follows from it. */
  #recordLater(event: RunEvent): void {
    this.#options.journal.append(event, false).catch((error: unknown) => {
      this.#fatal ??= { error }
      this.#controller.abort(error)
    })
    this.#apply(event)
  }

  #apply(event: RunEvent): void {
    this.#fold.add(event)
    this.#options.emit(event)
  }

  async #unlessAborted<T>(stage: string, work: Promise<T>): Promise<T> {
    const { signal } = this.#controller
    let stop = () => {}
    const aborted = new Promise<never>((_, reject) => {
      stop = () => reject(cancelled(stage))
      if (signal.aborted) stop()
      signal.addEventListener('abort', stop, { once: true })
    })
    try {
      return await Promise.race([work, aborted])
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }
}

/** The event with secrets taken out of what it quotes. */
function hidden(event: RunEvent, hide: ((text: string) => string) | undefined): RunEvent {
  if (hide === undefined) return event
  if (event.type === 'stage-log') return { ...event, message: hide(event.message) }
  if (event.type !== 'stage-failed' && event.type !== 'stage-retrying') return event
  const { message, hint } = event.error
  return {
    ...event,
    error: { ...event.error, message: hide(message), ...(hint === undefined ? {} : { hint: hide(hint) }) },
  }
}
