/** Metrics as headings and in reading order. */
import { METRICS, metricName as inSentence } from '../../core/metrics.js'

const ORDER: readonly string[] = METRICS

/** Entries by metric in reading order; unknown metrics last, by name. */
export function inReadingOrder<T>(metrics: Readonly<Record<string, T>>): [metric: string, value: T][] {
  const place = (metric: string) => (ORDER.includes(metric) ? ORDER.indexOf(metric) : ORDER.length)
  return Object.entries(metrics).sort(([a], [b]) => place(a) - place(b) || (a < b ? -1 : 1))
}

/** With a capital, as a heading has it; an unknown metric as it is. */
export function metricName(metric: string): string {
  const name = inSentence(metric)
  return name === metric && !ORDER.includes(metric) ? metric : name.charAt(0).toUpperCase() + name.slice(1)
}
