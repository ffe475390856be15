/**
 * A stage's identity is its content: hash(name, version, versions of its engines, digests of its inputs, fingerprint of
 * what is outside, the configuration it read). What it reads is known only afterwards, so looking up goes the other way round: among earlier
 * successes with the same base (all but the configuration), one whose recorded reads agree with today's configuration.
 */
import type { ArtifactStore } from '../core/artifacts.js'
import { sha256Json } from '../core/json.js'
import type { InputDigests, Read, StageSucceeded } from './events.js'
import { agrees } from './reads.js'
import type { Artifacts, StageKind } from './stage.js'

export interface StageIdentity {
  readonly name: string
  readonly version: number
  readonly engines: Readonly<Record<string, string>>
  readonly inputs: InputDigests
  readonly fingerprint: string | null
}

/** Identity without the configuration. */
export function baseKey({ name, version, engines, inputs, fingerprint }: StageIdentity): string {
  // without engines as it was before there were any: what older journals hold is still found
  const rest = Object.keys(engines).length === 0 ? [] : [engines]
  return sha256Json([name, version, inputs, fingerprint, ...rest])
}

/** The whole identity. */
export function stageKey(base: string, reads: readonly Read[]): string {
  return sha256Json([base, reads])
}

/** The digests of the outputs that a stage gets as inputs. */
export function inputDigests(inputs: Readonly<Record<string, Artifacts>>): InputDigests {
  const digests = (artifacts: Artifacts) =>
    Object.fromEntries(Object.entries(artifacts).map(([name, { digest }]) => [name, digest]))
  return Object.fromEntries(Object.entries(inputs).map(([stage, artifacts]) => [stage, digests(artifacts)]))
}

/** The newest of `successes` (oldest first) whose reads agree with `config` and whose outputs and effects are still there. */
export async function findSuccess<Config>(
  successes: readonly StageSucceeded[],
  config: Config,
  store: ArtifactStore,
  stage: Pick<StageKind<Config>, 'stillThere'>,
): Promise<StageSucceeded | undefined> {
  for (const success of successes.toReversed()) {
    if (!agrees(success.reads, config) || (await missingOutputs(success, store)).length > 0) continue
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
