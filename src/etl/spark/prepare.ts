/**
 * A plan made ready for Spark: its scans are Parquet files that Spark reads as DuckDB does, all of one layout, and what
 * depends on an order of rows says which one, as Spark keeps none between its tasks.
 */
import { stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { MillraceError } from '../../core/errors.js'
import type { ColumnType, Field } from '../../core/schema.js'
import { packingOf } from '../compressed.js'
import { writeFiles } from '../duckdb/write.js'
import { cast, col, type Expr, missing, type Named, text, type OrderKey } from '../expr.js'
import { folderValue } from '../hive.js'
import {
  filter,
  isOrdered,
  lacksRows,
  limit,
  project,
  scan,
  sort,
  union,
  withColumns,
  type Relation,
  type Source,
} from '../relation.js'
import { MISSING_WORDS } from '../sql/duckdb.js'
import type { Cluster } from './cluster.js'
import { storeDeletions } from './deletions.js'
import { rowsOf, startsOf, storedColumns } from './footers.js'

export type Scan = Relation & { readonly kind: 'scan' }

/**
 * The same rows in the same order, ready for `readOf`.
 * @param materialised writes a relation's rows, in order, and gives them back as a scan
 */
export async function prepared(
  cluster: Cluster,
  relation: Relation,
  materialised: (relation: Relation) => Promise<Relation>,
  signal?: AbortSignal,
): Promise<Relation> {
  const ready = (input: Relation): Promise<Relation> => prepared(cluster, input, materialised, signal)
  switch (relation.kind) {
    case 'scan':
      return readyScan(cluster, relation, signal)
    case 'limit': {
      const found = await inStatedOrder(relation, materialised)
      if (found.kind !== 'limit') return ready(found)
      const input =
        found.input.kind === 'sort'
          ? { ...found.input, input: await ready(found.input.input) }
          : await ready(found.input)
      return { ...found, input }
    }
    case 'union': {
      const inputs: Relation[] = []
      for (const input of relation.inputs) inputs.push(await ready(input))
      return { ...relation, inputs }
    }
    case 'join':
      return { ...relation, left: await ready(relation.left), right: await ready(relation.right) }
    default:
      return { ...relation, input: await ready(relation.input) }
  }
}

/** The first rows of what has an order only by where they are stored become those of a sort, which Spark keeps to. */
async function inStatedOrder(
  relation: Relation & { readonly kind: 'limit' },
  materialised: (relation: Relation) => Promise<Relation>,
): Promise<Relation> {
  const { input, count, offset } = relation
  if (input.kind === 'sort' || !isOrdered(input)) return relation
  const base = baseOf(input)
  if (base.kind === 'limit') return relation
  const stem = freshName(input)
  const keys: readonly OrderKey[] =
    base.kind === 'sort' ? base.by.map((key, i) => ({ ...key, expr: col(`${stem}${i}`) })) : [{ expr: col(`${stem}0`) }]
  const names = keys.map((_, i) => `${stem}${i}`)
  const start =
    base.kind === 'sort'
      ? withColumns(
          base.input,
          base.by.map(({ expr }, i) => ({ name: `${stem}${i}`, expr })),
        )
      : numbered(base.kind === 'scan' ? base : await materialised(base), `${stem}0`)
  const first = limit(sort(carried(input, names, start), keys), count, offset)
  return project(
    first,
    relation.schema.map(({ name }) => ({ name, expr: col(name) })),
  )
}

/** What projections and filters stand on. */
export function baseOf(relation: Relation): Relation {
  return relation.kind === 'project' || relation.kind === 'filter' ? baseOf(relation.input) : relation
}

/** The same projections and filters on another base, keeping these of its columns to the end. */
function carried(relation: Relation, names: readonly string[], base: Relation): Relation {
  if (relation.kind === 'project') {
    const kept = names.map((name): Named => ({ name, expr: col(name) }))
    return project(carried(relation.input, names, base), [...relation.columns, ...kept])
  }
  if (relation.kind === 'filter') return filter(carried(relation.input, names, base), relation.predicate)
  return base
}

function numbered(relation: Relation, name: string): Relation {
  if (relation.kind !== 'scan')
    throw new MillraceError('MR_INTERNAL_BUG', `rows of a ${relation.kind} have no position`)
  const { rowNumber, rowsBefore, source, schema } = relation
  if (rowNumber !== undefined) return withColumns(relation, [{ name, expr: col(rowNumber) }])
  return scan(source, schema, { rowNumber: name, ...(rowsBefore === undefined ? {} : { rowsBefore }) })
}

function freshName(relation: Relation): string {
  const taken = new Set<string>()
  for (let one = relation; ; one = one.input) {
    for (const { name } of one.schema) taken.add(name.toLowerCase())
    if (one.kind !== 'project' && one.kind !== 'filter' && one.kind !== 'sort') break
  }
  let stem = '#order'
  while ([...taken].some((name) => name.startsWith(stem))) stem += '_'
  return stem
}

/** As runs of files that one read takes: of one layout, no file twice. */
async function readyScan(cluster: Cluster, relation: Scan, signal?: AbortSignal): Promise<Relation> {
  const { source, rowNumber } = relation
  if (source.format !== 'parquet') return converted(cluster, relation, undefined, signal)
  const isOwn = source.plain === true && source.hive === undefined && source.layouts === undefined && !source.stored
  if (!isOwn)
    for (const [path, columns] of await storedColumns(cluster.embedded, source.paths, signal))
      cluster.stored.set(path, columns)
  const runs = runsOf(cluster, relation)
  const isPlaced = rowNumber !== undefined || lacksRows(source)
  const hasBefore = !isPlaced || relation.rowsBefore !== undefined || source.paths.length === 1
  const rowsBefore = hasBefore
    ? (relation.rowsBefore ?? source.paths.map(() => 0))
    : startsOf(await rowsOf(cluster.embedded, source.paths, signal))
  const parts: Relation[] = []
  for (const { start, end, how } of runs) {
    const paths = source.paths.slice(start, end)
    const before = rowsBefore.slice(start, end)
    parts.push(await readyRun(cluster, relation, paths, before, how, signal))
  }
  return parts.length === 1 ? (parts[0] ?? relation) : union(parts)
}

/** `foreign`: Spark reads these files, or what they store for these columns, otherwise than DuckDB, or not at all. */
type How = 'foreign' | 'native'

function runsOf(cluster: Cluster, relation: Scan): { start: number; end: number; how: How }[] {
  const { source, schema, rowNumber } = relation
  const runs: { start: number; end: number; how: How }[] = []
  let last = ''
  let seen = new Set<string>()
  for (const [i, path] of source.paths.entries()) {
    const columns = schema.filter(({ name }) => name !== rowNumber && source.hive?.columns.includes(name) !== true)
    const stored = columns.map(({ name, type }) => storedType(cluster, path, { name, type }))
    const isForeign = isHidden(path) || columns.some(({ type }, c) => !isReadAs(stored[c], type))
    const values = source.hive?.columns.map((column) => folderValue(source, path, column))
    const key = JSON.stringify([isForeign, stored, values])
    const real = resolve(path)
    if (key !== last || seen.has(real)) {
      runs.push({ start: i, end: i, how: isForeign ? 'foreign' : 'native' })
      seen = new Set()
    }
    seen.add(real)
    last = key
    const run = runs.at(-1)
    if (run !== undefined) run.end = i + 1
  }
  return runs
}

/** Spark's type of a column in a file; undefined where it has none, null where Spark cannot read it. */
export function storedType(cluster: Cluster, path: string, { name, type }: Field): string | null | undefined {
  const columns = cluster.stored.get(path)
  return columns === undefined ? OWN_TYPES[type] : columns.get(name.toLowerCase())
}

/** What this engine's and DuckDB's own tables hold; Spark widens the narrow ones. */
const OWN_TYPES: Readonly<Record<ColumnType, string>> = {
  number: 'DOUBLE',
  integer: 'BIGINT',
  boolean: 'BOOLEAN',
  text: 'STRING',
  timestamp: 'TIMESTAMP',
  date: 'DATE',
}

/** Whether a cast from the stored type gives the values that DuckDB reads. */
function isReadAs(stored: string | null | undefined, type: ColumnType): boolean {
  if (stored === undefined) return true
  if (stored === null) return false
  switch (type) {
    case 'number':
      return stored === 'DOUBLE' || stored === 'BIGINT' || stored.startsWith('DECIMAL')
    case 'integer':
      return stored === 'BIGINT' || stored.startsWith('DECIMAL')
    case 'timestamp':
      return stored === 'TIMESTAMP' || stored === 'DATE'
    default:
      return stored === OWN_TYPES[type]
  }
}

/** Spark passes over such files without a word. */
const isHidden = (path: string): boolean => /^[._]|\._COPYING_$/.test(basename(path))

async function readyRun(
  cluster: Cluster,
  { source, schema, rowNumber }: Scan,
  paths: readonly string[],
  rowsBefore: readonly number[],
  how: How,
  signal?: AbortSignal,
): Promise<Relation> {
  const digest = await storeDeletions(cluster, source, paths, rowsBefore, signal)
  const options = {
    ...(rowNumber === undefined ? {} : { rowNumber }),
    ...(rowNumber === undefined && digest === undefined ? {} : { rowsBefore }),
  }
  const [path = ''] = paths
  const wanted = schema.filter(({ name }) => name !== rowNumber)
  const { deleted = {}, ...whole } = source
  if (how === 'foreign')
    return converted(cluster, { kind: 'scan', source: { ...whole, paths }, schema, ...options }, digest, signal)
  const given = new Map<string, Expr>()
  for (const field of wanted) {
    const value = source.hive?.columns.includes(field.name) === true ? folderValue(source, path, field.name) : undefined
    if (value !== undefined) given.set(field.name, folderLiteral(value, field.type))
    else if (storedType(cluster, path, field) === undefined) given.set(field.name, missing(field.type))
  }
  const { hive: _, layouts: __, stored: ___, digests: ____, ...plain } = whole
  const own = wanted.filter(({ name }) => !given.has(name))
  if (own.length === 0 && rowNumber === undefined) own.push({ name: '#none', type: 'integer' })
  const lacking = paths.filter((one) => deleted[one] !== undefined)
  const read = scan({ ...plain, paths, ...stored(lacking, digest) }, own, options)
  if (given.size === 0 && own.length === wanted.length) return read
  return project(
    read,
    schema.map(({ name }) => ({ name, expr: given.get(name) ?? col(name) })),
  )
}

/** That these files lack rows, whose positions are stored under the digest. */
function stored(lacking: readonly string[], digest: string | undefined): Pick<Source, 'deleted'> {
  if (digest === undefined) return {}
  return { deleted: Object.fromEntries(lacking.map((path) => [path, { bits: new Uint8Array(), digest }])) }
}

/** As DuckDB reads what folders say: blanks and words for "missing" are no values, unless the column is text. */
function folderLiteral(value: string | null, type: ColumnType): Expr {
  if (value === null || value === '') return missing(type)
  if (type === 'text') return text(value)
  const trimmed = value.trim()
  if (trimmed === '' || MISSING_WORDS.includes(trimmed.toLowerCase())) return missing(type)
  return cast(text(trimmed), type)
}

/**
 * A scan of files that Spark reads otherwise: what DuckDB reads of them, as Parquet. Made once for a state of the files.
 * A text file is read by one reader on one machine so that both engines see the same rows.
 * @param digest of what is left out of its rows, of which all are converted
 */
async function converted(
  cluster: Cluster,
  relation: Scan,
  digest: string | undefined,
  signal?: AbortSignal,
): Promise<Relation> {
  const { source, schema, rowNumber, rowsBefore } = relation
  const fields = schema.filter(({ name }) => name !== rowNumber)
  const rows = fields.length === 0 ? scan(source, anyField(source)) : scan(source, fields)
  const states = await Promise.all(source.paths.map(stateOf))
  const key = JSON.stringify([source, rows.schema, states])
  let made = cluster.conversions.get(key)
  if (made === undefined) {
    made = convert(cluster, rows, signal)
    cluster.conversions.set(key, made)
    made.catch(() => cluster.conversions.delete(key))
  }
  const paths = await made
  return scan({ format: 'parquet', paths, plain: true, ...stored(paths, digest) }, fields, {
    ...(rowNumber === undefined ? {} : { rowNumber }),
    ...(rowNumber === undefined && digest === undefined ? {} : { rowsBefore: [rowsBefore?.[0] ?? 0] }),
  })
}

function anyField({ csv, layouts, paths }: Source): readonly Field[] {
  const [name = 'none'] = csv?.columns ?? layouts?.[paths[0] ?? ''] ?? []
  return [{ name, type: 'text' }]
}

async function stateOf(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => undefined)
  return `${found?.ino} ${found?.size} ${found?.mtimeNs} ${found?.ctimeNs} ${packingOf(path)}`
}

async function convert(cluster: Cluster, rows: Relation, signal?: AbortSignal): Promise<readonly string[]> {
  const folder = join(cluster.folder, `converted-${cluster.next()}`)
  const target = { folder, format: 'parquet', compression: 'snappy' } as const
  const { files } = await writeFiles(cluster.embedded, rows, target, undefined, signal)
  return files.map(({ path }) => join(folder, path))
}
