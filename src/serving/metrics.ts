/**
 * The server's numbers: plain counters while requests run, turned into Prometheus text when someone scrapes. The
 * prom-client objects are made anew for each scrape: its counters cost more than the rest of a request's bookkeeping,
 * and its OpenMetrics output renames them for good.
 */
import { Counter, Gauge, Histogram, Registry, type RegistryContentType } from 'prom-client'

/** Upper bounds, seconds. */
export const LATENCY = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** Upper bounds, rows. */
const ROWS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096]

/** Counts of values at or under each bound. */
export class Buckets {
  private readonly counts: Float64Array
  sum = 0
  count = 0

  constructor(readonly bounds: readonly number[]) {
    this.counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    let i = 0
    while (i < this.bounds.length && value > (this.bounds[i] as number)) i++
    this.counts[i]! += 1
    this.sum += value
    this.count++
  }

  cumulative(): number[] {
    let total = 0
    return this.bounds.map((_, i) => (total += this.counts[i] as number))
  }
}

/** One route's requests. */
export class RouteStats {
  readonly statuses = new Map<number, number>()
  readonly seconds = new Buckets(LATENCY)

  constructor(readonly route: string) {}

  observe(status: number, seconds: number): void {
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1)
    this.seconds.observe(seconds)
  }
}

/** What the served models say of themselves at a scrape. */
export interface ModelNumbers {
  readonly name: string
  readonly versions: readonly { readonly version: string; readonly digest: string }[]
  readonly ready: boolean
  readonly queuedRows: number
  readonly loads: number
  readonly loadFailures: number
}

/** prom-client's histogram, reading Buckets. */
export class BucketHistogram extends Histogram {
  constructor(
    private readonly title: string,
    private readonly about: string,
    private readonly series: readonly (readonly [labels: Readonly<Record<string, string>>, buckets: Buckets])[],
    registry: Registry,
  ) {
    super({ name: title, help: about, registers: [registry] })
  }

  /** What a registry renders; the base class would give its own, empty, buckets. */
  async getForPromString(): Promise<object> {
    const values = this.series.flatMap(([labels, buckets]) => [
      ...buckets.cumulative().map((value, i) => ({
        metricName: `${this.title}_bucket`,
        labels: { le: buckets.bounds[i] as number, ...labels },
        value,
      })),
      { metricName: `${this.title}_bucket`, labels: { le: '+Inf', ...labels }, value: buckets.count },
      { metricName: `${this.title}_sum`, labels, value: buckets.sum },
      { metricName: `${this.title}_count`, labels, value: buckets.count },
    ])
    return { name: this.title, help: this.about, type: 'histogram', values }
  }
}

/** Adds metrics of its own to a scrape. */
export type MetricSource = (registry: Registry) => void

export class ServerMetrics {
  private readonly sources: MetricSource[] = []
  private readonly routes: RouteStats[] = []
  private readonly batches = new Map<string, { readonly rows: Buckets; readonly waited: Buckets }>()
  private readonly started = Date.now() / 1000 - process.uptime()

  route(route: string): RouteStats {
    const stats = new RouteStats(route)
    this.routes.push(stats)
    return stats
  }

  /** Whatever else there is to say at each scrape. */
  add(source: MetricSource): void {
    this.sources.push(source)
  }

  /** One run of a model, and the seconds for which the oldest of its requests had waited. */
  batch(model: string, rows: number, waited: number): void {
    let runs = this.batches.get(model)
    if (!runs) this.batches.set(model, (runs = { rows: new Buckets(ROWS), waited: new Buckets(LATENCY) }))
    runs.rows.observe(rows)
    runs.waited.observe(waited)
  }

  /**
   * @param accept the request's Accept header: OpenMetrics 1.0.0 where it asks for that, else text format 0.0.4
   * @returns body and content type
   */
  async exposition(
    models: readonly ModelNumbers[],
    accept = '',
  ): Promise<{ readonly body: string; readonly type: string }> {
    const open = accept.includes('application/openmetrics-text')
    const registry = new Registry()
    // the types know the default format only
    if (open) (registry as Registry<RegistryContentType>).setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
    this.fill(registry, models)
    for (const source of this.sources) source(registry)
    return { body: await registry.metrics(), type: registry.contentType }
  }

  private fill(registry: Registry, models: readonly ModelNumbers[]): void {
    const counter = <L extends string>(name: string, help: string, labelNames: L[] = []): Counter<L> =>
      new Counter({ name, help, labelNames, registers: [registry] })
    const gauge = <L extends string>(name: string, help: string, labelNames: L[] = []): Gauge<L> =>
      new Gauge({ name, help, labelNames, registers: [registry] })

    const requests = counter('millrace_requests_total', 'Requests answered.', ['route', 'status'])
    for (const { route, statuses } of this.routes)
      for (const [status, count] of statuses) requests.inc({ route, status: String(status) }, count)
    const answered = this.routes.filter(({ seconds }) => seconds.count > 0)
    new BucketHistogram(
      'millrace_request_duration_seconds',
      'Time from the request to the end of the answer.',
      answered.map(({ route, seconds }) => [{ route }, seconds]),
      registry,
    )
    new BucketHistogram(
      'millrace_batch_rows',
      'Rows of one run of the model.',
      [...this.batches].map(([model, { rows }]) => [{ model }, rows]),
      registry,
    )
    new BucketHistogram(
      'millrace_batch_wait_seconds',
      'Time that the oldest request of a run had waited for it.',
      [...this.batches].map(([model, { waited }]) => [{ model }, waited]),
      registry,
    )
    const rows = counter('millrace_rows_total', 'Rows predicted.', ['model'])
    for (const [model, runs] of this.batches) rows.inc({ model }, runs.rows.sum)

    const info = gauge('millrace_model_info', 'The model versions that are loaded.', ['model', 'version', 'digest'])
    const ready = gauge('millrace_model_ready', '1 where the versions asked for are those that are loaded.', ['model'])
    const queue = gauge('millrace_queue_rows', 'Rows that wait for a run or are in one.', ['model'])
    const loads = counter('millrace_model_loads_total', 'Model versions loaded.', ['model'])
    const failures = counter('millrace_model_load_failures_total', 'Model versions that could not load.', ['model'])
    for (const { name: model, versions, ...numbers } of models) {
      for (const { version, digest } of versions) info.set({ model, version, digest }, 1)
      ready.set({ model }, numbers.ready ? 1 : 0)
      queue.set({ model }, numbers.queuedRows)
      loads.inc({ model }, numbers.loads)
      failures.inc({ model }, numbers.loadFailures)
    }

    const { user, system } = process.cpuUsage()
    counter('process_cpu_seconds_total', 'CPU time of the process.').inc((user + system) / 1e6)
    gauge('process_resident_memory_bytes', 'Memory of the process.').set(process.memoryUsage.rss())
    gauge('process_start_time_seconds', 'When the process started, seconds since 1970.').set(this.started)
  }
}
