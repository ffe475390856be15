/** Why a stage would run again, or would not: today's stages and configuration against the journal. */
import type { ArtifactStore } from '../core/artifacts.js'
import { formatPath } from '../core/json.js'
import type { InputDigests, StageSucceeded } from './events.js'
import { baseKey, changedInputs, findSuccess, inputDigests, missingOutputs, type StageIdentity } from './identity.js'
import type { RunJournal } from './journal.js'
import { ABSENT, changedReads, type Sealing } from './reads.js'
import type { Artifacts, StageKind } from './stage.js'

export type Reason =
  | { readonly kind: 'never-ran' }
  | { readonly kind: 'version'; readonly from: number; readonly to: number }
  /** What computes its outputs has another version; `from` is absent if none was recorded, `to` if it is used no more. */
  | { readonly kind: 'engine'; readonly name: string; readonly from?: string; readonly to?: string }
  | { readonly kind: 'config'; readonly path: string; readonly from: string; readonly to: string }
  | {
      readonly kind: 'input'
      readonly stage: string
      readonly output: string
      readonly from?: string
      readonly to?: string
    }
  | { readonly kind: 'source'; readonly from: string | null; readonly to: string | null }
  | { readonly kind: 'outputs-missing'; readonly outputs: readonly string[] }
  /** What it made outside the store is not there any more. */
  | { readonly kind: 'effects-gone' }
  | { readonly kind: 'upstream'; readonly stage: string }

export interface StageExplanation {
  readonly stage: string
  /** perhaps: only what it depends on will run; if that gives the same outputs again, its own are taken from the journal. */
  readonly action: 'run' | 'perhaps' | 'cached'
  /** cached: the run that did it. */
  readonly from?: string
  /** run: all that differs from the newest success, compared with that of run `since`. */
  readonly reasons: readonly Reason[]
  readonly since?: string
}

/** Explains each stage; `stages` in topological order, `today.config` plain JSON data. */
export async function explainStages<Config>(
  journal: RunJournal,
  store: ArtifactStore,
  stages: readonly StageKind<Config>[],
  today: { readonly config: Config; readonly sealing?: Sealing },
  given?: AbortSignal,
): Promise<StageExplanation[]> {
  const signal = given ?? new AbortController().signal
  const outputs = new Map<string, Artifacts>()
  const explanations: StageExplanation[] = []
  for (const stage of stages) {
    const { name, version, engines = {}, after } = stage
    const upstream = after.filter((other) => !outputs.has(other))
    const inputs = Object.fromEntries(after.map((other) => [other, outputs.get(other) ?? {}]))
    const digests = inputDigests(inputs)
    const identity: StageIdentity = {
      ...{ name, version, engines, after },
      fingerprint: (await stage.fingerprint?.(today.config, signal)) ?? null,
    }
    // good whatever the stages before will give, as far as it did not look at them
    const independent = ({ inputs: used }: StageSucceeded): boolean =>
      !upstream.some((other) => Object.hasOwn(used, other))
    const earlier = (await journal.successes(name, baseKey(identity))).filter(independent)
    const found = await findSuccess(earlier, digests, today, store, stage)
    if (found !== undefined) {
      outputs.set(name, found.outputs)
      explanations.push({ stage: name, action: 'cached', from: found.run, reasons: [] })
      continue
    }
    const last = (await journal.successes(name)).at(-1)
    const waiting = upstream.filter((other) => last === undefined || Object.hasOwn(last.inputs, other))
    const reasons: Reason[] = waiting.map((other) => ({ kind: 'upstream', stage: other }))
    if (last === undefined) reasons.push({ kind: 'never-ran' })
    else reasons.push(...differences(last, identity, digests, today, new Set(upstream)))
    if (last !== undefined && reasons.length === 0) {
      const outputs = await missingOutputs(last, store)
      reasons.push(outputs.length > 0 ? { kind: 'outputs-missing', outputs } : { kind: 'effects-gone' })
    }
    const action = reasons.every(({ kind }) => kind === 'upstream') ? 'perhaps' : 'run'
    explanations.push({ stage: name, action, reasons, ...(last === undefined ? {} : { since: last.run }) })
  }
  return explanations
}

function differences(
  last: StageSucceeded,
  now: StageIdentity,
  inputs: InputDigests,
  { config, sealing }: { readonly config: unknown; readonly sealing?: Sealing },
  unknown: ReadonlySet<string>,
): Reason[] {
  const reasons: Reason[] = []
  if (last.version !== now.version) reasons.push({ kind: 'version', from: last.version, to: now.version })
  const engines = new Map(Object.entries(last.engines ?? {}))
  const today = new Map(Object.entries(now.engines))
  for (const name of new Set([...engines.keys(), ...today.keys()])) {
    const [from, to] = [engines.get(name), today.get(name)]
    if (from !== to) reasons.push({ kind: 'engine', name, ...ends(from, to) })
  }
  for (const { path, from, to } of changedReads(last.reads, config, sealing)) {
    reasons.push({ kind: 'config', path: formatPath(path), from, to })
  }
  if (last.fingerprint !== now.fingerprint) {
    reasons.push({ kind: 'source', from: last.fingerprint, to: now.fingerprint })
  }
  const known = (end: string): string | undefined => (end === ABSENT ? undefined : end)
  for (const { stage, output, from, to } of changedInputs(last.inputs, inputs))
    if (!unknown.has(stage)) reasons.push({ kind: 'input', stage, output, ...ends(known(from), known(to)) })
  return reasons
}

function ends(from: string | undefined, to: string | undefined): { from?: string; to?: string } {
  return { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }
}

/** A reason in words for people. */
export function formatReason(reason: Reason): string {
  // digests say nothing to a person; they are in the reason itself
  const isLong = (text: string) => /^(hmac-)?sha256:/.test(text)
  switch (reason.kind) {
    case 'never-ran':
      return 'it has never succeeded here'
    case 'version':
      return `the stage itself changed: version ${reason.from} -> ${reason.to}`
    case 'engine':
      return `${reason.name} changed: ${reason.from ?? 'not recorded'} -> ${reason.to ?? 'not used'}`
    case 'config':
      return isLong(reason.from) || isLong(reason.to)
        ? `${reason.path || 'the configuration'} changed`
        : `${reason.path || 'the configuration'} changed: ${reason.from} -> ${reason.to}`
    case 'input':
      return `the ${reason.output} of ${reason.stage} changed`
    case 'source':
      return 'the content of its source changed'
    case 'outputs-missing':
      return `its outputs are no longer in the store: ${reason.outputs.join(', ')}`
    case 'effects-gone':
      return 'what it made outside the store is no longer there, or what it found no longer holds'
    case 'upstream':
      return `it depends on ${reason.stage}, which may give other outputs`
  }
}
