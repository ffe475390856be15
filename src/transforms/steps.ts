/** From what the file says of a column to a checked chain of steps that ends in numbers or a category. */
import { MillraceError } from '../core/errors.js'
import type { ColumnType } from '../core/schema.js'
import { type AnyTransform, transformNamed } from './catalog.js'
import { dropsRows } from './impute.js'
import { type FeatureKind, StepFault, type StepDefaults, type StepSpec } from './transform.js'

/** A step with its options checked; `kind` is what it takes. */
export interface Step {
  readonly transform: AnyTransform
  readonly options: unknown
  readonly kind: FeatureKind
  /** Not asked for: put in because the chain needed it. */
  readonly added: boolean
}

export interface ColumnSpec {
  readonly name: string
  readonly type: ColumnType
  /** The defaults of its type if absent. */
  readonly steps?: readonly StepSpec[]
}

const DEFAULTS: Readonly<Record<ColumnType, readonly StepSpec[]>> = {
  number: [{ impute: 'median' }, 'standard'],
  integer: [{ impute: 'median' }, 'standard'],
  boolean: [{ impute: 'mode' }],
  text: ['one_hot'],
  timestamp: ['date_parts', { impute: 'median' }, 'standard'],
  date: ['date_parts', { impute: 'median' }, 'standard'],
}

/**
 * Checks a column's steps. A whole number or boolean before `index` or `one_hot` is made text first; a chain that would
 * end in text or a time gets its type's encoder, and one whose numbers could be missing an `impute` (mode for booleans,
 * else median): those steps have `added`.
 * Throws MR_TRANSFORM_UNKNOWN, MR_TRANSFORM_OPTIONS or MR_TRANSFORM_KIND, naming column and step.
 */
export function parseSteps(column: ColumnSpec, defaults: StepDefaults): readonly Step[] {
  const steps: Step[] = []
  let kind = column.type as FeatureKind
  let mayBeMissing = true
  const push = (spec: StepSpec, added: boolean): void => {
    const [name, given] = nameAndOptions(spec, column.name)
    const transform = transformNamed(name, column.name)
    if (!transform.accepts.includes(kind)) {
      const whole = kind === 'integer' || kind === 'boolean'
      if (!whole || !transform.accepts.includes('text')) throw kindError(column, transform, kind, steps)
      push('as_text', true)
    }
    const options = withPlace(column.name, name, () => transform.options(given, kind, defaults))
    steps.push({ transform, options, kind, added })
    kind = transform.result(kind)
    if (name === 'impute') mayBeMissing = false
  }
  for (const spec of column.steps ?? DEFAULTS[column.type]) push(spec, false)
  if (kind === 'text') push('one_hot', true)
  if (kind === 'timestamp' || kind === 'date') push('date_parts', true)
  if (kind !== 'category' && mayBeMissing) push({ impute: kind === 'boolean' ? 'mode' : 'median' }, true)
  return steps
}

/** Whether the column costs the training rows that miss it. Throws as `parseSteps` does. */
export function dropsMissing(column: ColumnSpec): boolean {
  const steps = parseSteps(column, { maxCategories: 1 })
  return steps.some(({ transform, options }) => transform.name === 'impute' && dropsRows(options))
}

/**
 * Checks what can be told of a step before the data is seen: its name, and that its options are good for a column of some
 * type that it takes. Throws MR_TRANSFORM_UNKNOWN or MR_TRANSFORM_OPTIONS.
 */
export function checkStep(spec: StepSpec, column: string): void {
  const [name, given] = nameAndOptions(spec, column)
  const transform = transformNamed(name, column)
  let fault: unknown
  for (const kind of transform.accepts)
    try {
      withPlace(column, name, () => transform.options(given, kind, { maxCategories: 100 }))
      return
    } catch (error) {
      fault ??= error
    }
  throw fault
}

function nameAndOptions(spec: StepSpec, column: string): readonly [name: string, given: unknown] {
  if (typeof spec === 'string') return [spec, undefined]
  const entries = typeof spec === 'object' && spec !== null && !Array.isArray(spec) ? Object.entries(spec) : []
  const [entry] = entries
  if (entry === undefined || entries.length > 1)
    throw new MillraceError(
      'MR_TRANSFORM_OPTIONS',
      `column ${JSON.stringify(column)}: a step is a name, or a map of one name to its options, not ${JSON.stringify(spec)}`,
      { hint: 'one list item a step: [{impute: median}, standard]' },
    )
  return entry
}

/** Runs `work`; a StepFault becomes an error that names column and step. */
export function withPlace<T>(column: string, step: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof StepFault)) throw error
    const place = `column ${JSON.stringify(column)}, step ${step}: ${error.message}`
    throw new MillraceError(error.code, place, {
      cause: error,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    })
  }
}

function kindError(
  column: ColumnSpec,
  transform: AnyTransform,
  kind: FeatureKind,
  before: readonly Step[],
): MillraceError {
  const from = before.length === 0 ? `the column is ${kind}` : `${before.at(-1)?.transform.name} gives ${kind}`
  const wantsText = transform.accepts.includes('text') && kind === 'number'
  const isTime = kind === 'timestamp' || kind === 'date'
  return new MillraceError(
    'MR_TRANSFORM_KIND',
    `column ${JSON.stringify(column.name)}, step ${transform.name}: takes ${transform.accepts.join(', ')}, but ${from}`,
    wantsText
      ? { hint: `only whole numbers can be categories: give the column the type text or integer in data.schema` }
      : isTime
        ? { hint: 'put date_parts before it: [date_parts, ...]' }
        : {},
  )
}
