/** Spark for a person: SQL over named reads on a Spark Connect server, as a stream of Arrow tables, a table written, a schema. */
import { tableFromIPC, type Table } from '@uwdata/flechette'
import type { Clock } from '../../../core/clock.js'
import { systemClock } from '../../../core/clock.js'
import { parseAddress, type SparkAddress } from './address.js'
import { ConnectClient, type ClientOptions } from './client.js'
import type { ExecutePlanResponse, Plan } from './connect_pb.js'
import { SparkError } from './failure.js'
import { OBSERVED, Plans, query, valueOf, type SparkArguments, type SparkQuery, type SparkTarget } from './plan.js'
import { fieldsOf, type SparkField } from './types.js'
import { Watch, type SparkProgress } from './watch.js'

export interface SessionOptions extends ClientOptions {
  readonly signal?: AbortSignal
  /** Milliseconds that tasks may wait with none running before MR_SPARK_STALLED; default five minutes. */
  readonly stallAfter?: number
}

export interface QueryOptions {
  /** Interrupts the query; it then ends with MR_CANCELLED. */
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: SparkProgress) => void) | undefined
}

/** What a write counted, by the names given in `observe`. */
export type Observed = Readonly<Record<string, ReturnType<typeof valueOf>>>

/**
 * A session on a Spark Connect server (4.0 or later). It survives the server: when that was started anew, the next query
 * gets a new session with the same configuration; the query that was running ends with MR_SPARK_LOST.
 */
export class SparkSession implements AsyncDisposable {
  readonly #client: ConnectClient
  readonly #plans = new Plans()
  readonly #clock: Clock
  readonly #stallAfter: number

  private constructor(
    client: ConnectClient,
    /** Spark's, e.g. `4.3.0`. */
    readonly version: string,
    options: SessionOptions,
  ) {
    this.#client = client
    this.#clock = options.clock ?? systemClock
    this.#stallAfter = options.stallAfter ?? 300_000
  }

  /** Throws MR_SPARK_ADDRESS, and within seconds MR_SPARK_UNREACHABLE, MR_SPARK_AUTH or MR_SPARK_VERSION. */
  static async connect(address: string | SparkAddress, options: SessionOptions = {}): Promise<SparkSession> {
    const client = new ConnectClient(typeof address === 'string' ? parseAddress(address) : address, options)
    try {
      const version = await client.connect(options.signal)
      if (!(Number.parseInt(version, 10) >= 4))
        throw new SparkError(
          'MR_SPARK_VERSION',
          `${client.address.shown} runs Spark ${version}; 4.0 or later is needed`,
        )
      return new SparkSession(client, version, options)
    } catch (error) {
      await client.close()
      throw error
    }
  }

  /** A query: its text, arguments for `:name` or `?`, and what the table names in it read. Nothing is sent yet. */
  sql(text: string, args?: SparkArguments, reads?: SparkQuery['reads']): SparkQuery {
    return query(text, args, reads)
  }

  /** Columns of the query's rows; nothing is executed, but Spark may read files to infer a type. */
  async schema(wanted: SparkQuery, signal?: AbortSignal): Promise<readonly SparkField[]> {
    const type = await this.#client.schema(this.#plans.rows(wanted), signal)
    return type === undefined ? [] : fieldsOf(type)
  }

  /**
   * The query's rows, at most 10,000 a table, as they are taken; leaving early interrupts the query. Address columns by
   * index: Spark can give two the same name. Exact whole numbers are bigint; times are what Arrow holds.
   */
  async *batches(wanted: SparkQuery, options: QueryOptions = {}): AsyncGenerator<Table, void, undefined> {
    for await (const { responseType } of this.#execute(this.#plans.rows(wanted), options)) {
      // A copy: Arrow's numbers must begin at multiples of 8, and a field of a message begins anywhere.
      if (responseType.case === 'arrowBatch')
        yield tableFromIPC(new Uint8Array(responseType.value.data), { useBigInt: true })
    }
  }

  /** Writes the query's rows into a folder, once. Resolves to what `target.observe` counted. */
  async write(wanted: SparkQuery, target: SparkTarget, options: QueryOptions = {}): Promise<Observed> {
    const observed: Record<string, ReturnType<typeof valueOf>> = {}
    for await (const { observedMetrics } of this.#execute(this.#plans.write(wanted, target), options, true)) {
      for (const { name, keys, values } of observedMetrics) {
        if (name !== OBSERVED) continue
        keys.forEach((key, index) => (observed[key] = values[index] === undefined ? null : valueOf(values[index])))
      }
    }
    return observed
  }

  /** Executes a statement (CREATE, INSERT, …) once; rows that it may give are left. */
  async run(wanted: SparkQuery, options: QueryOptions = {}): Promise<void> {
    for await (const _ of this.#execute(this.#plans.statement(wanted), options, true));
  }

  /** Sets the session's configuration; resolves to the server's warnings. */
  async config(values: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<readonly string[]> {
    return this.#client.set(values, signal)
  }

  /** Values of the session's configuration, in the keys' order. */
  async configured(keys: readonly string[], signal?: AbortSignal): Promise<readonly (string | undefined)[]> {
    return this.#client.get(keys, signal)
  }

  /** Interrupts all queries of the session; resolves to their number. */
  async interrupt(): Promise<number> {
    return this.#client.interrupt()
  }

  /** Releases the session on the server and closes the connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close()
  }

  async *#execute(
    plan: Plan,
    { signal, onProgress }: QueryOptions,
    writes = false,
  ): AsyncGenerator<ExecutePlanResponse, void, undefined> {
    const watch = new Watch()
    for await (const response of this.#client.execute(plan, { signal, writes })) {
      if (response.responseType.case === 'executionProgress') {
        const progress = watch.observe(response.responseType.value, this.#clock.monotonic())
        onProgress?.(progress)
        if (progress.waiting >= this.#stallAfter) throw this.#stalled(progress, !writes)
      }
      yield response
    }
  }

  #stalled({ waiting, tasks, done }: SparkProgress, retryable: boolean): SparkError {
    const { shown } = this.#client.address
    return new SparkError(
      'MR_SPARK_STALLED',
      `for ${Math.round(waiting / 1000)} s no task of the query at ${shown} has run: ${done} of ${tasks} are done`,
      { hint: "look whether the cluster's workers are alive and have cores and memory free", retryable },
    )
  }
}
