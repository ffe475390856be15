/** Which regular expressions an engine takes: RE2 and Java each know what the other, and JavaScript, does not. */
import { MillraceError } from '../core/errors.js'
import type { Engine } from './engine.js'
import { call, text } from './expr.js'
import { limit, project, type Relation } from './relation.js'

/**
 * The patterns that the engine refuses, each with its reason. One small query where it takes all of them.
 * @param input any relation; hardly a row of it is read
 */
export async function refusedPatterns(
  engine: Engine,
  input: Relation,
  patterns: readonly string[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const refused = new Map<string, string>()
  const ask = async (some: readonly string[]): Promise<void> => {
    if (some.length === 0) return
    try {
      const columns = some.map((one, i) => ({ name: `p${i}`, expr: call('matches', text(''), text(one)) }))
      await engine.rows(limit(project(input, columns), 1), signal)
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== 'MR_ENGINE_FAILED') throw error
      const [only] = some
      if (some.length === 1 && only !== undefined) refused.set(only, error.message.split('\n')[0] ?? '')
      else for (const one of some) await ask([one])
    }
  }
  await ask([...new Set(patterns)])
  return refused
}

/** Throws MR_CONFIG_INVALID naming every pattern of the file that is refused, with its column. */
export function requirePatterns(
  patterns: Readonly<Record<string, string>>,
  refused: ReadonlyMap<string, string>,
): void {
  const faults = Object.entries(patterns).flatMap(([column, one]) => {
    const why = refused.get(one)
    return why === undefined ? [] : [`the pattern of ${JSON.stringify(column)} is ${JSON.stringify(one)}: ${why}`]
  })
  if (faults.length > 0)
    throw new MillraceError('MR_CONFIG_INVALID', `data.validation_rules.patterns: ${faults.join('; ')}`, {
      hint: 'patterns are of the kind of RE2 (github.com/google/re2/wiki/Syntax)',
    })
}
