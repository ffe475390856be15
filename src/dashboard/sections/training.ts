/** Training: loss, metrics and learning rate over the epochs. */
import type { EpochRecord, TrainingDocument } from '../../core/documents.js'
import { isSmallerBetter } from '../../core/metrics.js'
import { lineChart } from '../charts/line.js'
import { count, number } from '../format.js'
import { markup, type Content } from '../../core/html.js'
import { figure, name, table, type Section } from '../page.js'
import { metricName } from './metrics.js'

const MAX_POINTS = 400

export function trainingSection(training: TrainingDocument | undefined): Section | undefined {
  if (!training) return undefined
  const all = training.epochs
  const epochs = thin(all, training.bestEpoch)
  const best = all.find((e) => e.epoch === training.bestEpoch)
  const x = epochs.map((e) => e.epoch)
  const mark = best ? { mark: { x: best.epoch, label: `best: epoch ${best.epoch}` } } : {}
  const metrics = [...new Set(all.flatMap((e) => Object.keys(e.metrics)))].slice(0, 4)
  const bounded = metrics.filter((m) => !isSmallerBetter(m))
  const groups = [bounded, ...metrics.filter((m) => !bounded.includes(m)).map((m) => [m])].filter((g) => g.length > 0)
  const rates = new Set(all.map((e) => e.learningRate))
  const figures: Content[] = [
    figure(
      'Loss',
      best ? markup`Validation loss ${number(best.validationLoss)} at epoch ${best.epoch}` : 'Training and validation',
      lineChart({
        title: 'Loss',
        x,
        xName: 'epoch',
        yName: 'loss',
        series: [
          { name: 'training', values: epochs.map((e) => e.trainLoss), dashed: true },
          { name: 'validation', values: epochs.map((e) => e.validationLoss) },
        ],
        ...mark,
      }),
    ),
    groups.map((group) =>
      figure(
        group.map(metricName).join(', '),
        'On validation rows',
        lineChart({
          title: group.map(metricName).join(', '),
          x,
          xName: 'epoch',
          yName: group.length === 1 ? metricName(group[0] ?? '') : 'score',
          series: group.map((m) => ({ name: metricName(m), values: epochs.map((e) => e.metrics[m] ?? NaN) })),
          ...mark,
        }),
      ),
    ),
    rates.size > 1 &&
      figure(
        'Learning rate',
        markup`Highest ${number([...rates].reduce((a, b) => Math.max(a, b), -Infinity))}, last ${number(all.at(-1)?.learningRate)}`,
        lineChart({
          title: 'Learning rate',
          x,
          xName: 'epoch',
          yName: 'rate',
          series: [{ name: 'learning rate', values: epochs.map((e) => e.learningRate) }],
        }),
      ),
  ]
  return {
    id: 'training',
    title: 'Training',
    lead: markup`${capital(training.modelType.replaceAll('_', ' '))} with ${count(training.parameters)} parameters, trained by the ${name(training.trainer, 40)} trainer for ${count(all.length)} ${all.length === 1 ? 'epoch' : 'epochs'}${training.stoppedEarly ? '; stopped early, and the best epoch was kept' : best !== undefined && '; the best epoch was kept'}.${rates.size === 1 && ` Learning rate ${number(all[0]?.learningRate)} throughout.`}`,
    body:
      all.length === 0
        ? markup`<p class="muted">No epoch has finished.</p>`
        : markup`<div class="grid">${figures}</div>
            <details>
              <summary>All epochs as a table</summary>
              ${table<EpochRecord>(
                'Epochs',
                [
                  {
                    title: 'Epoch',
                    kind: 'n',
                    cell: (e) =>
                      markup`${e.epoch === training.bestEpoch && markup`<span class="tag good">best</span> `}${count(e.epoch)}`,
                    value: (e) => e.epoch,
                  },
                  { title: 'Training loss', kind: 'n', cell: (e) => number(e.trainLoss), value: (e) => e.trainLoss },
                  {
                    title: 'Validation loss',
                    kind: 'n',
                    cell: (e) => number(e.validationLoss),
                    value: (e) => e.validationLoss,
                  },
                  ...metrics.map((m) => ({
                    title: metricName(m),
                    kind: 'n' as const,
                    cell: (e: EpochRecord) => number(e.metrics[m]),
                    value: (e: EpochRecord) => e.metrics[m],
                  })),
                  {
                    title: 'Learning rate',
                    kind: 'n',
                    cell: (e) => number(e.learningRate),
                    value: (e) => e.learningRate,
                  },
                ],
                all,
                { sortable: true, limit: 200 },
              )}
            </details>`,
  }
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

/** At most 400 epochs for the pictures: every n-th, and always the best and the last. */
function thin(epochs: readonly EpochRecord[], best: number): readonly EpochRecord[] {
  if (epochs.length <= MAX_POINTS) return epochs
  const every = Math.ceil(epochs.length / MAX_POINTS)
  return epochs.filter((e, i) => i % every === 0 || e.epoch === best || i === epochs.length - 1)
}
