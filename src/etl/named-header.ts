/** Whether a CSV's first line names the columns, where the names that must be there are known: a label, a model's columns. */
import { MillraceError } from '../core/errors.js'
import type { Inferred } from './engine.js'
import type { Source } from './relation.js'

/**
 * Infers by `infer`. A first line that looks like data (years, "1", "N") is a header all the same if only so the table
 * has all of `names`; `byName` says that it was. The first finding stands where that does not help.
 */
export async function inferNamed(
  source: Source,
  names: readonly string[],
  infer: (source: Source) => Promise<Inferred>,
): Promise<Inferred & { readonly byName: boolean }> {
  const found = await infer(source)
  const hasAll = ({ schema }: Inferred): boolean => names.every((name) => schema.some((field) => field.name === name))
  if (found.source.csv?.header !== false || source.csv?.header !== undefined || hasAll(found))
    return { ...found, byName: false }
  const again = await infer({ ...source, csv: { ...source.csv, header: true } }).catch((error: unknown) => {
    // a line of data has repeated values, so it can be no header
    if (error instanceof MillraceError && error.code === 'MR_SOURCE_HEADER') return undefined
    throw error
  })
  return again !== undefined && hasAll(again) ? { ...again, byName: true } : { ...found, byName: false }
}
