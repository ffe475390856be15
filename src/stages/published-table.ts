/**
 * The table under data.output_path: folders of files named by content, and one `manifest.json` that says which of them are
 * the table. Writing ends with one rename of the manifest; readers that follow it never see half a table.
 */
import { createHash } from 'node:crypto'
import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { ArtifactStore } from '../core/artifacts.js'
import type { TableFile } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import { canonicalJson } from '../core/json.js'
import {
  clearTemporary,
  fileError,
  makeFolder,
  readBlocks,
  sha256File,
  syncFolder,
  writeFileAtomic,
} from '../core/files.js'
import type { Memo } from '../core/memo.js'
import { parallel } from '../core/parallel.js'
import type { Schema } from '../core/schema.js'
import type { Progress, Written } from '../etl/engine.js'

/** `manifest.json` in data.output_path. Paths are relative to it. */
export interface PublishedManifest {
  readonly format: 1
  readonly table: string
  readonly schema: Schema
  readonly rows: number
  readonly partitionBy: readonly string[]
  /** Columns that tell which row it is, and are no features: the row's position in the source, the entity. */
  readonly keys: readonly string[]
  /** What each run added, in order; several only where runs append. `plan`: digest of how its features were made. */
  readonly parts: readonly { readonly folder: string; readonly rows: number; readonly plan: string }[]
  readonly files: readonly {
    readonly path: string
    readonly rows: number
    readonly bytes: number
    readonly digest: string
  }[]
}

/**
 * The manifest of `output`; undefined where there is none, 'damaged' where it cannot be read as one. Throws where the
 * system does not give the file: what it names must not be taken for nobody's.
 */
export async function readManifest(output: string): Promise<PublishedManifest | 'damaged' | undefined> {
  const path = join(output, 'manifest.json')
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw fileError(error, 'read', path)
  })
  if (text === undefined) return undefined
  try {
    const found = JSON.parse(text) as PublishedManifest
    const lists: readonly unknown[] = [found.files, found.parts, found.schema, found.partitionBy, found.keys]
    return typeof found.table === 'string' && lists.every(Array.isArray) ? found : 'damaged'
  } catch {
    return 'damaged'
  }
}

/** One output_path is one table: another pipeline's is never touched. Throws MR_PUBLISH_OTHER. */
export function refuseOthers(output: string, found: PublishedManifest | 'damaged' | undefined, table: string): void {
  if (found === undefined || found === 'damaged' || found.table === table) return
  throw new MillraceError(
    'MR_PUBLISH_OTHER',
    `data.output_path: ${output} holds the table of the pipeline '${found.table}'`,
    { hint: 'give each pipeline an output_path of its own, or remove that folder' },
  )
}

/** `data-<hash of the content>`, and for what was written once more (a lost file, a forced run) a number behind it. */
const FOLDER = /^(data-[0-9a-f]{16})(-\d+)?$/

/** `name`, or with a number behind it where a folder of that name is there: one that readers may be in is left alone. */
export async function freeFolder(output: string, name: string): Promise<string> {
  const taken = new Set(await readdir(output))
  let free = name
  for (let i = 2; taken.has(free); i++) free = `${name}-${i}`
  return free
}

const contentOf = (folder: string): string => FOLDER.exec(folder)?.[1] ?? folder

/**
 * What is there and the new part, as one table; the same content again takes the place of what it was written as before. Throws MR_PUBLISH_SCHEMA where they have
 * other columns, types or partitions.
 */
export function appended(
  before: PublishedManifest | 'damaged' | undefined,
  part: PublishedManifest,
): PublishedManifest {
  if (before === undefined) return part
  if (before === 'damaged')
    throw new MillraceError(
      'MR_PUBLISH_SCHEMA',
      'data.write_mode is append, but the manifest.json that is there cannot be read, so what was appended cannot be told',
      { hint: 'bring it back from a copy, or set data.write_mode: overwrite' },
    )
  const again = new Set(part.parts.map(({ folder }) => contentOf(folder)))
  for (const [what, there, here] of [
    ['columns', inWords(before.schema), inWords(part.schema)],
    ['partitions', before.partitionBy.join(', '), part.partitionBy.join(', ')],
    ['keys', before.keys.join(', '), part.keys.join(', ')],
  ] as const)
    if (there !== here)
      throw new MillraceError(
        'MR_PUBLISH_SCHEMA',
        `data.write_mode is append, but the table that is there has other ${what}: ${differing(there, here)}`,
        { hint: 'set data.write_mode: overwrite, or another data.output_path' },
      )
  const isOld = (folder: string): boolean => again.has(contentOf(folder))
  const at = before.parts.findIndex(({ folder }) => isOld(folder))
  const [earlier, later] = at < 0 ? [before.parts, []] : [before.parts.slice(0, at), before.parts.slice(at + 1)]
  const parts = [...earlier, ...part.parts, ...later]
  const files = [...before.files, ...part.files].filter(
    (file, i) => i >= before.files.length || !isOld(file.path.split('/')[0] ?? ''),
  )
  return {
    ...part,
    rows: parts.reduce((sum, { rows }) => sum + rows, 0),
    parts,
    files: parts.flatMap(({ folder }) => files.filter((file) => file.path.startsWith(`${folder}/`))),
  }
}

const inWords = (schema: Schema): string => schema.map(({ name, type }) => `${name} ${type}`).join(', ')

/** The first few items that only one of the two lists has. */
function differing(there: string, here: string): string {
  const [before, now] = [there.split(', '), here.split(', ')]
  const only = (a: readonly string[], b: readonly string[]): string => {
    const items = a.filter((item) => !b.includes(item))
    return items.length === 0 ? 'none' : `${items.slice(0, 5).join(', ')}${items.length > 5 ? ', …' : ''}`
  }
  return `only there ${only(before, now)}; only here ${only(now, before)}`
}

/** Files copied or synced at a time. */
const AT_ONCE = 4

/** Copies a table's files to where `inside` says, and looks at each byte on its way. */
export async function copiedFiles(
  store: ArtifactStore,
  files: readonly (TableFile & { readonly inside: string })[],
  fresh: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<readonly (Written['files'][number] & { readonly digest: string })[]> {
  const total = files.reduce((sum, { rows }) => sum + rows, 0)
  let done = 0
  for (const folder of new Set(files.map(({ inside }) => dirname(inside))))
    await makeFolder(join(fresh, folder)).catch((error: unknown) => {
      throw fileError(error, 'write', fresh)
    })
  await parallel(files, AT_ONCE, async ({ ref, rows, inside }) => {
    const [source, path] = [await store.path(ref), join(fresh, inside)]
    const found = await copyFile(source, path, signal)
    if (found !== ref.digest)
      throw new MillraceError('MR_ARTIFACT_CORRUPT', `${source} has the digest ${found}, not ${ref.digest}`, {
        hint: 'it was altered: run again, and what is missing is made again',
      })
    done += rows
    progress({ rows: done, total, fraction: total === 0 ? 1 : done / total })
  })
  return files.map(({ ref, rows, inside }) => ({ path: inside, rows, bytes: ref.size, digest: ref.digest }))
}

/** As a new file of its own: the store's are read-only, and not every file system lets that be changed. @returns its digest */
async function copyFile(source: string, path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  try {
    const copy = await open(path, 'wx')
    try {
      for await (const block of readBlocks(source, signal)) {
        hash.update(block)
        await copy.writeFile(block)
      }
    } finally {
      await copy.close()
    }
  } catch (error) {
    throw fileError(error, 'write', path)
  }
  return `sha256:${hash.digest('hex')}`
}

/** Syncs files just written to `fresh` and tells them as the manifest does, below `folder`. */
export async function syncedFiles(
  fresh: string,
  folder: string,
  written: readonly (Written['files'][number] & { readonly digest?: string })[],
  signal: AbortSignal,
): Promise<PublishedManifest['files']> {
  const files: PublishedManifest['files'][number][] = []
  await parallel([...written.entries()], AT_ONCE, async ([i, { path, rows, bytes, digest }]) => {
    const file = await open(join(fresh, path), 'r+')
    try {
      await file.sync()
    } finally {
      await file.close()
    }
    const found = digest ?? (await sha256File(join(fresh, path), signal)).digest
    files[i] = { path: `${folder}/${path}`, rows, bytes, digest: found }
  })
  const below = new Set<string>()
  for (const { path } of written) for (let up = dirname(path); up !== '.'; up = dirname(up)) below.add(up)
  const deepest = [...below].sort((x, y) => y.length - x.length)
  for (const inner of [...deepest.map((path) => join(fresh, path)), fresh]) await syncFolder(inner)
  return files
}

/** Puts the finished folder in its place and makes `manifest` the table; what no manifest names any more is removed. */
export async function makeCurrent(
  output: string,
  fresh: string,
  folder: string,
  manifest: PublishedManifest,
): Promise<void> {
  await rename(fresh, join(output, folder))
  await syncFolder(output)
  await writeFileAtomic(join(output, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  await clearOut(output, manifest)
}

/** Removes what the table no more consists of, and what killed runs left. Only for who holds the lock on `output`. */
export async function clearOut(output: string, current: PublishedManifest | undefined): Promise<void> {
  const kept = new Set(current?.parts.map((part) => part.folder))
  for (const entry of await readdir(output))
    if (!kept.has(entry) && /^(\.writing-)?data-[0-9a-f]{16}(-|$)/.test(entry))
      await rm(join(output, entry), { recursive: true, force: true })
  await clearTemporary(output)
}

/**
 * True if `part` is what stands under `output`, or, for a table that is appended to, is in it, and all its files have
 * their digests; `memo` reads each file once for each state of it. False too where one cannot be read.
 */
export async function isPublished(
  output: string,
  part: PublishedManifest,
  append: boolean,
  memo: Memo,
): Promise<boolean> {
  try {
    return await holdsPart(output, part, append, memo)
  } catch (error) {
    if (error instanceof MillraceError && error.code.startsWith('MR_FILE_')) return false
    throw error
  }
}

async function holdsPart(output: string, part: PublishedManifest, append: boolean, memo: Memo): Promise<boolean> {
  const found = await readManifest(output)
  if (found === undefined || found === 'damaged' || found.table !== part.table) return false
  const there = new Set(found.files.map((file) => canonicalJson(file)))
  const isThere = append
    ? part.files.every((file) => there.has(canonicalJson(file)))
    : canonicalJson(found) === canonicalJson(part)
  if (!isThere) return false
  for (const { path, bytes, digest } of part.files) {
    const file = join(output, path)
    const found = await stat(file).catch(() => undefined)
    if (found?.size !== bytes || (await memo.digest(file)).digest !== digest) return false
  }
  return true
}

/** The part with the content that `name` is made of and that plan, if it is published and whole. */
export async function publishedPart(
  output: string,
  name: string,
  plan: string,
  append: boolean,
  memo: Memo,
): Promise<PublishedManifest | undefined> {
  const found = await readManifest(output)
  if (found === undefined || found === 'damaged') return undefined
  const own = found.parts.find((part) => contentOf(part.folder) === name && part.plan === plan)
  if (own === undefined) return undefined
  const files = found.files.filter(({ path }) => path.startsWith(`${own.folder}/`))
  const part = { ...found, rows: own.rows, parts: [own], files }
  return (await isPublished(output, part, append, memo)) ? part : undefined
}
