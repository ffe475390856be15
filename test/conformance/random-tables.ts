/** Random columns, their names, and random chains of steps that suit them: for what must hold of any table. */
import fc, { type Arbitrary } from 'fast-check'
import type { ColumnType } from '../../src/core/schema.js'
import type { StepSpec } from '../../src/transforms/transform.js'
import type { Cell } from './feature-table.js'

export const TYPES: readonly ColumnType[] = ['number', 'integer', 'boolean', 'text', 'timestamp', 'date']

const missing = fc.constant(null)
const number = fc.oneof(
  missing,
  fc.integer({ min: -20, max: 20 }),
  fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  fc.double({ min: -1e100, max: 1e100 }),
  fc.constantFrom(0, -0, NaN, 0.1, 16777217),
)
const second = fc.integer({ min: -62_135_596_800, max: 253_402_300_799 })
/** What can be fitted. */
const CELLS: Readonly<Record<ColumnType, Arbitrary<Cell>>> = {
  number,
  integer: fc.oneof(missing, fc.integer({ min: -3, max: 3 }), fc.maxSafeInteger()),
  boolean: fc.oneof(missing, fc.boolean()),
  // no NUL: neither engine's text takes part of one
  text: fc.oneof(
    missing,
    fc.constantFrom('', 'a', 'b', 'A', ' a', "'"),
    fc.string({ unit: 'grapheme', maxLength: 6 }).map((text) => text.replaceAll('\0', '')),
  ),
  timestamp: fc.oneof(
    missing,
    fc.tuple(second, fc.nat(999_999)).map(([s, us]) => BigInt(s) * 1_000_000n + BigInt(us)),
  ),
  date: fc.oneof(
    missing,
    second.map((s) => BigInt(Math.floor(s / 86_400)) * 86_400_000_000n),
  ),
}
/** What rows that were not fitted on may have. */
const LATER: Readonly<Record<ColumnType, Arbitrary<Cell>>> = {
  ...CELLS,
  number: fc.oneof({ arbitrary: number, weight: 3 }, fc.constantFrom(Infinity, -Infinity, 1e300, -1e300, 5e-324)),
}

const imputeNumber: Arbitrary<StepSpec> = fc
  .record({ strategy: fc.constantFrom('mean', 'median', 'mode', 'drop'), indicator: fc.boolean() })
  .map((options) => ({ impute: options }))
const numeric: Arbitrary<StepSpec> = fc.oneof(
  fc.constantFrom<StepSpec>('standard', 'min_max', 'robust'),
  fc
    .tuple(fc.double({ min: -100, max: 0, noNaN: true }), fc.double({ min: 0, max: 100, noNaN: true }))
    .map((clip) => ({ clip })),
  fc.double({ min: -5, max: 5, noNaN: true }).map((value) => ({ impute: { strategy: 'constant', value } })),
)
const numbers = fc
  .tuple(
    fc.array(numeric, { maxLength: 2 }),
    fc.option(imputeNumber, { nil: undefined }),
    fc.array(numeric, { maxLength: 2 }),
  )
  .map(([before, impute, after]) => [...before, ...(impute === undefined ? [] : [impute]), ...after])
/** Numbers that end in buckets, after up to two steps. */
const buckets = fc
  .tuple(
    fc.array(numeric, { maxLength: 2 }),
    fc.oneof(
      fc.integer({ min: 2, max: 12 }),
      fc
        .uniqueArray(fc.integer({ min: -10, max: 10 }), { minLength: 1, maxLength: 5 })
        .map((edges) => edges.toSorted((a, b) => a - b)),
    ),
  )
  .map(([before, bucket]): StepSpec[] => [...before, { bucket }])
const categories: Arbitrary<StepSpec[]> = fc
  .record({ max_categories: fc.integer({ min: 1, max: 5 }), min_count: fc.integer({ min: 1, max: 3 }) })
  .chain((options) => fc.constantFrom<StepSpec[]>([{ index: options }], [{ one_hot: options }]))
const PARTS = ['year', 'month', 'day', 'weekday', 'hour', 'minute', 'day_of_year']
const times = fc
  .tuple(fc.subarray(PARTS, { minLength: 1, maxLength: 3 }), numbers)
  .map(([date_parts, rest]): StepSpec[] => [{ date_parts }, ...rest])
/** Chains of arithmetic alone: the same bits wherever they are computed. */
export const STEPS: Readonly<Record<ColumnType, Arbitrary<readonly StepSpec[]>>> = {
  number: fc.oneof(numbers, buckets),
  integer: fc.oneof(numbers, categories, buckets),
  boolean: fc.oneof(categories, fc.constantFrom<StepSpec[]>([{ impute: 'mode' }], ['standard'])),
  text: fc.oneof(
    categories,
    categories.map((steps): StepSpec[] => [
      { impute: { strategy: 'constant', value: 'none', indicator: true } },
      ...steps,
    ]),
  ),
  timestamp: times,
  date: times,
}
/** Chains with a logarithm, whose last bits are a library's. */
export const logarithms: Arbitrary<readonly StepSpec[]> = fc
  .tuple(fc.double({ min: 1e-3, max: 1e6, noNaN: true }), numbers)
  .map(([most, rest]): StepSpec[] => [{ clip: [0, most] }, 'log', ...rest])

export interface FeatureColumn {
  readonly type: ColumnType
  /** Those that are fitted on, then the later ones. */
  readonly values: readonly Cell[]
  /** The defaults of its type if absent. */
  readonly steps?: readonly StepSpec[] | undefined
}

/** A column of any type with its steps, for `fitted` rows and `later` ones. */
export function featureColumn(fitted: number, later: number, steps = STEPS): Arbitrary<FeatureColumn> {
  const cells = (cell: Arbitrary<Cell>, count: number): Arbitrary<Cell[]> =>
    fc.array(cell, { minLength: count, maxLength: count })
  return fc.constantFrom<ColumnType>('number', 'number', ...TYPES.slice(1)).chain((type) =>
    fc.record({
      type: fc.constant(type),
      values: fc.tuple(cells(CELLS[type], fitted), cells(LATER[type], later)).map((parts) => parts.flat()),
      steps: fc.option(steps[type], { nil: undefined }),
    }),
  )
}

/** Names that mean something to an engine, a language or the code that writes queries. */
const ODD = [
  ...[' ', 'a b', '\n', '\t'],
  ...'a.b " \' ` `` \\ ${x} $1 % ; -- /* { [0] ( , = 0 1.5 É ß 😀'.split(' '),
  ...'select count group null true rows x0 c0 q l r v d t _c0 __row #order #order0 #none _metadata'.split(' '),
  ...'__proto__ constructor'.split(' '),
]

/** So many names that are different when case is ignored, as those of a table's columns must be. */
export function columnNames(count: number): Arbitrary<string[]> {
  const graphemes = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }).filter((name) => !name.includes('\0'))
  return fc.uniqueArray(fc.oneof({ arbitrary: graphemes, weight: 2 }, fc.constantFrom(...ODD)), {
    ...{ minLength: count, maxLength: count },
    selector: (name) => name.toLowerCase(),
  })
}
