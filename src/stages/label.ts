/** What the label column asks of a model: classes in ascending order, or a number. */
import type { PipelineConfig } from '../config/config.js'
import { MillraceError, nearest } from '../core/errors.js'
import type { ColumnType, Schema, Task } from '../core/schema.js'
import type { Engine } from '../etl/engine.js'
import { call, cast, col, type Expr, position, text, when } from '../etl/expr.js'
import type { Relation } from '../etl/relation.js'

/** Number columns with more distinct values than this are a regression, unless the file says otherwise. */
const MAX_NUMERIC_CLASSES = 20
/** A text label with more classes than this is taken for a mistake. */
const MAX_CLASSES = 1000

/** The label as text, the same on every engine: 1 and 1.0 are '1'. */
export function labelText(label: string, type: ColumnType): Expr {
  switch (type) {
    case 'text':
      return col(label)
    case 'boolean':
      return when(col(label), text('true'), text('false'))
    case 'number':
      return cast(cast(col(label), 'integer'), 'text')
    case 'integer':
    case 'date':
    case 'timestamp':
      return cast(col(label), 'text')
  }
}

export const labelMissing = (label: string): Expr => call('is_missing', col(label))

/** The label as features hold it: class index (int32), or the target itself, a double. */
export function labelValue(label: string, type: ColumnType, task: Task): Expr {
  if (task.kind === 'regression') return cast(col(label), 'number')
  return cast(position(labelText(label, type), task.classes), 'int32')
}

export function labelField(
  config: PipelineConfig,
  schema: Schema,
): { readonly name: string; readonly type: ColumnType } {
  const name = config.label ?? ''
  const field = schema.find((candidate) => candidate.name === name)
  if (field === undefined) {
    const near = nearest(
      name,
      schema.map((candidate) => candidate.name),
    )
    throw new MillraceError(
      'MR_LABEL_MISSING',
      `label: there is no column '${name}' in the data${near === undefined ? '' : `; did you mean '${near}'?`}`,
      { hint: `columns: ${schema.map((candidate) => candidate.name).join(', ')}` },
    )
  }
  if (field.type === 'timestamp' || field.type === 'date')
    throw new MillraceError(
      'MR_LABEL_TYPE',
      `label: '${name}' is a ${field.type}; a label is text, boolean or a number`,
    )
  return field
}

/**
 * Decides between classification and regression and finds the classes, from all rows that have a label.
 * Classes ascend: numbers by value, text by its UTF-8 bytes.
 */
export async function findTask(
  engine: Engine,
  rows: Relation,
  config: PipelineConfig,
  signal: AbortSignal,
): Promise<Task> {
  const { name, type } = labelField(config, rows.schema)
  const wanted = config.training.task
  const isNumber = type === 'number' || type === 'integer'
  if (wanted === 'regression' && !isNumber)
    throw new MillraceError('MR_LABEL_TYPE', `label: regression needs a number, '${name}' is ${type}`, {
      hint: 'set training.task: classification',
    })
  if (isNumber) {
    const isConstant = await checkNumbers(engine, rows, name, signal)
    if (wanted === 'regression' && !isConstant) return { kind: 'regression' }
  }
  const isWhole = call('or', call('is_missing', col(name)), call('eq', call('floor', col(name)), col(name)))
  const found = await engine.statistics(
    rows,
    [
      { name: 'values', expr: labelText(name, type), values: MAX_CLASSES + 1, distinct: true },
      ...(type === 'number' ? [{ name: 'whole', expr: cast(isWhole, 'integer'), range: true }] : []),
    ],
    signal,
  )
  const statistics = found.get('values')
  const values = statistics?.values ?? []
  const whole = type !== 'number' || found.get('whole')?.min === 1
  const distinct = statistics?.distinct ?? 0
  if (isNumber && wanted === 'auto' && distinct > 1 && (!whole || distinct > MAX_NUMERIC_CLASSES))
    return { kind: 'regression' }
  if (!whole && distinct > 1)
    throw new MillraceError('MR_LABEL_TYPE', `label: '${name}' has values that are not whole; they cannot be classes`, {
      hint: 'set training.task: regression',
    })
  if (values.length > MAX_CLASSES)
    throw new MillraceError(
      'MR_LABEL_TYPE',
      `label: '${name}' has ${statistics?.distinct ?? values.length} different values; at most ${MAX_CLASSES} can be classes`,
      {
        hint: values.every(({ value }) => /^\P{L}*\d\P{L}*$/u.test(value))
          ? `values such as '${values[0]?.value ?? ''}' are text: to predict numbers, write them plainly (1234.56)`
          : 'choose another label, or group its values',
      },
    )
  const classes = values.map(({ value }) => value)
  if (statistics?.rows === 0)
    throw new MillraceError('MR_LABEL_ONE_CLASS', `label: there are no rows, so '${name}' has no values`, {
      hint: 'check the source and the validation rules that remove rows',
    })
  if (isNumber) classes.sort((a, b) => Number(a) - Number(b))
  else classes.sort(byUtf8)
  if (classes.length < 2)
    throw new MillraceError(
      'MR_LABEL_ONE_CLASS',
      classes.length === 0
        ? `label: every row's '${name}' is missing`
        : `label: '${name}' is ${whole ? `'${classes[0]}'` : 'the same'} in every row; a model needs at least two classes`,
      { hint: 'check the label column and the validation rules that remove rows' },
    )
  if (classes.length > 2 && config.positive !== undefined)
    throw new MillraceError(
      'MR_LABEL_POSITIVE',
      `positive: '${name}' has ${classes.length} classes; only of two can one be the positive`,
      { hint: 'remove positive from the file' },
    )
  const positive = config.positive ?? classes[1]
  if (positive !== undefined && !classes.includes(positive))
    throw new MillraceError('MR_LABEL_POSITIVE', `positive: '${positive}' is not a class of '${name}'`, {
      hint: `classes: ${classes.slice(0, 20).join(', ')}`,
    })
  return { kind: 'classification', classes, ...(classes.length === 2 ? { positive } : {}) }
}

/** True if the label has one value or none. Throws MR_LABEL_TYPE for infinite values, and for whole ones beyond 64 bits. */
async function checkNumbers(engine: Engine, rows: Relation, name: string, signal: AbortSignal): Promise<boolean> {
  const found = await engine.statistics(rows, [{ name, expr: col(name), range: true }], signal)
  const { min = 0, max = 0 } = found.get(name) ?? {}
  const wild = [min, max].find((value) => !Number.isFinite(value))
  if (wild !== undefined)
    throw new MillraceError('MR_LABEL_TYPE', `label: '${name}' holds the value ${wild}; a label must be finite`, {
      hint: 'take these rows out of the source, or leave the label empty in them',
    })
  return min === max
}

function byUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
