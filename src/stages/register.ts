/** Register: the gate decides; the model becomes a version, and the champion if the gate lets it pass. */
import type { PipelineConfig } from '../config/config.js'
import type { ArtifactRef } from '../core/artifacts.js'
import type { GateDocument, RegistrationDocument, TableDocument } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import { canonicalJson } from '../core/json.js'
import { select } from '../etl/relation.js'
import { compareClassifiers, compareRegressions } from '../evaluate/compare.js'
import { decideGate, gateMetric } from '../evaluate/gate.js'
import type { StageContext, StageKind } from '../pipeline/stage.js'
import type { ModelRegistry, ModelVersion } from '../registry/registry.js'
import { openPredictor } from '../serving/onnx-predictor.js'
import { ShardReader } from '../train/shard-reader.js'
import { openShards, type ShardManifest } from '../train/shards.js'
import { type ScoredDocument, weightOf } from './evaluate.js'
import { scoreRaw, type Scores } from './scoring.js'
import { getJson, putJson, type RunResources } from './run-resources.js'
import { tableRelation } from './tables.js'
import { inSplit, labelledRows, type PlanDocument } from './transform.js'

export const CHAMPION = 'champion'

export function register(resources: RunResources): StageKind<PipelineConfig> {
  return {
    name: 'register',
    version: 1,
    after: ['evaluate', 'pack', 'transform', 'validate', 'extract'],
    async stillThere(outputs, config, store) {
      const { version, model } = await getJson<RegistrationDocument>(store, outputs['registration'])
      const registry = await resources.registry()
      const versions = await registry.versions(config.pipeline_name).catch(() => [])
      return versions.some((found) => found.version === version && found.model.digest === model.digest)
    },
    async run(context) {
      const { config, inputs, store } = context
      const name = config.pipeline_name
      const model = inputs['evaluate']?.['model'] as ArtifactRef
      const report = inputs['evaluate']?.['report'] as ArtifactRef
      const scored = await getJson<ScoredDocument>(store, report)
      const plan = await getJson<PlanDocument>(store, inputs['transform']?.['plan'])
      const registry = await resources.registry()

      const metric = gateMetric(config.gate.metric, scored.task, positiveShare(plan))
      const champion = config.gate.champion ? await championOf(registry, name) : undefined
      const notes: string[] = []
      const compared =
        champion === undefined || champion.model.digest === model.digest
          ? undefined
          : await compare(context, resources, plan, metric, model, champion).catch((error: unknown) => {
              if (!(error instanceof MillraceError) || error.code === 'MR_CANCELLED') throw error
              notes.push(`not compared with the champion, version ${champion.version}: ${error.message}`)
              return undefined
            })
      const decision = decideGate({
        metric,
        candidate: scored.metrics[metric],
        minimum: config.gate.minimum,
        baseline: scored.baseline[metric],
        champion:
          champion === undefined || compared === undefined ? undefined : { version: champion.version, ...compared },
      })
      const gate: GateDocument = { ...decision, reasons: [...decision.reasons, ...notes] }

      const registered = await registry.register({
        name,
        model,
        lineage: {
          runId: resources.runId,
          data: inputs['extract']?.['table']?.digest ?? '',
          config: resources.configDigest,
          evaluation: report,
        },
        metrics: Object.fromEntries(Object.entries(scored.metrics).map(([key, { value }]) => [key, value])),
        tags: { version: config.version, gate: gate.passed ? 'passed' : 'refused' },
      })
      if (gate.passed && champion?.version !== registered.version)
        await registry.setAlias(name, CHAMPION, registered.version, `run ${resources.runId}: ${gate.reasons[0] ?? ''}`)
      for (const reason of gate.reasons) context.log(reason, gate.passed ? 'info' : 'warn')
      const document: RegistrationDocument = {
        name,
        version: registered.version,
        aliases: gate.passed ? [CHAMPION] : [],
        model,
        gate,
      }
      return { registration: await putJson(store, document), model }
    },
  }
}

async function championOf(registry: ModelRegistry, name: string): Promise<ModelVersion | undefined> {
  const versions = await registry.versions(name).catch((error: unknown) => {
    if (error instanceof MillraceError && error.code.startsWith('MR_MODEL_')) return []
    throw error
  })
  return versions.find(({ aliases }) => aliases.includes(CHAMPION))
}

/** The champion's value on the test rows of this run, and the candidate's difference from it, paired by row. */
async function compare(
  context: StageContext<PipelineConfig>,
  resources: RunResources,
  plan: PlanDocument,
  metric: string,
  candidate: ArtifactRef,
  champion: ModelVersion,
): Promise<{ readonly value: number; readonly difference: { value: number; low: number; high: number } } | undefined> {
  const { config, inputs, store, signal } = context
  const manifest = await getJson<ShardManifest>(store, inputs['pack']?.['manifest'])
  const table = await getJson<TableDocument>(store, inputs['validate']?.['table'])
  const engine = await resources.engine()
  const rows = inSplit(labelledRows(await tableRelation(store, table), plan), 'test')
  const set = await openShards(manifest, 'test', store)
  const scoresOf = async (ref: ArtifactRef): Promise<{ scores: Scores; threshold: number | undefined }> => {
    const predictor = await openPredictor(await store.get(ref), { threads: resources.threads })
    try {
      const { inputs: schema, task, threshold } = predictor.metadata
      if (canonicalJson(task) !== canonicalJson(plan.task))
        throw new MillraceError('MR_GATE_CHAMPION', 'it answers another question: its task or classes differ')
      const lacking = schema.filter(
        ({ name, type }) => !table.schema.some((field) => field.name === name && field.type === type),
      )
      if (lacking.length > 0)
        throw new MillraceError(
          'MR_GATE_CHAMPION',
          `the data lacks its inputs ${lacking.map(({ name, type }) => `${name} (${type})`).join(', ')}`,
        )
      const width = task.kind === 'classification' ? task.classes.length : 1
      const relation = select(
        rows,
        schema.map(({ name }) => name),
      )
      const batches = engine.query(relation, signal).batches(signal)
      return { scores: await scoreRaw(predictor, batches, set.rows, width, signal), threshold }
    } finally {
      await predictor[Symbol.asyncDispose]()
    }
  }
  const ours = await scoresOf(candidate)
  const theirs = await scoresOf(champion.model)
  const labels = readLabels(set)
  const options = { replicates: config.evaluation.bootstrap, seed: config.seed, signal }
  if (plan.task.kind === 'regression')
    return compareRegressions({
      ...options,
      metric,
      actual: Float64Array.from(labels),
      candidate: ours.scores.values,
      champion: theirs.scores.values,
    })
  return compareClassifiers({
    ...options,
    metric,
    labels: labels as Int32Array,
    classes: plan.task.classes,
    positive: plan.task.positive,
    weights: weightOf(config, plan)?.(labels as Int32Array),
    candidate: { probabilities: ours.scores.values, threshold: ours.threshold },
    champion: { probabilities: theirs.scores.values, threshold: theirs.threshold },
  })
}

function readLabels(set: Awaited<ReturnType<typeof openShards>>): Int32Array | Float32Array {
  const labels = set.label === 'int32' ? new Int32Array(set.rows) : new Float32Array(set.rows)
  const reader = new ShardReader(set)
  let row = 0
  try {
    for (const { rows, values } of reader.chunks(65_536)) {
      labels.set(values.label.subarray(0, rows), row)
      row += rows
    }
  } finally {
    reader[Symbol.dispose]()
  }
  return labels
}

function positiveShare({ task, classCounts }: PlanDocument): number | undefined {
  if (task.kind === 'regression' || task.positive === undefined) return undefined
  const counts = classCounts.test
  const all = counts.reduce((sum, n) => sum + n, 0)
  return all === 0 ? undefined : (counts[task.classes.indexOf(task.positive)] ?? 0) / all
}
