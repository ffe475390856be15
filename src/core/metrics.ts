/** The scores a model can have: the one list of them, their names for people and which way is better. */

export interface Metric {
  /** As it stands inside a sentence. */
  readonly name: string
  readonly smallerIsBetter: boolean
}

/** What an answer costs, by whether it is positive and right; in any unit, such as euros. Keys as in the pipeline file. */
export interface Costs {
  readonly false_positive: number
  readonly false_negative: number
  readonly true_positive: number
  readonly true_negative: number
}

/** In the order in which a reader wants them; `cost` (of a row) only of two classes and where costs are given. */
const CLASSIFICATION = {
  roc_auc: { name: 'ROC-AUC', smallerIsBetter: false },
  average_precision: { name: 'average precision', smallerIsBetter: false },
  accuracy: { name: 'accuracy', smallerIsBetter: false },
  balanced_accuracy: { name: 'balanced accuracy', smallerIsBetter: false },
  f1: { name: 'F1', smallerIsBetter: false },
  precision: { name: 'precision', smallerIsBetter: false },
  recall: { name: 'recall', smallerIsBetter: false },
  log_loss: { name: 'log loss', smallerIsBetter: true },
  brier: { name: 'Brier score', smallerIsBetter: true },
  cost: { name: 'mean cost', smallerIsBetter: true },
} as const satisfies Readonly<Record<string, Metric>>

const REGRESSION = {
  r2: { name: 'R²', smallerIsBetter: false },
  rmse: { name: 'root mean squared error', smallerIsBetter: true },
  mae: { name: 'mean absolute error', smallerIsBetter: true },
} as const satisfies Readonly<Record<string, Metric>>

export type ClassificationMetric = keyof typeof CLASSIFICATION
export type RegressionMetric = keyof typeof REGRESSION
export type MetricKey = ClassificationMetric | RegressionMetric

export const CLASSIFICATION_METRICS = Object.keys(CLASSIFICATION) as readonly ClassificationMetric[]
export const REGRESSION_METRICS = Object.keys(REGRESSION) as readonly RegressionMetric[]
export const METRICS: readonly MetricKey[] = [...CLASSIFICATION_METRICS, ...REGRESSION_METRICS]

const ALL: ReadonlyMap<string, Metric> = new Map(Object.entries({ ...CLASSIFICATION, ...REGRESSION }))

/** `roc_auc` as "ROC-AUC", for the middle of a sentence; an unknown metric as it is. */
export function metricName(metric: string): string {
  return ALL.get(metric)?.name ?? metric
}

/** True of losses and errors; false of an unknown metric. */
export function isSmallerBetter(metric: string): boolean {
  return ALL.get(metric)?.smallerIsBetter ?? false
}
