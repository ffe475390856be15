/**
 * YAML text to a tree in which every value knows its place. Only what a pipeline file needs is let through: one
 * document, one map, no tags, no huge aliases; `${NAME}` and `${NAME:-default}` are replaced where the text has them.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments, Scalar, type Document } from 'yaml'
import { MillraceError, type Position } from '../core/errors.js'

interface ScalarTree {
  readonly kind: 'scalar'
  readonly at: Position
  readonly value: unknown
  readonly source: string
  /** Variables of the environment gave it, or a part of it: it may be a secret. */
  readonly environment?: FromEnvironment
}

interface FromEnvironment {
  /** With `${NAME}` in it. */
  readonly written: string
  /** Without quotes: the text may stand for a number, true, false or null. */
  readonly isPlain: boolean
  readonly variables: readonly { readonly name: string; readonly value: string }[]
}

/** A scalar that variables of the environment gave, whole or in part. */
export type Substituted = ScalarTree & { readonly environment: FromEnvironment }

export type Tree =
  | ScalarTree
  | { readonly kind: 'list'; readonly at: Position; readonly items: readonly Tree[] }
  | { readonly kind: 'map'; readonly at: Position; readonly entries: ReadonlyMap<string, Entry> }

/** `at` is where the key stands. */
export interface Entry {
  readonly at: Position
  readonly value: Tree
}

export interface Parsed {
  readonly tree: Tree | undefined
  readonly faults: readonly MillraceError[]
  /** True if the text is no YAML at all: what was understood of it is not worth checking. */
  readonly broken: boolean
}

/** A pipeline file is written by people: these bounds are far beyond any. */
const MAX_CHARACTERS = 1 << 20
const MAX_VALUES = 50_000
const MAX_DEPTH = 50
const MAX_SYNTAX_FAULTS = 10

/**
 * @param place turns an offset in the text into a position, where that is not a line of a file (`--set`)
 * @param anyTop lets lists and scalars stand at the top too
 */
export function parseYaml(
  text: string,
  file: string,
  env: Readonly<Record<string, string | undefined>>,
  options: { readonly anyTop?: boolean; readonly at?: Position } = {},
): Parsed {
  const lines = new LineCounter()
  const place = (offset: number | undefined): Position => {
    if (options.at) return options.at
    if (offset === undefined || text === '') return { file, line: 1, column: 1 }
    const { line, col } = lines.linePos(offset)
    return { file, line: Math.max(1, line), column: Math.max(1, col) }
  }
  const refused = (message: string, at?: number): Parsed => ({
    tree: undefined,
    faults: [new MillraceError('MR_CONFIG_INVALID', message, { at: place(at) })],
    broken: true,
  })
  if (text.length > MAX_CHARACTERS)
    return refused(`the file has ${text.length} characters, at most ${MAX_CHARACTERS} may be read`)
  if (isTooDeep(text)) return refused('the file is nested too deeply')
  let documents: ReturnType<typeof parseAllDocuments>
  try {
    documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, version: '1.2', uniqueKeys: false })
  } catch (error) {
    // deep nesting exhausts the parser's stack
    if (error instanceof RangeError) return refused('the file is nested too deeply')
    throw error
  }
  const [document, second] = documents as readonly Document.Parsed[]
  if (!document) return refused('the file is empty, it must hold the keys of a pipeline')
  if (second) return refused('a second YAML document starts here, a pipeline file is one document', second.range[0])
  const faults: MillraceError[] = []
  // each unreadable place makes the parser stumble over the next: the first few tell enough
  for (const { code, message, pos } of document.errors.slice(0, MAX_SYNTAX_FAULTS)) {
    if (message.includes('call stack')) return refused('the file is nested too deeply')
    const words = WORDS[code] ?? `this is not YAML: ${lowerFirst(message)}`
    faults.push(new MillraceError('MR_CONFIG_INVALID', words, { at: place(pos[0]) }))
  }
  const broken = faults.length > 0
  if (document.schema.name !== 'core') return refused('a %YAML directive is not understood, remove it')
  if (broken) return { tree: undefined, faults, broken }
  const reader = new TreeReader(document, place, env, faults)
  const tree = document.contents === null ? undefined : reader.read(document.contents, 0)
  if (tree?.kind !== 'map' && options.anyTop !== true)
    return refused(
      `the file holds ${tree === undefined ? 'nothing' : tree.kind === 'list' ? 'a list' : 'a single value'}, it must hold a map of keys`,
      document.contents?.range[0],
    )
  return { tree, faults, broken: reader.exhausted }
}

const WORDS: Partial<Record<string, string>> = {
  TAB_AS_INDENT: 'a tab indents this line, YAML wants spaces',
  BLOCK_AS_IMPLICIT_KEY: 'a map begins inside a line, put it on lines of its own',
}

/** Before parsing, because yaml's composer recurses: brackets without their ends, or `- - - -`, by the thousand. */
function isTooDeep(text: string): boolean {
  let open = 0
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c === 0x5b || c === 0x7b) open++
    else if ((c === 0x5d || c === 0x7d) && open > 0) open--
    if (open > 1000) return true
  }
  return /^(?:[ \t]*[-?:]){1000}/m.test(text)
}

class TreeReader {
  private values = 0
  exhausted = false

  constructor(
    private readonly document: Document.Parsed,
    private readonly place: (offset: number | undefined) => Position,
    private readonly env: Readonly<Record<string, string | undefined>>,
    private readonly faults: MillraceError[],
  ) {}

  read(node: unknown, depth: number): Tree | undefined {
    const range = (node as { range?: readonly number[] | null } | null)?.range
    const at = this.place(range?.[0])
    if (this.exhausted) return undefined
    if (++this.values > MAX_VALUES || depth > MAX_DEPTH) {
      this.exhausted = true
      this.fault(
        `the file holds more than ${MAX_VALUES} values, or more than ${MAX_DEPTH} levels (aliases counted)`,
        at,
      )
      return undefined
    }
    if (isAlias(node)) {
      const target = node.resolve(this.document)
      if (!target) this.fault(`the alias *${node.source} has no anchor`, at)
      return target && this.read(target, depth + 1)
    }
    // yaml sets it for explicit tags only
    const tag = (node as { readonly tag?: string } | null)?.tag?.replace('tag:yaml.org,2002:', '!!')
    if (tag !== undefined) this.fault(`the tag ${JSON.stringify(tag)} is not allowed, values are plain`, at)
    if (isMap(node)) {
      const entries = new Map<string, Entry>()
      for (const pair of node.items) {
        const keyAt = this.place((pair.key as { range?: readonly number[] }).range?.[0])
        const key = isAlias(pair.key) ? pair.key.resolve(this.document) : pair.key
        if (!isScalar(key)) {
          this.fault('a key must be text', keyAt)
          continue
        }
        const name = key.source ?? String(key.value)
        if (name === '__proto__') {
          this.fault('"__proto__" cannot be a key', keyAt)
          continue
        }
        const first = entries.get(name)
        if (first)
          this.fault(`the key ${JSON.stringify(name)} stands twice in one map, first in line ${first.at.line}`, keyAt)
        const value = this.read(pair.value ?? new Scalar(null), depth + 1)
        if (value) entries.set(name, { at: keyAt, value: pair.value ? value : { ...value, at: keyAt } })
      }
      return { kind: 'map', at, entries }
    }
    if (isSeq(node)) {
      const items = node.items.map((item) => this.read(item, depth + 1)).filter((item) => item !== undefined)
      return { kind: 'list', at, items }
    }
    return isScalar(node) ? this.scalar(node, at) : undefined
  }

  private scalar(node: Scalar, at: Position): Tree {
    const source = node.source ?? ''
    if (typeof node.value !== 'string' || !node.value.includes('${'))
      return { kind: 'scalar', at, value: node.value, source }
    return substitute(node.value, {
      at,
      isPlain: node.type === Scalar.PLAIN,
      env: this.env,
      fault: (fault) => this.faults.push(fault),
    })
  }

  private fault(message: string, at: Position, hint?: string): void {
    this.faults.push(new MillraceError('MR_CONFIG_INVALID', message, hint === undefined ? { at } : { at, hint }))
  }
}

/**
 * The scalar that a written text with `${NAME}` in it stands for. One pass: what a variable holds is text, never looked
 * into again. `$${` is a literal `${`.
 * @param options.fault hears of variables that are not set and of what is no variable
 */
export function substitute(
  written: string,
  {
    at,
    isPlain,
    env,
    fault,
  }: {
    readonly at: Position
    readonly isPlain: boolean
    readonly env: Readonly<Record<string, string | undefined>>
    readonly fault: (fault: MillraceError) => void
  },
): ScalarTree {
  const variables: { name: string; value: string }[] = []
  const refuse = (message: string, hint: string) => fault(new MillraceError('MR_CONFIG_INVALID', message, { at, hint }))
  const text = written.replace(
    /\$\$(?=\{)|\$\{([^}]*)(\})?/g,
    (whole, inside: string | undefined, close: string | undefined) => {
      if (inside === undefined) return '$'
      const match = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(inside)
      if (!match || close === undefined) {
        refuse(`${JSON.stringify(whole)} must be \${NAME} or \${NAME:-default}`, 'write $${ for a literal ${')
        return whole
      }
      const [, name = '', fallback] = match
      const value = env[name]
      // as in a shell, `:-` is for a variable that is unset or empty
      if (value !== undefined && !(value === '' && fallback !== undefined)) {
        variables.push({ name, value })
        return value
      }
      if (fallback !== undefined) return fallback
      refuse(`the environment variable ${name} is not set`, `set it, or write \${${name}:-default}`)
      return whole
    },
  )
  // unquoted, `${N}` may stand for a number, true, false or null, as the plain text would
  const value = isPlain && text !== written ? plainValue(text) : text
  const scalar: ScalarTree = { kind: 'scalar', at, value, source: text }
  return variables.length === 0 ? scalar : { ...scalar, environment: { written, isPlain, variables } }
}

/** The core schema of YAML 1.2 for one plain scalar. */
function plainValue(text: string): unknown {
  if (/^(?:~|null|Null|NULL)?$/.test(text)) return null
  if (/^(?:true|True|TRUE)$/.test(text)) return true
  if (/^(?:false|False|FALSE)$/.test(text)) return false
  return /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/.test(text) ? Number(text) : text
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
