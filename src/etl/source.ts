/** From what a person names (a file, a folder, a pattern) to the files themselves, always in the same order. */
import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { MillraceError, nearest } from '../core/errors.js'
import { folderColumns } from './hive.js'
import { publishedFiles } from './published.js'
import type { FileFormat, Source } from './relation.js'

const FORMATS: Readonly<Record<string, FileFormat>> = {
  csv: 'csv',
  data: 'csv',
  tsv: 'csv',
  json: 'json',
  jsonl: 'json',
  ndjson: 'json',
  parquet: 'parquet',
}
const KNOWN = '.csv, .data, .tsv, .json, .jsonl, .ndjson, .parquet, each but the last also with .gz'

/** The format that a name tells, if any. */
export function formatOf(path: string): FileFormat | undefined {
  const parts = basename(path).toLowerCase().split('.')
  const last = parts.at(-1) ?? ''
  const packed = last === 'gz' || last === 'zst'
  const format = parts.length < (packed ? 3 : 2) ? undefined : FORMATS[(packed ? parts.at(-2) : last) ?? '']
  return packed && format === 'parquet' ? undefined : format
}

/**
 * A file, a folder (all data files below it; names that begin with `.` or `_` are left out; of one that Millrace
 * published, the files of its manifest) or a pattern with `*`, `**`, `?`. Folders called `column=value` below it, or
 * below the pattern's fixed part, give columns. Files in the order of their paths' bytes; the format from their names.
 * Throws MR_FILE_MISSING with the nearest name beside it, MR_SOURCE_FORMAT where formats are unknown or mixed,
 * MR_SOURCE_SCHEME for what is not a path.
 */
export async function expandSource(location: string): Promise<Source> {
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(location)?.[1]
  if (scheme !== undefined && scheme !== 'file')
    throw new MillraceError('MR_SOURCE_SCHEME', `${location}: the embedded engine reads files, not ${scheme}://`, {
      hint: 'copy the data to a local folder and give its path',
    })
  const path = resolve(scheme === 'file' ? location.slice('file://'.length) : location)
  const found = await stat(path).catch(() => undefined)
  const { root, paths } =
    found === undefined
      ? await matching(path)
      : found.isDirectory()
        ? { root: path, paths: (await publishedFiles(path)) ?? (await dataFilesBelow(path)) }
        : { root: dirname(path), paths: [path] }
  if (paths.length === 0)
    throw new MillraceError('MR_FILE_MISSING', `no data file below ${path}`, { hint: `names must end in ${KNOWN}` })
  paths.sort(byBytes)
  const hive = folderColumns(root, paths)
  return { ...ofFormat(location, paths), paths, ...(hive === undefined ? {} : { hive }) }
}

function ofFormat(location: string, paths: readonly string[]): Pick<Source, 'format' | 'csv'> {
  const formats = new Set(paths.map(formatOf))
  const [format] = formats
  if (formats.size > 1)
    throw new MillraceError(
      'MR_SOURCE_FORMAT',
      `${location} holds files of several formats: ${[...formats].join(', ')}`,
      {
        hint: 'name one kind, for example with a pattern: data/*.csv',
      },
    )
  if (format === undefined)
    throw new MillraceError('MR_SOURCE_FORMAT', `the name ${location} does not tell a format`, {
      hint: `it must end in ${KNOWN}`,
    })
  const tabs = paths.every((path) => /\.tsv(\.gz|\.zst)?$/i.test(path))
  return { format, ...(tabs ? { csv: { delimiter: '\t' } } : {}) }
}

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

/** Files that the pattern names, and the folder that it fixes; or MR_FILE_MISSING. */
async function matching(pattern: string): Promise<{ root: string; paths: string[] }> {
  if (!/[*?]/.test(pattern)) throw await missing(pattern)
  const parts = pattern.split(sep)
  const wild = parts.findIndex((part) => /[*?]/.test(part))
  const root = parts.slice(0, wild).join(sep) || sep
  const regex = new RegExp(
    `^${pattern
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('**/', '\u0001')
      .replaceAll('**', '.*')
      .replaceAll('*', '[^/]*')
      .replaceAll('?', '[^/]')
      .replaceAll('\u0001', '(?:.*/)?')}$`,
  )
  if ((await stat(root).catch(() => undefined)) === undefined) throw await missing(root)
  const files = (await filesBelow(root)).filter((file) => regex.test(file))
  if (files.length === 0) throw new MillraceError('MR_FILE_MISSING', `no file matches ${pattern}`)
  return { root, paths: files }
}

async function dataFilesBelow(folder: string): Promise<string[]> {
  return (await filesBelow(folder)).filter((file) => formatOf(file) !== undefined)
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw new MillraceError('MR_FILE_ACCESS', `cannot read the folder ${folder}: ${String(error)}`, { cause: error })
  })
  const files: string[] = []
  for (const entry of entries) {
    if (/^[._]/.test(entry.name)) continue
    const path = join(folder, entry.name)
    const info = entry.isSymbolicLink() ? await stat(path).catch(() => undefined) : entry
    if (info?.isDirectory() === true) files.push(...(await filesBelow(path)))
    else if (info?.isFile() === true) files.push(path)
  }
  return files
}

async function missing(path: string): Promise<MillraceError> {
  let folder = dirname(path)
  while ((await stat(folder).catch(() => undefined)) === undefined && folder !== dirname(folder))
    folder = dirname(folder)
  const wanted = path.slice(folder.length).split(sep).filter(Boolean)[0] ?? ''
  const near = nearest(wanted, await readdir(folder).catch(() => []))
  return new MillraceError('MR_FILE_MISSING', `there is no file ${path}`, {
    ...(near === undefined ? {} : { hint: `did you mean ${join(folder, near)}?` }),
  })
}
