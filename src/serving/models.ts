/**
 * The models of a server: several, and of one several versions. Where one is named by alias, the registry is asked again
 * and again; a new version is loaded and warmed beside the old one, takes its place between two requests, and the old
 * one closes when its last request is answered.
 */
import { readFile } from 'node:fs/promises'
import type { ArtifactStore } from '../core/artifacts.js'
import { MillraceError } from '../core/errors.js'
import { parseModelUri } from '../registry/names.js'
import type { ModelRegistry, ModelVersion } from '../registry/registry.js'
import type { ModelNumbers } from './metrics.js'
import { ServedModel, type ServingOptions } from './served-model.js'
import type { Split } from './traffic.js'

export type ServerLog = (level: 'info' | 'warn' | 'error', message: string) => void

/** `served` answers; `canary` answers a share of the requests; `shadow` is compared with the answers. */
export type Role = 'served' | 'canary' | 'shadow'

/** What changed while the server ran. */
export type ModelEvent =
  | {
      readonly event: 'version'
      readonly model: string
      readonly source: string
      readonly role: Role
      readonly version: string
      readonly before: string | null
    }
  | {
      readonly event: 'problem'
      readonly model: string
      readonly source: string
      readonly role: Role
      readonly problem: string
    }

export interface ServedModelsOptions extends Omit<ServingOptions, 'onBatch'> {
  /**
   * `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `models:/NAME`, or a path to a model file. The first of a model is the
   * one that answers where no version is named.
   */
  readonly sources: readonly string[]
  /** Of models among `sources`. One from the registry that cannot be loaded is left out until it can. */
  readonly canaries?: readonly Split[]
  readonly shadows?: readonly Split[]
  /** Where models:/… is looked up, and where its bytes are. */
  readonly registry?: ModelRegistry
  readonly store?: ArtifactStore
  /** Milliseconds between two looks at the registry; default 250. */
  readonly pollMs?: number
  readonly log?: ServerLog
  readonly onEvent?: (event: ModelEvent) => void
}

/** A version that failed to load is tried again after this many milliseconds. */
const RETRY_FAILED_MS = 30_000

interface Slot {
  readonly name: string
  readonly source: string
  readonly role: Role
  readonly share: number
  /** Of a canary or shadow undefined where it could not be loaded. */
  current: ServedModel | undefined
  /** Why the version asked for is not the one that answers. */
  problem: string | undefined
  failed: { readonly version: number; readonly at: number } | undefined
}

/** The slots of one name, in the order in which they were given. */
interface Model {
  readonly slots: Slot[]
  loads: number
  failures: number
}

/** A loaded version with those of its slots' canaries and shadows that run beside it. */
export interface Beside {
  readonly model: ServedModel
  readonly share: number
}

export const isModelUri = (source: string): boolean => source.startsWith('models:')

export class ServedModels {
  private readonly models = new Map<string, Model>()
  /** Loaded versions and how many slots they are in: an alias may move to a version that another already holds. */
  private readonly users = new Map<ServedModel, number>()
  private readonly retiring = new Set<Promise<void>>()
  private timer: NodeJS.Timeout | undefined
  private refreshing: Promise<void> | undefined
  private closed = false
  private revision: number | undefined
  /** Set by the server: called after each run of a model with its rows and how long, in ms, its oldest had waited. */
  onBatch: ((model: string, rows: number, waited: number) => void) | undefined
  /** Set by the server: called when a version has answered its last request and is closed. */
  onRetired: ((model: Pick<ServedModel, 'name' | 'version'>) => void) | undefined

  private constructor(private readonly options: ServedModelsOptions) {}

  /**
   * Loads and warms all of them. Throws MR_MODEL_FILE_*, MR_MODEL_* (unknown), MR_FILE_MISSING, MR_USAGE (one given
   * twice; a canary or shadow of a model that is not served; canaries of more than all requests).
   */
  static async open(options: ServedModelsOptions): Promise<ServedModels> {
    const models = new ServedModels(options)
    const { sources, canaries = [], shadows = [] } = options
    try {
      for (const source of sources) await models.add(source, 'served', 1)
      for (const { source, share } of canaries) await models.add(source, 'canary', share)
      for (const { source, share } of shadows) await models.add(source, 'shadow', share)
    } catch (error) {
      await models.close()
      throw error
    }
    if ([...sources, ...canaries.map(({ source }) => source), ...shadows.map(({ source }) => source)].some(isModelUri))
      models.poll()
    return models
  }

  get names(): readonly string[] {
    return [...this.models.keys()]
  }

  /** The loaded `version` of `name`; without a version the one that answers, without a name that of the first model. */
  get(name?: string, version?: string): ServedModel | undefined {
    const [first] = this.models.values()
    const model = name === undefined ? first : this.models.get(name)
    if (version === undefined) return model?.slots[0]?.current
    return model?.slots.find(({ current }) => current?.version === version)?.current
  }

  /** All loaded versions of `name`, the one that answers first. */
  versions(name: string): readonly string[] {
    return [...new Set((this.models.get(name)?.slots ?? []).flatMap(({ current }) => current?.version ?? []))]
  }

  /** Canaries or shadows of `name` that are loaded and are not the version that answers anyway. */
  beside(name: string, role: 'canary' | 'shadow'): readonly Beside[] {
    const slots = this.models.get(name)?.slots ?? []
    // most servers have one version, and every request asks
    if (slots.length < 2) return []
    const [main] = slots
    return slots.flatMap((slot) =>
      slot.role === role && slot.current && slot.current !== main?.current
        ? [{ model: slot.current, share: slot.share }]
        : [],
    )
  }

  /** Why `name` does not answer with the versions asked for; undefined where it does. */
  problem(name: string): string | undefined {
    const problems = (this.models.get(name)?.slots ?? []).flatMap(({ problem }) => problem ?? [])
    return problems.length === 0 ? undefined : [...new Set(problems)].join('; ')
  }

  numbers(): readonly ModelNumbers[] {
    return [...this.models].map(([name, { slots, loads, failures }]) => {
      const loaded = [...new Set(slots.flatMap(({ current }) => current ?? []))]
      return {
        name,
        versions: loaded.map(({ version, predictor }) => ({ version, digest: predictor.digest })),
        ready: slots.every(({ problem }) => problem === undefined),
        queuedRows: loaded.reduce((sum, { batcher }) => sum + batcher.rows, 0),
        loads,
        loadFailures: failures,
      }
    })
  }

  /** What was asked for and which version stands for it now; null where none could be loaded. */
  list(): readonly {
    readonly name: string
    readonly version: string | null
    readonly digest: string | null
    readonly source: string
    readonly role: Role
    readonly share: number
  }[] {
    return [...this.slots()].map(({ name, source, role, share, current }) => ({
      name,
      version: current?.version ?? null,
      digest: current?.predictor.digest ?? null,
      source,
      role,
      share,
    }))
  }

  /** Looks at the registry now; resolves when every alias that moved is served or has failed. Never throws. */
  refresh(): Promise<void> {
    this.refreshing ??= this.refreshAll().finally(() => (this.refreshing = undefined))
    return this.refreshing
  }

  /**
   * Stops watching, waits for requests under way, closes all. What is not done after `deadlineMs` is said and left: it
   * ends with the process.
   */
  async close(deadlineMs = 10_000): Promise<void> {
    this.closed = true
    clearTimeout(this.timer)
    let timer: NodeJS.Timeout | undefined
    const deadline = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), deadlineMs)
    })
    const end = await Promise.race([this.closeAll(), deadline])
    clearTimeout(timer)
    if (end === 'late') this.log('warn', `models were still at work after ${deadlineMs} ms; they are left`)
  }

  private async closeAll(): Promise<void> {
    await this.refreshing
    for (const model of this.users.keys()) this.retire(model)
    await Promise.all(this.retiring)
  }

  private *slots(): Generator<Slot> {
    for (const { slots } of this.models.values()) yield* slots
  }

  private async add(source: string, role: Role, share: number): Promise<void> {
    const uri = isModelUri(source)
    let current: ServedModel | undefined
    let problem: string | undefined
    let name: string
    if (uri && role !== 'served') {
      // a canary that cannot be loaded must not keep the server from answering
      name = parseModelUri(source).name
      this.check(name, source, role, share)
      const loaded = await this.resolve(source)
        .then((version) => this.take(version))
        .catch(asError)
      if (loaded instanceof Error) problem = `${role} ${source} cannot be loaded: ${loaded.message}; ${without(role)}`
      else current = loaded
    } else {
      current = uri ? await this.take(await this.resolve(source)) : await this.openModel(await readModelBytes(source))
      this.users.set(current, (this.users.get(current) ?? 0) + (uri ? 0 : 1))
      name = current.name
      this.check(name, source, role, share, current)
    }
    const model = this.models.get(name) ?? { slots: [], loads: 0, failures: 0 }
    this.models.set(name, model)
    const slot: Slot = { name, source, role, share, current, problem: undefined, failed: undefined }
    model.slots.push(slot)
    if (current) model.loads++
    if (problem === undefined) return
    model.failures++
    this.complain(slot, problem)
  }

  private check(name: string, source: string, role: Role, share: number, loaded?: ServedModel): void {
    const slots = this.models.get(name)?.slots ?? []
    const twice =
      slots.some((slot) => slot.source === source && slot.role === role) ||
      (loaded !== undefined && slots.some(({ current }) => current?.version === loaded.version && current !== loaded))
    if (twice) throw new MillraceError('MR_USAGE', `the model "${name}" is given twice: ${source}`)
    if (role === 'served') return
    if (slots.length === 0)
      throw new MillraceError('MR_USAGE', `${source} cannot be a ${role}: the model "${name}" is not served`, {
        hint: `name first what answers: millrace serve models:/${name} --${role} …`,
      })
    const given = slots.reduce((sum, slot) => sum + (slot.role === 'canary' ? slot.share : 0), 0)
    if (role === 'canary' && given + share > 1 + 1e-9)
      throw new MillraceError('MR_USAGE', `the canaries of "${name}" take more than 100% of its requests`)
  }

  private async resolve(uri: string): Promise<ModelVersion> {
    const { registry } = this.options
    if (!registry) throw new MillraceError('MR_USAGE', `${uri} cannot be looked up: there is no registry`)
    return registry.resolve(uri)
  }

  /** The version for one more slot: the one that is loaded, or loaded now. */
  private async take({ name, version, model: ref }: ModelVersion): Promise<ServedModel> {
    const wanted = String(version)
    let model = [...this.slots()].find(
      ({ source, current }) => isModelUri(source) && current?.name === name && current.version === wanted,
    )?.current
    if (!model) {
      const { store } = this.options
      if (!store) throw new MillraceError('MR_USAGE', `${name} version ${version} cannot be read: there is no store`)
      model = await this.openModel(await store.get(ref), name, wanted)
    }
    this.users.set(model, (this.users.get(model) ?? 0) + 1)
    return model
  }

  /** One slot less; without any, the version closes when its requests are answered. */
  private leave(model: ServedModel): void {
    const users = (this.users.get(model) ?? 1) - 1
    if (users > 0) return void this.users.set(model, users)
    this.users.delete(model)
    this.retire(model)
  }

  private retire(model: ServedModel): void {
    const retired = model
      .retire()
      .catch((error: unknown) => {
        this.log('error', `${model.name} version ${model.version} was not closed cleanly: ${asError(error).message}`)
      })
      .finally(() => {
        this.retiring.delete(retired)
        this.onRetired?.(model)
      })
    this.retiring.add(retired)
  }

  private async openModel(bytes: Uint8Array, name?: string, version?: string): Promise<ServedModel> {
    const model = await ServedModel.open(
      bytes,
      { ...this.options, onBatch: (rows, waited) => this.onBatch?.(model.name, rows, waited) },
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
    const slots = [...this.slots()]
    try {
      // most looks end here
      const revision = registry?.revision()
      if (revision === this.revision && slots.every(({ problem }) => problem === undefined)) return
      this.revision = revision
    } catch {
      // resolve meets the same error below, and says it
    }
    for (const slot of slots) if (isModelUri(slot.source) && !this.closed) await this.follow(slot)
  }

  private async follow(slot: Slot): Promise<void> {
    const { name, source, role, current, failed } = slot
    let wanted: ModelVersion
    try {
      wanted = await this.resolve(source)
    } catch (error) {
      return this.complain(slot, `${source} cannot be looked up: ${(error as Error).message}`)
    }
    if (current && String(wanted.version) === current.version) {
      if (slot.problem !== undefined) this.log('info', `${source} is version ${current.version} again`)
      slot.problem = slot.failed = undefined
      return
    }
    if (failed?.version === wanted.version && Date.now() - failed.at < RETRY_FAILED_MS) return
    const model = this.models.get(name) as Model
    const before = current?.version ?? null
    let next: ServedModel
    try {
      next = await this.take(wanted)
    } catch (error) {
      model.failures++
      slot.failed = { version: wanted.version, at: Date.now() }
      const why = `version ${wanted.version} cannot be loaded: ${(error as Error).message}`
      if (role === 'served') return this.complain(slot, `${why}; version ${before} goes on answering`)
      // whoever moved the alias does not want the old one tried any more
      slot.current = undefined
      if (current) this.leave(current)
      return this.complain(slot, `${role} ${source}: ${why}; ${without(role)}`)
    }
    slot.current = next
    model.loads++
    slot.problem = slot.failed = undefined
    if (current) this.leave(current)
    this.log('info', `${name}: version ${next.version} ${DOES[role]} now, ${before ?? 'none'} before`)
    this.tell({ event: 'version', model: name, source, role, version: next.version, before })
  }

  /** Says a problem once, until it changes. */
  private complain(slot: Slot, problem: string): void {
    if (slot.problem !== problem) {
      const { name: model, source, role } = slot
      this.log('error', problem)
      this.tell({ event: 'problem', model, source, role, problem })
    }
    slot.problem = problem
  }

  /** What a listener throws is its own fault, and no model's. */
  private tell(event: ModelEvent): void {
    try {
      this.options.onEvent?.(event)
    } catch (error) {
      this.log('error', `an event of ${event.model} was not taken: ${asError(error).message}`)
    }
  }

  private log(level: 'info' | 'warn' | 'error', message: string): void {
    this.options.log?.(level, message)
  }
}

const DOES: Readonly<Record<Role, string>> = { served: 'answers', canary: 'is the canary', shadow: 'is the shadow' }

const without = (role: Role): string =>
  role === 'canary' ? 'its share goes to the version that is served' : 'nothing is compared with it'

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

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
