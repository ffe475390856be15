/**
 * Which parts of the configuration a stage reads. A stage gets the configuration through a proxy that notes every
 * property it looks at; the stage's work is good again for any configuration in which those parts are the same
 * ("verifying traces": Mokhov, Mitchell, Peyton Jones, "Build systems à la carte", 2018).
 *
 * What is noted is text: the canonical JSON of a leaf, or of a whole subtree when a stage lists, spreads, iterates or
 * stringifies it (long ones as their sha256); `{` or `[` for an object or list whose parts were only reached through;
 * `absent` for a property that is not there. Where a secret is among what was read, it is a keyed hash.
 */
import { createHmac } from 'node:crypto'
import { canonicalJson, sha256Json } from '../core/json.js'
import type { Read } from './events.js'

export const ABSENT = 'absent'
const SEALED = 'hmac-sha256:'
/** Values longer than this are kept as digests: enough to compare, and lists do not fill the journal. */
const LONGEST = 120

/** Which values must not be kept as they are, and the key of the hashes that are kept instead. */
export interface Sealing {
  readonly places: readonly (readonly (string | number)[])[]
  /** Without it a short secret could be found by trying. */
  readonly key: Uint8Array
}

type Node = Readonly<Record<string, unknown>>
type Depth = 'one' | 'whole'

export interface RecordedConfig<Config> {
  /** Reads like `config` and cannot be changed. It cannot be posted to a worker: take the parts needed. */
  readonly config: Config
  /** What was read so far, in the order of paths. */
  reads(): readonly Read[]
}

/**
 * Wraps a configuration (plain JSON data).
 * @param sealing absent: nothing in it is a secret
 * @param earlier reads that count as made already: those of the attempt whose checkpoint is gone on from
 */
export function recordReads<Config>(
  config: Config,
  sealing?: Sealing,
  earlier: readonly Read[] = [],
): RecordedConfig<Config> {
  const noted = new Map<string, { path: readonly string[]; depth: Depth }>()
  const note = (path: readonly string[], depth: Depth) => {
    const id = JSON.stringify(path)
    if (noted.get(id)?.depth !== 'whole') noted.set(id, { path, depth })
  }
  for (const [path, found] of earlier) note(path, depthOf(found))

  const wrap = (source: Node, path: readonly string[]): object => {
    // A shallow copy as the target: proxies of frozen objects may not answer with anything but the object itself.
    const target: object = Array.isArray(source)
      ? [...(source as unknown[])]
      : Object.fromEntries(Object.entries(source))
    const children = new Map<string, object>()
    const child = (key: string): unknown => {
      const value = source[key]
      if (!isNode(value)) return value
      let wrapped = children.get(key)
      if (wrapped === undefined) children.set(key, (wrapped = wrap(value, [...path, key])))
      return wrapped
    }
    return new Proxy(target, {
      get(_, key) {
        if (typeof key === 'symbol' || (Array.isArray(source) && !Object.hasOwn(source, key))) {
          // Iteration, and methods of lists, can look at everything.
          note(path, 'whole')
          return Reflect.get(target, key) as unknown
        }
        if (!Object.hasOwn(source, key)) {
          // Asked for by `await` and JSON.stringify, of every object.
          if (key !== 'then' && key !== 'toJSON') note([...path, key], 'one')
          return Reflect.get(target, key) as unknown
        }
        note([...path, key], 'one')
        return child(key)
      },
      has(_, key) {
        if (typeof key === 'string') note([...path, key], 'one')
        return Reflect.has(target, key)
      },
      ownKeys() {
        note(path, 'whole')
        return Reflect.ownKeys(target)
      },
      getOwnPropertyDescriptor(_, key) {
        const found = Reflect.getOwnPropertyDescriptor(target, key)
        if (typeof key === 'symbol') return found
        note([...path, key], 'one')
        return found === undefined || key === 'length' ? found : { ...found, value: child(key) }
      },
      set: () => false,
      defineProperty: () => false,
      deleteProperty: () => false,
      setPrototypeOf: () => false,
      preventExtensions: () => false,
    })
  }

  return {
    config: isNode(config) ? (wrap(config, []) as Config) : config,
    reads() {
      if (!isNode(config)) return [[[], look(config, [], 'whole', sealing)]]
      const whole = [...noted.values()].filter(({ depth }) => depth === 'whole')
      const covered = (path: readonly string[]) =>
        whole.some((other) => other.path.length < path.length && other.path.every((step, i) => step === path[i]))
      const entries = [...noted.values()].filter(({ path }) => !covered(path))
      const reads = entries.map(({ path, depth }): Read => [path, look(config, path, depth, sealing)])
      // An object reached through on the way to a value that is there needs no word of its own.
      const implied = new Set<string>()
      for (const [path, found] of reads) {
        if (found === ABSENT) continue
        for (let length = 1; length < path.length; length++) implied.add(JSON.stringify(path.slice(0, length)))
      }
      return reads
        .filter(([path, found]) => !((found === '{' || found === '[') && implied.has(JSON.stringify(path))))
        .map((read): [string, Read] => [JSON.stringify(read[0]), read])
        .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
        .map(([, read]) => read)
    },
  }
}

/** The reads of `reads` that would find something else in `config`, with what they would find. Empty: all agree. */
export function changedReads(
  reads: readonly Read[],
  config: unknown,
  sealing?: Sealing,
): { path: readonly string[]; from: string; to: string }[] {
  const changed: { path: readonly string[]; from: string; to: string }[] = []
  for (const read of reads) {
    const [path, from] = read
    if (!isSame(read, config, sealing)) changed.push({ path, from, to: look(config, path, depthOf(from), sealing) })
  }
  return changed
}

/** True if every read would find in `config` what it found before, whether or not it was or is a secret. */
export function agrees(reads: readonly Read[], config: unknown, sealing?: Sealing): boolean {
  return reads.every((read) => isSame(read, config, sealing))
}

function isSame([path, found]: Read, config: unknown, sealing?: Sealing): boolean {
  const isSealed = found.startsWith(SEALED)
  const asThen = isSealed && sealing !== undefined ? { ...sealing, places: [path] } : undefined
  return look(config, path, depthOf(found), asThen) === found
}

function depthOf(found: string): Depth {
  return found === '{' || found === '[' || found === ABSENT ? 'one' : 'whole'
}

function look(config: unknown, path: readonly string[], depth: Depth, sealing?: Sealing): string {
  let value = config
  for (const step of path) {
    if (!isNode(value) || !Object.hasOwn(value, step)) return ABSENT
    value = value[step]
  }
  if (isNode(value) && depth === 'one') return Array.isArray(value) ? '[' : '{'
  return sealing?.places.some((place) => overlap(place, path)) ? seal(value, sealing.key) : canonical(value)
}

/** True if one of the places holds the other. */
function overlap(place: readonly (string | number)[], path: readonly string[]): boolean {
  const shorter = Math.min(place.length, path.length)
  return place.slice(0, shorter).every((step, i) => String(step) === path[i])
}

function seal(value: unknown, key: Uint8Array): string {
  return `${SEALED}${createHmac('sha256', key).update(canonicalJson(value)).digest('hex')}`
}

function canonical(value: unknown): string {
  const text = canonicalJson(value)
  return text.length > LONGEST ? sha256Json(value) : text
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null
}
