/** The pipeline: which stages, in which order. */
import type { PipelineConfig } from '../config/config.js'
import type { RunStarted } from '../pipeline/events.js'
import type { StageKind } from '../pipeline/stage.js'
import { TRANSFORMS } from '../transforms/catalog.js'
import { evaluate } from './evaluate.js'
import { extract } from './extract.js'
import { features } from './features.js'
import { leaks } from './leaks.js'
import { pack } from './pack.js'
import { publish } from './publish.js'
import { register } from './register.js'
import type { RunResources } from './run-resources.js'
import { train } from './train.js'
import { transform } from './transform.js'
import { validate } from './validate.js'

export const STAGES = [
  'extract',
  'validate',
  'features',
  'transform',
  'leaks',
  'publish',
  'pack',
  'train',
  'evaluate',
  'register',
] as const
export type StageName = (typeof STAGES)[number]

/** What the journal records of each stage at the start of a run. */
export function stageVersions(): RunStarted['stages'] {
  // stages ask nothing of their resources until they run
  return pipelineStages({} as RunResources).map(({ name, version, after }) => ({ name, version, after }))
}

/** @param timeout seconds that an attempt at a stage may take; none if absent */
export function pipelineStages(resources: RunResources, timeout?: number): readonly StageKind<PipelineConfig>[] {
  const stages = [extract, validate, features, transform, leaks, publish, pack, train, evaluate, register]
  // what another version computes may differ in the last bit, or in what a transform means
  const transforms = [...TRANSFORMS.values()].map(({ name, version }) => `${name}@${version}`).sort()
  const engines = { ...resources.versions, transforms: transforms.join(' ') }
  return stages.map((make): StageKind<PipelineConfig> => {
    const stage = make(resources)
    return {
      ...stage,
      engines,
      ...(timeout === undefined ? {} : { timeout: timeout * 1000 }),
      async run(context) {
        const { value, notes } = await resources.memo.noted(() => stage.run(context))
        // how much was taken from earlier runs
        for (const line of notes) context.log(line)
        return value
      },
    }
  })
}
