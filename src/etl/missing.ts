/** Which values are never NaN and never '': what is missing in them is NULL, and to look for the others costs time. */
import type { Expr } from './expr.js'
import type { Relation } from './relation.js'
import { typeOf } from './types.js'

/** True if `expr` over the rows of `relation` is surely never NaN and never ''; false where nothing is known. */
export function isNullOnly(expr: Expr, relation: Relation): boolean {
  if (expr.op === 'column') return nullOnlyColumns(relation).has(expr.name)
  const type = typeOf(expr, relation.schema)
  if (type !== 'number' && type !== 'text') return true
  const are = (values: readonly Expr[]): boolean => values.every((value) => isNullOnly(value, relation))
  switch (expr.op) {
    case 'literal':
      return !isNothing(expr)
    case 'case':
      return are([...expr.branches.map(({ then }) => then), expr.otherwise])
    case 'cast': {
      const isOfText = typeOf(expr.value, relation.schema) === 'text'
      // what is no text has one that is not empty; a text may say NaN
      return isOfText === (type === 'text') ? are([expr.value]) : type === 'text'
    }
    case 'call':
      if (expr.fn === 'nullif') return are(expr.args.slice(0, 1)) || isNothing(expr.args[1])
      return expr.fn === 'coalesce' && are(expr.args)
    default:
      return false
  }
}

/** True for the literals that are missing and not NULL: NaN and ''. */
export function isNothing(expr: Expr | undefined): boolean {
  return expr?.op === 'literal' && (expr.type === 'number' ? Number.isNaN(Number(expr.value)) : expr.value === '')
}

/** Looked for once: each column may be asked for, by each node above. */
const found = new WeakMap<Relation, ReadonlySet<string>>()

function nullOnlyColumns(relation: Relation): ReadonlySet<string> {
  const names = found.get(relation) ?? findColumns(relation)
  found.set(relation, names)
  return names
}

function findColumns(relation: Relation): ReadonlySet<string> {
  switch (relation.kind) {
    case 'scan':
      return new Set(relation.schema.map(({ name }) => name))
    case 'filter':
    case 'sort':
    case 'limit':
      return nullOnlyColumns(relation.input)
    case 'project':
      return new Set(relation.columns.filter(({ expr }) => isNullOnly(expr, relation.input)).map(({ name }) => name))
    default:
      return new Set(relation.schema.filter(({ type }) => type !== 'number' && type !== 'text').map(({ name }) => name))
  }
}
