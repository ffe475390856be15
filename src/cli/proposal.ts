/** What a person's table looks like, and the pipeline that is proposed for it: every decision with its reason. */
import type { Task, Schema, Field } from '../core/schema.js'
import type { ColumnStatistics, Engine, StatisticsRequest } from '../etl/engine.js'
import { call, col, missing, num, text, when } from '../etl/expr.js'
import { scan, type Source } from '../etl/relation.js'
import { fromYaml } from '../config/load.js'
import { OUTPUTS } from '../transforms/emit.js'
import { findTask, labelField, labelText } from '../stages/label.js'

export interface ColumnLook {
  readonly name: string
  readonly type: Field['type']
  readonly missing: number
  readonly distinct: number
  /** Numbers, and microseconds of times. */
  readonly min?: number
  readonly max?: number
  /** Texts of which nearly all are numbers with separators, a currency or a percent sign. */
  readonly isWrittenNumber?: boolean
  /** Numbers: below it is one value in a thousand, half of them, all but one in a thousand. */
  readonly quantiles?: readonly [low: number, middle: number, high: number]
}

/** A table as `init` sees it. */
export interface Look {
  readonly rows: number
  readonly columns: readonly ColumnLook[]
  readonly label: ColumnLook
  readonly task: Task
  /** Rows of each class, most frequent first; [] for regression. */
  readonly classes: readonly { readonly value: string; readonly count: number }[]
}

export interface Choice<T> {
  readonly value: T
  readonly reason: string
}

export interface Excluded {
  readonly name: string
  readonly reason: string
  /** One value or none, so nothing to learn from, or no name for a model's input; else an identifier. */
  readonly isConstant: boolean
}

export interface Proposal {
  readonly exclude: readonly Excluded[]
  readonly positive: Choice<string> | undefined
  readonly entity: Choice<string> | undefined
  readonly timestamp: Choice<string> | undefined
  readonly split: Choice<'hash' | 'stratified' | 'time'>
  readonly classWeights: Choice<'balanced'> | undefined
  readonly ranges: readonly { readonly name: string; readonly low: number; readonly high: number }[]
  /** Features with a few values so far out that scaling by them would leave the others no room. */
  readonly clips: readonly { readonly name: string; readonly low: number | null; readonly high: number | null }[]
  /** A regression's label has such values, which are outside of this: one of them outweighs all other rows. */
  readonly labelRange: { readonly low: number; readonly high: number } | undefined
  /** Wider tables get ranges for so many columns only. */
  readonly rangesLeftOut: number
  readonly minRecords: number
  readonly batchSize: number
  readonly maxEpochs: number
  readonly patience: number
  readonly learningRate: number
}

/** Fewer rows say little about which values are all different. */
const FEW_ROWS = 20
const MAX_RANGES = 40
/** 1,234.56 and 1.234,56, $ 5, 10 %, (12): numbers as people write them. */
const WRITTEN_NUMBER = "^[^0-9\\p{L}]*[0-9][0-9., '’]*[^0-9\\p{L}]*$"
/** With fewer different values they may as well be categories. */
const FEW_VALUES = 100

/**
 * Looks at the whole table in one pass for all columns and one for the label. Throws MR_LABEL_* as the pipeline itself
 * would: an unknown column with the nearest and the list, one class only, too many classes.
 */
export async function lookAt(
  engine: Engine,
  source: Source,
  schema: Schema,
  label: string,
  signal: AbortSignal,
): Promise<Look> {
  const rows = scan(source, schema)
  const config = fromYaml(
    `pipeline_name: init\nversion: "1"\nlabel: ${JSON.stringify(label).replaceAll('${', '$${')}\n` +
      'data: {source_path: x, output_path: x}\ntraining: {model_type: neural_network}\n',
  )
  const field = labelField(config, schema)
  const task = await findTask(engine, rows, config, signal)
  const requests = schema.map(({ name, type }): StatisticsRequest => {
    const time = type === 'timestamp' || type === 'date'
    const number = type === 'number' || type === 'integer'
    const expr = time ? call('epoch_us', col(name)) : col(name)
    return { name, expr, distinct: true, range: number || time, ...(number ? { quantiles: [0.001, 0.5, 0.999] } : {}) }
  })
  const written = schema.flatMap(({ name, type }): StatisticsRequest[] => {
    const isNumber = call('matches', col(name), text(WRITTEN_NUMBER))
    return type === 'text'
      ? [
          {
            name,
            expr: when(call('is_missing', col(name)), missing('number'), when(isNumber, num(1), num(0))),
            mean: true,
          },
        ]
      : []
  })
  const found = await engine.statistics(rows, requests, signal)
  const shares = await engine.statistics(rows, written, signal)
  const columns = schema.map(({ name, type }): ColumnLook => {
    const {
      missing: absent = 0,
      distinct = 0,
      min,
      max,
      quantiles = [],
    } = found.get(name) ?? ({} as Partial<ColumnStatistics>)
    const [low, middle, high] = quantiles
    const share = shares.get(name)?.mean ?? 0
    return {
      name,
      type,
      missing: absent,
      distinct,
      ...(share > 0.95 ? { isWrittenNumber: true } : {}),
      ...(min === undefined || max === undefined ? {} : { min, max }),
      ...(low === undefined || middle === undefined || high === undefined ? {} : { quantiles: [low, middle, high] }),
    }
  })
  const count = found.get(label)?.rows ?? 0
  const counted =
    task.kind === 'classification'
      ? await engine.statistics(
          rows,
          [{ name: 'classes', expr: labelText(label, field.type), values: task.classes.length }],
          signal,
        )
      : undefined
  const look = columns.find((column) => column.name === label)
  if (!look) throw new Error(`no statistics of ${label}`)
  return { rows: count, columns, label: look, task, classes: counted?.get('classes')?.values ?? [] }
}

/** The pipeline for a table; a pure function, the same for the same look. */
export function propose(look: Look): Proposal {
  const { rows, columns, label, classes } = look
  const others = columns.filter((column) => column !== label)
  const found = others.flatMap((column) => excluded(column, rows))
  // a table of one column of numbers beside the label: better a poor feature than none
  const exclude = found.length < others.length ? found : found.filter(({ isConstant }) => isConstant)
  const out = new Set(exclude.map(({ name }) => name))
  const timestamp = timeColumn(columns.filter((column) => column !== label && !out.has(column.name)))
  const entity = entityColumn(columns, rows, out)
  const rarest = classes.at(-1)
  const known = classes.reduce((sum, { count }) => sum + count, 0)
  const ranges = columns.flatMap((column) => (column === label || out.has(column.name) ? [] : wideRange(column)))
  const clips = columns.flatMap((column) => {
    const bounds = column === label || out.has(column.name) ? undefined : farOut(column)
    return bounds === undefined ? [] : [{ name: column.name, ...bounds }]
  })
  const batchSize = rows < 2_000 ? 32 : rows < 20_000 ? 128 : rows < 200_000 ? 256 : rows < 2_000_000 ? 512 : 1024
  const maxEpochs = rows < 20_000 ? 60 : rows < 200_000 ? 30 : rows < 2_000_000 ? 15 : 8
  return {
    exclude,
    positive: positiveClass(classes),
    entity,
    timestamp,
    split: splitFor(look, timestamp),
    classWeights:
      rarest && rarest.count < known / 10
        ? { value: 'balanced', reason: `only ${rarest.count} of ${known} rows are ${JSON.stringify(rarest.value)}` }
        : undefined,
    ranges: ranges.slice(0, MAX_RANGES),
    clips,
    labelRange: look.task.kind === 'regression' ? labelRange(label) : undefined,
    rangesLeftOut: Math.max(0, ranges.length - MAX_RANGES),
    minRecords: Math.max(1, Math.floor(rows / 2)),
    batchSize,
    maxEpochs,
    patience: maxEpochs >= 30 ? 8 : 3,
    learningRate: rows < 20_000 ? 0.003 : 0.001,
  }
}

/** Why a column is of no use as a feature; [] if it is. */
function excluded(
  { name, type, distinct, missing, min, max, isWrittenNumber }: ColumnLook,
  rows: number,
): readonly Excluded[] {
  if (OUTPUTS.includes(name))
    return [{ name, reason: "a model's output has this name: rename the column to learn from it", isConstant: true }]
  if (isWrittenNumber === true && distinct > FEW_VALUES)
    return [
      {
        name,
        reason: 'it holds numbers with separators or signs: write them plainly (1234.56) to learn from it',
        isConstant: false,
      },
    ]
  if (distinct === 0) return [{ name, reason: 'it holds no value', isConstant: true }]
  if (distinct === 1 && missing === 0) return [{ name, reason: 'it is the same in every row', isConstant: true }]
  if (rows < FEW_ROWS || missing > 0 || distinct < rows) return []
  if (type === 'text') return [{ name, reason: 'it is different in every row: an identifier', isConstant: false }]
  const isRunning = (min === 0 || min === 1) && max === min + rows - 1
  if (type === 'integer' && (isRunning || isKeyName(name)))
    return [
      {
        name,
        reason: `it is different in every row${isRunning ? ', a running number' : ': an identifier'}`,
        isConstant: false,
      },
    ]
  return []
}

/** customerID, customer_id, ID, row_number, transactionKey … */
function isKeyName(name: string): boolean {
  return (
    /(?:^|[_\W])(?:id|key|uuid|guid|index|number|no|nr|row)s?$/i.test(name) ||
    /[a-z](?:ID|Id|Key|Number|No)$/.test(name)
  )
}

function entityColumn(
  columns: readonly ColumnLook[],
  rows: number,
  out: ReadonlySet<string>,
): Choice<string> | undefined {
  const keys = columns.filter(({ name, type, distinct }) => out.has(name) && distinct === rows && type !== 'number')
  const [only] = keys.filter(({ name }) => isKeyName(name)).concat(keys)
  return only && rows >= FEW_ROWS ? { value: only.name, reason: 'different in every row' } : undefined
}

function timeColumn(columns: readonly ColumnLook[]): Choice<string> | undefined {
  const times = columns.filter(
    ({ name, type, distinct, missing }) =>
      (type === 'timestamp' || type === 'date') && distinct > 1 && missing === 0 && !/birth|born|dob/i.test(name),
  )
  const [only, second] = times
  return only && !second ? { value: only.name, reason: 'the one column of times' } : undefined
}

function splitFor({ rows, columns, task }: Look, timestamp: Choice<string> | undefined): Proposal['split'] {
  const time = columns.find(({ name }) => name === timestamp?.value)
  // a few days over many rows are a property of the rows, not their order
  if (time && time.distinct >= Math.max(10, rows / 10))
    return { value: 'time', reason: 'rows happen one after another: learn from the past, score on what came later' }
  return task.kind === 'classification'
    ? { value: 'stratified', reason: 'the same share of each class in every part' }
    : { value: 'hash', reason: 'by chance, and the same rows on every run' }
}

const YES = ['yes', 'y', 'true', 't', '1', 'positive', 'churned', 'fraud', 'bad', 'default', 'failed']
const NO = ['no', 'n', 'false', 'f', '0', 'negative', 'retained', 'legit', 'good', 'paid', 'ok']

/** Two classes: the one that says yes, else the rarer one. */
function positiveClass(classes: Look['classes']): Choice<string> | undefined {
  const [first, second, third] = classes
  if (!first || !second || third) return undefined
  for (const [yes, no] of [
    [first, second],
    [second, first],
  ] as const)
    if (YES.includes(yes.value.toLowerCase()) && NO.includes(no.value.toLowerCase()))
      return { value: yes.value, reason: 'the class of interest' }
  return { value: second.value, reason: `the rarer class, ${second.count} of ${first.count + second.count} rows` }
}

/** As wide again as the data on either side: a fault in units or a shifted column is caught, a new record is not. */
function wideRange({ name, type, min, max, distinct }: ColumnLook): Proposal['ranges'] {
  // no file of ours may have this key
  if ((type !== 'number' && type !== 'integer') || name === '__proto__') return []
  if (min === undefined || max === undefined || !Number.isFinite(min) || !Number.isFinite(max) || distinct < 2)
    return []
  const width = max - min
  const low = min >= 0 ? 0 : -roundUp(width - min)
  const high = max <= 0 ? 0 : roundUp(max + width)
  return Number.isFinite(low) && Number.isFinite(high) ? [{ name, low, high }] : []
}

/** So many times further from the middle than all but one value in a thousand. */
const FAR_OUT = 10

/**
 * Bounds for a column with values that far out, on the side that has them: `times` as far as all but one in a thousand.
 * Ordinary long tails (incomes, payments) stay within. Undefined for a column without.
 */
function farOut(
  { min, max, quantiles }: ColumnLook,
  times = 2,
): { low: number | null; high: number | null } | undefined {
  if (min === undefined || max === undefined || quantiles === undefined) return undefined
  const [low, middle, high] = quantiles
  const above = high > middle && max - middle > FAR_OUT * (high - middle)
  const below = low < middle && middle - min > FAR_OUT * (middle - low)
  if (!above && !below) return undefined
  const side = (bound: number): number => (bound < 0 ? -roundUp(-bound) : bound === 0 ? 0 : roundUp(bound))
  return {
    low: below ? side(middle - times * (middle - low)) : null,
    high: above ? side(middle + times * (high - middle)) : null,
  }
}

/** As wide again on the side that has no values far out. */
function labelRange(label: ColumnLook): Proposal['labelRange'] {
  const bounds = farOut(label, FAR_OUT)
  const wide = wideRange(label)[0]
  if (bounds === undefined || wide === undefined) return undefined
  return { low: bounds.low ?? wide.low, high: bounds.high ?? wide.high }
}

/** The next of 1, 2, 5, 10, 20, 50 … */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  const step = [1, 2, 5, 10].find((factor) => factor * power >= value) ?? 10
  return Number((step * power).toPrecision(1))
}
