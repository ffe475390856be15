/** Relations: the plan that every engine executes. Immutable nodes with a schema; build them with the functions here. */
import { MillraceError } from '../core/errors.js'
import type { Field, Schema } from '../core/schema.js'
import { col, type Expr, type Named, type OrderKey } from './expr.js'
import { columnType, holds, typeOf, unify } from './types.js'

export type FileFormat = 'csv' | 'json' | 'parquet'

/** An object of an object store, as it was listed. */
export interface ObjectVersion {
  /** Its address, for people: `s3://bucket/key`. */
  readonly name: string
  /** What the store says of its content; another tag is another content. */
  readonly etag: string
  /** Bytes. */
  readonly size: number
}

/** For each row of a file a bit, 1 where it is left out, the first in the highest bit of the first byte. */
export interface DeletedRows {
  readonly bits: Uint8Array
  readonly digest: string
}

/** Files of one format, read in the order given. `schema` says what the columns are after reading. */
export interface Source {
  readonly format: FileFormat
  readonly paths: readonly string[]
  /** By path, what the files are copies of, where they are: see s3/cache.ts, which makes them. */
  readonly objects?: Readonly<Record<string, ObjectVersion>>
  /** By path, the digest of the content, where it is known: what is computed of a file can be kept under it. */
  readonly digests?: Readonly<Record<string, string>>
  /** By path, rows of Parquet files that are left out; the others keep their numbers. */
  readonly deleted?: Readonly<Record<string, DeletedRows>>
  /** Columns that folders called `column=value` below `root` give: see hive.ts. */
  readonly hive?: { readonly root: string; readonly columns: readonly string[] }
  readonly csv?: {
    readonly delimiter?: string
    readonly quote?: string
    readonly header?: boolean
    /** All columns of the files in their order, as `inferSchema` found them; a scan may want fewer. */
    readonly columns?: readonly string[]
  }
  /** By path, the columns of all files in their order, where not all have the same; by position in CSV. */
  readonly layouts?: Readonly<Record<string, readonly string[]>>
  /** By path, what Parquet files call the types of their columns, where they call that of one column differently. */
  readonly stored?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Parquet in which what is missing is NULL already: no value is NaN or '', so filters reach into the files. */
  readonly plain?: true
}

/** True if rows of some of the files are left out. */
export const lacksRows = ({ paths, deleted = {} }: Source): boolean => paths.some((path) => deleted[path] !== undefined)

/** What a person calls the file at `path`: an object's address, else the path. */
export function nameOf(source: Pick<Source, 'objects'>, path: string): string {
  return source.objects?.[path]?.name ?? path
}

export type Relation = { readonly schema: Schema } & (
  | {
      readonly kind: 'scan'
      readonly source: Source
      /** Adds an integer column of this name: 0-based position of the row in the whole source, in file order. */
      readonly rowNumber?: string
      /** Rows before each file, where an engine has looked them up: spares it counting rows one by one. */
      readonly rowsBefore?: readonly number[]
    }
  | { readonly kind: 'project'; readonly input: Relation; readonly columns: readonly Named[] }
  | { readonly kind: 'filter'; readonly input: Relation; readonly predicate: Expr }
  | {
      readonly kind: 'aggregate'
      readonly input: Relation
      readonly groupBy: readonly Named[]
      readonly aggregates: readonly Named[]
    }
  | {
      readonly kind: 'join'
      readonly left: Relation
      readonly right: Relation
      readonly how: 'inner' | 'left' | 'semi' | 'anti'
      readonly on: readonly { readonly left: Expr; readonly right: Expr }[]
    }
  | { readonly kind: 'window'; readonly input: Relation; readonly columns: readonly Named[] }
  | { readonly kind: 'union'; readonly inputs: readonly Relation[] }
  | {
      readonly kind: 'sort'
      readonly input: Relation
      readonly by: readonly OrderKey[]
      /** No two rows are alike in the keys: they leave nothing open. */
      readonly unique?: true
    }
  | { readonly kind: 'limit'; readonly input: Relation; readonly count: number; readonly offset?: number }
)

/**
 * Files as a relation. `schema` lists the columns wanted, as the files name them; types as `inferSchema` told or as
 * the user says. `rowNumber` adds the position of the row in the whole source.
 */
export function scan(
  source: Source,
  schema: Schema,
  options: { readonly rowNumber?: string; readonly rowsBefore?: readonly number[] } = {},
): Relation {
  const { rowNumber } = options
  const fields: Schema = rowNumber === undefined ? schema : [...schema, { name: rowNumber, type: 'integer' }]
  if (source.paths.length === 0) throw new MillraceError('MR_PLAN_SHAPE', 'a source needs at least one file')
  return { kind: 'scan', source, ...options, schema: checked(fields) }
}

/** Exactly these columns, in this order. Keeps the order of rows. */
export function project(input: Relation, columns: readonly Named[]): Relation {
  return { kind: 'project', input, columns, schema: checked(columns.map((column) => plain(column, input.schema))) }
}

/** All columns of the input by the names given; MR_PLAN_COLUMN_UNKNOWN for others. */
export function select(input: Relation, names: readonly string[]): Relation {
  return project(
    input,
    names.map((name) => ({ name, expr: col(name) })),
  )
}

/** The input's columns with these replaced (same name, same place) or added at the end. Keeps the order of rows. */
export function withColumns(input: Relation, columns: readonly Named[]): Relation {
  const given = new Map(columns.map((column) => [column.name, column]))
  if (given.size !== columns.length) checked(columns.map((column) => plain(column, input.schema)))
  const kept = input.schema.map(({ name }) => given.get(name) ?? { name, expr: col(name) })
  const known = new Set(input.schema.map(({ name }) => name))
  return project(input, [...kept, ...columns.filter(({ name }) => !known.has(name))])
}

/** Rows for which the predicate is true (not NULL). Keeps the order of rows. */
export function filter(input: Relation, predicate: Expr): Relation {
  const type = plain({ name: 'predicate', expr: predicate }, input.schema).type
  if (type !== 'boolean') throw new MillraceError('MR_PLAN_TYPE', `a filter takes boolean, not ${type}`)
  return { kind: 'filter', input, predicate, schema: input.schema }
}

/** One row per group (one row in all without groups). The order of groups is not defined: sort. */
export function aggregated(input: Relation, groupBy: readonly Named[], aggregates: readonly Named[]): Relation {
  const fields = aggregates.map(({ name, expr }): Field => {
    if (holds(expr, 'window')) throw new MillraceError('MR_PLAN_SHAPE', `${name}: a window function in an aggregate`)
    if (!holds(expr, 'aggregate')) throw new MillraceError('MR_PLAN_SHAPE', `${name}: not an aggregate`)
    return { name, type: typeOf(expr, input.schema) }
  })
  const schema = checked([...groupBy.map((column) => plain(column, input.schema)), ...fields])
  return { kind: 'aggregate', input, groupBy, aggregates, schema }
}

/**
 * Equal keys; NULL equals nothing. `semi` and `anti` keep the left columns alone. Names must not repeat: rename
 * before. The order of rows is not defined afterwards: sort.
 */
export function join(
  left: Relation,
  right: Relation,
  how: 'inner' | 'left' | 'semi' | 'anti',
  on: readonly { readonly left: Expr; readonly right: Expr }[],
): Relation {
  if (on.length === 0) throw new MillraceError('MR_PLAN_SHAPE', 'a join needs at least one pair of keys')
  for (const pair of on) unify('join key', [typeOf(pair.left, left.schema), typeOf(pair.right, right.schema)])
  const schema = how === 'semi' || how === 'anti' ? left.schema : checked([...left.schema, ...right.schema])
  return { kind: 'join', left, right, how, on, schema }
}

/** Adds columns made of window functions. The order of rows is not defined afterwards: sort. */
export function windowed(input: Relation, columns: readonly Named[]): Relation {
  const fields = columns.map(({ name, expr }): Field => {
    if (holds(expr, 'aggregate')) throw new MillraceError('MR_PLAN_SHAPE', `${name}: an aggregate in a window relation`)
    return { name, type: typeOf(expr, input.schema) }
  })
  return { kind: 'window', input, columns, schema: checked([...input.schema, ...fields]) }
}

/** All rows of all inputs, one input after the other; columns by place, names and types must be equal. */
export function union(inputs: readonly Relation[]): Relation {
  const [first] = inputs
  if (first === undefined) throw new MillraceError('MR_PLAN_SHAPE', 'a union needs at least one input')
  for (const input of inputs)
    if (JSON.stringify(shape(input.schema)) !== JSON.stringify(shape(first.schema)))
      throw new MillraceError(
        'MR_PLAN_SHAPE',
        `the inputs of a union differ: ${inWords(first.schema)} and ${inWords(input.schema)}`,
      )
  return { kind: 'union', inputs, schema: first.schema }
}

/** Ties keep no particular order: end the keys with a unique column where it matters; `unique` says that they do. */
export function sort(input: Relation, by: readonly OrderKey[], options: { readonly unique?: true } = {}): Relation {
  if (by.length === 0) throw new MillraceError('MR_PLAN_SHAPE', 'a sort needs at least one key')
  for (const key of by) plain({ name: 'sort key', expr: key.expr }, input.schema)
  return { kind: 'sort', input, by, ...options, schema: input.schema }
}

/** The first `count` rows after `offset`. */
export function limit(input: Relation, count: number, offset = 0): Relation {
  for (const value of [count, offset])
    if (!Number.isSafeInteger(value) || value < 0)
      throw new MillraceError('MR_PLAN_SHAPE', `a limit takes whole numbers from 0, not ${value}`)
  return { kind: 'limit', input, count, ...(offset === 0 ? {} : { offset }), schema: input.schema }
}

/** True if the rows come in a defined order: that of the files, or of a sort. */
export function isOrdered(relation: Relation): boolean {
  switch (relation.kind) {
    case 'scan':
    case 'sort':
      return true
    case 'project':
    case 'filter':
    case 'limit':
      return isOrdered(relation.input)
    case 'union':
      return relation.inputs.every(isOrdered)
    case 'aggregate':
    case 'join':
    case 'window':
      return false
  }
}

const shape = (schema: Schema): unknown => schema.map(({ name, type }) => [name, type])
const inWords = (schema: Schema): string => schema.map(({ name, type }) => `${name} ${type}`).join(', ')

/** The field that a row-wise expression gives. */
function plain({ name, expr }: Named, schema: Schema): Field {
  if (holds(expr, 'aggregate'))
    throw new MillraceError('MR_PLAN_SHAPE', `${name}: an aggregate where a row is expected`)
  if (holds(expr, 'window')) throw new MillraceError('MR_PLAN_SHAPE', `${name}: a window function outside windowed()`)
  return { name, type: expr.op === 'column' ? columnType(expr.name, schema) : typeOf(expr, schema) }
}

/** Names that every engine can carry: not empty, no NUL, different when case is ignored. */
function checked(schema: Schema): Schema {
  if (schema.length === 0) throw new MillraceError('MR_PLAN_SHAPE', 'a relation needs at least one column')
  const seen = new Map<string, string>()
  for (const { name } of schema) {
    if (name === '' || name.includes('\0'))
      throw new MillraceError('MR_PLAN_NAME', `${JSON.stringify(name)} cannot be a column name`)
    const before = seen.get(name.toLowerCase())
    if (before !== undefined)
      throw new MillraceError(
        'MR_PLAN_COLUMN_DUPLICATE',
        `two columns are called ${before === name ? JSON.stringify(name) : `${JSON.stringify(before)} and ${JSON.stringify(name)}`}`,
        { hint: 'names are compared without regard to case' },
      )
    seen.set(name.toLowerCase(), name)
  }
  return schema
}
