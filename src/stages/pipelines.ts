/** The pipeline as an object, for programs: the whole of it, or the data part alone. */
import type { LoadedConfig } from '../config/load.js'
import type { StageExplanation } from '../pipeline/explain.js'
import { explainPipeline, resumePipeline, type RunOptions, type RunOutcome, runPipeline } from './run-pipeline.js'

/** From raw files to a registered model: what `millrace run` does. */
export class EndToEndMLPipeline {
  /** @param options.home folder of the journal, the artifacts and the registry */
  constructor(
    readonly loaded: LoadedConfig,
    private readonly options: RunOptions,
  ) {}

  /** Runs what the journal does not hold. A stage's failure is in the outcome's state, not thrown. */
  run(options: { readonly force?: boolean; readonly signal?: AbortSignal } = {}): Promise<RunOutcome> {
    return runPipeline(this.loaded, { ...this.options, ...options })
  }

  /** Goes on with the newest run that is not finished, or the one named. */
  resume(run?: string): Promise<RunOutcome> {
    return resumePipeline(run, this.options)
  }

  explain(): Promise<readonly StageExplanation[]> {
    return explainPipeline(this.loaded, this.options)
  }
}

/** Extract, validate, transform and load (publish) alone, with the same journal and cache as the whole pipeline. */
export class DistributedETLPipeline {
  constructor(
    readonly loaded: LoadedConfig,
    private readonly options: RunOptions,
  ) {}

  run(options: { readonly force?: boolean; readonly signal?: AbortSignal } = {}): Promise<RunOutcome> {
    return runPipeline(this.loaded, {
      ...this.options,
      ...options,
      stages: ['extract', 'validate', 'features', 'transform', 'publish'],
    })
  }
}
