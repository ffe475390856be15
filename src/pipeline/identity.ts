/**
 * A stage's identity is its content: hash(name, version, versions of its engines, fingerprint of what is outside, digests
 * of the inputs and parts of the configuration that it *read*). What it reads is known only afterwards, so looking up goes
 * the other way round: among earlier successes with the same base (all that is known before), one whose recorded reads
 * find the same today.
 */
import type { ArtifactStore } from '../core/artifacts.js'
import { sha256Json } from '../core/json.js'
import type { InputDigests, Read, StageSucceeded } from './events.js'
import { ABSENT, agrees, type Sealing } from './reads.js'
import type { Artifacts, StageKind } from './stage.js'

export interface StageIdentity {
  readonly name: string
  readonly version: number
  readonly engines: Readonly<Record<string, string>>
  /** Stages whose outputs it may read. */
  readonly after: readonly string[]
  readonly fingerprint: string | null
}

/** Identity without what is read. */
export function baseKey({ name, version, engines, after, fingerprint }: StageIdentity): string {
  return sha256Json([name, version, after, fingerprint, engines])
}

/** The whole identity. */
export function stageKey(base: string, used: InputDigests, reads: readonly Read[]): string {
  return sha256Json([base, used, reads])
}

/** Of all outputs of the stages before. */
export function inputDigests(inputs: Readonly<Record<string, Artifacts>>): InputDigests {
  return Object.fromEntries(
    Object.entries(inputs).map(([stage, artifacts]) => [
      stage,
      Object.fromEntries(Object.entries(artifacts).map(([name, { digest }]) => [name, digest])),
    ]),
  )
}

/** Stands for a whole stage's outputs, where a stage listed them. */
const ALL = '*'

export interface RecordedInputs {
  /** Reads like the inputs themselves. */
  readonly inputs: Readonly<Record<string, Artifacts>>
  /** Digests of the outputs that were looked at so far; ABSENT for one that is not there. */
  used(): InputDigests
}

/**
 * Notes which of its inputs a stage looks at: one that it does not look at can change without its work being done again.
 * @param earlier what counts as looked at already: by the attempt whose checkpoint is gone on from
 */
export function recordInputs(inputs: Readonly<Record<string, Artifacts>>, earlier: InputDigests = {}): RecordedInputs {
  const noted = new Map<string, Set<string>>(
    Object.entries(earlier).map(([stage, outputs]) => [stage, new Set(Object.keys(outputs))]),
  )
  const note = (stage: string, output: string): void => {
    const outputs = noted.get(stage) ?? new Set()
    noted.set(stage, outputs.add(output))
  }
  const watched = (stage: string, artifacts: Artifacts): Artifacts =>
    new Proxy(
      { ...artifacts },
      {
        get(target, key) {
          if (typeof key === 'string' && key !== 'then' && key !== 'toJSON') note(stage, key)
          return Reflect.get(target, key) as unknown
        },
        has(target, key) {
          if (typeof key === 'string') note(stage, key)
          return Reflect.has(target, key)
        },
        getOwnPropertyDescriptor(target, key) {
          if (typeof key === 'string') note(stage, key)
          return Reflect.getOwnPropertyDescriptor(target, key)
        },
        ownKeys(target) {
          note(stage, ALL)
          return Reflect.ownKeys(target)
        },
      },
    )
  return {
    inputs: Object.fromEntries(Object.entries(inputs).map(([stage, outputs]) => [stage, watched(stage, outputs)])),
    used() {
      const digests = noted.size === 0 ? {} : inputDigests(inputs)
      return Object.fromEntries(
        [...noted]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([stage, outputs]) => [
            stage,
            Object.fromEntries([...outputs].sort().map((output) => [output, found(digests, stage, output)])),
          ]),
      )
    },
  }
}

/** Inputs looked at once that are others now: `from` and `to` are digests, or ABSENT. */
export function changedInputs(
  used: InputDigests,
  now: InputDigests,
): { stage: string; output: string; from: string; to: string }[] {
  return Object.entries(used).flatMap(([stage, outputs]) =>
    Object.entries(outputs).flatMap(([output, from]) => {
      const to = found(now, stage, output)
      return to === from ? [] : [{ stage, output, from, to }]
    }),
  )
}

function found(digests: InputDigests, stage: string, output: string): string {
  const outputs = digests[stage] ?? {}
  if (output === ALL) return sha256Json(outputs)
  return Object.hasOwn(outputs, output) ? (outputs[output] as string) : ABSENT
}

/** The newest of `successes` (oldest first) that read what is there now and whose outputs and effects are still there. */
export async function findSuccess<Config>(
  successes: readonly StageSucceeded[],
  inputs: InputDigests,
  { config, sealing }: { readonly config: Config; readonly sealing?: Sealing },
  store: ArtifactStore,
  stage: Pick<StageKind<Config>, 'stillThere'>,
): Promise<StageSucceeded | undefined> {
  for (const success of successes.toReversed()) {
    if (changedInputs(success.inputs, inputs).length > 0 || !agrees(success.reads, config, sealing)) continue
    if ((await missingOutputs(success, store)).length > 0) continue
    if ((await stage.stillThere?.(success.outputs, config, store)) !== false) return success
  }
  return undefined
}

/** Names of outputs that the store has no more. */
export async function missingOutputs(success: StageSucceeded, store: ArtifactStore): Promise<string[]> {
  const missing: string[] = []
  for (const [name, ref] of Object.entries(success.outputs)) {
    if (!(await store.has(ref))) missing.push(name)
  }
  return missing
}
