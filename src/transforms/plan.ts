/** The feature plan: fitted on training rows, then the same as SQL expressions, as ONNX nodes and in words. */
import type { FeaturesDocument } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import type { ColumnStatistics, Engine, StatisticsRequest } from '../etl/engine.js'
import { type Named, cast } from '../etl/expr.js'
import type { Relation } from '../etl/relation.js'
import { filled } from '../etl/statistics.js'
import { fittedTransform } from './catalog.js'
import { advance, head, live, sqlFeatures } from './chain.js'
import { type ColumnSpec, type Step, parseSteps, withPlace } from './steps.js'
import type { FeaturePlan, FittedColumn, FittedStep, SqlFeature, StepDefaults } from './transform.js'
import { NUMBERS, asNumber } from './transform.js'

export { emitInputs, emitPlan } from './emit.js'

/** A column on its way through the waves. */
interface Progress {
  readonly spec: ColumnSpec
  readonly steps: readonly Step[]
  readonly fitted: FittedStep[]
  features: readonly SqlFeature[]
  reason?: string
}

/**
 * Fits all columns' steps on the training rows. One `statistics` call for all columns' next steps that need any; the
 * default steps take one, as a step after `impute` is fitted with it (`Transform.fills`). A column with the default steps and no value at all is left out (`excluded`); with steps of
 * the file it throws MR_TRANSFORM_NO_VALUES. Throws MR_TRANSFORM_NO_ROWS for an empty table.
 */
export async function fitPlan(
  engine: Engine,
  trainRows: Relation,
  columns: readonly ColumnSpec[],
  options: StepDefaults,
  signal?: AbortSignal,
): Promise<FeaturePlan> {
  const progress = columns.map((spec): Progress => ({
    spec,
    steps: parseSteps(spec, options),
    fitted: [],
    features: [head(spec)],
  }))
  for (;;) {
    const requests: StatisticsRequest[] = []
    for (const [index, column] of progress.entries()) requests.push(...advanceFreely(column, index))
    if (requests.length === 0) break
    const statistics = await engine.statistics(trainRows, requests, signal).catch(async (error: unknown) => {
      await explainOverflow(engine, trainRows, requests, progress, signal)
      throw error
    })
    for (const [index, column] of progress.entries()) fitNext(column, index, statistics)
  }
  return assemble(progress)
}

/** Beyond this a square overflows, and engines fail or answer infinity. */
const LARGEST_SCALED = 1e150

/** Where a deviation could not be computed: throws MR_TRANSFORM_NOT_FINITE for the column whose values are too large. */
async function explainOverflow(
  engine: Engine,
  trainRows: Relation,
  requests: readonly StatisticsRequest[],
  progress: readonly Progress[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const ranges = requests.filter(({ stddev }) => stddev === true).map(({ name, expr }) => ({ name, expr, range: true }))
  if (ranges.length === 0 || signal?.aborted === true) return
  const found = await engine.statistics(trainRows, ranges, signal)
  for (const [name, { min = 0, max = 0 }] of found) {
    const column = progress[Number.parseInt(name)]
    if (column === undefined || Math.max(Math.abs(min), Math.abs(max)) <= LARGEST_SCALED) continue
    const step = column.steps.slice(column.fitted.length).find((next) => wantedBy(next).stddev)?.transform.name ?? ''
    throw new MillraceError(
      'MR_TRANSFORM_NOT_FINITE',
      `column ${JSON.stringify(column.spec.name)}, step ${step}: its training values go from ${min} to ${max}; beyond ${LARGEST_SCALED} they cannot be scaled`,
      { hint: 'put {clip: [low, high]} before this step, or take such values out of the data' },
    )
  }
}

/** What is known of filled values by what is known of the others. */
const FOLLOWING: readonly string[] = ['mean', 'stddev', 'range']

/** Takes the steps that need no statistics; gives the requests of the next that does. */
function advanceFreely(column: Progress, index: number): readonly StatisticsRequest[] {
  for (;;) {
    const step = column.steps[column.fitted.length]
    if (step === undefined || column.reason !== undefined) return []
    const own = wantedBy(step)
    const next = nextOf(column, step)
    const wanted = next === undefined ? own : { ...own, ...wantedBy(next), mean: true }
    if (Object.keys(own).length > 0)
      return live(column.features).map((feature, i) => ({ ...wanted, name: `${index}.${i}`, expr: counted(feature) }))
    take(column, step, () => ({ rows: 0, missing: 0 }))
  }
}

const wantedBy = ({ transform, options, kind }: Step): Omit<StatisticsRequest, 'name' | 'expr'> =>
  transform.statistics(options, kind)

/** The step after `step`, if it can be fitted from statistics of what `step` takes. */
function nextOf(column: Progress, step: Step): Step | undefined {
  const next = column.steps[column.steps.indexOf(step) + 1]
  if (step.transform.fills === undefined || step.kind === 'text' || next === undefined) return undefined
  const asked = Object.keys(wantedBy(next))
  return asked.length > 0 && asked.every((name) => FOLLOWING.includes(name)) ? next : undefined
}

/** Statistics of numbers are of doubles, whatever the column's type. */
function counted(feature: SqlFeature) {
  return NUMBERS.includes(feature.kind) ? asNumber(feature) : feature.expr
}

function fitNext(column: Progress, index: number, statistics: ReadonlyMap<string, ColumnStatistics>): void {
  const step = column.steps[column.fitted.length]
  if (step === undefined || column.reason !== undefined) return
  const found = (i: number): ColumnStatistics => {
    const facts = statistics.get(`${index}.${i}`)
    if (facts === undefined) throw new MillraceError('MR_INTERNAL_BUG', `the engine gave no statistics ${index}.${i}`)
    return facts
  }
  const { rows } = found(0)
  if (rows === 0)
    throw new MillraceError(
      'MR_TRANSFORM_NO_ROWS',
      `column ${JSON.stringify(column.spec.name)}, step ${step.transform.name}: there are no training rows to fit on`,
      { hint: 'look at the split and at what validation took out' },
    )
  const empty = live(column.features).every((_, i) => found(i).missing === rows)
  if (empty && column.spec.steps === undefined && step.kind !== 'text') {
    column.reason = `no value in any of the ${rows} training rows`
    return
  }
  take(column, step, found)
  const next = nextOf(column, step)
  if (next === undefined) return
  const values = column.fitted.at(-1)?.fitted.map((fitted) => step.transform.fills?.(fitted)) ?? []
  take(column, next, (i) => {
    const { mean = NaN, stddev = NaN, min = NaN, max = NaN, ...facts } = found(i)
    return filled({ ...facts, mean, stddev, min, max }, values[i] ?? NaN)
  })
}

function take(column: Progress, step: Step, statistics: (index: number) => ColumnStatistics): void {
  const { transform } = step
  const fitted = live(column.features).map((_, index) => {
    const made = withPlace(column.spec.name, transform.name, () =>
      transform.fit(statistics(index), step.options, step.kind),
    )
    // what is applied now must be what a plan read back from JSON would apply
    return JSON.parse(JSON.stringify(made)) as unknown
  })
  column.features = advance(column.features, (feature, index) => transform.apply(feature, fitted[index]))
  column.fitted.push({
    transform: transform.name,
    version: transform.version,
    fitted,
    ...(step.added ? { added: true as const } : {}),
  })
}

function assemble(progress: readonly Progress[]): FeaturePlan {
  const kept = progress.filter(({ reason }) => reason === undefined)
  const taken = new Set(kept.map(({ spec }) => spec.name.toLowerCase()))
  const columns = kept.map(({ spec, fitted, features }): FittedColumn => {
    const named = features.map((feature) => ({ feature, name: featureName(spec.name, feature.suffix, taken) }))
    return {
      name: spec.name,
      type: spec.type,
      steps: fitted,
      isDefault: spec.steps === undefined,
      numeric: named.filter(({ feature }) => feature.kind !== 'category').map(({ name }) => name),
      categories: named
        .filter(({ feature }) => feature.kind === 'category')
        .map(({ feature, name }) => ({ name, size: feature.size ?? 0 })),
    }
  })
  const excluded = progress.flatMap(({ spec, reason }) =>
    reason === undefined ? [] : [{ name: spec.name, type: spec.type, reason }],
  )
  return {
    columns,
    numeric: columns.flatMap(({ numeric }) => numeric),
    categories: columns.flatMap(({ categories }) => categories),
    ...(excluded.length > 0 ? { excluded } : {}),
  }
}

/**
 * `<column><suffix>`, with a number where another column or feature has that name already.
 * @param taken in lower case: engines compare names without regard to case
 */
function featureName(column: string, suffix: string, taken: Set<string>): string {
  if (suffix === '') return column
  let name = `${column}${suffix}`
  for (let count = 2; taken.has(name.toLowerCase()); count++) name = `${column}${suffix}_${count}`
  taken.add(name.toLowerCase())
  return name
}

/**
 * The plan as row-wise SQL: `numeric` float32, never missing or NaN (infinite where the double is too large for a single);
 * `categories` int32 within their sizes; in the plan's order.
 */
export function planExpressions(plan: FeaturePlan): {
  readonly numeric: readonly Named[]
  readonly categories: readonly Named[]
} {
  const numeric: Named[] = []
  const categories: Named[] = []
  for (const column of plan.columns) {
    let numbers = 0
    let indices = 0
    for (const { expr, kind } of sqlFeatures(column))
      if (kind === 'category')
        categories.push({ name: column.categories[indices++]?.name as string, expr: cast(expr, 'int32') })
      else numeric.push({ name: column.numeric[numbers++] as string, expr: cast(expr, 'float32') })
  }
  return { numeric, categories }
}

type DocumentColumns = FeaturesDocument['columns']

/**
 * What became of each column, in words: the plan's columns, then those that it left out, then `excluded` (columns that
 * were never asked for).
 */
export function planDocument(
  plan: FeaturePlan,
  excluded: readonly Pick<DocumentColumns[number], 'name' | 'type' | 'reason'>[] = [],
): DocumentColumns {
  const columns = plan.columns.map((column) => ({
    name: column.name,
    type: column.type,
    role: 'feature' as const,
    steps: stepsInWords(column),
    outputs: [...column.numeric, ...column.categories.map(({ name }) => name)],
    isDefault: column.isDefault,
  }))
  const left = [...(plan.excluded ?? []), ...excluded].map((column) => ({
    ...column,
    role: 'excluded' as const,
    steps: [],
    outputs: [],
    isDefault: true,
  }))
  return [...columns, ...left]
}

function stepsInWords(column: FittedColumn): readonly string[] {
  let features: readonly SqlFeature[] = [head(column)]
  return column.steps.map((step) => {
    const transform = fittedTransform(step, column.name)
    const taking = live(features)
    const each = step.fitted.map((fitted, index) => {
      const of = taking.length > 1 ? `${taking[index]?.suffix.replace(/^_/, '')}: ` : ''
      return `${of}${transform.describe(fitted)}`
    })
    features = advance(features, (feature, index) => transform.apply(feature, step.fitted[index]))
    return `${each.join('; ')}${step.added === true ? ' [added]' : ''}`
  })
}
