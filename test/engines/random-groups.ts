/** Random groups and windows over a plan's rows. */
import fc, { type Arbitrary } from 'fast-check'
import { aggregate, call, type Expr, type Frame, int, type Named, type OrderKey } from '../../src/etl/expr.js'
import { aggregated, windowed } from '../../src/etl/relation.js'
import { columnNames } from '../conformance/random-tables.js'
import { columnOf, namesOf, type Plan, rough, scalarOf, small, sortKey, tame, total, unused } from './random-parts.js'

export function grouped(plan: Plan): Arbitrary<Plan> {
  const of = (
    fn: Parameters<typeof aggregate>[0],
    arg: Arbitrary<Expr>,
    params: readonly number[] = [],
  ): Arbitrary<Expr> =>
    fc.tuple(arg, fc.option(small(plan).boolean, { freq: 3, nil: undefined })).map(([one, condition]) => {
      const expr = aggregate(fn, [one], params)
      return condition === undefined || expr.op !== 'aggregate' ? expr : { ...expr, filter: condition }
    })
  const sums = fc.oneof(
    fc.constant(aggregate('count', [])),
    of('count', scalarOf(plan)),
    of('count_if', small(plan).boolean),
    of('count_distinct', scalarOf(plan)),
    fc.tuple(columnOf(plan), columnOf(plan)).map((pair) => aggregate('count_distinct', pair)),
    ...(['min', 'max'] as const).map((fn) => of(fn, scalarOf(plan))),
    ...(['sum', 'avg'] as const).map((fn) => of(fn, tame(plan))),
    of('sum', small(plan).boolean),
  )
  const rounded = fc.oneof(
    ...(['sum', 'avg', 'stddev_samp', 'var_pop'] as const).map((fn) => of(fn, rough(plan))),
    of('quantile', rough(plan), [0.3]),
  )
  return fc
    .record({
      by: fc.array(fc.oneof({ arbitrary: columnOf(plan), weight: 3 }, scalarOf(plan)), { maxLength: 3 }),
      sums: fc.array(sums, { minLength: 1, maxLength: 5 }),
      rounded: fc.array(rounded, { maxLength: 2 }),
      called: columnNames(10),
    })
    .map(({ by, sums, rounded, called }) => {
      const named = [...by, ...sums, ...rounded].map((expr, i): Named => ({ name: called[i] ?? '', expr }))
      const [groups, aggregates] = [named.slice(0, by.length), named.slice(by.length)]
      return {
        relation: aggregated(plan.relation, groups, aggregates),
        key: groups.map(({ name }) => name),
        inexact: aggregates.slice(sums.length).map(({ name }) => name),
      }
    })
}

export function withWindows(plan: Plan): Arbitrary<Plan> {
  const order = fc.array(sortKey(plan), { maxLength: 2 }).map((keys): readonly OrderKey[] => [...keys, ...total(plan)])
  const by = fc.array(fc.oneof({ arbitrary: columnOf(plan), weight: 3 }, scalarOf(plan)), { maxLength: 2 })
  const whole = small(plan).integer.map((one): readonly OrderKey[] => [{ expr: call('int_mod', one, int(100)) }])
  const ends = fc.tuple(fc.nat(5), fc.nat(5), fc.boolean())
  const frame = (unit: Frame['unit']): Arbitrary<Frame> =>
    ends.map(([near, more, ever]) => ({ unit, from: ever ? 'unbounded' : BigInt(near + more), to: BigInt(near) }))
  const of = (
    fn: (Expr & { op: 'window' })['fn'],
    args: readonly Arbitrary<Expr>[],
    params?: readonly number[],
  ): Arbitrary<Expr> =>
    fc
      .oneof(
        fc.tuple(
          order,
          fn === 'row_number' || fn === 'lag' ? fc.constant(undefined) : fc.option(frame('rows'), { nil: undefined }),
        ),
        ...(fn === 'row_number' || fn === 'lag' ? [] : [fc.tuple(whole, frame('range'))]),
      )
      .chain(([orderBy, frame]) =>
        fc.tuple(by, ...args).map(([partitionBy, ...some]): Expr => ({
          ...{ op: 'window', fn, args: some, partitionBy, orderBy },
          ...(params === undefined ? {} : { params }),
          ...(frame === undefined ? {} : { frame }),
        })),
      )
  const windows = fc.oneof(
    of('row_number', []),
    of('count', []),
    of('count', [scalarOf(plan)]),
    ...(['min', 'max'] as const).map((fn) => of(fn, [scalarOf(plan)])),
    ...(['sum', 'avg'] as const).map((fn) => of(fn, [tame(plan)])),
    of('lag', [columnOf(plan)]),
    of('lag', [scalarOf(plan)], [2]),
    of('exact_sum', [rough(plan)], [2 ** 30]),
  )
  // two would tell rows apart that are alike, each in its own way
  const most = plan.key === undefined ? 1 : 3
  return fc.tuple(fc.array(windows, { minLength: 1, maxLength: most }), columnNames(3)).map(([made, called]) => {
    const names = unused(called, namesOf(plan))
    return {
      ...plan,
      relation: windowed(
        plan.relation,
        made.map((expr, i) => ({ name: names[i] ?? '', expr })),
      ),
    }
  })
}
