/** Register: the gate decides; the model becomes a version, and the champion if the gate lets it pass. */
import type { PipelineConfig } from '../config/config.js'
import type { ArtifactRef, ArtifactStore } from '../core/artifacts.js'
import type { GateDocument, RegistrationDocument, Score, TableDocument, WindowDocument } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import { canonicalJson } from '../core/json.js'
import type { RecordBatch } from '../core/table.js'
import { aggregate, call, text } from '../etl/expr.js'
import { aggregated, filter, type Relation, select, withColumns } from '../etl/relation.js'
import { splitExpression } from '../etl/split.js'
import { compareClassifiers, compareRegressions } from '../evaluate/compare.js'
import { decideGate, gateMetric } from '../evaluate/gate.js'
import type { StageContext, StageKind } from '../pipeline/stage.js'
import type { ModelRegistry, ModelVersion } from '../registry/registry.js'
import { CHAMPION } from '../registry/sqlite.js'
import { readModelFile } from '../serving/model-file.js'
import { openPredictor } from '../serving/onnx-predictor.js'
import type { Predictor } from '../serving/predictor.js'
import { checkDecision, decide } from './decide.js'
import { costsOf, weightOf } from './decision.js'
import { type ScoredDocument, weightsOf } from './evaluate.js'
import { labelText, labelValue } from './label.js'
import { getJson, JSON_TYPE, putJson, type RunResources } from './run-resources.js'
import { scorePacked, scoreRaw, type Scores } from './scoring.js'
import type { ShardManifest } from '../train/shards.js'
import { tableRelation } from './tables.js'
import { type NetworkDocument, weightsByClass } from './train.js'
import { LABEL } from './features-table.js'
import { inSplit, labelledRows, type PlanDocument } from './transform.js'

export function register(resources: RunResources): StageKind<PipelineConfig> {
  return {
    name: 'register',
    version: 2,
    after: ['evaluate', 'train', 'pack', 'publish', 'transform', 'features', 'extract'],
    async stillThere(outputs, config, store) {
      const { version, model } = await getJson<RegistrationDocument>(store, outputs['registration'])
      const registry = await resources.registry()
      const versions = await versionsOf(registry, config.pipeline_name)
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
      await requireOwnDecision(context, plan, model)

      const metric = gateMetric(config.gate.metric, scored.task, positiveShare(config, plan))
      const champion = config.gate.champion ? await championOf(registry, name) : undefined
      const isSame = champion === undefined || champion.model.digest === model.digest
      const answer = isSame ? undefined : await compare(context, resources, plan, metric, model, champion)
      const decision = decideGate({
        metric,
        candidate: scored.metrics[metric],
        minimum: config.gate.minimum,
        baseline: scored.baseline[metric],
        champion:
          champion === undefined || answer?.compared === undefined
            ? undefined
            : { version: champion.version, ...answer.compared },
      })
      // closed where it cannot tell: a champion that cannot be compared with is not replaced by itself
      const gate: GateDocument =
        answer?.because === undefined
          ? decision
          : { ...decision, passed: false, reasons: [...decision.reasons, answer.because] }

      // the same bytes are the same model, whatever run made them
      const same = (await versionsOf(registry, name)).find((version) => version.model.digest === model.digest)
      const registered =
        same ??
        (await registry.register({
          name,
          model,
          lineage: {
            runId: resources.runId,
            data: inputs['extract']?.['table']?.digest ?? '',
            config: resources.configDigest,
            evaluation: report,
          },
          metrics: Object.fromEntries(Object.entries(scored.metrics).map(([key, { value }]) => [key, value])),
          tags: { version: config.version },
        }))
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

/** Chooses calibration and threshold once more, from validation rows alone: MR_LEAK_FOUND where the file says otherwise. */
async function requireOwnDecision(
  context: StageContext<PipelineConfig>,
  plan: PlanDocument,
  model: ArtifactRef,
): Promise<void> {
  const { config, inputs, store, signal } = context
  const network = await getJson<NetworkDocument>(store, inputs['train']?.['network'])
  const manifest = await getJson<ShardManifest>(store, inputs['pack']?.['manifest'])
  const weights = await weightsOf(context, inputs['train']?.['weights'])
  const { metadata } = readModelFile(await store.get(model))
  const decision = await decide(
    config,
    { plan, network, weights },
    (split, file) => scorePacked(store, manifest, split, network.network, file, signal),
    signal,
  )
  checkDecision(metadata, decision)
}

/** All versions of a name; none where the registry does not know it yet. */
async function versionsOf(registry: ModelRegistry, name: string): Promise<readonly ModelVersion[]> {
  return (await registry.models()).includes(name) ? registry.versions(name) : []
}

async function championOf(registry: ModelRegistry, name: string): Promise<ModelVersion | undefined> {
  return (await versionsOf(registry, name)).find(({ aliases }) => aliases.includes(CHAMPION))
}

/** What a window's values depend on, but for their last bits. */
const meaning = ({ by, of, compute, over, rows, delay, timestamp }: WindowDocument): string =>
  canonicalJson([by, of ?? null, compute, over ?? null, rows ?? null, delay ?? null, timestamp])

/** What comparing gave, or why the two cannot be compared. */
interface Comparison {
  readonly compared?: { readonly value: number; readonly difference: Score }
  readonly because?: string
}

/**
 * The champion's value and the candidate's difference from it, paired by row, on rows that are test rows of this run and
 * were test rows of the champion's: a model is not judged on what it was trained on.
 */
async function compare(
  context: StageContext<PipelineConfig>,
  resources: RunResources,
  plan: PlanDocument,
  metric: string,
  candidate: ArtifactRef,
  champion: ModelVersion,
): Promise<Comparison> {
  const { config, inputs, store, signal } = context
  const table = await getJson<TableDocument>(store, inputs['features']?.['table'])
  const closed = (why: string): Comparison => ({
    because:
      `version ${champion.version}, the champion, cannot be compared with: ${why}; ` +
      `to replace it all the same: millrace models alias ${config.pipeline_name} ${CHAMPION} VERSION`,
  })
  const theirs = await openPredictor(await store.get(champion.model), { threads: resources.threads })
  const ours = await openPredictor(await store.get(candidate), { threads: resources.threads })
  try {
    const { inputs: schema, task, threshold, digests } = theirs.metadata
    if (canonicalJson(task) !== canonicalJson(plan.task)) return closed('its task or its classes are others')
    const lacking = schema.filter(
      ({ name, type }) => !table.schema.some((field) => field.name === name && field.type === type),
    )
    if (lacking.length > 0)
      return closed(`the data lacks its inputs ${lacking.map(({ name, type }) => `${name} (${type})`).join(', ')}`)
    const windows = await getJson<readonly WindowDocument[]>(store, inputs['features']?.['windows'])
    const other = (theirs.metadata.windows ?? []).find((theirWindow) => {
      const same = windows.find(({ name }) => name === theirWindow.name)
      return same === undefined || meaning(same) !== meaning(theirWindow)
    })
    if (other !== undefined)
      return closed(`its input ${other.name} is ${other.inWords}, which the file's window of that name is not`)
    const test = await commonTestRows(context, table, plan, digests['plan'])
    if (typeof test === 'string') return closed(test)

    const engine = await resources.embedded()
    const counted = await engine.rows(aggregated(test, [], [{ name: 'n', expr: aggregate('count', []) }]), signal)
    const rows = Number(counted[0]?.['n'] ?? 0)
    if (rows === 0) return closed('no test row of this run was a test row of its own')
    const labels = plan.task.kind === 'classification' ? new Int32Array(rows) : new Float64Array(rows)
    const columns = [...new Set([...schema, ...plan.inputs].map(({ name }) => name)), LABEL]
    const width = plan.task.kind === 'classification' ? plan.task.classes.length : 1
    const score = (predictor: Predictor, also?: (batch: RecordBatch) => void): Promise<Scores> =>
      scoreRaw(predictor, engine.query(select(test, columns), signal).batches(signal), rows, width, signal, also)
    let row = 0
    const ourScores = await score(ours, (batch) => {
      labels.set(batch.columns[batch.schema.findIndex(({ name }) => name === LABEL)] as Float64Array, row)
      row += batch.rows
    })
    const theirScores = await score(theirs)
    const options = { metric, replicates: config.evaluation.bootstrap, seed: config.seed, signal }
    const compared =
      plan.task.kind === 'regression'
        ? await compareRegressions({
            ...options,
            actual: labels as Float64Array,
            candidate: ourScores.values,
            champion: theirScores.values,
          })
        : await compareClassifiers({
            ...options,
            labels: labels as Int32Array,
            classes: plan.task.classes,
            positive: plan.task.positive,
            weights: weightOf(config, plan)?.(labels as Int32Array),
            costs: costsOf(config, plan.task),
            candidate: { probabilities: ourScores.values, threshold: ours.metadata.threshold },
            champion: { probabilities: theirScores.values, threshold },
          })
    return compared === undefined ? closed(`the rows that both may be judged by cannot give ${metric}`) : { compared }
  } finally {
    await theirs[Symbol.asyncDispose]()
    await ours[Symbol.asyncDispose]()
  }
}

/** Rows that are test rows under this run's split and the champion's, with their label; or why they cannot be told. */
async function commonTestRows(
  { store }: StageContext<PipelineConfig>,
  table: TableDocument,
  plan: PlanDocument,
  digest: string | undefined,
): Promise<Relation | string> {
  const { name, type } = plan.label
  const ours = withColumns(inSplit(labelledRows(await tableRelation(store, table), plan), 'test'), [
    { name: LABEL, expr: labelValue(name, type, plan.task) },
  ])
  const ref = { digest: digest as ArtifactRef['digest'], mediaType: JSON_TYPE, size: 0 }
  const theirs = await readPlan(store, ref)
  if (theirs === undefined) return 'the plan that says which rows it was trained on is gone'
  if (canonicalJson(theirs.split) === canonicalJson(plan.split)) return ours
  try {
    const split = splitExpression(theirs.split, table.schema, labelText(name, type))
    return filter(ours, call('eq', split, text('test')))
  } catch (error) {
    if (error instanceof MillraceError) return `its split cannot be told from this data: ${error.message}`
    throw error
  }
}

async function readPlan(store: ArtifactStore, ref: ArtifactRef): Promise<PlanDocument | undefined> {
  try {
    return await getJson<PlanDocument>(store, ref)
  } catch (error) {
    if (error instanceof MillraceError && error.code.startsWith('MR_ARTIFACT_')) return undefined
    throw error
  }
}

/** Share of the positive class in the test rows, by their weights. */
function positiveShare(config: PipelineConfig, { task, classCounts }: PlanDocument): number | undefined {
  if (task.kind === 'regression' || task.positive === undefined) return undefined
  const weights = weightsByClass('evaluation.class_weights', config.evaluation.class_weights ?? {}, task.classes)
  const counts = classCounts.test.map((n, k) => n * (weights[k] ?? 1))
  const all = counts.reduce((sum, n) => sum + n, 0)
  return all === 0 ? undefined : (counts[task.classes.indexOf(task.positive)] ?? 0) / all
}
