/**
 * Columns whose type a person declared, where inference found another: every value must be of that type, or it would be
 * lost (a word as a number) or changed (1.5 as an integer) without a word.
 */
import { MillraceError } from '../core/errors.js'
import type { ColumnType, Field, Schema } from '../core/schema.js'
import type { Engine } from './engine.js'
import { aggregate, bool, call, cast, col, type Expr, int } from './expr.js'
import { aggregated, filter, limit, project, scan, type Source } from './relation.js'
import { MISSING_WORDS } from './sql/duckdb.js'

/** What every value of one type is of the other too. */
const WIDER: Readonly<Record<ColumnType, readonly ColumnType[]>> = {
  boolean: ['text'],
  integer: ['number', 'text'],
  number: ['text'],
  date: ['timestamp', 'text'],
  timestamp: ['text'],
  text: [],
}
const EXAMPLES = 3

/**
 * @param inferred what `inferSchema` found; `declared` the same columns with their types as declared
 * Throws MR_SOURCE_TYPE that names, for each column at fault, how many values do not fit, some of them, and their rows.
 */
export async function checkDeclared(
  engine: Engine,
  source: Source,
  inferred: Schema,
  declared: Schema,
  signal?: AbortSignal,
): Promise<void> {
  const unsure = declared.filter(({ type }, i) => {
    const found = inferred[i]?.type ?? type
    return found !== type && !WIDER[found].includes(type)
  })
  if (unsure.length === 0) return
  const place = freePlace(inferred)
  const asText = scan(
    source,
    unsure.map(({ name }) => ({ name, type: 'text' })),
    { rowNumber: place },
  )
  const counts = unsure.map(({ name, type }, i) => ({
    name: `c${i}`,
    expr: aggregate('count_if', [misfit(name, type)]),
  }))
  const found = (await engine.rows(aggregated(asText, [], counts), signal))[0] ?? {}
  const faults: string[] = []
  for (const [i, field] of unsure.entries()) {
    const count = Number(found[`c${i}`])
    if (count === 0) continue
    const examples = project(filter(asText, misfit(field.name, field.type)), [
      { name: 'value', expr: col(field.name) },
      { name: 'row', expr: call('add', col(place), int(1)) },
    ])
    faults.push(inWords(field, count, await engine.rows(limit(examples, EXAMPLES), signal)))
  }
  if (faults.length > 0)
    throw new MillraceError('MR_SOURCE_TYPE', `data.schema: ${faults.join('; ')}`, {
      hint: 'mend the values, or declare a type that holds them (number, text)',
    })
}

/** True, never NULL, for a text that is there and not of the type. */
function misfit(name: string, type: ColumnType): Expr {
  const value = call('trim', col(name))
  const isMissing: Expr = { op: 'in', value: call('lower', value), values: ['', ...MISSING_WORDS], type: 'text' }
  const isPresent = call('and', call('not', call('is_null', col(name))), call('not', isMissing))
  const isThere = (to: ColumnType): Expr => call('not', call('is_null', cast(value, to, true)))
  const number = cast(value, 'number', true)
  const isWhole = call('coalesce', call('eq', call('floor', number), number), bool(false))
  const fits = type === 'integer' ? call('and', isThere(type), isWhole) : isThere(type)
  return call('coalesce', call('and', isPresent, call('not', fits)), bool(false))
}

function inWords({ name, type }: Field, count: number, rows: readonly Readonly<Record<string, unknown>>[]): string {
  const some = rows.map(({ value, row }) => `${JSON.stringify(value)} in row ${String(row)}`).join(', ')
  return `${JSON.stringify(name)} is declared ${type}, but ${count} value${count === 1 ? ' is' : 's are'} not: ${some}`
}

function freePlace(schema: Schema): string {
  const taken = new Set(schema.map(({ name }) => name.toLowerCase()))
  let name = '__place'
  while (taken.has(name)) name += '_'
  return name
}
