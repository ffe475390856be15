/** Faults of features.columns that show before the data is read: unknown steps, options that no column could take. */
import type { LoadedConfig } from '../config/load.js'
import { MillraceError } from '../core/errors.js'
import { checkStep } from '../transforms/steps.js'

/** One error a step, each with its place in the file. */
export function stepFaults({
  config,
  positionOf,
}: Pick<LoadedConfig, 'config' | 'positionOf'>): readonly MillraceError[] {
  return Object.entries(config.features.columns).flatMap(([column, steps]) =>
    steps.flatMap((step, i) => {
      try {
        checkStep(step, column)
        return []
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error
        const at = positionOf(['features', 'columns', column, i])
        const hint = error.hint === undefined ? {} : { hint: error.hint }
        return [new MillraceError(error.code, error.message, at === undefined ? hint : { at, ...hint })]
      }
    }),
  )
}

/** Throws them all at once. */
export function requireSteps(loaded: Pick<LoadedConfig, 'config' | 'positionOf'>): void {
  const faults = stepFaults(loaded)
  const [first] = faults
  if (first === undefined) return
  if (faults.length === 1) throw first
  throw new MillraceError(first.code, `${faults.length} steps under features.columns are wrong`, { others: faults })
}
