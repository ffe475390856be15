/** Gathers what the run page shows: the run's state from the journal, its documents from the store. */
import type { ArtifactRef, ArtifactStore } from '../core/artifacts.js'
import type {
  EvaluationDocument,
  FeaturesDocument,
  LeakDocument,
  RegistrationDocument,
  TableDocument,
  TrainingDocument,
  ValidationDocument,
  WindowDocument,
} from '../core/documents.js'
import type { PipelineConfig } from '../config/config.js'
import { redact } from '../config/environment.js'
import { toYaml } from '../config/load.js'
import type { RunPageData } from '../dashboard/run-page-data.js'
import type { RunState } from '../pipeline/state.js'
import type { ScoredDocument } from '../stages/evaluate.js'
import type { SourceDocument } from '../stages/extract.js'
import { getJson } from '../stages/run-resources.js'

/** @param machineNotes what this machine lacked and what ran instead, one line each */
export async function gatherRunPage(
  store: ArtifactStore,
  state: RunState,
  machineNotes: readonly string[],
): Promise<RunPageData> {
  const config = redact(state.config as PipelineConfig, state.secrets ?? [])
  const isSourceSecret = state.secrets?.some((path) => path.join('.') === 'data.source_path') === true
  const refOf = (stage: string, output: string): ArtifactRef | undefined => {
    const found = state.stages.find(({ name }) => name === stage)
    return found?.value?.[output] ?? found?.attachments?.[output]
  }
  const read = async <T>(stage: string, output: string): Promise<T | undefined> => {
    const ref = refOf(stage, output)
    return ref === undefined ? undefined : getJson<T>(store, ref)
  }
  const source = await read<SourceDocument>('extract', 'source')
  const scored = await read<ScoredDocument>('evaluate', 'report')
  const registration = await read<RegistrationDocument>('register', 'registration')
  const model = refOf('evaluate', 'model')
  const failed = state.stages.find(({ error }) => error !== undefined)
  const evaluation = evaluationOf(scored, registration)
  const optional = {
    table: await read<TableDocument>('extract', 'table'),
    validation: await read<ValidationDocument>('validate', 'report'),
    features: await read<FeaturesDocument>('transform', 'report'),
    windows: await read<readonly WindowDocument[]>('features', 'windows'),
    leaks: await read<LeakDocument>('leaks', 'report'),
    training: await read<TrainingDocument>('train', 'report'),
    evaluation,
    registration,
    source: source?.files.length === 1 && !isSourceSecret ? source.files[0]?.path : source && config.data.source_path,
    sourceNotes: source?.notes,
    sampleRow: await read<Readonly<Record<string, string | number | boolean | null>>>('evaluate', 'sample'),
    error:
      failed?.error === undefined
        ? undefined
        : {
            code: failed.error.code,
            message: failed.error.message,
            stage: failed.name,
            ...(failed.error.hint === undefined ? {} : { hint: failed.error.hint }),
          },
  }
  const digests = Object.fromEntries(
    [
      ['source', refOf('extract', 'table')],
      ['features', refOf('transform', 'features')],
      ['shards', refOf('pack', 'manifest')],
      ['weights', refOf('train', 'weights')],
      ['model', model],
    ].flatMap(([name, ref]) => (typeof ref === 'object' ? [[name, ref.digest]] : [])),
  ) as Record<string, string>
  return {
    run: {
      id: state.run,
      pipeline: config.pipeline_name,
      version: config.version,
      status: state.status,
      started: new Date(state.startedAt).toISOString(),
      seconds: state.seconds,
      seed: state.seed,
      command: state.argv.join(' '),
    },
    stages: state.stages.map((stage) => ({
      name: stage.name,
      status: stage.status,
      after: stage.after,
      seconds: stage.seconds,
      attempts: stage.retries + 1,
      ...(stage.startedAt === undefined ? {} : { startedAt: (stage.startedAt - state.startedAt) / 1000 }),
      ...(stage.from === undefined ? {} : { cachedFrom: stage.from }),
      ...(stage.error === undefined ? {} : { error: `${stage.error.code}: ${stage.error.message}` }),
    })),
    ...(Object.fromEntries(
      Object.entries(optional).filter(([, value]) => value !== undefined),
    ) as Partial<RunPageData>),
    config: toYaml(config, state.environment),
    versions: state.versions,
    digests,
    notes: [
      ...machineNotes,
      ...state.logs.filter(({ level }) => level === 'warn').map(({ stage, message }) => `${stage}: ${message}`),
    ],
  }
}

function evaluationOf(
  scored: ScoredDocument | undefined,
  registration: RegistrationDocument | undefined,
): EvaluationDocument | undefined {
  if (scored === undefined) return undefined
  const gate = registration?.gate ?? { passed: false, metric: '', value: 0, reasons: ['the gate has not decided yet'] }
  return { ...scored, gate }
}
