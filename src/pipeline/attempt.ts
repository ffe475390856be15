/**
 * One attempt at one stage. What it may touch goes through a context that dies with the attempt: one that was abandoned
 * (timed out, or not ending after cancellation) may run on, but has no way to record anything.
 */
import { isArtifactRef } from '../core/artifact-store.js'
import type { ArtifactStore } from '../core/artifacts.js'
import type { Clock } from '../core/clock.js'
import { MillraceError } from '../core/errors.js'
import type { InputDigests, Read, RunEvent, StageCheckpoint, StageError } from './events.js'
import { ProgressMeter, type ProgressReport } from './progress.js'
import { recordInputs } from './identity.js'
import { recordReads, type Sealing } from './reads.js'
import type { Artifacts, StageContext, StageKind } from './stage.js'

/** Milliseconds that a cancelled stage has to end by itself, e.g. with a last checkpoint. */
export const GRACE = 5000

export interface Attempt<Config> {
  readonly run: string
  readonly stage: StageKind<Config>
  readonly base: string
  readonly config: Config
  readonly sealing: Sealing | undefined
  readonly inputs: Readonly<Record<string, Artifacts>>
  readonly resumed: StageCheckpoint | undefined
  readonly store: ArtifactStore
  readonly clock: Clock
  /** Fires when the run is cancelled. */
  readonly signal: AbortSignal
  /** Called when it fires: a list costs less than listeners that come and go. */
  readonly cancels: (() => void)[]
  /** Throws if what is outside is not what it was when the attempt began. */
  readonly checkSource: () => Promise<void>
  /** Resolves when the event is durable. */
  readonly record: (event: RunEvent) => Promise<void>
  readonly progress: (report: ProgressReport) => void
}

/** Runs the stage: its outputs, checked, and what it read; or its error, MR_TIMEOUT or MR_CANCELLED. */
export async function runAttempt<Config>(
  attempt: Attempt<Config>,
): Promise<{ outputs: Artifacts; inputs: InputDigests; reads: readonly Read[] }> {
  const { run, stage, base, store, clock, resumed, record } = attempt
  const recorded = recordReads(attempt.config, attempt.sealing, resumed?.reads)
  const recordedInputs = recordInputs(attempt.inputs, resumed?.inputs)
  const meter = new ProgressMeter()
  const interruption = new Interruption()
  let timers: AbortController | undefined // made when needed: they cost more than the rest of an attempt
  let live = true
  let abandon: (error: MillraceError) => void = () => undefined
  const after = (ms: number, error: () => MillraceError) => {
    timers ??= new AbortController()
    clock.sleep(ms, timers.signal).then(
      () => abandon(error()),
      () => undefined, // ended in time
    )
  }

  const context: StageContext<Config> = {
    config: recorded.config,
    inputs: recordedInputs.inputs,
    store,
    get signal() {
      return interruption.signal
    },
    progress(progress) {
      const report = live ? meter.update(progress, clock.monotonic()) : undefined
      if (report !== undefined) attempt.progress(report)
    },
    log(message, level = 'info') {
      if (!live) return
      // A journal that cannot be written fails the run at the next event that is waited for.
      record({ type: 'stage-log', run, time: clock.now(), stage: stage.name, level, message }).catch(() => undefined)
    },
    async attach(name, artifact) {
      if (!(await isStored(store, artifact))) throw notAnArtifact(stage.name, `attachment "${name}"`, artifact)
      if (!live) throw gone(stage.name)
      await record({ type: 'stage-attached', run, time: clock.now(), stage: stage.name, name, artifact })
    },
    async checkpoint(state) {
      const [looked, reads] = [recordedInputs.used(), recorded.reads()]
      if (!(await isStored(store, state))) throw notAnArtifact(stage.name, 'the checkpoint', state)
      await attempt.checkSource()
      if (!live) throw gone(stage.name)
      await record({
        type: 'stage-checkpoint',
        run,
        time: clock.now(),
        stage: stage.name,
        base,
        inputs: looked,
        reads,
        state,
      })
    },
    resumed: resumed?.state,
  }

  const cancel = () => {
    interruption.interrupt(attempt.signal.reason)
    after(GRACE, () => cancelled(stage.name))
  }
  if (attempt.signal.aborted) throw cancelled(stage.name)
  attempt.cancels.push(cancel)
  const { timeout } = stage
  try {
    const outputs = await new Promise<Artifacts>((resolve, reject) => {
      abandon = (error) => {
        live = false
        interruption.interrupt(error)
        reject(error)
      }
      if (timeout !== undefined) {
        const words = `stage "${stage.name}" took longer than its ${timeout} ms; the attempt was abandoned`
        after(timeout, () => new MillraceError('MR_TIMEOUT', words, { retryable: true, hint: 'raise its timeout' }))
      }
      Promise.resolve(stage.run(context)).then(resolve, reject)
    })
    await checkOutputs(stage.name, outputs, store)
    await attempt.checkSource()
    return { outputs, inputs: recordedInputs.used(), reads: recorded.reads() }
  } finally {
    live = false
    timers?.abort()
    attempt.cancels.splice(attempt.cancels.indexOf(cancel), 1)
  }
}

/** An AbortController that is made when its signal is asked for: making one costs more than a short stage. */
class Interruption {
  #controller: AbortController | undefined
  #interrupted: { readonly reason: unknown } | undefined

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#interrupted !== undefined) this.#controller.abort(this.#interrupted.reason)
    }
    return this.#controller.signal
  }

  interrupt(reason: unknown): void {
    this.#interrupted ??= { reason }
    this.#controller?.abort(reason)
  }
}

export function cancelled(stage: string): MillraceError {
  return new MillraceError('MR_CANCELLED', `stage "${stage}" was interrupted`)
}

function gone(stage: string): MillraceError {
  return new MillraceError('MR_CANCELLED', `this attempt at stage "${stage}" was abandoned and records nothing more`)
}

async function isStored(store: ArtifactStore, value: unknown): Promise<boolean> {
  return isArtifactRef(value) && (await store.has(value))
}

async function checkOutputs(stage: string, outputs: unknown, store: ArtifactStore): Promise<void> {
  if (typeof outputs !== 'object' || outputs === null || Array.isArray(outputs)) {
    throw notAnArtifact(stage, 'what it returned', outputs)
  }
  for (const [name, ref] of Object.entries(outputs)) {
    if (!(await isStored(store, ref))) throw notAnArtifact(stage, `output "${name}"`, ref)
  }
}

function notAnArtifact(stage: string, what: string, value: unknown): MillraceError {
  const shown = isArtifactRef(value) ? `${value.digest}, which is not in the store` : describe(value)
  return new MillraceError('MR_STAGE_OUTPUT', `stage "${stage}": ${what} is ${shown}`, {
    hint: 'return an object of references that context.store.put or putFile gave',
  })
}

/** An error, or whatever else was thrown, as the journal keeps it. */
export function stageError(thrown: unknown): StageError {
  if (thrown instanceof MillraceError) {
    const { code, message, hint, at } = thrown
    return { code, message, ...(hint === undefined ? {} : { hint }), ...(at === undefined ? {} : { at }) }
  }
  const message = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : `threw ${describe(thrown)}`
  return { code: 'MR_STAGE_FAILED', message }
}

/** A few words for any value; never throws, whatever the value's own methods do. */
function describe(value: unknown): string {
  try {
    if (typeof value === 'string') return value.slice(0, 200)
    if (typeof value === 'function' || typeof value === 'symbol') return `a value of type ${typeof value}`
    const text = JSON.stringify(value) ?? 'undefined'
    return text.length > 200 ? `${text.slice(0, 200)}…` : text
  } catch {
    return `a value of type ${typeof value}`
  }
}
