/**
 * Types of columns of text from all of their values, exactly. What a text is:
 *
 * - blank (only spaces) is missing, and so are `NA N/A NaN null None ?` (any case) where the other values have a type
 * - integer: digits with at most a minus, no leading zero, within 64 bits; one value too large makes the column text
 *   (as a number it would lose digits), unless it also holds fractions
 * - number: also with point or exponent; words for infinity are not numbers; leading zeros make text (codes)
 * - boolean: true, false (any case); date: 2024-02-29; timestamp: a date and a time, with or without zone
 * - text: everything else, and columns without any value
 */
import type { ColumnType, Field, Schema } from '../../core/schema.js'
import type { Source } from '../relation.js'
import { BLANKS, identifier, MISSING_WORDS } from '../sql/duckdb.js'
import type { Session } from './session.js'
import { countsOfFiles } from './source-counts.js'

/** Types that a text can be found to have, the narrower first. */
export const TEXT_TYPES = ['boolean', 'integer', 'number', 'date', 'timestamp'] as const
export type Candidate = (typeof TEXT_TYPES)[number]

/** Rows of the first look, which only rules types out; the second one is over all rows. */
const FIRST_LOOK = 10_000

/**
 * A look at the first rows rules types out; then passes over all rows prove the narrowest type that is left, most often
 * in one pass. Values are tested as they stand, and trimmed only where that fails: most have no blanks around them.
 */
export async function typesOf(
  session: Session,
  source: Source,
  names: readonly string[],
  signal?: AbortSignal,
): Promise<Schema> {
  if (names.length === 0) return []
  // of the first file alone: what it rules out need not be looked for in the others
  const start = { ...source, paths: source.paths.slice(0, 1) }
  const firstRows: Counts = async (select) =>
    (await countsOfFiles(session, start, names, select, { first: FIRST_LOOK, signal }))[0] ?? []
  const allRows: Counts = async (select) => {
    const files = await countsOfFiles(session, source, names, select, { signal })
    return select.map((_, i) => files.reduce((sum, counts) => sum + (counts[i] ?? 0), 0))
  }
  const first = await misfits(
    firstRows,
    names.map((name) => ({ name, types: TEXT_TYPES, count: true })),
  )
  const open = new Map(
    names.map((name) => [name, TEXT_TYPES.filter((type) => first.get(name)?.misfits.get(type) === 0)]),
  )
  const found = new Map<string, ColumnType>(names.map((name) => [name, 'text']))
  const empty = new Set(names.filter((name) => first.get(name)?.values === 0))
  for (let pass = 0; pass === 0 || open.size > 0; pass++) {
    const tests = [...open].map(([name, types]) => ({ name, types: types.slice(0, 1), count: empty.has(name) }))
    // the first pass reads every byte of every column, also of those that can only be text
    const facts = await misfits(allRows, tests)
    for (const [name, types] of open) {
      const [narrowest, ...wider] = types
      const column = facts.get(name)
      if (narrowest === undefined || column?.values === 0) open.delete(name)
      else if (column?.misfits.get(narrowest) === 0) {
        found.set(name, narrowest)
        open.delete(name)
      } else open.set(name, wider)
    }
  }
  const numbers = names.filter((name) => found.get(name) === 'number')
  for (const name of await wholeColumns([firstRows, allRows], numbers)) found.set(name, 'text')
  return names.map((name): Field => ({ name, type: found.get(name) ?? 'text' }))
}

/** Of these number columns those whose values are all whole: they were no integers because one is too large. */
async function wholeColumns(looks: readonly Counts[], numbers: readonly string[]): Promise<readonly string[]> {
  let left = numbers
  for (const look of looks) {
    if (left.length === 0) break
    const fractions = await look(
      left.map((name) => misfitCount(name, (v) => `regexp_full_match(${v}, '-?(0|[1-9][0-9]*)')`)),
    )
    left = left.filter((_, i) => fractions[i] === 0)
  }
  return left
}

/** The numbers that SQL of aggregates gives. */
type Counts = (select: readonly string[]) => Promise<readonly number[]>

interface Test {
  readonly name: string
  readonly types: readonly Candidate[]
  /** Count values too. */
  readonly count: boolean
}

interface Facts {
  /** Values that are neither blank nor a word for missing, if they were counted. */
  readonly values: number | undefined
  readonly misfits: ReadonlyMap<Candidate, number>
}

async function misfits(counts: Counts, tests: readonly Test[]): Promise<ReadonlyMap<string, Facts>> {
  const parts = tests.flatMap(({ name, types, count }) => [
    count ? misfitCount(name, () => 'FALSE') : `count(${identifier(name)})`,
    ...types.map((type) => misfitCount(name, (v) => fits(v, type))),
  ])
  const row = await counts(parts)
  let at = 0
  return new Map(
    tests.map(({ name, types, count }) => {
      const values = Number(row[at++])
      const found = new Map(types.map((type) => [type, Number(row[at++])]))
      return [name, { values: count ? values : undefined, misfits: found }]
    }),
  )
}

/** Counts values that do not fit, trimmed or not, and are not words for "missing". */
export function misfitCount(name: string, fitting: (v: string) => string): string {
  const raw = identifier(name)
  const v = `trim(${raw}, ${BLANKS})`
  const isMissing = `(length(${v}) <= 4 AND list_contains([${MISSING_LIST}], lower(${v})))`
  return (
    `count_if(CASE WHEN ${raw} IS NULL THEN FALSE WHEN ${fitting(raw)} THEN FALSE ` +
    `WHEN ${isMissing} THEN FALSE WHEN ${fitting(v)} THEN FALSE ELSE TRUE END)`
  )
}

export const MISSING_LIST = ['', ...MISSING_WORDS].map((word) => `'${word}'`).join(', ')

/** True if the text `v` is of the type; NULL or false if it is not. */
export function fits(v: string, type: Candidate): string {
  switch (type) {
    case 'boolean':
      return `(length(${v}) BETWEEN 4 AND 5 AND list_contains(['true', 'false'], lower(${v})))`
    case 'integer':
      // round trip: no plus, no leading zero, no fraction, no exponent, no underscore
      return `(CAST(TRY_CAST(${v} AS BIGINT) AS VARCHAR) = ${v})`
    case 'number':
      // the cast lets blanks, underscores and leading zeros pass
      return (
        `(isfinite(TRY_CAST(${v} AS DOUBLE)) AND ${v} >= '!' AND NOT contains(${v}, '_') ` +
        `AND NOT (${['', '-', '+'].map((sign) => `${v} BETWEEN '${sign}00' AND '${sign}09~'`).join(' OR ')}))`
      )
    case 'date':
      return `(CAST(TRY_CAST(${v} AS DATE) AS VARCHAR) = ${v})`
    case 'timestamp':
      return (
        `(length(${v}) >= 10 AND TRY_CAST(${v} AS TIMESTAMPTZ) IS NOT NULL AND regexp_full_match(${v}, ` +
        `'\\d{4}-\\d{2}-\\d{2}([T ]\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,9})?)?( ?(Z|UTC|[+-]\\d{2}(:?\\d{2})?))?)?'))`
      )
  }
}
