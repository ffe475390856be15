/** Names of metrics for people, and which way is better. */

/** In the order in which a reader wants them. */
const NAMES: Readonly<Record<string, string>> = {
  roc_auc: 'ROC-AUC',
  average_precision: 'Average precision',
  accuracy: 'Accuracy',
  balanced_accuracy: 'Balanced accuracy',
  f1: 'F1',
  precision: 'Precision',
  recall: 'Recall',
  log_loss: 'Log loss',
  brier: 'Brier score',
  r2: 'R²',
  rmse: 'Root mean squared error',
  mae: 'Mean absolute error',
}

/** Entries by metric in reading order; unknown metrics last, by name. */
export function inReadingOrder<T>(metrics: Readonly<Record<string, T>>): [metric: string, value: T][] {
  const known = Object.keys(NAMES)
  const place = (metric: string) => (known.includes(metric) ? known.indexOf(metric) : known.length)
  return Object.entries(metrics).sort(([a], [b]) => place(a) - place(b) || (a < b ? -1 : 1))
}

export function metricName(metric: string): string {
  return Object.hasOwn(NAMES, metric) ? (NAMES[metric] ?? metric) : metric
}

/** True where less is better. */
export function isLoss(metric: string): boolean {
  return ['log_loss', 'mae', 'rmse', 'mse', 'brier'].includes(metric)
}
