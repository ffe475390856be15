/** A tree of values with places to a checked configuration, or every fault that it has. */
import type { $ZodIssue } from 'zod/v4/core'
import { MillraceError, nearest, type Position } from '../core/errors.js'
import type { PipelineConfig } from './config.js'
import { crossChecks } from './cross-checks.js'
import { knownPaths, pipelineSchema, schemaAt } from './schema.js'
import type { Tree } from './source.js'

export type Path = readonly (string | number)[]

/** Where keys and values stand, by path. */
export class Places {
  private readonly byPath = new Map<string, { readonly key: Position; readonly value: Position }>()

  set(path: Path, key: Position, value: Position): void {
    this.byPath.set(JSON.stringify(path), { key, value })
  }

  /** Of the value at `path`; undefined if the file does not hold it (a default). */
  value(path: Path): Position | undefined {
    return this.byPath.get(JSON.stringify(path))?.value
  }

  /** Of the key, or of the nearest map around it that the file holds. */
  key(path: Path): Position | undefined {
    for (let length = path.length; length >= 0; length--) {
      const found = this.byPath.get(JSON.stringify(path.slice(0, length)))
      if (found) return found.key
    }
    return undefined
  }
}

export interface Validated {
  readonly config: PipelineConfig | undefined
  readonly places: Places
  /** Each with its place. */
  readonly faults: readonly MillraceError[]
  readonly hasUnknownKeys: boolean
}

/**
 * Checks types, ranges and what keys say of each other. Nothing is thrown: faults are given back, all of them.
 * @param hide what a value goes through before a fault shows it
 */
export function validate(tree: Tree, hide: (text: string) => string = (text) => text): Validated {
  const places = new Places()
  const raw = plain(tree, [], places)
  const result = pipelineSchema.safeParse(raw)
  const issues = result.success ? [] : result.error.issues
  const faults = issues.flatMap((issue) => describe(issue, raw, places, hide))
  // what keys say of each other is checked where the keys themselves are right
  // (an unknown key spoils its section, since it may be a misspelt one of it, but not the whole file)
  const faulty = issues.map((issue) => settled(issue.path)).filter((path) => path.length > 0)
  const whole = result.success ? result.data : pipelineSchema.safeParse(repaired(raw, issues)).data
  for (const fault of whole ? crossChecks(whole) : []) {
    const touched = fault.paths.some((path) => faulty.some((bad) => overlaps(path.split('.'), bad)))
    if (touched) continue
    // the place of the first of the keys that the file holds
    const at = fault.paths
      .map((path) => places.value(fault.exact ?? path.split('.')))
      .find((found) => found !== undefined)
    faults.push(invalid(fault.message, at ?? places.key([]), fault.hint))
  }
  return {
    config: result.success && faults.length === 0 ? result.data : undefined,
    places,
    faults,
    hasUnknownKeys: issues.some(({ code }) => code === 'unrecognized_keys'),
  }
}

/** The tree as JavaScript values; names are taken as they stand, and a section with nothing in it is an empty one. */
function plain(tree: Tree, path: Path, places: Places, key = tree.at): unknown {
  places.set(path, key, tree.at)
  if (tree.kind === 'list') return tree.items.map((item, i) => plain(item, [...path, i], places))
  if (tree.kind === 'map')
    return Object.fromEntries(
      [...tree.entries].map(([name, entry]) => [name, plain(entry.value, [...path, name], places, entry.at)]),
    )
  const node = schemaAt(path)
  if (tree.value === null && node?.collection) return node.collection === 'map' ? {} : []
  const word = typeof tree.value === 'number' || typeof tree.value === 'boolean'
  return word && node?.facts?.verbatim === true ? tree.source : tree.value
}

/** One fault, or one for each unknown key. */
function describe(issue: $ZodIssue, raw: unknown, places: Places, hide: (text: string) => string): MillraceError[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((name) => {
      const path = [...issue.path.map(String), name]
      const known = schemaAt(issue.path)?.keys ?? []
      const parent = issue.path.join('.')
      const elsewhere = knownPaths().find((candidate) => candidate.endsWith(`.${name}`))
      const near = nearest(name, known)
      const suggestion = near === undefined ? elsewhere : parent === '' ? near : `${parent}.${near}`
      const where = parent === '' ? 'at the top of the file' : `in ${parent}`
      return invalid(
        `unknown key ${JSON.stringify(name)} ${where}${suggestion === undefined ? '' : `: did you mean ${suggestion}?`}`,
        places.key(path),
        suggestion === undefined ? `known ${where}: ${known.join(', ')}` : undefined,
      )
    })
  const path = issue.path.map((segment) => (typeof segment === 'number' ? segment : String(segment)))
  // the innermost key that has a rule: a fault deep in a step is a fault of the step
  let ruled = path
  while (ruled.length > 0 && schemaAt(ruled)?.facts === undefined && schemaAt(ruled)?.collection !== 'map')
    ruled = ruled.slice(0, -1)
  const node = schemaAt(ruled)
  const rule = node?.facts?.rule ?? 'a map of keys'
  const value = valueAt(raw, ruled)
  const name = ruled.length === 0 ? 'the file' : dotted(ruled)
  if (value === undefined) return [invalid(`${name} is required: ${rule}`, places.key(ruled))]
  const hint =
    typeof value === 'string' &&
    issue.code === 'invalid_type' &&
    issue.expected === 'number' &&
    value.trim() !== '' &&
    !Number.isNaN(Number(value))
      ? 'a number stands without quotes'
      : undefined
  const close =
    issue.code === 'invalid_value' && typeof value === 'string' ? nearest(value, issue.values.map(String)) : undefined
  const question = close === undefined ? '' : `: did you mean ${close}?`
  return [invalid(`${name} is ${show(value, hide)}, it must be ${rule}${question}`, places.value(ruled), hint)]
}

function invalid(message: string, at: Position | undefined, hint?: string): MillraceError {
  return new MillraceError('MR_CONFIG_INVALID', message, {
    ...(at === undefined ? {} : { at }),
    ...(hint === undefined ? {} : { hint }),
  })
}

/** A value as the file would hold it, cut to a length that fits a line. */
function show(value: unknown, hide: (text: string) => string): string {
  if (typeof value === 'number') return hide(String(value))
  // before it is cut: half of a secret would not be found
  const text = hide(JSON.stringify(value))
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

/** A path for people; names that hold dots are quoted. */
export function dotted(path: Path): string {
  return path
    .map((segment) => (/^[^."\s]+$/.test(String(segment)) ? String(segment) : JSON.stringify(segment)))
    .join('.')
}

function valueAt(raw: unknown, path: Path): unknown {
  let value: unknown = raw
  for (const segment of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, segment)) return undefined
    value = (value as Record<string | number, unknown>)[segment]
  }
  return value
}

/** The path of what a fault spoils: a list is spoiled as a whole. */
function settled(path: readonly PropertyKey[]): readonly string[] {
  const list = path.findIndex((segment) => typeof segment === 'number')
  return (list < 0 ? path : path.slice(0, list)).map(String)
}

function overlaps(a: readonly string[], b: readonly string[]): boolean {
  return a.every((segment, i) => i >= b.length || segment === b[i])
}

/** A copy without the faulty keys, and with stand-ins for required ones, so that the rest can still be checked. */
function repaired(raw: unknown, issues: readonly $ZodIssue[]): unknown {
  const copy: unknown = structuredClone(raw)
  for (const issue of issues) {
    const path = settled(issue.path)
    const unknown = issue.code === 'unrecognized_keys'
    const owner = valueAt(copy, unknown ? path : path.slice(0, -1))
    if (typeof owner !== 'object' || owner === null) continue
    for (const name of unknown ? issue.keys : path.slice(-1)) Reflect.deleteProperty(owner, name)
  }
  if (typeof copy !== 'object' || copy === null) return copy
  const top = copy as Readonly<Record<string, unknown>>
  const section = (name: string): object => {
    const found = top[name]
    return typeof found === 'object' && found !== null ? found : {}
  }
  return {
    pipeline_name: 'x',
    version: 'x',
    ...top,
    data: { source_path: 'x', output_path: 'x', ...section('data') },
    training: { model_type: 'neural_network', ...section('training') },
  }
}
