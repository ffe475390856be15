/**
 * The table of features: for each split files of its own, with the columns and names that people see, so that to publish
 * it is to copy them. Stages read it by names that no column of a source has.
 */
import type { ArtifactStore } from '../core/artifacts.js'
import type { TableDocument, TableFile } from '../core/documents.js'
import { col, type Named, text } from '../etl/expr.js'
import { project, type Relation, union } from '../etl/relation.js'
import { SPLITS, type SplitName } from '../etl/split.js'
import { planExpressions } from '../transforms/plan.js'
import { labelValue } from './label.js'
import { SPLIT } from './split-counts.js'
import { ROW, tableRelation } from './tables.js'
import type { PlanDocument } from './transform.js'

export const LABEL = '__label'
/** The entity of a row, for those who join the published features to their own tables. */
export const ENTITY = '__entity'

/** Files in the order of splits, and in each of the rows. */
export interface FeaturesTable extends TableDocument {
  readonly files: readonly (TableFile & { readonly split: SplitName })[]
  /** What people call the columns that are no features; the split stands in no file. */
  readonly names: Readonly<Record<string, string>>
}

/** The features of `labelledRows`, by the names of stages. */
export function featureColumns(
  entity: string | undefined,
  { label, task, plan }: Pick<PlanDocument, 'label' | 'task' | 'plan'>,
): readonly Named[] {
  const { numeric, categories } = planExpressions(plan)
  return [
    { name: ROW, expr: col(ROW) },
    ...(entity === undefined ? [] : [{ name: ENTITY, expr: col(entity) }]),
    { name: SPLIT, expr: col(SPLIT) },
    { name: LABEL, expr: labelValue(label.name, label.type, task) },
    ...numeric,
    ...categories,
  ]
}

/**
 * What people call the columns: features by their own names; label, split, row and entity give way to them, and all to the
 * columns of the source that stand beside them (`own`).
 * @param columns as `featureColumns` gives them
 */
export function namesForPeople(
  columns: readonly string[],
  { label, entity, own = [] }: { readonly label: string; readonly entity?: string; readonly own?: readonly string[] },
): ReadonlyMap<string, string> {
  const taken = new Set([...own, ...columns].map((name) => name.toLowerCase()))
  const names = new Map(columns.map((name) => [name, name]))
  for (const name of columns)
    if (own.some((other) => other.toLowerCase() === name.toLowerCase())) names.set(name, take(name))
  for (const [column, ours] of [
    [LABEL, label],
    [SPLIT, 'split'],
    [ROW, 'row'],
    [ENTITY, entity ?? ''],
  ] as const)
    if (columns.includes(column)) names.set(column, take(ours))
  return names

  /** `name`, or with a number where it is taken; engines compare names without regard to case. */
  function take(name: string): string {
    let candidate = name
    for (let i = 1; taken.has(candidate.toLowerCase()); i++) candidate = `${name}_${i}`
    taken.add(candidate.toLowerCase())
    return candidate
  }
}

/** The rows of a split, or split after split, by the names of stages. */
export async function featuresRelation(
  store: ArtifactStore,
  table: FeaturesTable,
  splits: readonly SplitName[] = SPLITS,
): Promise<Relation> {
  const { names, schema } = table
  const ours = new Map(Object.entries(names).map(([name, theirs]) => [theirs, name]))
  const each: Relation[] = []
  for (const split of splits) {
    const files = table.files.filter((file) => file.split === split)
    each.push(
      project(await tableRelation(store, { ...table, files }), [
        { name: SPLIT, expr: text(split) },
        ...schema.map(({ name }) => ({ name: ours.get(name) ?? name, expr: col(name) })),
      ]),
    )
  }
  return union(each)
}
