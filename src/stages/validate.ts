/** Validate: every rule in one query; rows that break one go to quarantine with its name, the rest go on. */
import type { PipelineConfig } from '../config/config.js'
import { parseDuration } from '../config/units.js'
import type { RuleResult, TableDocument, ValidationDocument } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import { suitePatterns, suiteRules } from '../etl/expectations.js'
import { freshnessHolds, type Since } from '../etl/file-rules.js'
import { refusedPatterns, requirePatterns } from '../etl/patterns.js'
import { profileTable } from '../etl/profile.js'
import { compileRules } from '../etl/rules.js'
import type { StageKind } from '../pipeline/stage.js'
import { canLeaveOut, leaveOut } from './deleted-rows.js'
import { getJson, putJson, type RunResources, TABLE_TYPE } from './run-resources.js'
import { readSuites, suiteDigest } from './suites.js'
import { isTableThere, ROW, rowProgress, tableRelation, writeTable } from './tables.js'

export function validate(resources: RunResources): StageKind<PipelineConfig> {
  const since: Since = (age) => resources.started - parseDuration(age) * 1000
  const resolve = (path: string): string => resources.resolve(path)
  return {
    name: 'validate',
    version: 10,
    after: ['extract'],
    fingerprint: (config) => suiteDigest(config, resolve),
    // the time is no part of what is cached: a table may have grown too old since its report was written
    async stillThere(outputs, { data }, store) {
      if (!(await isTableThere(store, outputs['table']))) return false
      const { freshness } = data.validation_rules
      if (Object.keys(freshness).length === 0) return true
      const { rules } = await getJson<ValidationDocument>(store, outputs['report'])
      return freshnessHolds(rules, freshness, since)
    },
    async run(context) {
      const { config, inputs, store, signal } = context
      const { memo } = resources
      const input = inputs['extract']?.['table']
      const table = await getJson<TableDocument>(store, input)
      const engine = await resources.engine()
      const relation = await tableRelation(store, table)
      const rules = config.data.validation_rules
      const suites = await readSuites(config, resolve)
      const patterns = [...Object.values(rules.patterns), ...suitePatterns(suites)]
      const refused = await refusedPatterns(engine, relation, patterns, signal)
      requirePatterns(rules.patterns, refused)
      const severity = new Map(Object.entries(rules.severity)).get('expectations')
      const asked = suiteRules(suites, table.schema, ROW, { refused, severity })
      const compiled = compileRules(rules, table.schema, relation, ROW, since, asked.rules)
      const checked = await compiled.check(engine, signal, memo)
      // a pattern or an age may come from the environment, and the report is kept
      const results = checked.map((rule) => ({ ...rule, expectation: resources.hide(rule.expectation) }))
      const removed = results.filter(({ severity, violations }) => severity === 'drop' && violations > 0)
      let kept: TableDocument = table
      let quarantine: TableDocument | undefined
      if (removed.length > 0) {
        quarantine = await writeTable(engine, store, compiled.quarantine, { signal, memo, plain: true })
        kept = canLeaveOut(table, quarantine.rows)
          ? await leaveOut(await resources.embedded(), store, table, quarantine, signal)
          : await writeTable(engine, store, compiled.kept, {
              progress: rowProgress(context),
              signal,
              memo,
              what: 'sound rows',
              plain: true,
            })
      }
      const failed = results.filter(({ severity, passed }) => severity === 'fail' && !passed)
      const document: ValidationDocument = {
        rowsIn: table.rows,
        rowsOut: kept.rows,
        passed: failed.length === 0,
        rules: results,
        ...(asked.unchecked.length === 0 ? {} : { unchecked: asked.unchecked }),
        ...(quarantine === undefined ? {} : { quarantine }),
        columns: await profileTable(engine, await tableRelation(store, kept), table.schema, signal),
      }
      const report = await putJson(store, document)
      // seen on the run's page even if a rule stops the run below
      await context.attach('report', report)
      for (const reason of asked.unchecked) context.log(reason, 'warn')
      for (const result of results.filter(({ passed, violations }) => !passed || violations > 0))
        context.log(`${result.id}: ${broken(result)} (${whatHappens(result)})`, 'warn')
      if (failed.length > 0)
        throw new MillraceError(
          'MR_VALIDATION_FAILED',
          `validation: ${failed.map((rule) => `${rule.id}: ${rule.expectation}; ${broken(rule)}${examples(rule)}`).join('; ')}`,
          { hint: 'mend the source, or the rules under data.validation_rules' },
        )
      return {
        table: kept === table && input !== undefined ? input : await putJson(store, kept, TABLE_TYPE),
        report,
      }
    },
  }
}

/** What was found, in a few words. */
function broken({ rule, column, violations, observed }: RuleResult): string {
  if (violations > 0 && rule === 'min_records') return `${violations} too few`
  const rows = `${violations} ${violations === 1 ? 'row breaks' : 'rows break'} it`
  if (observed !== undefined) return violations > 0 ? `${rows}, ${observed}` : observed
  return violations === 0 && column !== undefined ? 'there is none' : rows
}

function whatHappens({ severity, passed }: RuleResult): string {
  if (passed) return 'which is allowed'
  return { warn: 'warning', drop: 'taken out', fail: 'stops the run' }[severity]
}

const examples = ({ examples: some }: RuleResult): string => (some.length > 0 ? ` (${some.join(', ')})` : '')
