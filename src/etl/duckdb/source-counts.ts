/** Counts over the rows of a source's files, file by file: those of a file that was there before come from the memo. */
import { eachPart } from '../../core/memo.js'
import { parallel } from '../../core/parallel.js'
import type { Source } from '../relation.js'
import { howRead, sourcePart } from '../source-part.js'
import { reader } from '../sql/duckdb.js'
import type { Session } from './session.js'

const AT_ONCE = 4

/**
 * For each file of the source, in order, the numbers that `select` gives over its rows; all files as one where nothing is
 * known of their content and all rows are wanted.
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
  const parts = paths.map((path) => sourcePart(source, path))
  const { values } = await eachPart<readonly number[]>(memo, about, parts, (missing, done) =>
    parallel(missing, AT_ONCE, async (index) => {
      const path = paths[index] ?? ''
      const counts = await of({ ...source, paths: [path] })
      // what was counted while somebody wrote to the file is not what its digest says
      await done(index, counts, (await memo.digest(path, signal)).digest === digests[path])
    }),
  )
  return values
}
