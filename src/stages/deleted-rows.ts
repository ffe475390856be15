/**
 * A table without some of its rows, made of the same files: each has a deletion vector beside it (TableFile). To leave out
 * a few rows costs a bit for each row, and to write all others again costs more than all the rest of a validation.
 */
import type { ArtifactStore } from '../core/artifacts.js'
import type { TableDocument, TableFile } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import { parallel } from '../core/parallel.js'
import type { Engine } from '../etl/engine.js'
import { select } from '../etl/relation.js'
import { ROW, rowsBefore, tableRelation } from './tables.js'

/** Where more rows go than this share, every later scan would read more in vain than is saved. */
const MOST_DELETED = 0.2
/** Bits are part of a query's text: of so many rows 5.6 MB. */
const MOST_ROWS = 2 ** 25
const AT_ONCE = 4

/**
 * True if it is worth while to leave out so many rows of the table instead of writing the others.
 * @param table as `extract` leaves it: its rows' numbers are their places in its files
 */
export function canLeaveOut(table: TableDocument, rows: number): boolean {
  const isPlaced = table.files.every(({ deleted }) => deleted === undefined)
  const held = table.files.reduce((sum, file) => sum + file.rows, 0)
  return isPlaced && held <= MOST_ROWS && rows <= held * MOST_DELETED
}

/** The table without the rows whose numbers `removed` holds in its column `__row`; equal rows give equal documents. */
export async function leaveOut(
  engine: Engine,
  store: ArtifactStore,
  table: TableDocument,
  removed: TableDocument,
  signal?: AbortSignal,
): Promise<TableDocument> {
  const starts = rowsBefore(table)
  const bits = table.files.map(({ rows }) => new Uint8Array(Math.ceil(rows / 8)))
  const found = table.files.map(() => 0)
  const numbers = engine.query(select(await tableRelation(store, removed), [ROW]), signal)
  let file = 0
  for await (const { columns } of numbers.batches(signal))
    for (const number of columns[0] ?? []) {
      const row = Number(number)
      // they come in order, but for tables that nobody has written yet
      while (row < (starts[file] ?? 0)) file--
      while (file + 1 < starts.length && row >= (starts[file + 1] ?? 0)) file++
      const place = row - (starts[file] ?? 0)
      const byte = bits[file]
      if (byte === undefined) continue
      byte[place >> 3] = (byte[place >> 3] ?? 0) | (0x80 >> (place & 7))
      found[file] = (found[file] ?? 0) + 1
    }
  const left = table.rows - found.reduce((sum, count) => sum + count, 0)
  if (left + removed.rows !== table.rows)
    throw new MillraceError(
      'MR_INTERNAL_BUG',
      `${removed.rows} rows are to be left out, and ${table.rows - left} were found`,
    )
  const files: TableFile[] = [...table.files]
  await parallel([...files.keys()], AT_ONCE, async (index) => {
    const [one, of] = [files[index], bits[index]]
    if (one !== undefined && of !== undefined && (found[index] ?? 0) > 0)
      files[index] = { ...one, deleted: await store.put(of, 'application/octet-stream') }
  })
  return { ...table, rows: left, files }
}
