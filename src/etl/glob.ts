/**
 * Patterns of file names, as shells and DuckDB know them: `*` and `?` within a name, `**` over folders too, `[a-z]`,
 * `[!a]`, `{a,b}`. The same for paths and for keys of objects.
 *
 * A pattern is a nondeterministic automaton whose reachable sets of states are found as texts ask for them (Thompson,
 * Regular expression search algorithm, 1968): the time is linear in the text, where a regular expression with several
 * stars tries every way to part it.
 */

/** True if the text holds a character that means something in a pattern. */
export const isPattern = (text: string): boolean => /[*?[{]/.test(text)

/** Says of a text whether all of it matches; names are parted by `/`. A bracket or brace that is never closed is itself. */
export function globMatcher(pattern: string): (text: string) => boolean {
  const sets = new Map<string, StateSet>()
  let count = 0
  const first = setOf(sets, [automaton(tokensOf(pattern), END, () => ++count)])
  return (text) => {
    let set = first
    for (const character of text) {
      let next = set.known.get(character)
      if (next === undefined) {
        next = setOf(
          sets,
          set.takers.filter(({ takes }) => takes?.(character)).flatMap((state) => state.next),
        )
        if (set.known.size < REMEMBERED) set.known.set(character, next)
      }
      if (next.takers.length === 0 && !next.isEnd) return false
      set = next
    }
    return set.isEnd
  }
}

type Takes = (character: string) => boolean
type Token = Takes | '*' | '**' | '**/' | readonly (readonly Token[])[]

/** Goes on to all of `next`: over one character that it takes, or without one where there is no `takes`. */
interface State {
  /** Of one pattern's, its own. */
  readonly id: number
  readonly takes?: Takes
  next: readonly State[]
}
const END: State = { id: 0, next: [] }

/** The automaton of tokens, which goes on to `then`; `id` gives a number at each call. */
function automaton(tokens: readonly Token[], then: State, id: () => number): State {
  return tokens.reduceRight<State>((next, token) => {
    if (typeof token === 'function') return { id: id(), takes: token, next: [next] }
    if (typeof token !== 'string') return { id: id(), next: token.map((one) => automaton(one, next, id)) }
    const loop: State = { id: id(), next: [] }
    const inside: State = { id: id(), takes: token === '**' ? () => true : isOfName, next: [loop] }
    loop.next = [inside, next]
    // any number of names, each with its slash
    if (token === '**/') inside.next = [inside, { id: id(), takes: isSlash, next: [loop] }]
    return loop
  }, then)
}

/** States that one text can have led to, of which those that take a character are kept. */
interface StateSet {
  readonly takers: readonly State[]
  readonly isEnd: boolean
  readonly known: Map<string, StateSet>
}

/** Characters that a set remembers, and sets that a pattern does: beyond, all is as right, and slower. */
const REMEMBERED = 1_000

function setOf(sets: Map<string, StateSet>, from: readonly State[]): StateSet {
  const found = new Set<State>()
  const open = [...from]
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    if (found.has(state)) continue
    found.add(state)
    if (state.takes === undefined) open.push(...state.next)
  }
  const takers = [...found].filter(({ takes }) => takes !== undefined)
  const key = `${takers
    .map(({ id }) => id)
    .sort()
    .join()}${found.has(END) ? ' end' : ''}`
  const known = sets.get(key)
  if (known !== undefined) return known
  const set = { takers, isEnd: found.has(END), known: new Map<string, StateSet>() }
  if (sets.size < REMEMBERED) sets.set(key, set)
  return set
}

const isSlash: Takes = (character) => character === '/'
const isOfName: Takes = (character) => character !== '/'

function tokensOf(pattern: string): readonly Token[] {
  const tokens: Token[] = []
  for (let at = 0; at < pattern.length;) {
    const rest = pattern.slice(at)
    const stars = /^(?:\*\*\/|\*\*?)/.exec(rest)?.[0] as '*' | '**' | '**/' | undefined
    const [text, token] =
      stars !== undefined
        ? [stars, stars]
        : rest.startsWith('?')
          ? ['?', isOfName]
          : (characterClass(rest) ?? alternatives(rest) ?? literal(rest))
    tokens.push(token)
    at += text.length
  }
  return tokens
}

/** `[ab]`, `[a-z]`, `[!a]`; a bracket right after the opening one is a member. */
function characterClass(text: string): readonly [string, Takes] | undefined {
  const [token, not = '', members = ''] = /^\[([!^]?)(\]?[^\]/]*)\]/.exec(text) ?? []
  if (token === undefined || members === '') return undefined
  const escaped = members.replace(/[\\[\]^&|~]/g, '\\$&').replace(/^-|-$/g, '\\-')
  try {
    const member = new RegExp(`[${escaped}]`, 'u')
    return [
      token,
      (character) => (not === '' ? member.test(character) : isOfName(character) && !member.test(character)),
    ]
  } catch {
    return undefined
  }
}

/** `{a,b}`; what stands between may be patterns, but holds no braces. */
function alternatives(text: string): readonly [string, Token] | undefined {
  const [token, inside] = /^\{([^{}]*,[^{}]*)\}/.exec(text) ?? []
  if (token === undefined || inside === undefined) return undefined
  return [token, inside.split(',').map(tokensOf)]
}

function literal(text: string): readonly [string, Takes] {
  const wanted = String.fromCodePoint(text.codePointAt(0) ?? 0)
  return [wanted, (character) => character === wanted]
}
