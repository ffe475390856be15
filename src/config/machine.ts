/** What a pipeline file asks for and what this machine has: the plan that runs, and one line for every difference. */
import { execFile } from 'node:child_process'
import { availableParallelism, totalmem } from 'node:os'
import { MillraceError, type ErrorOptions, type Position } from '../core/errors.js'
import type { PipelineConfig } from './config.js'
import { formatSize, parseSize } from './units.js'

export interface Machine {
  readonly cpus: number
  /** Bytes. */
  readonly memory: number
  readonly gpus: number
  /** e.g. `linux-x64`. */
  readonly platform: string
}

export interface MachinePlan {
  /** What the file asks for and what happens instead, a line each. */
  readonly notes: readonly string[]
  /** What cannot run here at all; `requireRunnable` throws them. */
  readonly problems: readonly MillraceError[]
  readonly effective: {
    readonly engine: PipelineConfig['data']['engine']
    readonly trainer: 'embedded' | 'torch'
    /** Of the engine; never fewer than two, see FEWEST_THREADS. */
    readonly threads: number
    /** Bytes for the engine; it spills to disk beyond. */
    readonly memoryLimit: number
    readonly workers: number
  }
}

/** The engine shares the machine with the trainer and with the person's other programs. */
const ENGINE_SHARE = 0.6

/**
 * The plan for `config` on `machine`; a pure function.
 * @param positionOf where the file holds a key: a default that nobody wrote is not worth a line. Without it all count.
 */
export function planForMachine(
  config: PipelineConfig,
  machine: Machine,
  positionOf?: (path: string) => Position | undefined,
): MachinePlan {
  const asks = (path: string) => positionOf === undefined || positionOf(path) !== undefined
  const notes = [
    ...resourceNotes(config, machine, asks),
    ...trainingNotes(config, asks),
    ...dataNotes(config, machine, asks),
  ]
  const cores = Math.min(machine.cpus, asks('resources.cpus_per_node') ? config.resources.cpus_per_node : Infinity)
  const limit = config.data.memory_limit
  const memory = limit === undefined ? machine.memory * ENGINE_SHARE : Math.min(parseSize(limit), machine.memory)
  const memoryLimit = Math.floor(Math.min(memory, parseSize(config.resources.memory_per_node)))
  const threads = Math.max(FEWEST_THREADS, Math.min(config.data.threads ?? cores, machine.cpus))
  const fitting = Math.max(FEWEST_THREADS, Math.min(threads, Math.floor(memoryLimit / THREAD_MEMORY)))
  if (fitting < threads)
    notes.push(
      `${limit === undefined ? `the engine has ${formatSize(memoryLimit)}` : `data.memory_limit is ${limit}`}: ${fitting} threads are used, since each needs about ${formatSize(THREAD_MEMORY)}`,
    )
  return {
    notes,
    problems: problems(config, positionOf ?? (() => undefined)),
    effective: {
      engine: config.data.engine,
      trainer: config.training.backend === 'torch' ? 'torch' : 'embedded',
      threads: fitting,
      memoryLimit,
      workers: 1,
    },
  }
}

/** Throws what keeps the plan from running: one error, with the others in `others`. */
export function requireRunnable(plan: MachinePlan): void {
  const [first, ...more] = plan.problems
  if (!first) return
  if (more.length === 0) throw first
  throw new MillraceError(first.code, `${plan.problems.length} things in the file cannot run here`, {
    others: plan.problems,
  })
}

/** What this machine has; a container's limits count. GPUs are those that nvidia-smi lists. */
export async function detectMachine(): Promise<Machine> {
  const constrained = process.constrainedMemory()
  const total = totalmem()
  return {
    cpus: availableParallelism(),
    memory: constrained > 0 && constrained < total ? constrained : total,
    gpus: await countGpus(),
    platform: `${process.platform}-${process.arch}`,
  }
}

function countGpus(): Promise<number> {
  return new Promise((resolve) => {
    execFile('nvidia-smi', ['-L'], { timeout: 3000 }, (error, stdout) => {
      resolve(error ? 0 : stdout.split('\n').filter((line) => /^GPU \d+:/.test(line)).length)
    })
  })
}

/** With one thread DuckDB cuts its files elsewhere: the bytes would differ from those of every other machine. */
const FEWEST_THREADS = 2

/** Bytes that each thread of the engine needs, to write a Parquet file above all; measured on tables of twenty columns. */
const THREAD_MEMORY = 100e6

/**
 * How many stages run at once. Two let `publish` run beside `pack` and `train`, and share the engine's memory: where it
 * has no room for the threads of both, one after the other.
 */
export function stagesAtOnce({ threads, memoryLimit }: MachinePlan['effective']): number {
  return memoryLimit < 2 * threads * THREAD_MEMORY ? 1 : 2
}

type Asks = (path: string) => boolean

function* resourceNotes({ resources, data }: PipelineConfig, machine: Machine, asks: Asks): Iterable<string> {
  if (resources.num_nodes > 1 && asks('resources.num_nodes'))
    yield data.engine === 'spark'
      ? `resources.num_nodes is ${resources.num_nodes}: how many machines Spark has is said where it is started; what does not run on Spark runs here`
      : `resources.num_nodes is ${resources.num_nodes}: this version runs on one machine, so all of it runs here`
  if (resources.cpus_per_node > machine.cpus && asks('resources.cpus_per_node'))
    yield `resources.cpus_per_node is ${resources.cpus_per_node}: this machine has ${machine.cpus}, so ${machine.cpus} are used`
  if (parseSize(resources.memory_per_node) > machine.memory && asks('resources.memory_per_node'))
    yield `resources.memory_per_node is ${resources.memory_per_node}: this machine has ${formatSize(machine.memory)}; what does not fit is spilled to disk`
  if (resources.gpus_per_node > 0 && asks('resources.gpus_per_node'))
    yield `resources.gpus_per_node is ${resources.gpus_per_node}: ${gpuWords(machine)}, so training runs on the CPU by the embedded trainer`
  const unused = ['storage_type', 'network_bandwidth'].filter((key) => asks(`resources.${key}`))
  if (unused.length > 0)
    yield `resources.${unused.join(' and resources.')} ${unused.length > 1 ? 'describe' : 'describes'} a cluster: nothing here depends on it`
}

function gpuWords(machine: Machine): string {
  return machine.gpus === 0
    ? 'this machine has no GPU'
    : `the embedded trainer does not use this machine's ${machine.gpus}`
}

function* trainingNotes({ training, tuning, deploy, monitoring }: PipelineConfig, asks: Asks): Iterable<string> {
  if (training.num_workers > 1 && asks('training.num_workers'))
    yield `training.num_workers is ${training.num_workers}: the embedded trainer is one worker`
  if (training.num_gpus_per_worker > 0 && asks('training.num_gpus_per_worker'))
    yield `training.num_gpus_per_worker is ${training.num_gpus_per_worker}: the embedded trainer computes on the CPU`
  const unused = ['hidden_dims', 'dropout'].filter((key) => asks(`training.${key}`))
  if (training.model_type === 'logistic_regression' && unused.length > 0)
    yield `training.${unused.join(' and training.')}: logistic_regression has no hidden layers, so not used`
  if (tuning !== undefined) yield 'tuning: kept, but this version does not search for settings yet'
  if (deploy !== undefined) yield 'deploy: kept, but this version is told how to serve on the command line'
  const watching = ['metrics_interval', 'alert_thresholds', 'dashboard_url'].filter((key) => asks(`monitoring.${key}`))
  const idle = Object.keys(monitoring.alert_thresholds).length === 0 && monitoring.dashboard_url === null
  if (watching.length > 0 && !(idle && !asks('monitoring.metrics_interval')))
    yield `monitoring.${watching.join(', monitoring.')}: kept, but this version does not watch served models yet`
}

function* dataNotes({ data }: PipelineConfig, machine: Machine, asks: Asks): Iterable<string> {
  if (data.engine === 'duckdb' && asks('data.num_partitions'))
    yield `data.num_partitions is ${data.num_partitions}: a hint for Spark; the embedded engine splits its work over threads instead`
  if (data.engine === 'duckdb' && data.spark.remote !== undefined)
    yield 'data.spark.remote: not used, because data.engine is duckdb'
  const own = (['threads', 'memory_limit'] as const).filter((key) => data[key] !== undefined)
  if (data.engine === 'spark' && own.length > 0)
    yield `data.${own.join(' and data.')}: of the engine on this machine, which reads text files and packs for training; Spark's own are said where it is started`
  if (data.threads !== undefined && data.threads > machine.cpus)
    yield `data.threads is ${data.threads}: this machine has ${machine.cpus} cores, so ${machine.cpus} are used`
  if (data.threads !== undefined && data.threads < FEWEST_THREADS)
    yield `data.threads is ${data.threads}: ${FEWEST_THREADS} are used, so that files have the same bytes on every machine`
  if (data.memory_limit !== undefined && parseSize(data.memory_limit) > machine.memory)
    yield `data.memory_limit is ${data.memory_limit}: this machine has ${formatSize(machine.memory)}, so that is the limit`
  if (data.file_format !== 'parquet' && data.compression === 'snappy' && asks('data.compression'))
    yield `data.compression is snappy: that is for Parquet, so ${data.file_format} is written without compression`
}

function problems(
  { data, training }: PipelineConfig,
  positionOf: (path: string) => Position | undefined,
): readonly MillraceError[] {
  const found: MillraceError[] = []
  const problem = (path: string, message: string, hint: string) => {
    const at = positionOf(path)
    const options: ErrorOptions = at === undefined ? { hint } : { hint, at }
    found.push(new MillraceError('MR_PLAN_UNSUPPORTED', message, options))
  }
  if (data.engine === 'spark' && data.spark.remote === undefined)
    problem(
      'data.engine',
      'data.engine is spark, but data.spark.remote does not say where: the address of a Spark Connect server',
      'add --set data.spark.remote=sc://localhost:15002',
    )
  for (const key of ['source_path', 'output_path'] as const) {
    const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(data[key])?.[1]?.toLowerCase()
    const isReadable = key === 'source_path' && (scheme === 's3' || scheme === 's3a')
    if (scheme !== undefined && scheme !== 'file' && !isReadable)
      problem(
        `data.${key}`,
        `data.${key} is ${data[key]}: ${data.engine === 'spark' ? 'this version' : 'the embedded engine of this version'} cannot ${key === 'source_path' ? 'read from' : 'write to'} ${scheme}:// yet`,
        key === 'source_path'
          ? 'copy the files to this machine and give their path, e.g. --set data.source_path=data/'
          : 'give a folder on this machine, e.g. --set data.output_path=out/',
      )
  }
  if (training.model_type === 'gradient_boosting')
    problem(
      'training.model_type',
      'training.model_type is gradient_boosting: it needs the Python worker, which this version does not have yet',
      'write model_type: neural_network or logistic_regression',
    )
  if (training.backend === 'torch')
    problem(
      'training.backend',
      'training.backend is torch: it needs the Python worker, which this version does not have yet',
      'write backend: auto',
    )
  return found
}
