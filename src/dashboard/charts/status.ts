/** Statuses of stages (SPEC 2) and how a chart shows them: colour always goes with the word. */

export type StageStatus = 'pending' | 'running' | 'success' | 'failed' | 'retrying' | 'skipped' | 'cached'

export const STATUS_FILL: Readonly<Record<StageStatus, string>> = {
  success: 'f1',
  cached: 'f0',
  failed: 'fbad',
  retrying: 'fwarn',
  running: 'f3',
  pending: 'f0 area',
  skipped: 'f0 area',
}

export const STATUS_WORD: Readonly<Record<StageStatus, string>> = {
  success: 'done',
  cached: 'cached',
  failed: 'failed',
  retrying: 'retrying',
  running: 'running',
  pending: 'not started',
  skipped: 'skipped',
}
