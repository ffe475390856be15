/** Columns and types of a source's files: of each file, of all, and where files differ (see ../drift.ts). */
import type { DuckDBConnection } from '@duckdb/node-api'
import { MillraceError } from '../../core/errors.js'
import type { ColumnType, Schema } from '../../core/schema.js'
import { packingOf, requireWhole } from '../compressed.js'
import { driftError, driftWords, type FileColumns, isUniform, kind, oddTypes, type TypeDrift } from '../drift.js'
import type { DriftRules, Inferred } from '../engine.js'
import { withoutOwn } from '../hive.js'
import { nameOf, type Source } from '../relation.js'
import { identifier, jsonObjects, PATH, reader } from '../sql/duckdb.js'
import { type ColumnsOf, columnsOf, valuesOf } from './columns.js'
import { parquetSchema } from './parquet-schema.js'
import type { Session } from './session.js'
import { countsOfFiles } from './source-counts.js'
import { type Candidate, fits, misfitCount, TEXT_TYPES, typesOf } from './text-types.js'

/** Rows of each file from which it is guessed what its columns are, before all rows are asked. */
const HEAD_ROWS = 2000

/** See `Engine.inferSchema`. */
export async function inferSchema(
  session: Session,
  source: Source,
  signal?: AbortSignal,
  drift: DriftRules = {},
): Promise<Inferred> {
  for (const path of source.paths) await requireWhole(path, signal)
  const found = await named(session, source, () => columnsOf(session, source, signal))
  const names = inUnion(found)
  const told = withoutOwn(laidOut(found, names), names)
  const files = [...found.files].map(([path, columns]): FileColumns => ({
    file: nameOf(source, path),
    columns: columns.filter((name) => !found.optional.has(name)),
  }))
  const schema = await named(session, told, () => typed(session, told, names, signal))
  return session.use(async (connection) => {
    const judged = schema.filter(({ name }) => names.includes(name) && !(drift.declared ?? []).includes(name))
    const odd = files.length < 2 ? [] : await typeDrift(session, connection, told, judged, found)
    if (drift.fill !== true && (!isUniform(files) || odd.length > 0)) throw driftError(files, odd)
    return { source: storedApart(told, found), schema, notes: driftWords(files, odd) }
  }, signal)
}

/** All columns in order of first appearance; of names that differ only in case the first, where DuckDB minds none. */
function inUnion({ source, files }: ColumnsOf): readonly string[] {
  const seen = new Map<string, string>()
  for (const name of [...files.values()].flat()) {
    const key = source.format === 'json' ? name : name.toLowerCase()
    if (!seen.has(key)) seen.set(key, name)
  }
  return [...seen.values()]
}

/** The source with the columns of each file, where they are not the same or not in the same order. */
function laidOut({ source, files }: ColumnsOf, names: readonly string[]): Source {
  if (source.format === 'json') return source
  const spelled = new Map(names.map((name) => [name.toLowerCase(), name]))
  const layouts = source.paths.map((path): [string, readonly string[]] => [
    path,
    (files.get(path) ?? names).map((name) => spelled.get(name.toLowerCase()) ?? name),
  ])
  const key = (columns: readonly string[]): string =>
    JSON.stringify(source.format === 'csv' ? columns : [...columns].sort())
  return layouts.every(([, columns]) => key(columns) === key(names))
    ? source
    : { ...source, layouts: Object.fromEntries(layouts) }
}

/** The source with the types that each file says, where a column has not the same in all that have it. */
function storedApart(source: Source, { types }: ColumnsOf): Source {
  if (types === undefined) return source
  const stored = [...types].map(([path, fields]): [string, Readonly<Record<string, string>>] => [
    path,
    Object.fromEntries(fields.map((field) => [field.name.toLowerCase(), field.stored])),
  ])
  const seen = new Map<string, string>()
  const isOne = stored.every(([, columns]) =>
    Object.entries(columns).every(([name, type]) => {
      const first = seen.get(name) ?? type
      seen.set(name, first)
      return first === type
    }),
  )
  return isOne ? source : { ...source, stored: Object.fromEntries(stored) }
}

async function typed(
  session: Session,
  source: Source,
  names: readonly string[],
  signal?: AbortSignal,
): Promise<Schema> {
  const folders = source.hive?.columns ?? []
  if (source.format !== 'parquet') return typesOf(session, source, [...names, ...folders], signal)
  const own = await session.use((connection) => parquetSchema(connection, source, names), signal)
  return [...own.map(({ name, type }) => ({ name, type })), ...(await typesOf(session, source, folders, signal))]
}

/** What `work` throws of a damaged file that DuckDB does not name, with the file's name. */
async function named<T>(session: Session, source: Source, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!/checksum|corruption detected|frame descriptor/i.test(String(error))) throw error
    for (const path of source.paths.filter((one) => packingOf(one) === 'zstd')) {
      const one = { ...source, paths: [path] }
      const from = source.format === 'json' ? jsonObjects(one) : reader(one, source.csv?.columns ?? [])
      await session
        .use((connection) => connection.runAndReadAll(`SELECT count(*) FROM ${from}`))
        .catch((cause: unknown) => {
          throw new MillraceError('MR_SOURCE_CORRUPT', `${path} is a damaged zstd file`, {
            hint: 'zstd -t says the same: export or copy it again',
            cause,
          })
        })
    }
    throw error
  }
}

async function typeDrift(
  session: Session,
  connection: DuckDBConnection,
  source: Source,
  schema: Schema,
  found: ColumnsOf,
): Promise<readonly TypeDrift[]> {
  const paths = [...found.files.keys()]
  const files = { ...source, paths }
  const odd =
    found.types === undefined
      ? await textDrift(session, connection, files, schema)
      : await saidDrift(connection, files, schema, found)
  return odd.map((one) => ({ ...one, file: nameOf(source, one.file) }))
}

/** Of text only: a column that is text in all, and another type in most files. */
async function textDrift(
  session: Session,
  connection: DuckDBConnection,
  source: Source,
  schema: Schema,
): Promise<readonly TypeDrift[]> {
  const texts = schema.filter(({ type }) => type === 'text').map(({ name }) => name)
  if (texts.length === 0) return []
  const heads = await headTypes(session, source, texts)
  const odd: TypeDrift[] = []
  for (const column of texts) {
    const guessed = source.paths.map((path) => heads.get(path)?.get(column))
    const kinds = new Set(guessed.flatMap((type) => (type === undefined ? [] : [kind(type)])))
    const usual = kinds.size === 1 ? guessed.find((type) => type !== undefined) : oddTypes(guessed)?.usual
    if (usual === undefined || usual === 'text') continue
    const misfits = await misfitsOf(connection, source, column, kind(usual) as Candidate)
    const exact = source.paths.map((path, i): ColumnType | undefined => {
      const type = guessed[i]
      if ((misfits.get(path)?.count ?? 0) === 0) return type === undefined ? undefined : usual
      return type === undefined || kind(type) === kind(usual) ? 'text' : type
    })
    const judged = oddTypes(exact)
    for (const i of judged?.odd ?? []) {
      const file = source.paths[i] ?? ''
      const { value, row } = misfits.get(file) ?? {}
      const type = exact[i] ?? 'text'
      odd.push({
        file,
        column,
        type,
        others: usual,
        ...(value === undefined ? {} : { value }),
        ...(row === undefined ? {} : { row }),
      })
    }
  }
  return odd
}

/** By path and column the narrowest type of the first rows' values; none without values. */
async function headTypes(
  session: Session,
  source: Source,
  names: readonly string[],
): Promise<ReadonlyMap<string, ReadonlyMap<string, ColumnType>>> {
  const tests = names.flatMap((name) => [
    misfitCount(name, () => 'FALSE'),
    ...TEXT_TYPES.map((type) => misfitCount(name, (v) => fits(v, type))),
  ])
  const width = 1 + TEXT_TYPES.length
  const typesOf = (counts: readonly number[]): ReadonlyMap<string, ColumnType> =>
    new Map(
      names.flatMap((name, column): [string, ColumnType][] => {
        const [values, ...misfits] = counts.slice(column * width, (column + 1) * width)
        return values === 0 ? [] : [[name, TEXT_TYPES.find((_, i) => misfits[i] === 0) ?? 'text']]
      }),
    )
  const counts = await countsOfFiles(session, source, names, tests, { first: HEAD_ROWS })
  return new Map(source.paths.map((path, i) => [path, typesOf(counts[i] ?? [])]))
}

interface Misfits {
  readonly count: number
  /** The first of them, and its row in the file, counted from 1. */
  readonly value?: string
  readonly row?: number
}

/** By path, the values of a column that are not of a type, over all rows. */
async function misfitsOf(
  connection: DuckDBConnection,
  source: Source,
  column: string,
  type: Candidate,
): Promise<ReadonlyMap<string, Misfits>> {
  const value = identifier(column)
  const names = source.csv?.columns ?? [column]
  const from = reader(source, source.layouts === undefined ? names : [column], true)
  const isMisfit = `(${misfitTest(column, type)})`
  const found = await connection.runAndReadAll(
    `SELECT ${PATH}, count_if(${isMisfit}), arg_min(${value}, r) FILTER (${isMisfit}), min(r) FILTER (${isMisfit}) - min(r) + 1
    FROM (SELECT ${PATH}, ${value}, row_number() OVER () AS r FROM ${from}) GROUP BY ALL`,
  )
  return new Map(
    found
      .getRows()
      .map(([path, count, example, row]): [string, Misfits] => [
        String(path),
        { count: Number(count), ...(row === null ? {} : { value: String(example), row: Number(row) }) },
      ]),
  )
}

/** As `misfitCount` counts. */
const misfitTest = (column: string, type: Candidate): string =>
  misfitCount(column, (v) => fits(v, type)).replace(/^count_if\((.*)\)$/s, '$1')

/** Of Parquet: what most files say of a column, and who says otherwise and has values. */
async function saidDrift(
  connection: DuckDBConnection,
  source: Source,
  schema: Schema,
  { types }: ColumnsOf,
): Promise<readonly TypeDrift[]> {
  const odd: TypeDrift[] = []
  const said = (path: string, column: string): ColumnType | undefined =>
    types?.get(path)?.find(({ name }) => name.toLowerCase() === column.toLowerCase())?.type
  for (const { name: column } of schema) {
    const judged = oddTypes(
      source.paths.map((path) => said(path, column)),
      true,
    )
    for (const i of judged?.odd ?? []) {
      const file = source.paths[i] ?? ''
      const type = said(file, column)
      if (type === undefined || !(await valuesOf(connection, { ...source, paths: [file] }, [column])).has(column))
        continue
      odd.push({ file, column, type, others: judged?.usual ?? type })
    }
  }
  return odd
}
