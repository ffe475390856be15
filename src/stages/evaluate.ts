/** Evaluate: write the served file, check that it says what the batch path says, and score it on rows it never saw. */
import type { PipelineConfig } from '../config/config.js'
import type { ArtifactRef } from '../core/artifacts.js'
import type { ModelMetadata, TableDocument, WindowDocument } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import { MISSING_TIME, type Schema } from '../core/schema.js'
import type { RecordBatch, Vector } from '../core/table.js'
import { select } from '../etl/relation.js'
import type { SplitName } from '../etl/split.js'
import { type Evaluation, evaluateClassification, evaluateRegression } from '../evaluate/evaluate.js'
import type { StageContext, StageKind } from '../pipeline/stage.js'
import { openPredictor } from '../serving/onnx-predictor.js'
import type { ShardManifest } from '../train/shards.js'
import { calibratorDigest, decide, PARITY_TOLERANCE } from './decide.js'
import { costsOf, describeWeights, weightOf } from './decision.js'
import { buildModelFile, type ModelParts } from './model-file.js'
import {
  emptyAnswers,
  largestDifference,
  type PackedAnswers,
  packedAnswers,
  rawAnswers,
  scorePacked,
} from './scoring.js'
import { getJson, ONNX_TYPE, putJson, type RunResources } from './run-resources.js'
import { tableRelation } from './tables.js'
import type { NetworkDocument } from './train.js'
import { inSplit, labelledRows, type PlanDocument } from './transform.js'

/** Training rows are compared too while there are no more than this, for time; validation and test rows always are. */
const PARITY_TRAIN_ROWS = 1_000_000

export type ScoredDocument = Evaluation & {
  readonly parity: { readonly rows: number; readonly maxDifference: number; readonly tolerance: number }
}

export function evaluate(resources: RunResources): StageKind<PipelineConfig> {
  return {
    name: 'evaluate',
    version: 3,
    after: ['train', 'pack', 'transform', 'features'],
    async run(context) {
      const { config, inputs, store, signal } = context
      const refs = {
        table: inputs['features']?.['table'],
        plan: inputs['transform']?.['plan'],
        features: inputs['transform']?.['features'],
        weights: inputs['train']?.['weights'],
      }
      const table = await getJson<TableDocument>(store, refs.table)
      const plan = await getJson<PlanDocument>(store, refs.plan)
      const network = await getJson<NetworkDocument>(store, inputs['train']?.['network'])
      const manifest = await getJson<ShardManifest>(store, inputs['pack']?.['manifest'])
      const { task } = plan
      const costs = costsOf(config, task)
      const bare: ModelParts = { plan, network, weights: await weightsOf(context, refs.weights) }
      const score = async (split: SplitName, file: Uint8Array): Promise<PackedAnswers> =>
        scorePacked(store, manifest, split, network.network, file, signal)
      const { fit, threshold, parts, bareFile, networkFile, calibrated } = await decide(config, bare, score, signal)
      for (const warning of fit?.warnings ?? []) context.log(warning, 'warn')

      // those that the model takes; a row alone cannot tell them
      const windows = (await getJson<readonly WindowDocument[]>(store, inputs['features']?.['windows'])).filter(
        ({ name }) => plan.inputs.some((input) => input.name === name),
      )
      const metadata: ModelMetadata = {
        format: 1,
        name: config.pipeline_name,
        version: config.version,
        task: plan.task,
        label: plan.label.name,
        inputs: plan.inputs,
        leftOut: table.schema
          .map(({ name }) => name)
          .filter((name) => !plan.inputs.some((input) => input.name === name)),
        ...(windows.length === 0 ? {} : { windows }),
        ...(threshold === undefined ? {} : { threshold: threshold.value }),
        ...(fit?.calibrator === undefined ? {} : { calibration: fit.detail }),
        seed: config.seed,
        digests: {
          ...Object.fromEntries(Object.entries(refs).map(([name, ref]) => [name, ref?.digest ?? ''])),
          ...calibratorDigest({ fit }),
        },
        engines: resources.versions,
      }
      const file = buildModelFile(parts, metadata)
      const model = await store.put(file, ONNX_TYPE)

      const engine = await resources.embedded()
      const rows = labelledRows(await tableRelation(store, table), plan)
      const sliceColumns = config.evaluation.slices.length > 0 ? config.evaluation.slices : defaultSlices(plan)
      const columns = [...new Set([...plan.inputs.map(({ name }) => name), ...sliceColumns])]
      const predictor = await openPredictor(file, { threads: resources.threads })
      const { counts } = plan
      const slices = new Collector(sliceColumns, counts.test)
      const splits = (['validation', 'train', 'test'] as const).filter(
        (split) => split !== 'train' || counts.train <= PARITY_TRAIN_ROWS,
      )
      const total = splits.reduce((sum, split) => sum + counts[split], 0)
      // answers are compared as they come: only those that are scored are held
      const test = emptyAnswers(network.network, manifest, counts.test)
      let sample: SampleRow | undefined
      let [done, difference] = [0, 0]
      const packed = async function* (split: SplitName): AsyncGenerator<PackedAnswers> {
        let row = 0
        for await (const answers of packedAnswers(store, manifest, split, networkFile, signal)) {
          if (split === 'test') test.labels.set(answers.labels, row)
          row += answers.labels.length
          yield calibrated(answers)
        }
      }
      const raw = async function* (split: SplitName) {
        const query = engine.query(select(inSplit(rows, split), columns), signal)
        let at = 0
        for await (const { batch, values } of rawAnswers(predictor, query.batches(signal), signal)) {
          if (split === 'test') {
            slices.add(batch)
            sample ??= sampleRow(batch, plan.inputs)
            test.values.set(values, at)
          }
          at += values.length
          yield { values }
          done += batch.rows
          context.progress({ unit: 'rows', done, total })
        }
      }
      try {
        for (const split of splits) {
          const found = await largestDifference(raw(split), packed(split), task.kind === 'regression')
          difference = Math.max(difference, found)
        }
      } finally {
        await predictor[Symbol.asyncDispose]()
      }
      if (!(difference <= PARITY_TOLERANCE))
        throw new MillraceError(
          'MR_PARITY_BROKEN',
          `evaluate: the model file and the batch path differ by ${difference.toExponential(2)} on a row; at most ${PARITY_TOLERANCE} is allowed`,
          { hint: 'this is a fault of a transform, not of your data: please report it with the pipeline file' },
        )

      const common = {
        slices: sliceColumns.length > 0 ? { rows: slices.batch(), columns: sliceColumns } : undefined,
        metric: config.gate.metric,
        bootstrap: config.evaluation.bootstrap,
        seed: config.seed,
        signal,
      }
      const scored =
        plan.task.kind === 'classification'
          ? await evaluateClassification({
              ...common,
              labels: test.labels as Int32Array,
              probabilities: test.values,
              classes: plan.task.classes,
              positive: plan.task.positive,
              threshold,
              costs,
              calibrated:
                fit?.calibrator === undefined
                  ? undefined
                  : {
                      method: fit.calibrator.kind,
                      detail: fit.detail,
                      before: (await score('test', bareFile)).values,
                    },
              trainingCounts: plan.classCounts.train,
              weights: weightOf(config, plan)?.(test.labels as Int32Array),
              weightsDescription: describeWeights(config, task),
            })
          : await evaluateRegression({
              ...common,
              actual: Float64Array.from(test.labels, (difference) => difference + (plan.targetMean ?? 0)),
              predicted: test.values,
              trainingMean: network.target?.mean ?? 0,
            })
      for (const line of inShort(scored)) context.log(line)
      const notes = [...(fit?.warnings ?? []), ...(scored.notes ?? [])]
      const document: ScoredDocument = {
        ...scored,
        ...(notes.length === 0 ? {} : { notes }),
        parity: { rows: total, maxDifference: difference, tolerance: PARITY_TOLERANCE },
      }
      return { model, report: await putJson(store, document), sample: await putJson(store, sample ?? {}) }
    },
  }
}

/** What calibration did and what the threshold costs, a line each. */
function inShort({ calibrated, calibration, costs, metrics }: Evaluation): string[] {
  const short = (value: number | undefined) => String(Number((value ?? NaN).toPrecision(3)))
  const lines: string[] = []
  if (calibrated !== undefined)
    lines.push(
      `${calibrated.detail}; on test rows the calibration error is ${short(calibration?.ece)} ` +
        `(${short(calibrated.eceBefore)} before)`,
    )
  if (costs !== undefined && metrics['cost'] !== undefined)
    lines.push(
      `at this threshold 100 test rows cost ${short(100 * metrics['cost'].value)}; ` +
        `calling none positive ${short(100 * costs.none)}, all ${short(100 * costs.all)}`,
    )
  return lines
}

/** A row as a client would send it. */
export type SampleRow = Readonly<Record<string, string | number | boolean | null>>

function sampleRow(batch: RecordBatch, inputs: Schema): SampleRow | undefined {
  if (batch.rows === 0) return undefined
  const cells = inputs.map(({ name, type }): [string, SampleRow[string]] => {
    const value = batch.columns[batch.schema.findIndex((field) => field.name === name)]?.[0]
    if (typeof value === 'bigint')
      return [name, value === MISSING_TIME ? null : new Date(Number(value / 1000n)).toISOString()]
    if (typeof value === 'number') return [name, Number.isNaN(value) ? null : type === 'boolean' ? value !== 0 : value]
    return [name, value === undefined || value === '' ? null : value]
  })
  return Object.fromEntries(cells)
}

export async function weightsOf(
  context: StageContext<PipelineConfig>,
  ref: ArtifactRef | undefined,
): Promise<Float32Array> {
  if (ref === undefined) throw new Error('train left no weights')
  const bytes = await context.store.get(ref)
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
}

/** Where the file names no slices: the first three text columns with at most ten values. */
function defaultSlices(plan: PlanDocument): readonly string[] {
  return plan.plan.columns
    .filter(({ type, categories }) => type === 'text' && categories.length === 1 && (categories[0]?.size ?? 0) <= 11)
    .slice(0, 3)
    .map(({ name }) => name)
}

/** Gathers a few columns of `rows` rows, batch by batch, into one. */
class Collector {
  private schema: Schema = []
  private filled = 0
  private columns: (Float64Array | BigInt64Array | string[])[] = []
  /** One string for all rows that hold the same text. */
  private readonly texts = new Map<string, string>()

  constructor(
    private readonly names: readonly string[],
    private readonly rows: number,
  ) {}

  /** Copies: batches may reuse their memory. */
  add(batch: RecordBatch): void {
    const places = this.names
      .map((name) => batch.schema.findIndex((field) => field.name === name))
      .filter((place) => place >= 0)
    if (this.filled === 0) {
      this.schema = places.map((place) => batch.schema[place]!)
      this.columns = places.map((place) => room(batch.columns[place]!, this.rows))
    }
    for (const [j, place] of places.entries()) {
      const [from, to] = [batch.columns[place]!, this.columns[j]!]
      if (to instanceof Float64Array) to.set(from as Float64Array, this.filled)
      else if (to instanceof BigInt64Array) to.set(from as BigInt64Array, this.filled)
      else for (let r = 0; r < batch.rows; r++) to[this.filled + r] = this.shared(from[r] as string)
    }
    this.filled += batch.rows
  }

  private shared(text: string): string {
    const known = this.texts.get(text)
    if (known === undefined) this.texts.set(text, text)
    return known ?? text
  }

  batch(): RecordBatch {
    return { schema: this.schema, rows: this.filled, columns: this.columns }
  }
}

function room(like: Vector, rows: number): Float64Array | BigInt64Array | string[] {
  if (like instanceof Float64Array) return new Float64Array(rows)
  return like instanceof BigInt64Array ? new BigInt64Array(rows) : new Array<string>(rows)
}
