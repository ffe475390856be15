/**
 * The leak check's decisions: what was measured of a table, and from where on it is a leak. Pure: the same measurements
 * give the same findings. Figures are ratios of counts, rounded to six digits.
 */
import type { LeakCheck, LeakDocument, LeakFinding } from '../core/documents.js'

export const LEAK_CHECKS: readonly LeakCheck[] = [
  'fitted_on_other_rows',
  'duplicates',
  'entity_across_splits',
  'label_in_features',
  'look_ahead',
]

/**
 * Balanced accuracy above chance of a single column from which it is the label in disguise: a label of which one row in
 * a hundred was changed has 0.98, whatever its classes; a mushroom's odor, which is honest, 0.97.
 */
export const LABEL_LIMIT = 0.975
/** The same for a regression: R² of ranks; a correlation of 0.999. */
export const RANK_LIMIT = 0.998
/** Rows of other than the most frequent class (classification), or rows (regression), below which chance can do it. */
const LABEL_ROWS = 20
/** Classes of fewer rows are left out: a few rows say nothing of a class. */
const CLASS_ROWS = 10
/** Share of the judging rows that may have copies among the training rows, and how many rows in any case. */
export const COPY_LIMIT = 0.01
export const COPY_ROWS = 10
/** Share of a column's times that may lie after their row's own time, and how many rows in any case. */
const LATER_LIMIT = 0.01
const LATER_ROWS = 10

const rounded = (value: number): number => Number(value.toPrecision(6))
const percent = (share: number): string => `${Number((share * 100).toPrecision(3))} %`
const shownValue = (value: number): string => String(Number(value.toFixed(4)))
const rowsOf = (n: number): string => `${n.toLocaleString('en-US')} ${n === 1 ? 'row' : 'rows'}`

/** Rows of one value of a column, of one class (or one bin of a number), on one side of the split. */
export interface Cell {
  readonly bin: string
  readonly target: number
  readonly isTrain: boolean
  readonly rows: number
}

/**
 * What was learnt of a bin; where rows of it were never seen, of the nearest number that was (the smaller of two as near),
 * so that a small table's bins of few rows tell what their neighbours do. Undefined where no number is near.
 */
function nearestBin<T>(learnt: ReadonlyMap<string, T>): (bin: string) => T | undefined {
  const known = [...learnt.keys()]
    .filter(isNumber)
    .map(Number)
    .sort((a, b) => a - b)
  const byNumber = new Map([...learnt].flatMap(([bin, what]) => (isNumber(bin) ? [[Number(bin), what] as const] : [])))
  return (bin) => {
    const own = learnt.get(bin)
    if (own !== undefined || !isNumber(bin)) return own
    const value = Number(bin)
    let [from, to] = [0, known.length]
    while (from < to) {
      const middle = (from + to) >> 1
      if ((known[middle] ?? 0) < value) from = middle + 1
      else to = middle
    }
    const [below = -Infinity, above = Infinity] = [known[from - 1], known[from]]
    return byNumber.get(value - below <= above - value ? below : above)
  }
}

const isNumber = (bin: string): boolean => bin !== '' && Number.isFinite(Number(bin))

/**
 * How well a column alone tells the class: balanced accuracy (mean share of each class's rows that is right) above chance,
 * 1 for always and 0 for no better than chance, so that it means the same for rare classes as for equal ones (of two
 * classes: Youden's J). Each bin answers the class with the largest share of its rows in it, learnt on training rows and
 * judged on the others, and the other way round: every row counts and none judges itself. NaN for too few rows.
 */
export function tellsClass(cells: readonly Cell[], classes: number): number {
  const actual = new Float64Array(classes)
  const right = new Float64Array(classes)
  for (const judgedIsTrain of [false, true]) {
    const learnt = new Map<string, Float64Array>()
    const all = new Float64Array(classes)
    for (const { bin, target, isTrain, rows } of cells) {
      if (isTrain === judgedIsTrain) continue
      const counts = learnt.get(bin) ?? new Float64Array(classes)
      learnt.set(bin, counts)
      counts[target] = (counts[target] ?? 0) + rows
      all[target] = (all[target] ?? 0) + rows
    }
    const shares = (counts: Float64Array) => counts.map((n, k) => (n === 0 ? 0 : n / (all[k] ?? 1)))
    const answerOf = nearestBin(new Map([...learnt].map(([bin, counts]) => [bin, indexOfMax(shares(counts))])))
    const otherwise = indexOfMax(all)
    for (const { bin, target, isTrain, rows } of cells) {
      if (isTrain !== judgedIsTrain) continue
      actual[target] = (actual[target] ?? 0) + rows
      if ((answerOf(bin) ?? otherwise) === target) right[target] = (right[target] ?? 0) + rows
    }
  }
  const total = actual.reduce((sum, n) => sum + n, 0)
  const known = [...actual.entries()].filter(([, n]) => n >= CLASS_ROWS)
  if (total - Math.max(...actual) < LABEL_ROWS || known.length < 2) return NaN
  const balanced = known.reduce((sum, [k, n]) => sum + (right[k] ?? 0) / n, 0) / known.length
  const chance = 1 / known.length
  return rounded((balanced - chance) / (1 - chance))
}

/**
 * How well a column alone tells a number: R² of the number's ranks (so that neither outliers nor another unit matter),
 * each bin's mean rank learnt on one side of the split and judged on the other, both ways. NaN for too few rows.
 * @param bins how many bins of the number `target` counts, ascending
 */
export function tellsNumber(cells: readonly Cell[], bins: number): number {
  const sizes = new Float64Array(bins)
  for (const { target, rows } of cells) sizes[target] = (sizes[target] ?? 0) + rows
  let before = 0
  const ranks = sizes.map((n) => (before += n) - n / 2)
  const total = before
  if (total < LABEL_ROWS) return NaN
  const middle = total / 2
  let [left, spread] = [0, 0]
  for (const judgedIsTrain of [false, true]) {
    const learnt = new Map<string, { rows: number; sum: number }>()
    for (const { bin, target, isTrain, rows } of cells) {
      if (isTrain === judgedIsTrain) continue
      const of = learnt.get(bin) ?? { rows: 0, sum: 0 }
      learnt.set(bin, of)
      of.rows += rows
      of.sum += rows * (ranks[target] ?? 0)
    }
    const answerOf = nearestBin(learnt)
    for (const { bin, target, isTrain, rows } of cells) {
      if (isTrain !== judgedIsTrain) continue
      const of = answerOf(bin)
      const answer = of === undefined ? middle : of.sum / of.rows
      left += rows * ((ranks[target] ?? 0) - answer) ** 2
      spread += rows * ((ranks[target] ?? 0) - middle) ** 2
    }
  }
  return spread === 0 ? 0 : rounded(Math.max(0, 1 - left / spread))
}

function indexOfMax(values: Float64Array): number {
  let best = 0
  for (let i = 1; i < values.length; i++) if ((values[i] ?? 0) > (values[best] ?? 0)) best = i
  return best
}

/** One finding for each column that fails, or one for the nearest to it. */
export function labelFindings(
  measured: readonly { readonly column: string; readonly value: number }[],
  label: string,
  kind: 'classification' | 'regression',
): readonly LeakFinding[] {
  const limit = kind === 'classification' ? LABEL_LIMIT : RANK_LIMIT
  const unit = kind === 'classification' ? 'balanced accuracy above chance' : "R² of the label's ranks"
  const known = measured.filter(({ value }) => !Number.isNaN(value)).sort((a, b) => b.value - a.value)
  const [nearest] = known
  if (nearest === undefined)
    return [
      {
        check: 'label_in_features',
        passed: true,
        value: 0,
        limit,
        detail: `too few rows to tell: at least ${LABEL_ROWS}${kind === 'classification' ? ' of other than the most frequent class' : ''} are needed`,
      },
    ]
  const failed = known.filter(({ value }) => value >= limit)
  if (failed.length === 0)
    return [
      {
        check: 'label_in_features',
        column: nearest.column,
        passed: true,
        value: nearest.value,
        limit,
        detail: `no column tells ${label} by itself; the nearest is ${nearest.column}, ${unit} ${shownValue(nearest.value)}; a leak from ${limit} on`,
      },
    ]
  return failed.map(({ column, value }) => ({
    check: 'label_in_features',
    column,
    passed: false,
    value,
    limit,
    detail: `${column} alone tells ${label}: ${unit} ${shownValue(value)}, a leak from ${limit} on; if it is known only after ${label}, leave it out (features.exclude: [${column}]), else leak_check.allow: [${column}]`,
  }))
}

/** Rows that judge, of these the copies of training rows; of the different rows, those alike but for one column. */
export interface Copies {
  readonly judging: number
  readonly copies: number
  /** Share of different rows to which another one is equal in all columns but one; 0 where nobody looked. */
  readonly coarse: number
  /** What was compared, and what was left out of it. */
  readonly columns: number
  readonly without: readonly string[]
}

/** True if there are so many copies that `coarse` must be looked at. */
export function areManyCopies({ judging, copies }: Pick<Copies, 'judging' | 'copies'>): boolean {
  return copies >= COPY_ROWS && copies >= COPY_LIMIT * judging
}

/**
 * Where rows are coarse (few columns, few values), equal ones are coincidences: then about as many rows are alike but for
 * one column. Copies are more than that.
 */
export function copyFinding(found: Copies): LeakFinding {
  const { judging, copies, coarse, columns, without } = found
  const value = rounded(judging === 0 ? 0 : copies / judging)
  const limit = rounded(Math.max(COPY_LIMIT, coarse))
  const passed = !areManyCopies(found) || value <= limit
  const compared = `equal in ${columns} columns${without.length === 0 ? '' : ` (all but ${listed(without)})`}`
  const measured = `${rowsOf(copies)} of ${judging.toLocaleString('en-US')} for validation and test (${percent(value)}) are copies of training rows, ${compared}`
  const rule =
    coarse > COPY_LIMIT
      ? `${percent(coarse)} of the different rows are alike but for one column, so up to that share may be coincidence`
      : `a leak from ${percent(COPY_LIMIT)} and ${COPY_ROWS} rows on`
  const next =
    'sample after the split, not before (training.class_weights: balanced does without), take repeated rows out (data.validation_rules.unique_columns), or keep them together (split: {method: group, group: COLUMN})'
  return { check: 'duplicates', passed, value, limit, detail: `${measured}; ${rule}${passed ? '' : `; ${next}`}` }
}

/** @param method undefined where the file names no entity */
export function entityFinding(
  entity: string | undefined,
  method: string,
  found: { readonly judging: number; readonly shared: number },
): LeakFinding {
  const check = 'entity_across_splits'
  if (entity === undefined)
    return { check, passed: true, value: 0, limit: 0, detail: 'the file names no entity: nothing to keep together' }
  if (method === 'time')
    return {
      check,
      passed: true,
      value: 0,
      limit: 0,
      detail: `split.method: time parts rows by time, so that a ${entity} may have earlier rows to learn from`,
    }
  const value = rounded(found.judging === 0 ? 0 : found.shared / found.judging)
  const measured = `${rowsOf(found.shared)} of ${found.judging.toLocaleString('en-US')} for validation and test (${percent(value)}) are of a ${entity} that has training rows too`
  if (found.shared === 0) return { check, passed: true, value, limit: 0, detail: measured }
  return {
    check,
    column: entity,
    passed: false,
    value,
    limit: 0,
    detail: `${measured}, with split.method: ${method}; use split: {method: hash}, which keeps every ${entity} on one side, or {method: group, group: ${entity}}`,
  }
}

/** A time column of the features: its values, and those after their row's own time. */
export interface LaterValues {
  readonly column: string
  readonly present: number
  readonly later: number
}

export function laterFindings(timestamp: string, columns: readonly LaterValues[]): readonly LeakFinding[] {
  return columns.flatMap(({ column, present, later }): readonly LeakFinding[] => {
    const value = rounded(present === 0 ? 0 : later / present)
    if (later < LATER_ROWS || value <= LATER_LIMIT) return []
    return [
      {
        check: 'look_ahead',
        column,
        passed: false,
        value,
        limit: LATER_LIMIT,
        detail: `${column} lies after ${timestamp} in ${rowsOf(later)} of ${present.toLocaleString('en-US')} (${percent(value)}), more than ${percent(LATER_LIMIT)}: it is known only later; leave it out (features.exclude: [${column}]), or, if it is known beforehand as a due date is, leak_check.allow: [${column}]`,
      },
    ]
  })
}

export interface WindowSample {
  readonly window: string
  /** Rows that were computed again, and of these the ones whose value is another. */
  readonly rows: number
  readonly different: number
  /** One of them, in words. */
  readonly example?: string
  /** Made of the label without a delay. */
  readonly ofLabel?: true
}

export function windowFindings(samples: readonly WindowSample[]): readonly LeakFinding[] {
  return samples.flatMap(({ window, rows, different, example, ofLabel }): readonly LeakFinding[] => {
    const finding = (value: number, detail: string): LeakFinding => ({
      check: 'look_ahead',
      column: window,
      passed: false,
      value,
      limit: 0,
      detail,
    })
    return [
      ...(ofLabel === true
        ? [
            finding(
              1,
              `${window} is made of the label without a delay: of labels that are not known yet; set features.windows.${window}.delay to how long after a row its label is known`,
            ),
          ]
        : []),
      ...(different > 0
        ? [
            finding(
              different,
              `${window} is not what the rows before give in ${different} of ${rows} rows that were computed again${example === undefined ? '' : ` (${example})`}: it has seen its own or later rows; run again with --force features`,
            ),
          ]
        : []),
    ]
  })
}

/** Training rows that are not before the first row that judges; in a split by time there are none. */
export function orderFinding(timestamp: string, notBefore: number, train: number): readonly LeakFinding[] {
  if (notBefore === 0) return []
  return [
    {
      check: 'look_ahead',
      column: timestamp,
      passed: false,
      value: notBefore,
      limit: 0,
      detail: `${rowsOf(notBefore)} of ${train.toLocaleString('en-US')} for training are not before the first row for validation or test by ${timestamp}, in a split by time; run again with --force transform`,
    },
  ]
}

/** A statistic that is not what the training rows give. */
export interface Misfit {
  readonly what: string
  readonly held: string
  readonly fitted: string
}

/** @param compared how many columns and counts were computed again */
export function fittedFinding(misfits: readonly Misfit[], compared: number): LeakFinding {
  const check = 'fitted_on_other_rows'
  const [first] = misfits
  if (first === undefined)
    return {
      check,
      passed: true,
      value: 0,
      limit: 0,
      detail: `${compared} statistics computed again from the training rows alone: all the same`,
    }
  return {
    check,
    passed: false,
    value: misfits.length,
    limit: 0,
    detail: `${misfits.length} of ${compared} statistics are not what the training rows give: ${listed(misfits.map(({ what }) => what))}; ${first.what}: ${first.held}, the training rows give ${first.fitted}; run again with --force transform`,
  }
}

function listed(names: readonly string[]): string {
  return names.length <= 5 ? names.join(', ') : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`
}

/** The document: findings in the order of the checks, those that `allow` names let through. */
export function leakDocument(
  found: readonly LeakFinding[],
  action: LeakDocument['action'],
  allow: readonly string[],
): LeakDocument {
  const checks = LEAK_CHECKS.flatMap((check) => found.filter((finding) => finding.check === check)).map(
    (finding): LeakFinding =>
      !finding.passed && allow.some((name) => name === finding.check || name === finding.column)
        ? { ...finding, allowed: true }
        : finding,
  )
  return { passed: checks.every(({ passed, allowed }) => passed || allowed === true), action, checks }
}

/** Findings that neither passed nor are allowed. */
export function leaksOf({ checks }: Pick<LeakDocument, 'checks'>): readonly LeakFinding[] {
  return checks.filter(({ passed, allowed }) => !passed && allowed !== true)
}

/** One line for people, after `leaks: `: `none found (5 checks; nearest: V14 with 0.76 of 0.98)`. */
export function leakSummary(document: LeakDocument): string {
  const leaks = leaksOf(document)
  const allowed = document.checks.filter((finding) => finding.allowed === true)
  const note = allowed.length === 0 ? '' : `; allowed by the file: ${listed([...new Set(allowed.map(named))])}`
  if (leaks.length > 0) return `${leaks.length} found: ${listed(leaks.map(named))}${note}`
  const nearest = document.checks.find(({ check, passed, column }) => check === 'label_in_features' && passed && column)
  const near =
    nearest === undefined
      ? ''
      : `; nearest: ${nearest.column} with ${Number(nearest.value.toFixed(2))} of ${nearest.limit}`
  return `none found (${LEAK_CHECKS.length} checks${near})${note}`
}

function named({ check, column }: LeakFinding): string {
  return column === undefined ? check : `${check} (${column})`
}
