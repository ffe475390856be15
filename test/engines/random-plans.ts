/** Random plans whose rows have one order: whatever has none is sorted by what tells its rows apart. */
import fc, { type Arbitrary } from 'fast-check'
import type { ColumnType } from '../../src/core/schema.js'
import { col, int, missing, type Named } from '../../src/etl/expr.js'
import { filter, isOrdered, join, limit, project, sort, union, withColumns } from '../../src/etl/relation.js'
import { columnNames } from '../conformance/random-tables.js'
import { type RandomTable, scanOf } from './random-files.js'
import { grouped, withWindows } from './random-groups.js'
import { exact, namesOf, type Plan, scalarOf, small, sortKey, total, unused } from './random-parts.js'

/** A plan of so many steps over the first table and the others. */
export function randomPlan(tables: readonly RandomTable[], steps: number): Arbitrary<Plan> {
  const [first, ...others] = tables.map(planOf)
  if (first === undefined) throw new Error('a plan needs a table')
  const grown = (plan: Plan, left: number): Arbitrary<Plan> =>
    left === 0 ? fc.constant(plan) : fc.oneof(...stepsFrom(plan, others)).chain((next) => grown(next, left - 1))
  return grown(first, steps)
}

const planOf = (table: RandomTable, place: number): Plan => ({
  relation: scanOf(table, place),
  key: table.rowNumber === undefined ? undefined : [table.rowNumber],
  inexact: [],
})

/** The plan with its rows in one order. */
export function ordered({ relation, key, inexact }: Plan): Plan {
  return isOrdered(relation)
    ? { relation, key, inexact }
    : { relation: sort(relation, total({ relation, key, inexact })), key, inexact }
}

function stepsFrom(plan: Plan, others: readonly Plan[]): Arbitrary<Plan>[] {
  const steps = [
    filtered(plan),
    projected(plan),
    projected(plan),
    sorted(plan),
    grouped(plan),
    withWindows(plan),
    unions(plan),
  ]
  if (isOrdered(plan.relation))
    steps.push(
      fc
        .tuple(fc.nat(40), fc.nat(10))
        .map(([count, offset]) => ({ ...plan, relation: limit(plan.relation, count, offset) })),
    )
  for (const other of others) {
    steps.push(...joins(plan, other))
    if (plan.inexact.length === 0) steps.push(unionWith(plan, other))
  }
  return steps
}

const filtered = (plan: Plan): Arbitrary<Plan> =>
  small(plan).boolean.map((predicate) => ({ ...plan, relation: filter(plan.relation, predicate) }))

/** Some columns, those of the key among them, under new names and in a new order, and some new ones. */
function projected(plan: Plan): Arbitrary<Plan> {
  const names = namesOf(plan)
  return fc
    .record({
      kept: fc.shuffledSubarray(names),
      made: fc.array(scalarOf(plan), { minLength: 1, maxLength: 4 }),
      called: columnNames(names.length + 4),
      isRenamed: fc.boolean(),
    })
    .map(({ kept, made, called, isRenamed }) => {
      // what tells rows apart stays
      const old = [...kept, ...(plan.key ?? []).filter((name) => !kept.includes(name))]
      const renamed = unused([
        ...(isRenamed ? called.slice(0, old.length) : old),
        ...called.slice(old.length, old.length + made.length),
      ])
      const to = new Map(old.map((name, i) => [name, renamed[i] ?? name]))
      const relation = project(plan.relation, [
        ...old.map((name): Named => ({ name: to.get(name) ?? name, expr: col(name) })),
        ...made.map((expr, i): Named => ({ name: renamed[old.length + i] ?? '', expr })),
      ])
      const [key, inexact] = [plan.key, plan.inexact].map((some) => some?.flatMap((name) => to.get(name) ?? []))
      return { relation, key, inexact: inexact ?? [] }
    })
}

const sorted = (plan: Plan): Arbitrary<Plan> =>
  fc
    .array(sortKey(plan), { maxLength: 3 })
    .map((keys) => ({ ...plan, relation: sort(plan.relation, [...keys, ...total(plan)]) }))

/** With some of its own rows again. */
function unions(plan: Plan): Arbitrary<Plan> {
  return fc.tuple(small(plan).boolean, fc.boolean(), columnNames(1)).map(([condition, isTold, called]) => {
    const parts = [plan.relation, filter(plan.relation, condition)]
    if (!isTold && plan.inexact.length === 0) return { relation: union(parts), key: undefined, inexact: [] }
    const [name = ''] = unused(called, namesOf(plan))
    const told = parts.map((part, i) => withColumns(part, [{ name, expr: int(i) }]))
    return { ...plan, relation: union(told), key: plan.key === undefined ? undefined : [...plan.key, name] }
  })
}

/** With another table's rows, in whose columns the plan's are found by their type. */
function unionWith(plan: Plan, other: Plan): Arbitrary<Plan> {
  const columns = plan.relation.schema.map(({ name, type }): Arbitrary<Named> => {
    const found = other.relation.schema.filter((field) => field.type === type).map((field) => col(field.name))
    return fc.constantFrom(...found, missing(type)).map((expr) => ({ name, expr }))
  })
  return fc.tuple(fc.tuple(...columns), fc.boolean()).map(([named, isFirst]) => {
    const parts = [plan.relation, project(other.relation, named)]
    return { relation: union(isFirst ? parts : parts.reverse()), key: undefined, inexact: [] }
  })
}

/** On one or two pairs of columns of like types. */
function joins(plan: Plan, other: Plan): Arbitrary<Plan>[] {
  const like = (type: ColumnType): string => (type === 'integer' ? 'number' : type === 'date' ? 'timestamp' : type)
  const pairs = exact(plan).flatMap(({ name: left, type }) =>
    other.relation.schema
      .filter((field) => like(field.type) === like(type))
      .map((field) => ({ left, right: field.name })),
  )
  if (pairs.length === 0) return []
  const isTold = plan.inexact.length === 0 || other.key !== undefined
  return [
    fc
      .record({
        how: fc.constantFrom(...(isTold ? (['inner', 'left'] as const) : []), 'semi', 'anti'),
        on: fc.uniqueArray(fc.constantFrom(...pairs), { minLength: 1, maxLength: 2 }),
      })
      .map(({ how, on }) => {
        const names = unused(namesOf(other), namesOf(plan))
        const to = new Map(namesOf(other).map((name, i) => [name, names[i] ?? name]))
        const right = project(
          other.relation,
          [...to].map(([from, name]) => ({ name, expr: col(from) })),
        )
        const relation = join(
          plan.relation,
          right,
          how,
          on.map((pair) => ({ left: col(pair.left), right: col(to.get(pair.right) ?? '') })),
        )
        if (how === 'semi' || how === 'anti') return { ...plan, relation }
        const key = plan.key && other.key && [...plan.key, ...other.key.map((name) => to.get(name) ?? name)]
        return { ...plan, relation, key }
      }),
  ]
}
