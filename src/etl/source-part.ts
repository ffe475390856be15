/** A file of a source as a part of it: what decides how its rows are read, its name and place apart. */
import { packingOf } from './compressed.js'
import { folderValue } from './hive.js'
import type { Source } from './relation.js'

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
