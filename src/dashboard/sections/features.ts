/** Features: what became of each column, and how rows were split. */
import type { FeaturesDocument, WindowDocument } from '../../core/documents.js'
import { count, percent } from '../format.js'
import { markup, type Content } from '../../core/html.js'
import { name, table, type Section } from '../page.js'

type FeatureColumn = FeaturesDocument['columns'][number]
const PARTS = ['train', 'validation', 'test'] as const
const MAX_CLASSES = 20

export function featuresSection(
  features: FeaturesDocument | undefined,
  windows: readonly WindowDocument[] = [],
): Section | undefined {
  if (!features) return undefined
  const used = features.columns.filter((c) => c.role === 'feature').length
  const inWords = new Map(windows.map((window) => [window.name, window.inWords]))
  const ordered = [...features.columns].sort((a, b) => Number(a.role === 'excluded') - Number(b.role === 'excluded'))
  return {
    id: 'features',
    title: 'Features',
    lead: markup`${count(used)} of ${count(features.columns.length)} columns are used: ${count(features.numeric)} as
    numbers, ${count(features.categories)} as categories. Every statistic was fitted on training rows only.${windowsInWords(windows.length)}`,
    body: [
      table<FeatureColumn>(
        'What became of each column',
        [
          { title: 'Column', kind: 'name', cell: (c) => named(c, inWords.get(c.name)) },
          { title: 'Type', kind: 'keep', cell: (c) => markup`<span class="muted">${c.type}</span>` },
          { title: 'Steps', kind: 'text', cell: steps },
          {
            title: 'Gives',
            kind: 'n',
            cell: (c) =>
              c.role === 'feature' ? `${count(c.outputs.length)} ${c.outputs.length === 1 ? 'value' : 'values'}` : '',
            value: (c) => c.outputs.length,
          },
          {
            title: 'Chosen by',
            kind: 'keep',
            cell: (c) =>
              c.role === 'excluded' ? '' : markup`<span class="tag">${c.isDefault ? 'default' : 'the file'}</span>`,
          },
        ],
        ordered,
        { sortable: true, limit: 300 },
      ),
      split(features),
    ],
  }
}

const windowsInWords = (count: number): Content =>
  count > 0 &&
  markup` ${count} of the table's columns ${count === 1 ? 'is a window' : 'are windows'} over earlier rows of the same
    entity: none sees its own row, nor a later one.`

function named(column: FeatureColumn, window: string | undefined): Content {
  return markup`${name(column.name, 60)}${window !== undefined && markup`<br /><span class="muted small">${window}</span>`}`
}

function steps(column: FeatureColumn): Content {
  if (column.role === 'excluded')
    return markup`<span class="muted">not used${column.reason !== undefined && markup`: ${column.reason}`}</span>`
  if (column.steps.length === 0) return markup`<span class="muted">as it is</span>`
  return markup`<ul>
    ${column.steps.map((s) => markup`<li>${s}</li>`)}
  </ul>`
}

/** Of the training rows that `{impute: drop}` left out. */
function droppedInWords(dropped: FeaturesDocument['split']['dropped']): Content {
  if (dropped === undefined) return ''
  const each = Object.entries(dropped.columns).map(([column, rows]) => `${count(rows)} for want of ${column}`)
  return markup` ${count(dropped.rows)} training ${dropped.rows === 1 ? 'row is' : 'rows are'} left out (${each.join(', ')});
    validation and test rows are all kept, since a row that is served cannot be dropped.`
}

/** Rows in each split and, for classes, their shares: one can see at a glance whether the splits are alike. */
function split(features: FeaturesDocument): Content {
  const { counts, classes, method, dropped } = features.split
  const total = Math.max(1, counts.train + counts.validation + counts.test)
  const entries = Object.entries(classes ?? {})
  return markup`<h3>Splits</h3>
    <p class="muted">Method: ${method}.${droppedInWords(dropped)}</p>
    ${table<(typeof PARTS)[number]>(
      'Splits',
      [
        { title: 'Split', kind: 'name', cell: (p) => p },
        { title: 'Rows', kind: 'n', cell: (p) => count(counts[p]) },
        { title: 'Share', kind: 'n', cell: (p) => percent(counts[p] / total) },
        ...entries.slice(0, MAX_CLASSES).map(([label, by]) => ({
          title: label.length > 24 ? `${Array.from(label).slice(0, 23).join('')}…` : label,
          kind: 'n' as const,
          cell: (p: (typeof PARTS)[number]) =>
            markup`${count(by[p])} <span class="muted">${counts[p] > 0 && percent(by[p] / counts[p])}</span>`,
        })),
      ],
      PARTS,
    )}${entries.length > MAX_CLASSES && markup`<p class="muted small">${count(entries.length - MAX_CLASSES)} more classes are not shown here.</p>`}`
}
