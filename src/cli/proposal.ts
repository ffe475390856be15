/** What a person's table looks like, and the pipeline that is proposed for it: every decision with its reason. */
import type { Task, Schema, Field } from '../core/schema.js'
import type { ColumnStatistics, Engine, StatisticsRequest } from '../etl/engine.js'
import { call, col } from '../etl/expr.js'
import { scan, type Source } from '../etl/relation.js'
import { fromYaml } from '../config/load.js'
import { findTask, labelField, labelText } from '../stages/label.js'

export interface ColumnLook {
  readonly name: string
  readonly type: Field['type']
  readonly missing: number
  readonly distinct: number
  /** Numbers, and microseconds of times. */
  readonly min?: number
  readonly max?: number
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
  /** One value or none, so nothing to learn from; else an identifier. */
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
    const range = type === 'number' || type === 'integer' || time
    return { name, expr: time ? call('epoch_us', col(name)) : col(name), distinct: true, range }
  })
  const found = await engine.statistics(rows, requests, signal)
  const columns = schema.map(({ name, type }): ColumnLook => {
    const { missing = 0, distinct = 0, min, max } = found.get(name) ?? ({} as Partial<ColumnStatistics>)
    return { name, type, missing, distinct, ...(min === undefined || max === undefined ? {} : { min, max }) }
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
    rangesLeftOut: Math.max(0, ranges.length - MAX_RANGES),
    minRecords: Math.max(1, Math.floor(rows / 2)),
    batchSize,
    maxEpochs,
    patience: maxEpochs >= 30 ? 8 : 3,
    learningRate: rows < 20_000 ? 0.003 : 0.001,
  }
}

/** Why a column is of no use as a feature; [] if it is. */
function excluded({ name, type, distinct, missing, min, max }: ColumnLook, rows: number): readonly Excluded[] {
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
  if (type !== 'number' && type !== 'integer') return []
  if (min === undefined || max === undefined || !Number.isFinite(min) || !Number.isFinite(max) || distinct < 2)
    return []
  const width = max - min
  const low = min >= 0 ? 0 : -roundUp(width - min)
  const high = max <= 0 ? 0 : roundUp(max + width)
  return Number.isFinite(low) && Number.isFinite(high) ? [{ name, low, high }] : []
}

/** The next of 1, 2, 5, 10, 20, 50 … */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  const step = [1, 2, 5, 10].find((factor) => factor * power >= value) ?? 10
  return Number((step * power).toPrecision(1))
}
