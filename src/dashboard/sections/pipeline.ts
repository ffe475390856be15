/** Pipeline: the graph, the clock, and a table of what each stage did. */
import { dagChart } from '../charts/dag.js'
import { ganttChart } from '../charts/gantt.js'
import { STATUS_WORD, type StageStatus } from '../charts/status.js'
import { count, duration } from '../format.js'
import { html } from '../html.js'
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

export function pipelineSection(data: RunPageData): Section | undefined {
  const { stages } = data
  if (stages.length === 0) return undefined
  const drawn = stages.slice(0, 60)
  const cached = stages.filter((s) => s.status === 'cached').length
  const work = stages.reduce((sum, s) => sum + (s.status === 'cached' ? 0 : (s.seconds ?? 0)), 0)
  return {
    id: 'pipeline',
    title: 'Pipeline',
    lead: html`${count(stages.length)} stages, ${duration(work)} of
    work${cached > 0 && html`; ${count(cached)} taken from the journal because nothing they depend on changed`}.`,
    body: html`<div class="scroll" tabindex="0" role="region" aria-label="Pipeline graph">
        ${dagChart(drawn.map((s) => ({ ...s, after: s.after })))}
      </div>
      ${figure(
        'Time',
        html`Seconds after the start of the run`,
        html`<div class="stretch">
          ${ganttChart(
            drawn.map((s) => ({ name: s.name, status: s.status, start: s.startedAt ?? 0, seconds: s.seconds ?? 0 })),
            data.run.seconds,
          )}
        </div>`,
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
              cell: (s) => html`<span class="tag ${TONE[s.status]}">${STATUS_WORD[s.status]}</span>`,
            },
            { title: 'Time', kind: 'n', cell: (s) => (s.status === 'cached' ? '' : duration(s.seconds)) },
            {
              title: 'Attempts',
              kind: 'n',
              cell: (s) => (s.status === 'cached' || s.attempts === undefined ? '' : count(s.attempts)),
            },
            {
              title: 'What happened',
              kind: 'text',
              cell: (s) =>
                html`${s.error !== undefined && html`<span>${s.error}</span> `}${s.note}${s.cachedFrom !== undefined && html` <span class="muted">from run ${name(s.cachedFrom, 40)}</span>`}`,
            },
          ],
          stages,
        )
      }
      ${stages.length > drawn.length && html`<p class="muted small">The pictures show the first ${count(drawn.length)} stages.</p>`}`,
  }
}
