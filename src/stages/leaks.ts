/** Leaks: looks for what a model must not see, before anything is trained. */
import type { PipelineConfig } from '../config/config.js'
import type { LeakDocument, LeakFinding, TableDocument, WindowDocument } from '../core/documents.js'
import { MillraceError, nearest } from '../core/errors.js'
import type { Schema } from '../core/schema.js'
import type { Engine } from '../etl/engine.js'
import type { Relation } from '../etl/relation.js'
import {
  copyFinding,
  entityFinding,
  fittedFinding,
  labelFindings,
  laterFindings,
  LEAK_CHECKS,
  leakDocument,
  leaksOf,
  orderFinding,
  windowFindings,
} from '../evaluate/leaks.js'
import type { StageKind } from '../pipeline/stage.js'
import { featuresRelation, type FeaturesTable } from './features-table.js'
import { tellsLabel } from './leak-label.js'
import { misfitsOf } from './leak-plan.js'
import { countCopies, countShared } from './leak-rows.js'
import { laterValues, sampleWindows, trainNotBefore } from './leak-time.js'
import { getJson, putJson, type RunResources } from './run-resources.js'
import { ROW, tableRelation } from './tables.js'
import { labelledRows, type PlanDocument } from './transform.js'

export function leaks(resources: RunResources): StageKind<PipelineConfig> {
  return {
    name: 'leaks',
    version: 3,
    after: ['features', 'transform'],
    async run(context) {
      const { config, inputs, store, signal } = context
      const table = await getJson<TableDocument>(store, inputs['features']?.['table'])
      const features = await getJson<FeaturesTable>(store, inputs['transform']?.['features'])
      const document = await findLeaks({
        engine: await resources.engine(),
        config,
        table: await tableRelation(store, table),
        rows: table.rows,
        features: await featuresRelation(store, features),
        plan: await getJson<PlanDocument>(store, inputs['transform']?.['plan']),
        windows: await getJson<readonly WindowDocument[]>(store, inputs['features']?.['windows']),
        progress: (done) => context.progress({ unit: 'checks', done, total: LEAK_CHECKS.length }),
        signal,
      })
      const report = await putJson(store, document)
      await context.attach('report', report)
      const found = leaksOf(document)
      for (const { detail } of found) context.log(detail, 'warn')
      if (!document.passed && document.action === 'refuse')
        throw new MillraceError('MR_LEAK_FOUND', found.map(({ detail }) => detail).join('; '), {
          hint: `nothing was trained; what is known and right goes in leak_check.allow: [${[...new Set(found.map(({ check, column }) => column ?? check))].join(', ')}]; leak_check.action: warn trains all the same`,
        })
      return { report }
    },
  }
}

export interface LeakInputs {
  readonly engine: Engine
  readonly config: Pick<PipelineConfig, 'entity' | 'timestamp' | 'split' | 'features' | 'leak_check'>
  /** All rows that `features` left, with windows, and how many. */
  readonly table: Relation
  readonly rows: number
  /** What `transform` wrote. */
  readonly features: Relation
  readonly plan: PlanDocument
  readonly windows: readonly WindowDocument[]
  readonly progress?: (done: number) => void
  readonly signal: AbortSignal
}

/** Every check on these tables. The same tables give the same document. Throws MR_LEAK_ALLOW for unknown names. */
export async function findLeaks(inputs: LeakInputs): Promise<LeakDocument> {
  const { engine, config, table, features, plan, windows, signal } = inputs
  const { entity, leak_check: wanted } = config
  const schema = table.schema.filter(({ name }) => name !== ROW)
  checkAllowed(wanted.allow, schema)
  const rows = labelledRows(table, plan)
  const label = plan.label.name
  const found: LeakFinding[] = []
  let done = 0
  const add = (findings: readonly LeakFinding[]): void => {
    found.push(...findings)
    inputs.progress?.(++done)
  }
  const { misfits, compared } = await misfitsOf(engine, config, rows, features, plan, signal)
  add([fittedFinding(misfits, compared)])
  const own = schema.filter(({ name }) => name !== entity && !windows.some((window) => window.name === name))
  add([copyFinding(await countCopies(engine, rows, own, signal))])
  const isKept = entity !== undefined && config.split.method !== 'time'
  const shared = isKept ? await countShared(engine, rows, entity, signal) : { judging: 0, shared: 0 }
  add([entityFinding(entity, config.split.method, shared)])
  add(labelFindings(await tellsLabel(engine, rows, plan, signal), label, plan.task.kind))
  add(await lookAhead(inputs, rows))
  return leakDocument(found, wanted.action, wanted.allow)
}

async function lookAhead(inputs: LeakInputs, rows: Relation): Promise<readonly LeakFinding[]> {
  const { engine, config, table, plan, windows, signal } = inputs
  const { timestamp, split } = config
  const passed = (detail: string): LeakFinding => ({ check: 'look_ahead', passed: true, value: 0, limit: 0, detail })
  if (timestamp === undefined) return [passed('the file names no timestamp: nothing says what is later')]
  const byTime = split.method === 'time'
  const { notBefore, train } = await trainNotBefore(engine, rows, timestamp, signal)
  const later = await laterValues(engine, rows, plan.inputs, timestamp, signal)
  const samples = await sampleWindows(engine, table, inputs.rows, windows, plan.label.name, signal)
  const found = [
    ...(byTime ? orderFinding(timestamp, notBefore, train) : []),
    ...laterFindings(timestamp, later),
    ...windowFindings(samples),
  ]
  if (found.length > 0) return found
  const looked = [
    ...(byTime ? ['training rows are all before those that judge'] : []),
    ...(later.length > 0
      ? [
          `times after their row's ${timestamp} are no more than a few in ${later.map(({ column }) => column).join(', ')}`,
        ]
      : []),
    ...(samples.length > 0
      ? [
          `windows computed again for up to ${Math.max(...samples.map((sample) => sample.rows))} rows hold earlier rows only`,
        ]
      : []),
    ...(!byTime && notBefore > 0
      ? [
          `${notBefore} of ${train} training rows are not before the first that judges, as split.method is ${split.method}; split.method: time scores a model as it will be used`,
        ]
      : []),
  ]
  return [passed(looked.length === 0 ? 'no feature is a time or a window' : looked.join('; '))]
}

/** Names that are neither columns nor checks would allow nothing. */
function checkAllowed(allow: readonly string[], schema: Schema): void {
  const names = [...LEAK_CHECKS, ...schema.map(({ name }) => name)]
  for (const name of allow) {
    if (names.includes(name)) continue
    const near = nearest(name, names)
    throw new MillraceError(
      'MR_LEAK_ALLOW',
      `leak_check.allow: '${name}' is neither a check nor a column of the data${near === undefined ? '' : `; did you mean '${near}'?`}`,
      { hint: `checks: ${LEAK_CHECKS.join(', ')}; columns: ${schema.map(({ name: column }) => column).join(', ')}` },
    )
  }
}
