/** Counts over the rows of a source's files, file by file: those of a file that was there before come from the memo. */
import { eachPart } from '../../core/memo.js'
import { parallel } from '../../core/parallel.js'
import type { Source } from '../relation.js'
import { groupsOf, howRead, sourcePart } from '../source-part.js'
import { reader } from '../sql/duckdb.js'
import type { Session } from './session.js'

const AT_ONCE = 4

/**
 * The numbers that `select` gives over the rows of each group of files (`groupsOf`), of each file where `first` is given,
 * and of all files as one where nothing is known of their content and all rows are wanted; in order.
 * @param select SQL of aggregates of the columns `names`, which are text
 * @param first so many rows of each file; all if absent
 */
export async function countsOfFiles(
  session: Session,
  source: Source,
  names: readonly string[],
  select: readonly string[],
  { first, signal }: { readonly first?: number; readonly signal?: AbortSignal | undefined } = {},
): Promise<readonly (readonly number[])[]> {
  const of = (one: Source): Promise<readonly number[]> =>
    session.use(async (connection) => {
      const rows = reader(one, names)
      const from = first === undefined ? rows : `(SELECT * FROM ${rows} LIMIT ${first})`
      const found = await connection.runAndReadAll(`SELECT ${select.join(',\n')} FROM ${from}`)
      return (found.getRows()[0] ?? []).map(Number)
    }, signal)
  const { digests, paths } = source
  const { memo } = session
  if (digests === undefined || memo === undefined) {
    const sources = first === undefined ? [source] : paths.map((path) => ({ ...source, paths: [path] }))
    const found: (readonly number[])[] = []
    for (const one of sources) found.push(await of(one))
    return found
  }
  const about = ['counts of a source file', 1, howRead(source), names, select, first ?? null]
  const groups = first === undefined ? await groupsOf(memo, source, signal) : paths.map((path) => [path])
  const parts = groups.map((files) => files.map((path) => sourcePart(source, path)).join('\n'))
  const { values } = await eachPart<readonly number[]>(memo, about, parts, (missing, done) =>
    parallel(missing, AT_ONCE, async (index) => {
      const files = groups[index] ?? []
      const counts = await of({ ...source, paths: files })
      // what was counted while somebody wrote to a file is not what its digest says
      let isSure = true
      for (const path of files) if ((await memo.digest(path, signal)).digest !== digests[path]) isSure = false
      await done(index, counts, isSure)
    }),
  )
  return values
}
