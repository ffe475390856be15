/** Validate: every rule in one query; rows that break one go to quarantine with its name, the rest go on. */
import type { PipelineConfig } from '../config/config.js'
import type { RuleResult, TableDocument, ValidationDocument } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import { profileTable } from '../etl/profile.js'
import { compileRules } from '../etl/rules.js'
import type { StageKind } from '../pipeline/stage.js'
import { getJson, putJson, type RunResources, TABLE_TYPE } from './run-resources.js'
import { isTableThere, ROW, rowProgress, tableRelation, writeTable } from './tables.js'

export function validate(resources: RunResources): StageKind<PipelineConfig> {
  return {
    name: 'validate',
    version: 1,
    after: ['extract'],
    stillThere: (outputs, _, store) => isTableThere(store, outputs['table']),
    async run(context) {
      const { config, inputs, store, signal } = context
      const input = inputs['extract']?.['table']
      const table = await getJson<TableDocument>(store, input)
      const engine = await resources.engine()
      const relation = await tableRelation(store, table)
      const compiled = compileRules(config.data.validation_rules, table.schema, relation, ROW)
      const results: readonly RuleResult[] = await compiled.check(engine, signal)
      const removed = results.filter(({ severity, passed }) => severity === 'drop' && !passed)
      let kept: TableDocument = table
      let quarantine: TableDocument | undefined
      if (removed.length > 0) {
        quarantine = await writeTable(engine, store, compiled.quarantine, { signal })
        kept = await writeTable(engine, store, compiled.kept, { progress: rowProgress(context), signal })
      }
      const failed = results.filter(({ severity, passed }) => severity === 'fail' && !passed)
      const minimum = config.data.validation_rules.min_records
      const document: ValidationDocument = {
        rowsIn: table.rows,
        rowsOut: kept.rows,
        passed: failed.length === 0,
        rules: results,
        ...(quarantine === undefined ? {} : { quarantine }),
        columns: await profileTable(engine, await tableRelation(store, kept), table.schema, signal),
      }
      const report = await putJson(store, document)
      // seen on the run's page even if a rule stops the run below
      await context.attach('report', report)
      for (const { id, violations, severity } of results.filter(({ passed }) => !passed))
        context.log(`${id}: ${violations} rows (${severity})`, 'warn')
      if (failed.length > 0)
        throw new MillraceError(
          'MR_VALIDATION_FAILED',
          `validation: ${failed.map((rule) => `${rule.id}: ${rule.expectation}; ${rule.violations} rows break it${rule.examples.length > 0 ? ` (${rule.examples.join(', ')})` : ''}`).join('; ')}`,
          { hint: 'mend the source, or the rules under data.validation_rules' },
        )
      if (kept.rows < minimum)
        throw new MillraceError(
          'MR_VALIDATION_FAILED',
          `validation: min_records asks for ${minimum} rows, ${kept.rows} are left of ${table.rows}`,
          { hint: 'mend the source, or lower data.validation_rules.min_records' },
        )
      return {
        table: kept === table && input !== undefined ? input : await putJson(store, kept, TABLE_TYPE),
        report,
      }
    },
  }
}
