/** What each version answered, and how shadows agree with the answers: counters, and their lines in a scrape. */
import { Counter, Gauge, type Registry } from 'prom-client'
import { Buckets, BucketHistogram, LATENCY } from './metrics.js'
import type { ServedModel } from './served-model.js'

/** `refused`: the request was at fault; `error`: the version was. */
export type Outcome = 'ok' | 'refused' | 'error'

interface VersionStats {
  readonly labels: { readonly model: string; readonly version: string }
  readonly outcomes: Record<Outcome, number>
  readonly seconds: Buckets
  fallbacks: number
}

/** A shadow's rows beside those of the version that answered. */
export interface Agreement {
  readonly labels: { readonly model: string; readonly version: string; readonly against: string }
  rows: number
  /** Rows whose label differs; stays 0 for regression. */
  disagreements: number
  /** Sum over rows of the absolute difference of prediction, or of probability as a mean over the classes. */
  difference: number
}

/** Versions that are closed keep their lines until so many others were closed after them. */
const KEPT = 20

export class TrafficMetrics {
  /** By name and version: a version that is loaded again counts on. */
  private readonly versions = new Map<string, VersionStats>()
  private readonly known = new WeakMap<ServedModel, VersionStats>()
  private readonly agreements = new Map<string, Agreement>()
  private readonly shadows = new Map<string, { model: string; version: string; dropped: number; failed: number }>()
  /** Keys of versions that are closed, in the order in which they were. */
  private readonly closed = new Set<string>()

  answered(model: ServedModel, outcome: Outcome, seconds: number): void {
    const stats = this.of(model)
    stats.outcomes[outcome]++
    stats.seconds.observe(seconds)
  }

  /** A canary could not answer and the version that is served did; true the first time. */
  fellBack(canary: ServedModel): boolean {
    return ++this.of(canary).fallbacks === 1
  }

  /** A version was closed: its numbers are forgotten after a while, else every version that ever was would stay. */
  retired({ name, version }: Pick<ServedModel, 'name' | 'version'>): void {
    const key = keyOf(name, version)
    this.closed.delete(key)
    this.closed.add(key)
    const [oldest] = this.closed
    if (this.closed.size <= KEPT || oldest === undefined) return
    this.closed.delete(oldest)
    this.versions.delete(oldest)
    this.shadows.delete(oldest)
    for (const [pair, { labels }] of this.agreements)
      if ([labels.version, labels.against].some((each) => keyOf(labels.model, each) === oldest))
        this.agreements.delete(pair)
  }

  agreement({ name: model, version }: ServedModel, against: string): Agreement {
    const key = `${keyOf(model, version)}\0${against}`
    this.closed.delete(keyOf(model, version))
    let found = this.agreements.get(key)
    if (!found) {
      found = { labels: { model, version, against }, rows: 0, disagreements: 0, difference: 0 }
      this.agreements.set(key, found)
    }
    return found
  }

  /** Rows that a shadow did not predict: too many waited, or it failed. Returns how many had that fate before. */
  unshadowed({ name: model, version }: ServedModel, why: 'dropped' | 'failed', rows: number): number {
    const key = keyOf(model, version)
    this.closed.delete(key)
    let found = this.shadows.get(key)
    if (!found) this.shadows.set(key, (found = { model, version, dropped: 0, failed: 0 }))
    const before = found[why]
    found[why] += rows
    return before
  }

  fill(registry: Registry): void {
    const counter = <L extends string>(name: string, help: string, labelNames: L[]): Counter<L> =>
      new Counter({ name, help, labelNames, registers: [registry] })
    const gauge = <L extends string>(name: string, help: string, labelNames: L[]): Gauge<L> =>
      new Gauge({ name, help, labelNames, registers: [registry] })
    const version: ('model' | 'version')[] = ['model', 'version']
    const pair: ('model' | 'version' | 'against')[] = ['model', 'version', 'against']

    const requests = counter('millrace_version_requests_total', 'Requests that a version was given.', [
      ...version,
      'outcome',
    ])
    const fallbacks = counter(
      'millrace_canary_fallbacks_total',
      'Requests that a canary could not answer and the version that is served did.',
      version,
    )
    for (const { labels, outcomes, fallbacks: count } of this.versions.values()) {
      for (const [outcome, n] of Object.entries(outcomes)) requests.inc({ ...labels, outcome }, n)
      if (count > 0) fallbacks.inc(labels, count)
    }
    new BucketHistogram(
      'millrace_version_duration_seconds',
      'Time that a version took for a request, from its rows to its answer.',
      [...this.versions.values()].map(({ labels, seconds }) => [labels, seconds]),
      registry,
    )

    const rows = counter('millrace_shadow_rows_total', 'Rows that a shadow predicted after the answer.', pair)
    const labels = counter('millrace_shadow_disagreements_total', 'Of these, rows with another label.', pair)
    const ratio = gauge('millrace_shadow_disagreement_ratio', 'Share of these rows with another label.', pair)
    const mean = gauge(
      'millrace_shadow_mean_absolute_difference',
      'Mean absolute difference of probability (mean over the classes), or of prediction.',
      pair,
    )
    for (const agreement of this.agreements.values()) {
      rows.inc(agreement.labels, agreement.rows)
      labels.inc(agreement.labels, agreement.disagreements)
      if (agreement.rows === 0) continue
      ratio.set(agreement.labels, agreement.disagreements / agreement.rows)
      mean.set(agreement.labels, agreement.difference / agreement.rows)
    }
    const dropped = counter('millrace_shadow_dropped_rows_total', 'Rows left out: too many waited.', version)
    const failed = counter('millrace_shadow_failed_rows_total', 'Rows that a shadow could not predict.', version)
    for (const { model, version, ...counts } of this.shadows.values()) {
      dropped.inc({ model, version }, counts.dropped)
      failed.inc({ model, version }, counts.failed)
    }
  }

  private of(model: ServedModel): VersionStats {
    let stats = this.known.get(model)
    if (stats) return stats
    const key = keyOf(model.name, model.version)
    this.closed.delete(key)
    stats = this.versions.get(key)
    if (!stats) {
      const labels = { model: model.name, version: model.version }
      stats = { labels, outcomes: { ok: 0, refused: 0, error: 0 }, seconds: new Buckets(LATENCY), fallbacks: 0 }
      this.versions.set(key, stats)
    }
    this.known.set(model, stats)
    return stats
  }
}

const keyOf = (model: string, version: string): string => `${model}\0${version}`
