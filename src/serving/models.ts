/**
 * The models of a server. Where a model is named by alias, the registry is asked again and again; a new version is
 * loaded and warmed beside the old one, takes its place between two requests, and the old one closes when its last
 * request is answered.
 */
import { readFile } from 'node:fs/promises'
import type { ArtifactStore } from '../core/artifacts.js'
import { MillraceError } from '../core/errors.js'
import type { ModelRegistry, ModelVersion } from '../registry/registry.js'
import type { ModelNumbers } from './metrics.js'
import { ServedModel, type ServingOptions } from './served-model.js'

export type ServerLog = (level: 'info' | 'warn' | 'error', message: string) => void

export interface ServedModelsOptions extends Omit<ServingOptions, 'onBatch'> {
  /** `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `models:/NAME`, or a path to a model file. */
  readonly sources: readonly string[]
  /** Where models:/… is looked up, and where its bytes are. */
  readonly registry?: ModelRegistry
  readonly store?: ArtifactStore
  /** Milliseconds between two looks at the registry; default 250. */
  readonly pollMs?: number
  readonly log?: ServerLog
}

/** A version that failed to load is tried again after this many milliseconds. */
const RETRY_FAILED_MS = 30_000

interface Slot {
  readonly source: string
  current: ServedModel
  loads: number
  failures: number
  /** Why the version asked for is not the one that answers. */
  problem: string | undefined
  failed: { readonly version: number; readonly at: number } | undefined
}

export const isModelUri = (source: string): boolean => source.startsWith('models:')

export class ServedModels {
  private readonly slots = new Map<string, Slot>()
  private readonly retiring = new Set<Promise<void>>()
  private timer: NodeJS.Timeout | undefined
  private refreshing: Promise<void> | undefined
  private closed = false
  private revision: number | undefined
  /** Set by the server: called after each run of a model with its rows. */
  onBatch: ((model: string, rows: number) => void) | undefined

  private constructor(private readonly options: ServedModelsOptions) {}

  /** Loads and warms all of them. Throws MR_MODEL_FILE_*, MR_MODEL_* (unknown), MR_FILE_MISSING, MR_USAGE. */
  static async open(options: ServedModelsOptions): Promise<ServedModels> {
    const models = new ServedModels(options)
    try {
      for (const source of options.sources) await models.add(source)
    } catch (error) {
      await models.close()
      throw error
    }
    if (options.sources.some(isModelUri)) models.poll()
    return models
  }

  get names(): readonly string[] {
    return [...this.slots.keys()]
  }

  /** The version of `name` (default: the first model) that answers now, or undefined. */
  get(name?: string): ServedModel | undefined {
    if (name !== undefined) return this.slots.get(name)?.current
    const [first] = this.slots.values()
    return first?.current
  }

  /** Why `name` does not answer with the version asked for; undefined where it does. */
  problem(name: string): string | undefined {
    return this.slots.get(name)?.problem
  }

  numbers(): readonly ModelNumbers[] {
    return [...this.slots].map(([name, { current, problem, loads, failures }]) => ({
      name,
      version: current.version,
      digest: current.predictor.digest,
      ready: problem === undefined,
      queuedRows: current.batcher.rows,
      loads,
      loadFailures: failures,
    }))
  }

  /** Looks at the registry now; resolves when every alias that moved is served or has failed. Never throws. */
  refresh(): Promise<void> {
    this.refreshing ??= this.refreshAll().finally(() => (this.refreshing = undefined))
    return this.refreshing
  }

  /** Stops watching, waits for requests under way, closes all. */
  async close(): Promise<void> {
    this.closed = true
    clearTimeout(this.timer)
    await this.refreshing
    await Promise.all([...this.slots.values()].map(({ current }) => current.retire()))
    await Promise.all(this.retiring)
  }

  private async add(source: string): Promise<void> {
    const model = isModelUri(source) ? await this.load(await this.resolve(source)) : await this.loadFile(source)
    if (this.slots.has(model.name)) {
      await model.retire()
      throw new MillraceError('MR_USAGE', `the model "${model.name}" is given twice`)
    }
    this.slots.set(model.name, { source, current: model, loads: 1, failures: 0, problem: undefined, failed: undefined })
  }

  private async resolve(uri: string): Promise<ModelVersion> {
    const { registry } = this.options
    if (!registry) throw new MillraceError('MR_USAGE', `${uri} cannot be looked up: there is no registry`)
    return registry.resolve(uri)
  }

  private async load({ name, version, model }: ModelVersion): Promise<ServedModel> {
    const { store } = this.options
    if (!store) throw new MillraceError('MR_USAGE', `${name} version ${version} cannot be read: there is no store`)
    return this.openModel(await store.get(model), name, String(version))
  }

  private async loadFile(path: string): Promise<ServedModel> {
    return this.openModel(await readModelBytes(path))
  }

  private async openModel(bytes: Uint8Array, name?: string, version?: string): Promise<ServedModel> {
    const model = await ServedModel.open(
      bytes,
      { ...this.options, onBatch: (rows) => this.onBatch?.(model.name, rows) },
      name,
      version,
    )
    return model
  }

  private poll(): void {
    this.timer = setTimeout(() => {
      void this.refresh().then(() => {
        if (!this.closed) this.poll()
      })
    }, this.options.pollMs ?? 250)
    this.timer.unref()
  }

  private async refreshAll(): Promise<void> {
    const { registry } = this.options
    const slots = [...this.slots.values()]
    try {
      // most looks end here
      const revision = registry?.revision()
      if (revision === this.revision && slots.every(({ problem }) => problem === undefined)) return
      this.revision = revision
    } catch {
      // resolve meets the same error below, and says it
    }
    for (const [name, slot] of this.slots) if (isModelUri(slot.source) && !this.closed) await this.follow(name, slot)
  }

  private async follow(name: string, slot: Slot): Promise<void> {
    let wanted: ModelVersion
    try {
      wanted = await this.resolve(slot.source)
    } catch (error) {
      return this.complain(slot, `${slot.source} cannot be looked up: ${(error as Error).message}`)
    }
    const { current, failed } = slot
    if (String(wanted.version) === current.version) {
      if (slot.problem !== undefined) this.log('info', `${slot.source} is version ${current.version} again`)
      slot.problem = slot.failed = undefined
      return
    }
    if (failed?.version === wanted.version && Date.now() - failed.at < RETRY_FAILED_MS) return
    try {
      const next = await this.load(wanted)
      slot.current = next
      slot.loads++
      slot.problem = slot.failed = undefined
      this.log('info', `${name}: version ${next.version} answers now, ${current.version} before`)
      const retired = current.retire().finally(() => this.retiring.delete(retired))
      this.retiring.add(retired)
    } catch (error) {
      slot.failures++
      slot.failed = { version: wanted.version, at: Date.now() }
      const why = `version ${wanted.version} cannot be loaded: ${(error as Error).message}`
      this.complain(slot, `${why}; version ${current.version} goes on answering`)
    }
  }

  /** Says a problem once, until it changes. */
  private complain(slot: Slot, problem: string): void {
    if (slot.problem !== problem) this.log('error', problem)
    slot.problem = problem
  }

  private log(level: 'info' | 'warn' | 'error', message: string): void {
    this.options.log?.(level, message)
  }
}

/** A model file's bytes. Throws MR_FILE_MISSING or MR_FILE_ACCESS. */
export async function readModelBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    if (code === 'ENOENT')
      throw new MillraceError('MR_FILE_MISSING', `the model file ${path} does not exist`, {
        cause,
        hint: 'give models:/NAME@ALIAS or a path to a model.onnx; `millrace models` lists what is registered',
      })
    throw new MillraceError('MR_FILE_ACCESS', `the model file ${path} cannot be read: ${code ?? 'unknown'}`, { cause })
  }
}
