/** Which columns' plan is another than in the run before: their features, and so all files of features, are made anew. */
import type { Memo } from '../core/memo.js'
import { sha256Json } from '../core/json.js'
import type { FeaturePlan } from '../transforms/transform.js'

/**
 * Names of columns whose fitted steps moved since the plan of the same columns was fitted last; none the first time.
 * Remembers this plan. For the log alone: nothing that is computed depends on it.
 */
export async function movedColumns(memo: Memo, label: string, plan: FeaturePlan): Promise<readonly string[]> {
  const key = ['last plan', label, plan.columns.map(({ name }) => name)]
  const before = ((await memo.get(key)) ?? []) as readonly string[]
  const now = plan.columns.map(({ steps }) => sha256Json(steps))
  await memo.put(key, now)
  return plan.columns.flatMap(({ name }, i) => (before[i] === undefined || before[i] === now[i] ? [] : [name]))
}
