/** Pipeline files to a frozen configuration, and back to text. Every fault is reported at once, with its place. */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { MillraceError, type Position } from '../core/errors.js'
import { canonicalJson } from '../core/json.js'
import type { PipelineConfig } from './config.js'
import {
  asWritten,
  environmentValues,
  hideError,
  hider,
  treeOf,
  type EnvironmentValue,
  type Hide,
} from './environment.js'
import { parseYaml, type Tree } from './source.js'
import { Places, validate, type Path } from './validate.js'

export interface LoadedConfig {
  /** Frozen, to its last leaf. */
  readonly config: PipelineConfig
  /** Where a value stands (`training.batch_size`; an array for names that hold dots); undefined for a default. */
  readonly positionOf: (path: string | Path) => Position | undefined
  /** As given, the pipeline file first and its layers after it. */
  readonly files: readonly string[]
  /** Values that variables of the environment gave, whole or in part. */
  readonly environment: readonly EnvironmentValue[]
  /** The configuration as it may be stored or shown: those values as the file wrote them. */
  readonly recorded: unknown
  /** Replaces those values in texts for people. */
  readonly hide: Hide
  /** The folder of the pipeline file: what relative paths in it are relative to. */
  readonly folder: string
}

export interface LoadOptions {
  /** `key=value` from the command line, over all files; the value is YAML. */
  readonly set?: readonly string[]
  /** What `${NAME}` stands for; the process's environment if absent. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** What `paths` are relative to. */
  readonly cwd?: string
}

/**
 * Reads one pipeline file, or several in layers: a later file's keys win, maps are merged key by key, lists replaced.
 * Throws MR_FILE_MISSING or MR_FILE_ACCESS, or one MR_CONFIG_INVALID whose `others` hold every fault.
 */
export function loadConfig(paths: string | readonly string[], options: LoadOptions = {}): LoadedConfig {
  const files = typeof paths === 'string' ? [paths] : paths
  const cwd = options.cwd ?? process.cwd()
  const texts = files.map((file) => ({ file, text: readText(resolve(cwd, file), file) }))
  return load(texts, dirname(resolve(cwd, files[0] ?? '.')), options)
}

/** The configuration in `text`; `file` names it in faults. Throws as `loadConfig`. */
export function fromYaml(text: string, file = 'pipeline.yaml', options: LoadOptions = {}): PipelineConfig {
  return load([{ file, text }], options.cwd ?? process.cwd(), options).config
}

/**
 * The configuration of a run that goes on, with what the environment holds today. `config` is absent where another
 * version of Millrace recorded it. Throws MR_CONFIG_INVALID for a variable that is not set, or does not fit any more.
 */
export function reloadConfig(
  recorded: unknown,
  values: readonly EnvironmentValue[],
  env: LoadOptions['env'] = process.env,
): Pick<LoadedConfig, 'environment' | 'recorded' | 'hide'> & { readonly config?: PipelineConfig } {
  const { tree, faults } = treeOf(recorded, values, env)
  const hide = hider([tree])
  const result = validate(tree, hide)
  // what was recorded was right: it is wrong with other values, or to another version
  const ofValues = values.length > 0 && !result.hasUnknownKeys
  const all = faults.length > 0 ? faults : ofValues ? result.faults : []
  if (all.length > 0) throw hideError(together(all), hide)
  const { config } = result
  const isWhole = config !== undefined && canonicalJson(asWritten(config, tree)) === canonicalJson(recorded)
  return { environment: values, recorded, hide, ...(isWhole ? { config: deepFreeze(config) } : {}) }
}

/**
 * A configuration with every default spelled out; `fromYaml` of it is equal to `config`.
 * @param values those that `config` holds as they were written, `${NAME}` and all
 */
export function toYaml(config: unknown, values: readonly EnvironmentValue[] = []): string {
  const written = new Set(values.map(({ path }) => JSON.stringify(path)))
  // a text that happens to hold ${ would be taken for a variable when read again
  const escaped = (value: unknown, path: Path): unknown => {
    if (typeof value === 'string')
      return written.has(JSON.stringify(path)) ? value : value.replaceAll('${', () => '$${')
    if (Array.isArray(value)) return value.map((item: unknown, i) => escaped(item, [...path, i]))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]: [string, unknown]) => [name, escaped(inner, [...path, name])]),
    )
  }
  return stringify(escaped(config, []), { lineWidth: 0, aliasDuplicateObjects: false })
}

/** A path of the file as an absolute path; addresses (`s3://…`) stay as they are. */
export function resolvePath(loaded: Pick<LoadedConfig, 'folder'>, path: string): string {
  if (/^file:\/\//i.test(path)) return fileURLToPath(path)
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(path) ? path : resolve(loaded.folder, path)
}

/** The label; throws MR_CONFIG_LABEL_ABSENT where the file names none. */
export function requireLabel(loaded: Pick<LoadedConfig, 'config' | 'files' | 'positionOf'>): string {
  if (loaded.config.label !== undefined) return loaded.config.label
  const at = loaded.positionOf([])
  throw new MillraceError('MR_CONFIG_LABEL_ABSENT', 'the file has no label: the column to predict', {
    ...(at === undefined ? {} : { at }),
    hint: `write "label: <column>" at the top of ${loaded.files[0] ?? 'the file'}, or add --set label=<column>`,
  })
}

function load(
  texts: readonly { readonly file: string; readonly text: string }[],
  folder: string,
  options: LoadOptions,
): LoadedConfig {
  const env = options.env ?? process.env
  const parsed = texts.map(({ file, text }) => parseYaml(text, file, env))
  const overrides = (options.set ?? []).map((argument) => parseOverride(argument, env))
  const faults = [...parsed, ...overrides].flatMap((part) => part.faults)
  const trees = [...parsed, ...overrides].map((part) => part.tree).filter((tree) => tree !== undefined)
  const [first, ...later] = trees
  const isReadable = parsed.every((part) => !part.broken) && first !== undefined
  const merged = isReadable ? later.reduce(merge, first) : undefined
  const hide = hider(trees)
  const result = merged && validate(merged, hide)
  const all = [...faults, ...(result?.faults ?? [])].sort(
    byPlace([...texts.map(({ file }) => file), ...(options.set ?? []).map(overridePlace)]),
  )
  if (all.length > 0 || merged === undefined || !result?.config) throw hideError(together(all), hide)
  const places: Places = result.places
  return {
    config: deepFreeze(result.config),
    positionOf: (path) => places.value(typeof path === 'string' ? segments(path) : path),
    files: texts.map(({ file }) => file),
    environment: environmentValues(merged),
    recorded: asWritten(result.config, merged),
    hide,
    folder,
  }
}

const overridePlace = (argument: string): string => `--set ${argument}`

/** Faults in the order in which a person reads: file by file, from top to bottom. */
function byPlace(files: readonly string[]): (a: MillraceError, b: MillraceError) => number {
  const rank = ({ at }: MillraceError) => [at ? files.indexOf(at.file) : -1, at?.line ?? 0, at?.column ?? 0] as const
  return (a, b) => {
    const [x, y] = [rank(a), rank(b)]
    return x[0] - y[0] || x[1] - y[1] || x[2] - y[2]
  }
}

/** `training.batch_size=512`; a name that holds dots stands in double quotes. */
function parseOverride(argument: string, env: Readonly<Record<string, string | undefined>>) {
  const at = { file: overridePlace(argument), line: 1, column: 1 }
  const match = /^((?:"[^"]*"|[^"=])+)=(.*)$/s.exec(argument)
  const path = match?.[1] === undefined ? [] : segments(match[1])
  if (!match || path.some((segment) => segment === '' || segment === '__proto__')) {
    const message = `--set ${argument} must be key=value, such as training.batch_size=512`
    return { tree: undefined, faults: [new MillraceError('MR_CONFIG_INVALID', message, { at })] }
  }
  const { tree, faults } = parseYaml(match[2] === '' ? '""' : (match[2] ?? ''), at.file, env, { anyTop: true, at })
  const wrap = (value: Tree): Tree =>
    path.reduceRight<Tree>(
      (inner, name) => ({ kind: 'map', at, entries: new Map([[name, { at, value: inner }]]) }),
      value,
    )
  return { tree: tree && wrap(tree), faults }
}

function segments(path: string): string[] {
  if (path === '') return []
  return [...path.matchAll(/(?:^|\.)(?:"([^"]*)"|([^.]*))/g)].map((match) => (match[1] ?? match[2] ?? '').trim())
}

function merge(under: Tree, over: Tree): Tree {
  if (under.kind !== 'map' || over.kind !== 'map') return over
  const entries = new Map(under.entries)
  for (const [name, entry] of over.entries) {
    const before = entries.get(name)
    entries.set(name, before ? { at: entry.at, value: merge(before.value, entry.value) } : entry)
  }
  return { kind: 'map', at: under.at, entries }
}

function together(faults: readonly MillraceError[]): MillraceError {
  const [only] = faults
  if (faults.length === 1 && only) {
    return new MillraceError('MR_CONFIG_INVALID', only.message, {
      ...(only.at === undefined ? {} : { at: only.at }),
      ...(only.hint === undefined ? {} : { hint: only.hint }),
      others: faults,
    })
  }
  const file = faults[0]?.at?.file ?? 'the pipeline file'
  return new MillraceError('MR_CONFIG_INVALID', `${faults.length} faults in ${file}`, { others: faults })
}

function readText(path: string, shown: string): string {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT')
      throw new MillraceError('MR_FILE_MISSING', `there is no pipeline file ${shown}`, {
        hint: 'millrace init DATA --label COLUMN writes one',
        cause: error,
      })
    const why = code === 'EISDIR' ? 'it is a folder' : (code ?? String(error))
    throw new MillraceError('MR_FILE_ACCESS', `the pipeline file ${shown} cannot be read: ${why}`, { cause: error })
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw new MillraceError('MR_CONFIG_INVALID', `the pipeline file ${shown} is not UTF-8 text`, { cause: error })
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) deepFreeze(inner)
  }
  return value
}
