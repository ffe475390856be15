/** Pipeline: the graph, the clock, and a table of what each stage did. */
import { dagChart } from '../charts/dag.js'
import { ganttChart } from '../charts/gantt.js'
import { STATUS_WORD, type StageStatus } from '../charts/status.js'
import { count, duration } from '../format.js'
import { markup } from '../../core/html.js'
import { figure, name, table, type Section } from '../page.js'
import type { RunPageData } from '../run-page-data.js'

const TONE: Readonly<Record<StageStatus, string>> = {
  success: 'good',
  cached: '',
  failed: 'bad',
  retrying: 'warn',
  running: '',
  pending: '',
  skipped: '',
}

const ran = (status: StageStatus) => status !== 'cached' && status !== 'pending' && status !== 'skipped'

export function pipelineSection(data: RunPageData): Section | undefined {
  const { stages } = data
  if (stages.length === 0) return undefined
  const drawn = stages.slice(0, 60)
  const cached = stages.filter((s) => s.status === 'cached').length
  const work = stages.reduce((sum, s) => sum + (s.status === 'cached' ? 0 : (s.seconds ?? 0)), 0)
  return {
    id: 'pipeline',
    title: 'Pipeline',
    lead: markup`${count(stages.length)} stages, ${duration(work)} of
    work${cached > 0 && markup`; ${count(cached)} taken from the journal because nothing they depend on changed`}.`,
    body: markup`<div class="scroll tall" tabindex="0" role="region" aria-label="Pipeline graph">
        ${dagChart(drawn.map((s) => ({ ...s, after: s.after })))}
      </div>
      ${figure(
        'Time',
        'From the start of the run',
        ganttChart(
          drawn.map((s) => ({ name: s.name, status: s.status, start: s.startedAt ?? 0, seconds: s.seconds ?? 0 })),
          data.run.seconds,
        ),
        true,
      )}
      ${
        stages.some(
          (s) => s.note !== undefined || s.error !== undefined || (s.attempts ?? 1) > 1 || s.cachedFrom !== undefined,
        ) &&
        table(
          'Stages',
          [
            { title: 'Stage', kind: 'name', cell: (s) => name(s.name, 40) },
            {
              title: 'Status',
              kind: 'keep',
              cell: (s) => markup`<span class="tag ${TONE[s.status]}">${STATUS_WORD[s.status]}</span>`,
            },
            { title: 'Time', kind: 'n', cell: (s) => (ran(s.status) ? duration(s.seconds) : '') },
            {
              title: 'Attempts',
              kind: 'n',
              cell: (s) => (ran(s.status) && s.attempts !== undefined ? count(s.attempts) : ''),
            },
            {
              title: 'What happened',
              kind: 'text',
              cell: (s) =>
                [
                  s.error,
                  s.note,
                  s.cachedFrom === undefined
                    ? undefined
                    : markup`<span class="muted">from run ${name(s.cachedFrom, 40)}</span>`,
                ]
                  .filter((part) => part !== undefined)
                  .map((part, i) => markup`${i > 0 && '; '}${part}`),
            },
          ],
          stages,
        )
      }
      ${stages.length > drawn.length && markup`<p class="muted small">The pictures show the first ${count(drawn.length)} stages.</p>`}`,
  }
}
