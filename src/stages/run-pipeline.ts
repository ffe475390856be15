/** Runs, resumes and explains the pipeline of a file in a home: the library behind `run`, `resume` and `explain`. */
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { PipelineConfig } from '../config/config.js'
import { type Hide, hideError } from '../config/environment.js'
import { type LoadedConfig, reloadConfig, requireLabel, resolvePath } from '../config/load.js'
import { detectMachine, type MachinePlan, planForMachine, requireRunnable, stagesAtOnce } from '../config/machine.js'
import type { ArtifactStore } from '../core/artifacts.js'
import { type Clock, systemClock } from '../core/clock.js'
import type { RegistrationDocument } from '../core/documents.js'
import { MillraceError } from '../core/errors.js'
import { canonicalJson, sha256Json } from '../core/json.js'
import { type MemoOptions, openMemo } from '../core/memo.js'
import { RetryStrategy } from '../core/retry.js'
import { openDuckDb } from '../etl/duckdb/engine.js'
import type { Engine } from '../etl/engine.js'
import type { RunEvent } from '../pipeline/events.js'
import { type ExecutionEvent, PipelineExecutor } from '../pipeline/executor.js'
import type { StageExplanation } from '../pipeline/explain.js'
import { type Home, openHome, readHome } from '../pipeline/home.js'
import { foldRun, type RunState } from '../pipeline/state.js'
import type { ModelRegistry } from '../registry/registry.js'
import { openRegistry, registryFile } from '../registry/sqlite.js'
import { pipelineStages, type StageName, stageVersions } from './pipeline-stages.js'
import { getJson, type RunResources } from './run-resources.js'
import { openCluster, sparkAddress, sparkVersion } from './spark.js'
import { requireSteps } from './step-faults.js'
import { requireSuites } from './suites.js'

export interface RunOptions {
  /** Folder of the journal, the artifacts and the registry; made if absent. */
  readonly home: string
  readonly signal?: AbortSignal
  /** Default: the machine's. */
  readonly clock?: Clock
  readonly onEvent?: (event: ExecutionEvent) => void
  /** Hears, before anything runs, what the file asks for that this machine lacks, and what happens instead. */
  readonly onPlan?: (plan: MachinePlan) => void
  /** Hears what was damaged in the home's journal, and what was done about it; and of waiting for a cluster. */
  readonly onNote?: (note: string) => void
}

export interface RunOutcome {
  readonly state: RunState
  /** One line each: what this machine lacks and what ran instead. */
  readonly notes: readonly string[]
  /** What the gate said and which version came of it; absent if the run did not get so far. */
  readonly registration?: RegistrationDocument
}

interface Begun extends Pick<MemoOptions, 'forget' | 'readOnly'>, Pick<RunOptions, 'onNote' | 'signal'> {
  readonly runId: string
  readonly started: number
  /** Of the cluster that answered; absent where the engine is the one in this process. */
  readonly spark?: string
}

/** What is opened at the first call and closed at the end; after a failure the next call tries again. */
class Opened<T> {
  #opening: Promise<T> | undefined

  constructor(
    private readonly open: () => Promise<T>,
    private readonly end: (opened: T) => PromiseLike<void>,
  ) {}

  get(): Promise<T> {
    this.#opening ??= this.open().catch((error: unknown) => {
      this.#opening = undefined
      throw error
    })
    return this.#opening
  }

  async close(): Promise<void> {
    const opened = await this.#opening?.catch(() => undefined)
    if (opened !== undefined) await this.end(opened)
  }
}

/** Folders of a run's artifacts and engines, opened together and closed together. */
async function withResources<T>(
  loaded: Pick<LoadedConfig, 'config' | 'folder' | 'recorded' | 'hide'>,
  plan: MachinePlan,
  home: { readonly path: string; readonly store: ArtifactStore },
  { runId, started, spark, onNote, signal, ...memory }: Begun,
  use: (resources: RunResources) => Promise<T>,
): Promise<T> {
  // what one engine computed is never taken for what another would: both can live in one home
  const all = { ...versions(), ...(spark === undefined ? {} : { spark }) }
  const memo = await openMemo(join(home.path, 'memo'), { scope: all, ...memory })
  const tempFolder = spillFolder(home)
  // beside a cluster there are two in this process: one of the cluster's engine, for text files, and one for the rest
  const memoryLimit = `${Math.floor(plan.effective.memoryLimit / (spark === undefined ? 1e6 : 2e6))}MB`
  const here = { threads: plan.effective.threads, memoryLimit }
  const end = (engine: Engine): PromiseLike<void> => engine[Symbol.asyncDispose]()
  const embedded = new Opened(() => openDuckDb({ memo, tempFolder, ...here }), end)
  const onCluster = { config: loaded.config, memo, tempFolder, embedded: here, onNote, signal }
  const engine = spark === undefined ? embedded : new Opened(() => openCluster(onCluster), end)
  const registry = new Opened(
    () => openRegistry(registryFile(home.path)),
    (opened: ModelRegistry) => opened.close(),
  )
  const resources: RunResources = {
    memo,
    engine: () => engine.get(),
    embedded: () => embedded.get(),
    registry: () => registry.get(),
    resolve: (path) => resolvePath(loaded, path),
    home: home.path,
    // one: a second thread gains 5 to 10 % on networks of this size, and costs a core that DuckDB or a trial could use
    threads: 1,
    runId,
    started,
    configDigest: sha256Json(loaded.recorded),
    hide: loaded.hide,
    versions: all,
  }
  try {
    return await use(resources)
  } finally {
    await engine.close()
    if (engine !== embedded) await embedded.close()
    await registry.close()
  }
}

/** Versions of what takes part in every run. */
export function versions(): Readonly<Record<string, string>> {
  const of = (name: string): string =>
    (JSON.parse(readFileSync(new URL(import.meta.resolve(name)), 'utf8')) as { version: string }).version
  return {
    millrace: (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string })
      .version,
    duckdb: of('@duckdb/node-api/package.json'),
    onnxruntime: of('onnxruntime-node/package.json'),
  }
}

const spillFolder = (home: { readonly path: string }): string => join(home.path, 'tmp')

/** Removes what engines of killed runs spilled; the home's lock says that none is at work. */
async function clearSpills(home: { readonly path: string }): Promise<void> {
  await rm(spillFolder(home), { recursive: true, force: true })
}

async function planned(
  { config, hide }: Pick<LoadedConfig, 'config' | 'hide'>,
  positionOf: LoadedConfig['positionOf'],
): Promise<MachinePlan> {
  const plan = planForMachine(config, await detectMachine(), positionOf)
  requireRunnable(plan)
  return { ...plan, notes: plan.notes.map(hide) }
}

/** `spark`, where the file asks for it: before anything else is done it is told whether somebody answers there. */
async function reached(
  { config }: Pick<LoadedConfig, 'config'>,
  positionOf: LoadedConfig['positionOf'],
  signal: AbortSignal | undefined,
): Promise<Pick<Begun, 'spark'>> {
  const address = sparkAddress(config, positionOf)
  return address === undefined ? {} : { spark: await sparkVersion(address, signal) }
}

/** What `work` throws has nothing in it that came from the environment. */
async function hiding<T>(hide: Hide, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw hideError(error, hide)
  }
}

function executorOf(
  home: Home,
  config: PipelineConfig,
  plan: MachinePlan,
  clock: Clock = systemClock,
): PipelineExecutor {
  const { max_retries, initial_delay, backoff_factor, max_delay } = config.retry
  return new PipelineExecutor({
    journal: home.journal,
    store: home.store,
    key: home.key,
    clock,
    concurrency: stagesAtOnce(plan.effective),
    retry: new RetryStrategy({
      maxRetries: max_retries,
      initialDelay: initial_delay * 1000,
      backoffFactor: backoff_factor,
      maxDelay: max_delay * 1000,
    }),
  })
}

/**
 * The whole pipeline of a loaded file. Failures of stages are in the outcome's state; thrown are faults of the file, of
 * what this machine lacks, and of the home (MR_HOME_LOCKED).
 * @param options.force do again what the journal holds: all, or these stages
 */
export function runPipeline(loaded: LoadedConfig, options: WholeRunOptions): Promise<RunOutcome> {
  return hiding(loaded.hide, () => runLoaded(loaded, options))
}

/** Who is told what happens while the engine works, and who may end it. */
function heard(
  { onNote, signal }: RunOptions,
  { hide }: Pick<LoadedConfig, 'hide'>,
): Pick<RunOptions, 'onNote' | 'signal'> {
  return {
    ...(onNote === undefined ? {} : { onNote: (note) => onNote(hide(note)) }),
    ...(signal === undefined ? {} : { signal }),
  }
}

interface WholeRunOptions extends RunOptions {
  readonly force?: boolean | readonly string[]
  readonly argv?: readonly string[]
  readonly runId?: string
  /** Only these stages; each needs the ones before it. Default: all. */
  readonly stages?: readonly StageName[]
}

async function runLoaded(loaded: LoadedConfig, options: WholeRunOptions): Promise<RunOutcome> {
  const { config } = loaded
  requireLabel(loaded)
  requireSteps(loaded)
  await requireSuites(loaded)
  const wanted = options.stages
  const plan = await planned(loaded, (path) => loaded.positionOf(path))
  options.onPlan?.(plan)
  const spark = await reached(loaded, (path) => loaded.positionOf(path), options.signal)
  const home = await openHome(options.home, `pipeline ${config.pipeline_name}`)
  try {
    for (const note of home.journal.notes) options.onNote?.(note)
    await clearSpills(home)
    const executor = executorOf(home, config, plan, options.clock)
    const runId = options.runId ?? executor.newRunId()
    const force = options.force ?? false
    const started = (options.clock ?? systemClock).now()
    const forget = force === true || (force !== false && force.length > 0)
    const begun = { runId, started, forget, ...spark, ...heard(options, loaded) }
    const state = await withResources(loaded, plan, home, begun, (resources) =>
      executor.execute<PipelineConfig>({
        name: config.pipeline_name,
        stages: pipelineStages(resources, config.retry.timeout).filter(
          ({ name }) => wanted === undefined || wanted.some((one) => one === name),
        ),
        config,
        seed: config.seed,
        runId,
        folder: loaded.folder,
        secrets: loaded,
        versions: { node: process.versions.node, ...resources.versions },
        ...(options.force === undefined ? {} : { force: options.force }),
        ...(options.argv === undefined ? {} : { argv: options.argv }),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        ...(options.onEvent === undefined ? {} : { onEvent: options.onEvent }),
      }),
    )
    return await outcome(home.store, state, plan)
  } finally {
    await home.close()
  }
}

/**
 * Throws MR_RUN_INVALID for a run that another version of Millrace began: where one of its stages is not what it is
 * today, or where its configuration is not what this version would have recorded.
 */
function requireOwn(run: string, events: readonly RunEvent[], config: PipelineConfig | undefined): PipelineConfig {
  const started = events.find((event) => event.type === 'run-started')
  const today = new Map(stageVersions().map((stage) => [stage.name, stage]))
  const moved = (started?.stages ?? []).flatMap((stage) => {
    const now = today.get(stage.name)
    if (now === undefined) return [`${stage.name} is no more`]
    if (now.version !== stage.version) return [`${stage.name} was ${stage.version} and is ${now.version}`]
    const isSame = canonicalJson(now.after) === canonicalJson(stage.after)
    return isSame ? [] : [`${stage.name} came after ${places(stage.after)} and comes after ${places(now.after)}`]
  })
  if (moved.length === 0 && config !== undefined) return config
  const what = moved.length > 0 ? `stages: ${moved.join(', ')}` : 'with other keys in its configuration'
  throw new MillraceError('MR_RUN_INVALID', `run ${run} was begun by another version of Millrace (${what})`, {
    hint: 'start it again with millrace run FILE',
  })
}

const places = (names: readonly string[]): string => (names.length === 0 ? 'nothing' : names.join(' and '))

/**
 * Goes on with a run that was killed, cancelled or failed, with the configuration recorded at its start; what that took
 * from the environment is taken from there again. MR_RUN_UNKNOWN, MR_RUN_INVALID for a run of another version,
 * MR_CONFIG_INVALID for a variable that is not set any more.
 */
export async function resumePipeline(run: string | undefined, options: RunOptions): Promise<RunOutcome> {
  const home = await openHome(options.home, run === undefined ? 'resume' : `run ${run}`)
  try {
    for (const note of home.journal.notes) options.onNote?.(note)
    await clearSpills(home)
    const runs = await home.journal.runs()
    const name = run ?? runs.filter(({ status }) => status !== 'success').at(-1)?.run
    if (name === undefined)
      throw new MillraceError('MR_RUN_UNKNOWN', `${options.home} has no run that is not finished`, {
        hint: 'millrace runs lists them; millrace run FILE starts one',
      })
    const events: RunEvent[] = []
    for await (const event of home.journal.replay(name)) events.push(event)
    const before = await foldRun(events)
    const reloaded = reloadConfig(before?.config, before?.environment ?? [])
    const config = requireOwn(name, events, reloaded.config)
    const loaded = { ...reloaded, config, folder: before?.folder ?? process.cwd() }
    return await hiding(loaded.hide, async () => {
      // nothing of the recorded configuration tells what the file wrote from what is a default: the notes were said at
      // the start of the run, and are not said again for every default
      const plan = await planned(loaded, () => undefined)
      options.onPlan?.(plan)
      const spark = await reached(loaded, () => undefined, options.signal)
      const began = new Set(before?.stages.map(({ name: stage }) => stage))
      const started = before?.startedAt ?? (options.clock ?? systemClock).now()
      const begun = { runId: name, started, ...spark, ...heard(options, loaded) }
      const state = await withResources(loaded, plan, home, begun, (resources) =>
        executorOf(home, config, plan, options.clock).resume<PipelineConfig>(name, {
          stages: pipelineStages(resources, config.retry.timeout).filter(({ name: stage }) => began.has(stage)),
          config,
          secrets: loaded,
          versions: { node: process.versions.node, ...resources.versions },
          ...(options.signal === undefined ? {} : { signal: options.signal }),
          ...(options.onEvent === undefined ? {} : { onEvent: options.onEvent }),
        }),
      )
      return await outcome(home.store, state, plan)
    })
  } finally {
    await home.close()
  }
}

/** For each stage: whether `run` would do it again, and why. Runs nothing. */
export function explainPipeline(loaded: LoadedConfig, options: RunOptions): Promise<readonly StageExplanation[]> {
  return hiding(loaded.hide, () => explainLoaded(loaded, options))
}

async function explainLoaded(loaded: LoadedConfig, options: RunOptions): Promise<readonly StageExplanation[]> {
  const positionOf: LoadedConfig['positionOf'] = (path) => loaded.positionOf(path)
  const plan = await planned(loaded, positionOf)
  const spark = await reached(loaded, positionOf, options.signal)
  const home = await readHome(options.home)
  try {
    const begun = { runId: 'explain', started: (options.clock ?? systemClock).now(), readOnly: true, ...spark }
    return await withResources(loaded, plan, home, begun, (resources) =>
      executorOf(home, loaded.config, plan).explain<PipelineConfig>(pipelineStages(resources), loaded.config, {
        secrets: loaded,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      }),
    )
  } finally {
    await home.close()
  }
}

async function outcome(store: ArtifactStore, state: RunState, plan: MachinePlan): Promise<RunOutcome> {
  const ref = state.stages.find(({ name }) => name === 'register')?.value?.['registration']
  return {
    state,
    notes: plan.notes,
    ...(ref === undefined ? {} : { registration: await getJson<RegistrationDocument>(store, ref) }),
  }
}
