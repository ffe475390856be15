/**
 * Values that came from the environment: they may be secrets, so what is stored or shown has `${NAME}` in their place,
 * and who goes on with a stored configuration takes them from the environment again. The token of a Spark address is a
 * secret wherever it stands: one that the file holds in clear is stored and shown as `***`.
 *
 * `pipeline_name` and `version` are exempt: they are the name of what is made, and are asked for by it.
 */
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MillraceError, type Position } from '../core/errors.js'
import type { PipelineConfig } from './config.js'
import { substitute, type Substituted, type Tree } from './source.js'
import type { Path } from './validate.js'

/** A value of the configuration that a variable of the environment gave, whole or in part. */
export interface EnvironmentValue {
  readonly path: Path
  /** Written without quotes: `${N}` may then stand for a number, true, false or null. */
  readonly isPlain: boolean
  readonly at: Position
}

/** Gives a text with all that came from the environment replaced by the `${NAME}` that it came from. */
export type Hide = (text: string) => string

/**
 * Shorter values are not looked for in texts: `3` and `prod` are parts of too many words, and no secrets worth the name.
 */
const SHORTEST = 6

const isExempt = (path: Path): boolean => path.length === 1 && (path[0] === 'pipeline_name' || path[0] === 'version')

/** The values that the environment gave in a tree, in the order of the file. */
export function environmentValues(tree: Tree): readonly EnvironmentValue[] {
  return [...scalarsOf(tree)].map(([path, { environment, at }]) => ({ path, isPlain: environment.isPlain, at }))
}

/**
 * Finds in texts what the environment gave in any of `trees`: as it is, as it stands in a path, and as JSON, SQL and
 * addresses write both.
 */
export function hider(trees: readonly Tree[]): Hide {
  const names = new Map<string, string>()
  const add = (text: string, shown: string): void => {
    if (text.length < SHORTEST) return
    const asJson = JSON.stringify(text).slice(1, -1)
    for (const form of [text, asJson, text.replaceAll("'", "''"), text.replaceAll('"', '""'), inAddress(text)])
      names.set(form, shown)
  }
  for (const tree of trees)
    for (const [, { environment }] of scalarsOf(tree))
      for (const { name, value } of environment.variables)
        for (const text of [value, inPath(value)]) add(text, `\${${name}}`)
  for (const tree of trees)
    for (const { value } of addressesOf(tree))
      for (const secret of secretsIn(value)) if (!names.has(secret)) add(secret, HIDDEN)
  const withoutTokens: Hide = (text) => text.replace(TOKEN_IN_TEXT, HIDDEN)
  if (names.size === 0) return withoutTokens
  // the longest first: one value may be a part of another
  const forms = [...names.keys()].sort((a, b) => b.length - a.length)
  const pattern = new RegExp(forms.map((form) => form.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|'), 'g')
  return (text) => withoutTokens(text.replace(pattern, (found) => names.get(found) ?? found))
}

/** Stands where a secret was written in clear. */
const HIDDEN = '***'
const SECRET_NAME = String.raw`[\w.-]*(?:token|secret|passw|credential|auth|cookie|key|signature)[\w.-]*`
/** A value that is a variable and nothing else. */
const VARIABLE = String.raw`\$\{\w+\}`
/** In a whole address of Spark Connect (etl/spark/connect/address.ts): what its token and headers of secrets say. */
const TOKEN = new RegExp(String.raw`(?<=;${SECRET_NAME}=)(?!${VARIABLE}(?:;|$))[^;]+`, 'gi')
/** The same in a text that quotes an address, as a command line does. */
const TOKEN_IN_TEXT = new RegExp(
  String.raw`(?<=\bsc:\/\/[^\s'"]*;${SECRET_NAME}=)(?!${VARIABLE}(?:[;\s'"]|$))[^;\s'"]+`,
  'gi',
)

/** Secrets of an address, as they stand there and as they are sent. */
function secretsIn(address: string): readonly string[] {
  return [...address.matchAll(TOKEN)].flatMap(([found]) => {
    try {
      return [found, decodeURIComponent(found)]
    } catch {
      return [found]
    }
  })
}

/** Whether an address has a secret that was not stored: it must come from where it came from before. */
export function isWithoutSecrets(address: string): boolean {
  return secretsIn(address).includes(HIDDEN)
}

/** The configuration as it may be stored: values of the environment as the file wrote them, `${NAME}` and all; no tokens. */
export function asWritten(config: PipelineConfig, tree: Tree): unknown {
  const copy: unknown = structuredClone(config)
  for (const [path, { environment }] of scalarsOf(tree)) put(copy, path, environment.written)
  for (const { path, written } of addressesOf(tree)) put(copy, path, written.replace(TOKEN, HIDDEN))
  return copy
}

/** A copy for people to see with `***` at `paths`; those that the configuration does not have are passed over. */
export function redact<Config>(config: Config, paths: readonly Path[]): Config {
  const copy = structuredClone(config)
  for (const path of paths) put(copy, path, '***')
  return copy
}

/**
 * The tree of a configuration that `asWritten` gave, with the values that the environment holds today, and what is wrong
 * with them: one MR_CONFIG_INVALID for each variable that is not set.
 */
export function treeOf(
  recorded: unknown,
  values: readonly EnvironmentValue[],
  env: Readonly<Record<string, string | undefined>>,
): { readonly tree: Tree; readonly faults: readonly MillraceError[] } {
  const faults: MillraceError[] = []
  const known = new Map(values.map((value) => [JSON.stringify(value.path), value]))
  const nowhere: Position = { file: 'the recorded configuration', line: 1, column: 1 }
  const read = (value: unknown, path: Path): Tree => {
    if (Array.isArray(value))
      return { kind: 'list', at: nowhere, items: value.map((item: unknown, i) => read(item, [...path, i])) }
    if (typeof value === 'object' && value !== null) {
      const entries = Object.entries(value).map(
        ([name, inner]: [string, unknown]) => [name, { at: nowhere, value: read(inner, [...path, name]) }] as const,
      )
      return { kind: 'map', at: nowhere, entries: new Map(entries) }
    }
    const found = known.get(JSON.stringify(path))
    if (found === undefined || typeof value !== 'string')
      return { kind: 'scalar', at: nowhere, value, source: String(value) }
    const { at, isPlain } = found
    const scalar = substitute(value, { at, isPlain, env, fault: (fault) => faults.push(fault) })
    // where `${NAME:-default}` takes the default too: `asWritten` gives back what was recorded
    return { ...scalar, environment: scalar.environment ?? { written: value, isPlain, variables: [] } }
  }
  return { tree: read(recorded, []), faults }
}

/** The same error with its texts, its causes' and its stack's hidden. */
export function hideError(error: unknown, hide: Hide): unknown {
  if (typeof error === 'string') return hide(error)
  if (!(error instanceof Error)) return error
  const cause = error.cause === undefined ? {} : { cause: hideError(error.cause, hide) }
  const copy: Error =
    error instanceof MillraceError
      ? hideFault(error, hide, cause)
      : Object.assign(new Error(hide(error.message), cause), { name: error.name })
  if (error.stack !== undefined) copy.stack = hide(error.stack)
  return copy
}

/** As `hideError`, of faults that were found and not thrown. */
export function hideFault(error: MillraceError, hide: Hide, cause: { readonly cause?: unknown } = {}): MillraceError {
  const { code, message, hint, at, retryable, others } = error
  return new MillraceError(code, hide(message), {
    ...cause,
    ...(hint === undefined ? {} : { hint: hide(hint) }),
    ...(at === undefined ? {} : { at: { ...at, file: hide(at.file) } }),
    retryable,
    others: others.map((other) => hideFault(other, hide)),
  })
}

/** Scalars that hold what came from the environment, by path. */
function* scalarsOf(tree: Tree, path: Path = []): Generator<readonly [path: Path, scalar: Substituted]> {
  if (tree.kind === 'list') for (const [i, item] of tree.items.entries()) yield* scalarsOf(item, [...path, i])
  else if (tree.kind === 'map') for (const [name, { value }] of tree.entries) yield* scalarsOf(value, [...path, name])
  else if (tree.environment !== undefined && !isExempt(path)) yield [path, { ...tree, environment: tree.environment }]
}

interface Address {
  readonly path: Path
  readonly value: string
  readonly written: string
}

/** Scalars that are addresses of Spark Connect. */
function* addressesOf(tree: Tree, path: Path = []): Generator<Address> {
  if (tree.kind === 'list') for (const [i, item] of tree.items.entries()) yield* addressesOf(item, [...path, i])
  else if (tree.kind === 'map') for (const [name, { value }] of tree.entries) yield* addressesOf(value, [...path, name])
  else if (typeof tree.value === 'string' && /^\s*sc:\/\//i.test(tree.value))
    yield { path, value: tree.value, written: tree.environment?.written ?? tree.value }
}

/** Puts a value at a path of a configuration that has it. */
function put(config: unknown, path: Path, value: unknown): void {
  const last = path.at(-1)
  let node = config
  for (const step of path.slice(0, -1)) node = isNode(node) && Object.hasOwn(node, step) ? node[step] : undefined
  if (last !== undefined && isNode(node) && Object.hasOwn(node, last)) node[last] = value
}

function isNode(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** As in a path that was put together from it: no address, no `.` and `..`, no slash at the end. */
function inPath(value: string): string {
  let path = value
  try {
    if (/^file:/i.test(value)) path = fileURLToPath(value)
  } catch {
    // what is no valid address is the name of no file
  }
  return posix.normalize(path).replace(/^(?:\.\.\/)+|\/+$/g, '')
}

/** As in an address. Text that is no valid UTF-16 has no such form. */
function inAddress(value: string): string {
  try {
    return encodeURIComponent(value)
  } catch {
    return value
  }
}
