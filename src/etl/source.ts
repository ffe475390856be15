/** From what a person names (a file, a folder, a pattern) to the files themselves, always in the same order. */
import { readdir, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, parse, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MillraceError, nearest } from '../core/errors.js'
import { globMatcher, isPattern } from './glob.js'
import { folderColumns } from './hive.js'
import { publishedFiles } from './published.js'
import type { FileFormat, Source } from './relation.js'
import type { Fetched } from './s3/cache.js'
import type { S3Options } from './s3/store.js'

const FORMATS: Readonly<Record<string, FileFormat>> = {
  csv: 'csv',
  data: 'csv',
  tsv: 'csv',
  json: 'json',
  jsonl: 'json',
  ndjson: 'json',
  parquet: 'parquet',
}
const KNOWN = '.csv, .data, .tsv, .json, .jsonl, .ndjson, .parquet, each but the last also with .gz or .zst'

/** The format that a name tells, if any. */
export function formatOf(path: string): FileFormat | undefined {
  const parts = basename(path).toLowerCase().split('.')
  const last = parts.at(-1) ?? ''
  const packed = last === 'gz' || last === 'zst'
  const format = parts.length < (packed ? 3 : 2) ? undefined : FORMATS[(packed ? parts.at(-2) : last) ?? '']
  return packed && format === 'parquet' ? undefined : format
}

export interface SourceOptions {
  /** For `s3://`: where objects are kept, and the store, if it is not AWS's. */
  readonly s3?: S3Options
  readonly signal?: AbortSignal
}

/**
 * A file, a folder (all data files below it; names that begin with `.` or `_` are left out; of one that Millrace
 * published, the files of its manifest) or a pattern (glob.ts); a name that is there is itself, not a pattern. The same
 * for the keys of objects in `s3://bucket/`, which are listed here and fetched by `fetchObjects`. Folders called
 * `column=value` below it, or below the pattern's fixed part, give columns. Files in the order of their names' bytes;
 * the format from their names. Throws MR_FILE_MISSING with the nearest name beside it, MR_SOURCE_FORMAT where formats
 * are unknown or mixed, MR_SOURCE_SCHEME for what is not a path, MR_SOURCE_S3.
 */
export async function expandSource(location: string, options: SourceOptions = {}): Promise<Source> {
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(location)?.[1]?.toLowerCase()
  if (scheme === 's3' || scheme === 's3a') return objectSource(location, options)
  if (scheme !== undefined && scheme !== 'file')
    throw new MillraceError('MR_SOURCE_SCHEME', `${location}: the embedded engine reads files, not ${scheme}://`, {
      hint: 'copy the data to a local folder and give its path',
    })
  const path = resolve(scheme === 'file' ? fileURLToPath(location) : location)
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

/** The objects that `location` names, as files that are still to be fetched. */
async function objectSource(location: string, { s3, signal }: SourceOptions): Promise<Source> {
  if (s3 === undefined)
    throw new MillraceError('MR_SOURCE_S3', `${location}: nothing says where objects are to be kept`, {
      hint: 'copy the data to a local folder and give its path',
    })
  const { listObjects, openStore } = await import('./s3/store.js')
  const { cachePath } = await import('./s3/cache.js')
  await using store = await openStore(location, s3)
  const { root, objects } = await listObjects(store, location, (key) => formatOf(key) !== undefined, signal)
  if (objects.length === 0)
    throw new MillraceError('MR_FILE_MISSING', `no data file in ${location}`, { hint: `names must end in ${KNOWN}` })
  objects.sort((a, b) => byBytes(a.name, b.name))
  const names = objects.map(({ name }) => name)
  const paths = objects.map((object) => cachePath(s3, object))
  const hive = folderColumns(root, names)
  const known = Object.fromEntries(objects.map((object, i) => [paths[i] ?? '', object]))
  return { ...ofFormat(location, names), paths, objects: known, ...(hive === undefined ? {} : { hive }) }
}

/** Makes sure that the source's files are there: objects are fetched into the cache, if they are not in it. */
export async function fetchSource(
  source: Source,
  options: SourceOptions & { readonly progress?: Fetched },
): Promise<void> {
  if (source.objects === undefined || options.s3 === undefined) return
  const { fetchObjects } = await import('./s3/cache.js')
  await fetchObjects(source, options.s3, options)
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
  let { root } = parse(pattern)
  let rest = pattern.slice(root.length).split(sep)
  for (const part of rest.slice(0, -1)) {
    // a folder that is there is itself, also if its name could be a pattern
    if (isPattern(part) && (await stat(join(root, part)).catch(() => undefined)) === undefined) break
    root = join(root, part)
    rest = rest.slice(1)
  }
  if (!rest.some(isPattern)) throw await missing(pattern)
  if ((await stat(root).catch(() => undefined)) === undefined) throw await missing(root)
  const matches = globMatcher(rest.join('/'))
  const files = (await filesBelow(root)).filter((file) => matches(relative(root, file).split(sep).join('/')))
  if (files.length === 0) throw new MillraceError('MR_FILE_MISSING', `no file matches ${pattern}`)
  return { root, paths: files }
}

async function dataFilesBelow(folder: string): Promise<string[]> {
  return (await filesBelow(folder)).filter((file) => formatOf(file) !== undefined)
}

/** Links are followed, but never into a folder that they stand in. */
async function filesBelow(folder: string, above: readonly string[] = []): Promise<string[]> {
  const real = await realpath(folder).catch(() => folder)
  if (above.includes(real)) return []
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw new MillraceError('MR_FILE_ACCESS', `cannot read the folder ${folder}: ${String(error)}`, { cause: error })
  })
  const files: string[] = []
  for (const entry of entries) {
    if (/^[._]/.test(entry.name)) continue
    const path = join(folder, entry.name)
    const info = entry.isSymbolicLink() ? await stat(path).catch(() => undefined) : entry
    if (info?.isDirectory() === true) files.push(...(await filesBelow(path, [...above, real])))
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
