/**
 * Folders called `column=value` below a source, as Hive, Spark and DuckDB write them: their columns stand in no file.
 * Which they are is decided here, from the paths below the place that a person named; what stands above it, a home
 * called `x=5` for example, means nothing.
 */
import { relative, sep } from 'node:path'
import { MillraceError } from '../core/errors.js'
import { nameOf, type Source } from './relation.js'

/** What Hive calls the folder of missing values. */
const MISSING = '__HIVE_DEFAULT_PARTITION__'

/** The folder of a column's value, as text: `region=North`. What is not plain ASCII is percent-encoded, as DuckDB does. */
export function folderName(column: string, value: string | null | undefined): string {
  const encoded = (text: string): string =>
    encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
  return `${encodeURIComponent(column)}=${value == null ? MISSING : encoded(value)}`
}

/**
 * The columns that the folders between `root` and the files (paths, or addresses of objects) give, from the outermost
 * in; undefined if none. Throws MR_SOURCE_HEADER where files lie in folders of different columns.
 */
export function folderColumns(root: string, names: readonly string[]): Source['hive'] {
  const [first = [], ...others] = names.map((name) => pairsOf(root, name).map(({ column }) => column))
  const other = others.findIndex((columns) => columns.join('\0') !== first.join('\0'))
  if (other >= 0) {
    const said = (index: number): string => {
      const columns = index === 0 ? first : (others[index - 1] ?? [])
      return `${below(root, names[index] ?? '')} (${columns.join(', ') || 'none'})`
    }
    throw new MillraceError(
      'MR_SOURCE_HEADER',
      `${root}: folders called column=value give files different columns: ${said(0)}, ${said(other + 1)}`,
      { hint: 'lay all files out alike, or name those that belong together with a pattern' },
    )
  }
  const seen = new Set(first.map((column) => column.toLowerCase()))
  if (seen.size < first.length || seen.has(''))
    throw new MillraceError(
      'MR_SOURCE_HEADER',
      `${root}: folders called column=value name a column twice, or none: ${below(root, names[0] ?? '')}`,
      { hint: 'names are compared without regard to case' },
    )
  return first.length === 0 ? undefined : { root, columns: first }
}

/** The value that the folders give all rows of this file; null for a missing one, also for a column that they lack. */
export function folderValue(source: Pick<Source, 'hive' | 'objects'>, path: string, column: string): string | null {
  const value = pairsOf(source.hive?.root ?? '', nameOf(source, path)).find((pair) => pair.column === column)?.value
  return value === undefined || value === MISSING ? null : value
}

/** For each file the values of all its folders' columns: what the source's files do not hold of its content. */
export function folderValues(source: Source): unknown {
  const columns = source.hive?.columns ?? []
  return [columns, source.paths.map((path) => columns.map((column) => folderValue(source, path, column)))]
}

/** The source without those folder columns that the files hold themselves: what a file says of its rows goes first. */
export function withoutOwn(source: Source, own: readonly string[]): Source {
  const { hive, ...rest } = source
  if (hive === undefined) return source
  const held = new Set(own.map((name) => name.toLowerCase()))
  const columns = hive.columns.filter((name) => !held.has(name.toLowerCase()))
  return columns.length === 0 ? rest : { ...rest, hive: { ...hive, columns } }
}

/** Keys of objects are no paths: `..` in one means nothing, and it is parted by slashes on every system. */
const isAddress = (name: string): boolean => /^s3:\/\//.test(name)
const below = (root: string, name: string): string =>
  isAddress(name) ? name.slice(root.length).replace(/^\//, '') : relative(root, name)

function pairsOf(root: string, name: string): { readonly column: string; readonly value: string }[] {
  return below(root, name)
    .split(isAddress(name) ? '/' : sep)
    .slice(0, -1)
    .flatMap((folder) => {
      const at = folder.indexOf('=')
      return at < 0 ? [] : [{ column: decoded(folder.slice(0, at)), value: decoded(folder.slice(at + 1)) }]
    })
}

/** Writers put `%2F` for what a folder's name cannot hold; where that is not what it is, it stands as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
