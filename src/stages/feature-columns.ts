/** Which columns become features, with which steps, and which of them cost training rows. */
import type { PipelineConfig } from '../config/config.js'
import { MillraceError, nearest } from '../core/errors.js'
import type { Field, Schema } from '../core/schema.js'
import type { Engine } from '../etl/engine.js'
import { col } from '../etl/expr.js'
import type { Relation } from '../etl/relation.js'
import { type ColumnSpec, dropsMissing } from '../transforms/steps.js'

type Excluded = readonly { readonly field: Field; readonly reason: string }[]

export interface Candidates {
  /** With the file's steps, where it has any. */
  readonly columns: readonly ColumnSpec[]
  readonly excluded: Excluded
  /** Of `columns` those whose steps drop training rows without a value. */
  readonly dropMissing: readonly string[]
}

/** What the file says alone, no row being read. Throws MR_FEATURE_COLUMN for a name that no column has. */
export function candidateColumns(schema: Schema, config: PipelineConfig, label: string): Candidates {
  const { include, exclude, columns: steps } = config.features
  const names = schema.map(({ name }) => name)
  for (const name of [...(include ?? []), ...exclude, ...Object.keys(steps)])
    if (!names.includes(name)) {
      const near = nearest(name, names)
      throw new MillraceError(
        'MR_FEATURE_COLUMN',
        `features: there is no column '${name}' in the data${near === undefined ? '' : `; did you mean '${near}'?`}`,
        { hint: `columns: ${names.join(', ')}` },
      )
    }
  const excluded: { field: Field; reason: string }[] = []
  const columns: ColumnSpec[] = []
  for (const field of schema) {
    const reason = reasonToExclude(field.name)
    const own = Object.hasOwn(steps, field.name) ? steps[field.name] : undefined
    if (reason === undefined) columns.push({ ...field, ...(own === undefined ? {} : { steps: own }) })
    else excluded.push({ field, reason })
  }
  return { columns, excluded, dropMissing: columns.filter(dropsMissing).map(({ name }) => name) }

  function reasonToExclude(name: string): string | undefined {
    const isNamed = include?.includes(name) === true || Object.hasOwn(steps, name)
    if (name === label) return 'the label'
    if (name === config.entity) return 'the entity'
    if (name === config.timestamp && !isNamed) return 'the timestamp'
    if (exclude.includes(name)) return 'excluded by the file'
    if (include !== undefined && !isNamed) return 'not in features.include'
    return undefined
  }
}

/** Share of different values from which a text column is taken for an identifier. */
const IDENTIFIER_SHARE = 0.9

/** The candidates without texts that nobody named and that only name their row. Throws MR_FEATURE_NONE. */
export async function chooseColumns(
  engine: Engine,
  train: Relation,
  candidates: Candidates,
  include: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<{ readonly features: readonly ColumnSpec[]; readonly excluded: Excluded }> {
  const unsure = candidates.columns.filter(
    ({ type, steps }) => type === 'text' && steps === undefined && include === undefined,
  )
  const found = await engine.statistics(
    train,
    unsure.map(({ name }) => ({ name, expr: col(name), distinct: true })),
    signal,
  )
  const excluded = [...candidates.excluded]
  const features = candidates.columns.filter(({ name, type }) => {
    const { rows = 0, missing = 0, distinct = 0 } = found.get(name) ?? {}
    const present = rows - missing
    if (present <= 20 || distinct <= IDENTIFIER_SHARE * present) return true
    excluded.push({ field: { name, type }, reason: `an identifier: ${distinct} different values in ${present} rows` })
    return false
  })
  if (features.length > 0) return { features, excluded }
  throw new MillraceError('MR_FEATURE_NONE', 'features: no column is left to learn from', {
    hint: `left out: ${excluded.map(({ field, reason }) => `${field.name} (${reason})`).join('; ')}`,
  })
}
