/** Names of metrics for people, and which way is better. */

const NAMES: Readonly<Record<string, string>> = {
  accuracy: 'Accuracy',
  log_loss: 'Log loss',
  roc_auc: 'ROC-AUC',
  average_precision: 'Average precision',
  precision: 'Precision',
  recall: 'Recall',
  f1: 'F1',
  mae: 'Mean absolute error',
  rmse: 'Root mean squared error',
  r2: 'R²',
  brier: 'Brier score',
  balanced_accuracy: 'Balanced accuracy',
}

export function metricName(metric: string): string {
  return Object.hasOwn(NAMES, metric) ? (NAMES[metric] ?? metric) : metric
}

/** True where less is better. */
export function isLoss(metric: string): boolean {
  return ['log_loss', 'mae', 'rmse', 'mse', 'brier'].includes(metric)
}
