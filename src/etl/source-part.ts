/** A file of a source as a part of it: what decides how its rows are read, its name and place apart. */
import type { Memo } from '../core/memo.js'
import { packingOf } from './compressed.js'
import { folderValue } from './hive.js'
import type { Source } from './relation.js'

/** Files from so many bytes on are parts by themselves; smaller ones share one of about `SHARED` bytes. */
const [ALONE, SHARED] = [2 ** 20, 4 * 2 ** 20]

/** Equal texts: equal rows, as long as `howRead` is equal too. */
export function sourcePart(source: Source, path: string): string {
  return JSON.stringify([
    source.digests?.[path],
    source.layouts?.[path] ?? source.csv?.columns,
    packingOf(path),
    source.hive?.columns.map((column) => [column, folderValue(source, path, column)]),
  ])
}

/** What is the same for all files of the source. */
export function howRead({ format, csv }: Source): unknown {
  const { columns: _, ...options } = csv ?? {}
  return [format, options]
}

/**
 * Consecutive files, in order. Where a group ends is told by each file alone, by its size and a draw of its digest, so
 * that a file that comes or goes changes no other group than its own.
 */
export async function groupsOf(
  memo: Memo,
  source: Source,
  signal?: AbortSignal,
): Promise<readonly (readonly string[])[]> {
  const groups: string[][] = []
  let open: string[] | undefined
  for (const path of source.paths) {
    const { digest, size } = await memo.digest(path, signal)
    if (size >= ALONE) {
      groups.push([path])
      open = undefined
      continue
    }
    if (open === undefined) groups.push((open = []))
    open.push(path)
    const draw = Number.parseInt(digest.slice('sha256:'.length, 'sha256:'.length + 8), 16) / 2 ** 32
    if (draw < size / SHARED) open = undefined
  }
  return groups
}
