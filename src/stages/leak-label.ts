/** The leak check of features: how well each column alone tells the label, from counts of bins. */
import type { Field, Schema } from '../core/schema.js'
import type { Engine, StatisticsRequest } from '../etl/engine.js'
import { call, cast, col, type Expr, int, missing, num, text, when } from '../etl/expr.js'
import { filter, type Relation, withColumns } from '../etl/relation.js'
import { type Cell, tellsClass, tellsNumber } from '../evaluate/leaks.js'
import { labelValue } from './label.js'
import { ROW } from './tables.js'
import { inSplit, type PlanDocument, SPLIT } from './transform.js'

/** With more training rows than this every second, third … row is looked at, and fewer where numbers are cut, */
const ROWS = 200_000
const EDGE_ROWS = 50_000
/** while this many training rows of other than the most frequent class are left. */
const RARE_ROWS = 1000
/** Numbers with no more different values than this are binned by value, if each has a few training rows. */
const FEW_VALUES = 100
const ROWS_A_VALUE = 5
/** Fractions of each class's values at which numbers are cut: where a class begins and ends counts most. */
const CLASS_FRACTIONS = [0, 0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97, 0.99, 1]
/** Above this many classes numbers are cut at quantiles of all rows. */
const MANY_CLASSES = 20
const BINS = 64
/** Columns at a time, so that neither the query nor its result gets large. */
const COLUMNS = 32
/** The most frequent pairs of value and class that are kept of a column. */
const CELLS = 20_000
const TARGET = '__target'

/** @returns for each column balanced accuracy above chance (classification) or R² of ranks (regression); see evaluate/leaks.ts */
export async function tellsLabel(
  engine: Engine,
  rows: Relation,
  plan: PlanDocument,
  signal: AbortSignal,
): Promise<readonly { readonly column: string; readonly value: number }[]> {
  const { task, label } = plan
  const looked = everyNth(rows, stepOf(plan, ROWS))
  const train = inSplit(everyNth(rows, stepOf(plan, EDGE_ROWS)), 'train')
  const isNumber = task.kind === 'regression'
  const edges = isNumber ? await quantilesOf(engine, train, label, plan, signal) : []
  const targets = isNumber ? edges.length + 1 : task.classes.length
  const target = isNumber ? binOf(cast(col(label.name), 'number'), edges) : labelValue(label.name, label.type, task)
  const found: { column: string; value: number }[] = []
  for (let from = 0; from < plan.inputs.length; from += COLUMNS) {
    const columns = plan.inputs.slice(from, from + COLUMNS)
    const bins = await binsOf(engine, withColumns(train, [{ name: TARGET, expr: target }]), columns, plan, signal)
    const side = cast(call('eq', col(SPLIT), text('train')), 'integer')
    const counted = await engine.statistics(
      withColumns(looked, [{ name: TARGET, expr: call('add', call('mul', cast(target, 'integer'), int(2)), side) }]),
      columns.map(({ name }, i) => ({
        name: String(i),
        expr: call('concat', cast(col(TARGET), 'text'), text('|'), bins.get(name) ?? text('')),
        values: CELLS,
      })),
      signal,
    )
    for (const [i, { name }] of columns.entries()) {
      const cells = (counted.get(String(i))?.values ?? []).map(({ value, count }): Cell => {
        const bar = value.indexOf('|')
        const code = Number(value.slice(0, bar))
        return { bin: value.slice(bar + 1), target: code >> 1, isTrain: code % 2 === 1, rows: count }
      })
      found.push({ column: name, value: isNumber ? tellsNumber(cells, targets) : tellsClass(cells, targets) })
    }
  }
  return found
}

function everyNth(rows: Relation, step: number): Relation {
  return step === 1 ? rows : filter(rows, call('eq', call('int_mod', col(ROW), int(step)), int(0)))
}

/** @param most training rows to be left */
function stepOf({ task, counts, classCounts }: PlanDocument, most: number): number {
  const rare = task.kind === 'regression' ? Infinity : counts.train - Math.max(...classCounts.train)
  return Math.max(1, Math.min(Math.ceil(counts.train / most), Math.floor(rare / RARE_ROWS)))
}

/** The bin of a row by column, as text: the value itself where there are few or it is text; '' for missing. */
async function binsOf(
  engine: Engine,
  sample: Relation,
  columns: Schema,
  plan: PlanDocument,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Expr>> {
  const { task } = plan
  const byClass = task.kind === 'classification' && task.classes.length <= MANY_CLASSES
  const numbers = columns.filter(({ type }) => type !== 'text' && type !== 'boolean')
  const requests = numbers.flatMap((field): StatisticsRequest[] => [
    { name: field.name, expr: numberOf(field), distinct: true, ...(byClass ? {} : { quantiles: fractions(plan) }) },
    ...(byClass
      ? task.classes.map((_, k) => ({
          name: `${k}|${field.name}`,
          expr: when(call('eq', col(TARGET), int(k)), numberOf(field), missing('number')),
          quantiles: CLASS_FRACTIONS,
        }))
      : []),
  ])
  const statistics = await engine.statistics(sample, requests, signal)
  const bins = new Map<string, Expr>()
  for (const field of columns) {
    const own = statistics.get(field.name)
    const asText = call('coalesce', cast(col(field.name), 'text'), text(''))
    const few = Math.max(2, Math.min(FEW_VALUES, Math.floor(plan.counts.train / ROWS_A_VALUE)))
    if (own === undefined || (own.distinct ?? 0) <= few) {
      bins.set(field.name, own === undefined ? asText : call('coalesce', cast(numberOf(field), 'text'), text('')))
      continue
    }
    const cuts = byClass
      ? task.classes.flatMap((_, k) => statistics.get(`${k}|${field.name}`)?.quantiles ?? [])
      : (own.quantiles ?? [])
    const value = numberOf(field)
    const bin = cast(binOf(value, ascending(cuts)), 'text')
    bins.set(field.name, when(call('is_missing', col(field.name)), text(''), bin))
  }
  return bins
}

function numberOf({ name, type }: Field): Expr {
  return cast(type === 'timestamp' || type === 'date' ? call('epoch_us', col(name)) : col(name), 'number')
}

/** So few bins that each has training rows in it. */
function fractions({ counts }: PlanDocument): readonly number[] {
  const bins = Math.min(BINS, Math.max(8, Math.floor(counts.train / ROWS_A_VALUE)))
  return Array.from({ length: bins - 1 }, (_, i) => (i + 1) / bins)
}

async function quantilesOf(
  engine: Engine,
  sample: Relation,
  label: Field,
  plan: PlanDocument,
  signal: AbortSignal,
): Promise<readonly number[]> {
  const request = { name: 'label', expr: numberOf(label), quantiles: fractions(plan) }
  return ascending((await engine.statistics(sample, [request], signal)).get('label')?.quantiles ?? [])
}

function ascending(values: readonly number[]): readonly number[] {
  return [...new Set(values.filter(Number.isFinite))].sort((a, b) => a - b)
}

/** How many of the ascending edges are not above the value: nested halves. */
function binOf(value: Expr, edges: readonly number[], from = 0, to = edges.length): Expr {
  if (from >= to) return int(from)
  const middle = (from + to) >> 1
  const below = call('lt', value, num(edges[middle] ?? 0))
  return when(below, binOf(value, edges, from, middle), binOf(value, edges, middle + 1, to))
}
