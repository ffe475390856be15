/**
 * Files of one source that do not have the same columns: told apart in groups, in words. Pure: what the files have is
 * found by the engine. The order of columns is no difference, nor are whole numbers where others have fractions.
 */
import { MillraceError, nearest } from '../core/errors.js'
import type { ColumnType } from '../core/schema.js'

/** A file and its columns, those left out that come and go within the files themselves. */
export interface FileColumns {
  readonly file: string
  readonly columns: readonly string[]
}

/** A file whose values of a column are not of the type that most files have. */
export interface TypeDrift {
  readonly file: string
  readonly column: string
  readonly type: ColumnType
  readonly others: ColumnType
  /** One of the values, and its row in the file, counted from 1. */
  readonly value?: string
  readonly row?: number
}

interface Group {
  readonly columns: readonly string[]
  readonly files: string[]
}

/** Names and groups that a sentence lists at most. */
const LISTED = { files: 3, columns: 12, groups: 6 }

/** The files by the set of their columns, the largest group first, those of one size in order of appearance. */
function grouped(files: readonly FileColumns[]): readonly Group[] {
  const groups = new Map<string, Group>()
  for (const { file, columns } of files) {
    const key = JSON.stringify([...columns].sort())
    const group = groups.get(key) ?? { columns, files: [] }
    group.files.push(file)
    groups.set(key, group)
  }
  return [...groups.values()].sort((a, b) => b.files.length - a.files.length)
}

/** True if all files have the same columns, in any order. */
export function isUniform(files: readonly FileColumns[]): boolean {
  return grouped(files).length <= 1
}

/** What differs: a sentence for what most files have, and one a group of others. None if nothing differs. */
export function driftWords(files: readonly FileColumns[], types: readonly TypeDrift[]): readonly string[] {
  const [most, ...others] = grouped(files)
  if (most === undefined || (others.length === 0 && types.length === 0)) return []
  const short = shortener(files.map(({ file }) => file))
  const all = most.columns.length > LISTED.columns ? `${most.columns.length} columns` : most.columns.join(', ')
  const words = [`${counted(most.files, short)} ${verb(most.files)} ${all}`]
  for (const group of others.slice(0, LISTED.groups))
    words.push(`${counted(group.files, short)} ${difference(most.columns, group)}`)
  if (others.length > LISTED.groups) words.push(`${others.length - LISTED.groups} more groups have others again`)
  const byColumn = new Map<string, TypeDrift[]>()
  for (const one of types) {
    const key = JSON.stringify([one.column, one.type, one.others])
    byColumn.set(key, [...(byColumn.get(key) ?? []), one])
  }
  for (const drifted of [...byColumn.values()].slice(0, LISTED.groups)) {
    const [{ column, type, others: usual, value, row } = {} as TypeDrift] = drifted
    const names = drifted.map(({ file }) => file)
    const example = value === undefined ? '' : `, e.g. '${shown(value)}'${row === undefined ? '' : ` in row ${row}`}`
    const where = names.length > 1 && value !== undefined ? ` of ${short(names[0] ?? '')}` : ''
    words.push(
      `${counted(names, short)} ${verb(names)} ${column} as ${type} where others have ${usual}${example}${where}`,
    )
  }
  return words
}

/** MR_SOURCE_DRIFT: all that differs, and what to do. */
export function driftError(files: readonly FileColumns[], types: readonly TypeDrift[]): MillraceError {
  const declared = [...new Set(types.map(({ column }) => column))].map((column) => `${column}: text`)
  const byType =
    declared.length === 0 ? '' : `; types that are meant so are said by data.schema: {${declared.join(', ')}}`
  return new MillraceError(
    'MR_SOURCE_DRIFT',
    `the files in ${sharedFolder(files.map(({ file }) => file)) || '.'} differ: ${driftWords(files, types).join('; ')}`,
    {
      hint:
        'mend the files, name those that belong together by a pattern, or write data.schema_drift: fill (what a file lacks ' +
        `is then missing in its rows)${byType}`,
    },
  )
}

function difference(usual: readonly string[], { columns, files }: Group): string {
  const lacking = usual.filter((name) => !columns.includes(name))
  const extra = columns.filter((name) => !usual.includes(name))
  const list = (names: readonly string[]): string =>
    names.length > LISTED.columns ? `${names.length} columns (${names.slice(0, 3).join(', ')} …)` : names.join(', ')
  const one = files.length === 1
  const parts = [
    ...(lacking.length === 0 ? [] : [`${one ? 'lacks' : 'lack'} ${list(lacking)}`]),
    ...(extra.length === 0 ? [] : [`${one ? 'has' : 'have'} ${lacking.length === 0 ? 'also ' : ''}${list(extra)}`]),
  ]
  const renamed = renames(usual, columns, lacking, extra).map(([from, to]) => `did ${from} become ${to}?`)
  return `${parts.join(' and ')}${renamed.length === 0 ? '' : ` (${renamed.slice(0, 3).join(' ')})`}`
}

/** Pairs that may be one column under two names: names that are near, or the same place in the order of columns. */
function renames(
  usual: readonly string[],
  columns: readonly string[],
  lacking: readonly string[],
  extra: readonly string[],
): readonly (readonly [from: string, to: string])[] {
  const [from, to] = [lacking[0], extra[0]]
  if (lacking.length === 1 && extra.length === 1 && from !== undefined && to !== undefined) return [[from, to]]
  const pairs: (readonly [string, string])[] = []
  const left = new Set(extra)
  for (const from of lacking) {
    const to = nearest(from, left) ?? [...left].find((name) => columns.indexOf(name) === usual.indexOf(from))
    if (to === undefined) continue
    pairs.push([from, to])
    left.delete(to)
  }
  return pairs
}

const verb = (files: readonly string[]): string => (files.length === 1 ? 'has' : 'have')

function counted(files: readonly string[], short: (file: string) => string): string {
  const named = files.slice(0, LISTED.files).map(short)
  const rest = files.length > LISTED.files ? ` …` : ''
  return `${files.length} file${files.length === 1 ? '' : 's'} (${named.join(', ')}${rest})`
}

const shown = (value: string): string => (value.length > 40 ? `${value.slice(0, 40)}…` : value)

/** Names without the folder that all of them share. */
function shortener(files: readonly string[]): (file: string) => string {
  const shared = sharedFolder(files)
  return (file) => file.slice(shared.length)
}

/** With the slash at its end. */
function sharedFolder(files: readonly string[]): string {
  const folderOf = (file: string): string => file.slice(0, Math.max(file.lastIndexOf('/'), file.lastIndexOf('\\')) + 1)
  let shared = folderOf(files[0] ?? '')
  for (const file of files) while (!file.startsWith(shared)) shared = folderOf(shared.slice(0, -1))
  return shared
}

/** Types that are one to a reader: the wider holds the narrower. */
const WIDER: Partial<Record<ColumnType, ColumnType>> = { integer: 'number', date: 'timestamp' }
/** The widest type that is one with this. */
export const kind = (type: ColumnType): ColumnType => WIDER[type] ?? type

/**
 * Files whose type of a column is not that of most. Of texts, at least half of the files that have values must agree on
 * a type that is not text, or text is what the column is; types that files declare are all taken at their word.
 * `types`: by file; undefined where a file tells none.
 */
export function oddTypes(
  types: readonly (ColumnType | undefined)[],
  isDeclared = false,
): { readonly usual: ColumnType; readonly odd: readonly number[] } | undefined {
  const told = types.filter((type) => type !== undefined)
  const counts = new Map<ColumnType, number>()
  for (const type of told) counts.set(kind(type), (counts.get(kind(type)) ?? 0) + 1)
  if (counts.size < 2) return undefined
  const [usual, count] = [...counts]
    .filter(([type]) => isDeclared || type !== 'text')
    .reduce((best, one) => (one[1] > best[1] ? one : best))
  if (!isDeclared && count * 2 < told.length) return undefined
  const exact = new Set(told.filter((type) => kind(type) === usual))
  const odd = types.flatMap((type, i) => (type !== undefined && kind(type) !== usual ? [i] : []))
  return { usual: exact.size === 1 ? ([...exact][0] ?? usual) : usual, odd }
}
