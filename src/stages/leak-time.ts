/** The leak checks of time: columns and windows that hold what comes after their row, training rows after judging ones. */
import type { WindowDocument } from '../core/documents.js'
import type { ColumnType, Schema } from '../core/schema.js'
import type { Engine } from '../etl/engine.js'
import { aggregate, type AggregateFunction, call, cast, col, type Expr, int, type Named, text } from '../etl/expr.js'
import { aggregated, filter, join, project, type Relation, windowed } from '../etl/relation.js'
import type { LaterValues, WindowSample } from '../evaluate/leaks.js'
import { ROW } from './tables.js'
import { SPLIT } from './transform.js'

/** Rows for which a window is computed again. */
const SAMPLE = 200
const DAY = 86_400_000_000
/** Relative to the sum of magnitudes: sums of doubles in two orders differ by less. */
const SAME = 1e-9

const isTime = (type: ColumnType | undefined): boolean => type === 'timestamp' || type === 'date'
const typeIn = (schema: Schema, name: string): ColumnType | undefined =>
  schema.find((field) => field.name === name)?.type

/** A time as an integer where it is one (microseconds), else the column as it is. */
function timeOf(schema: Schema, name: string): Expr {
  return isTime(typeIn(schema, name)) ? call('epoch_us', col(name)) : col(name)
}

/** Counts for each time among the features how many values lie after their row. A date's time is the end of its day. */
export async function laterValues(
  engine: Engine,
  rows: Relation,
  inputs: Schema,
  timestamp: string,
  signal: AbortSignal,
): Promise<readonly LaterValues[]> {
  const type = typeIn(rows.schema, timestamp)
  const columns = inputs.filter((field) => isTime(field.type) && field.name !== timestamp)
  if (!isTime(type) || columns.length === 0) return []
  const own =
    type === 'date' ? call('add', timeOf(rows.schema, timestamp), int(DAY - 1)) : timeOf(rows.schema, timestamp)
  const [found] = await engine.rows(
    aggregated(
      rows,
      [],
      columns.flatMap(({ name }, i): Named[] => {
        const present = call('not', call('or', call('is_missing', col(name)), call('is_missing', col(timestamp))))
        return [
          { name: `present${i}`, expr: aggregate('count_if', [present]) },
          {
            name: `later${i}`,
            expr: aggregate('count_if', [call('and', present, call('gt', timeOf(rows.schema, name), own))]),
          },
        ]
      }),
    ),
    signal,
  )
  return columns.map(({ name }, i) => ({
    column: name,
    present: Number(found?.[`present${i}`] ?? 0),
    later: Number(found?.[`later${i}`] ?? 0),
  }))
}

/** Training rows that are not before the first row that judges. Rows without a time are left out. */
export async function trainNotBefore(
  engine: Engine,
  rows: Relation,
  timestamp: string,
  signal: AbortSignal,
): Promise<{ readonly notBefore: number; readonly train: number }> {
  const time = cast(timeOf(rows.schema, timestamp), 'number')
  const timed = project(filter(rows, call('not', call('is_missing', col(timestamp)))), [
    { name: 'time', expr: time },
    { name: 'train', expr: call('eq', col(SPLIT), text('train')) },
  ])
  const where = (fn: AggregateFunction, args: readonly Expr[], filtered: Expr): Expr => ({
    op: 'aggregate',
    fn,
    args,
    filter: filtered,
  })
  const isJudging = call('not', col('train'))
  const [found] = await engine.rows(
    aggregated(
      timed,
      [],
      [
        { name: 'first', expr: where('min', [col('time')], isJudging) },
        { name: 'last', expr: where('max', [col('time')], col('train')) },
        { name: 'train', expr: aggregate('count_if', [col('train')]) },
      ],
    ),
    signal,
  )
  const { first, last } = found ?? {}
  const train = Number(found?.['train'] ?? 0)
  if (typeof first !== 'number' || typeof last !== 'number' || last < first) return { notBefore: 0, train }
  const notBefore = call('and', col('train'), call('ge', col('time'), { op: 'literal', value: first, type: 'number' }))
  const [counted] = await engine.rows(
    aggregated(timed, [], [{ name: 'n', expr: aggregate('count_if', [notBefore]) }]),
    signal,
  )
  return { notBefore: Number(counted?.['n'] ?? 0), train }
}

/**
 * Computes windows again for some rows by a plain join with the rows before them, and compares.
 * @param rows all rows that the windows were made of, with them, those without a label too
 */
export async function sampleWindows(
  engine: Engine,
  rows: Relation,
  total: number,
  windows: readonly WindowDocument[],
  label: string,
  signal: AbortSignal,
): Promise<readonly WindowSample[]> {
  const samples: WindowSample[] = []
  for (const window of windows) {
    const ofLabel = window.of === label && (window.delay ?? 0) === 0
    samples.push({
      ...(await sampleWindow(engine, rows, Math.max(1, Math.floor(total / SAMPLE)), window, signal)),
      ...(ofLabel ? { ofLabel: true } : {}),
    })
  }
  return samples
}

async function sampleWindow(
  engine: Engine,
  rows: Relation,
  step: number,
  window: WindowDocument,
  signal: AbortSignal,
): Promise<WindowSample> {
  const { by, timestamp, of } = window
  const lost = call('or', call('is_missing', col(by)), call('is_missing', col(timestamp)))
  const known = filter(rows, call('not', lost))
  const time = timeOf(rows.schema, timestamp)
  const left = project(filter(known, call('eq', call('int_mod', col(ROW), int(step)), int(Math.floor(step / 2)))), [
    { name: 's', expr: col(ROW) },
    { name: 'e', expr: col(by) },
    { name: 't', expr: time },
    { name: 'held', expr: col(window.name) },
  ])
  const right = project(known, [
    { name: 'e2', expr: col(by) },
    { name: 't2', expr: time },
    { name: 's2', expr: col(ROW) },
    { name: 'v', expr: of === undefined ? int(1) : col(of) },
  ])
  const pairs = join(left, right, 'inner', [{ left: col('e'), right: col('e2') }])
  const seen = aggregated(before(pairs, window), [{ name: 's', expr: col('s') }], parts(window))
  const expected = new Map((await engine.rows(seen, signal)).map((row) => [String(row['s']), row]))
  const sampled = await engine.rows(left, signal)
  const different = sampled.flatMap((row) => {
    const { value, slack } = valueOf(window, expected.get(String(row['s'])))
    const held = row['held'] ?? null
    const same = typeof value === 'number' && held !== null ? Math.abs(Number(held) - value) <= slack : held === value
    return same ? [] : [{ row: Number(row['s']), held, value }]
  })
  const first = different.sort((a, b) => a.row - b.row)[0]
  return {
    window: window.name,
    rows: sampled.length,
    different: different.length,
    ...(first === undefined
      ? {}
      : { example: `row ${first.row}: ${shown(first.held)}, the rows before give ${shown(first.value)}` }),
  }
}

/** The pairs whose second row the window of the first may see. */
function before(pairs: Relation, { over, rows = 1, delay = 0, compute }: WindowDocument): Relation {
  if (over !== undefined && compute !== 'lag') {
    const ago = call('sub', col('t'), col('t2'))
    return filter(pairs, call('and', call('gt', ago, int(delay)), call('le', ago, int(BigInt(delay) + BigInt(over)))))
  }
  const earlier = call(
    'or',
    call('lt', col('t2'), col('t')),
    call('and', call('eq', col('t2'), col('t')), call('lt', col('s2'), col('s'))),
  )
  const ranked = windowed(filter(pairs, earlier), [
    {
      name: 'rank',
      expr: {
        op: 'window',
        fn: 'row_number',
        args: [],
        partitionBy: [col('s')],
        orderBy: [
          { expr: col('t2'), descending: true },
          { expr: col('s2'), descending: true },
        ],
      },
    },
  ])
  return filter(ranked, call(compute === 'lag' ? 'eq' : 'le', col('rank'), int(rows)))
}

function parts({ compute }: WindowDocument): readonly Named[] {
  const n: Named = { name: 'n', expr: aggregate('count', [col('v')]) }
  const number = cast(col('v'), 'number')
  switch (compute) {
    case 'sum':
    case 'mean':
      return [
        n,
        { name: 'sum', expr: aggregate('sum', [number]) },
        { name: 'size', expr: aggregate('sum', [call('abs', number)]) },
      ]
    case 'min':
      return [n, { name: 'value', expr: aggregate('min', [number]) }]
    case 'max':
      return [n, { name: 'value', expr: aggregate('max', [number]) }]
    case 'lag':
      // one row, whose value it is
      return [n, { name: 'value', expr: aggregate('min', [col('v')]) }]
    default:
      return [n]
  }
}

/** @param seen absent where no row is before */
function valueOf(
  { compute }: WindowDocument,
  seen: Readonly<Record<string, unknown>> | undefined,
): { readonly value: unknown; readonly slack: number } {
  const n = Number(seen?.['n'] ?? 0)
  const sum = Number(seen?.['sum'] ?? 0)
  const slack = SAME * Number(seen?.['size'] ?? 0)
  switch (compute) {
    case 'count':
      return { value: n, slack: 0 }
    case 'sum':
      return { value: sum, slack }
    case 'mean':
      return n === 0 ? { value: null, slack: 0 } : { value: sum / n, slack: slack / n }
    default: {
      const value = seen?.['value'] ?? null
      return { value: typeof value === 'bigint' || typeof value === 'boolean' ? Number(value) : value, slack: 0 }
    }
  }
}

const shown = (value: unknown): string =>
  typeof value === 'number' ? String(Number(value.toPrecision(7))) : typeof value === 'string' ? value : 'missing'
