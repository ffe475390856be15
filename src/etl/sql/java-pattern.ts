/**
 * Regular expressions of the kind of RE2 in Java's syntax, with RE2's meaning: what Java would read otherwise (`$` before a
 * last line break, `.` and other line ends, `\s` and `\v`, `[a[b]]`, possessive repetition, named groups) is written out,
 * and what RE2 does not know is refused, so that a pattern means the same on every engine or nothing on all.
 */
import { MillraceError } from '../../core/errors.js'

/** Java's classes inside of brackets for RE2's; the capital ones have no set without the brackets. */
const PERL: Readonly<Record<string, string>> = { d: '0-9', w: '0-9A-Za-z_', s: '\\t\\n\\f\\r ' }
const POSIX: Readonly<Record<string, string>> = {
  ...{ alnum: '0-9A-Za-z', alpha: 'A-Za-z', ascii: '\\x00-\\x7F', blank: '\\t ', cntrl: '\\x00-\\x1F\\x7F' },
  ...{ digit: '0-9', graph: '!-~', lower: 'a-z', print: ' -~', punct: '!-/:-@\\[-`{-~', space: '\\t-\\r ' },
  ...{ upper: 'A-Z', word: '0-9A-Za-z_', xdigit: '0-9A-Fa-f' },
}
const CONTROL: Readonly<Record<string, string>> = { a: '07', f: '0C', n: '0A', r: '0D', t: '09', v: '0B' }
const LARGEST_REPEAT = 1000
const WORD = '0-9A-Za-z_'
const BOUNDARY = `(?:(?<=[${WORD}])(?![${WORD}])|(?<![${WORD}])(?=[${WORD}]))`
const NO_BOUNDARY = `(?:(?<=[${WORD}])(?=[${WORD}])|(?<![${WORD}])(?![${WORD}]))`

interface Flags {
  /** `^` and `$` also at line breaks. */
  m: boolean
  /** `.` is also a line break. */
  s: boolean
}

/** The same pattern for `java.util.regex`. Throws MR_ENGINE_FAILED for what RE2 refuses. */
export function javaPattern(re2: string): string {
  return new Translation(re2).whole()
}

class Translation {
  private at = 0
  private flags: Flags = { m: false, s: false }
  private readonly outer: Flags[] = []

  constructor(private readonly from: string) {}

  whole(): string {
    let out = ''
    /** What stands before can be repeated. */
    let repeatable = false
    while (this.at < this.from.length) {
      const repeat = this.take(/[*+?]|\{(\d+)(,(\d*))?\}/y)
      if (repeat !== undefined) {
        if (!repeatable) throw this.refused(`nothing to repeat before ${repeat[0]}`)
        const [text, low = '0', , high = ''] = repeat
        if (Math.max(Number(low), Number(high)) > LARGEST_REPEAT || (high !== '' && Number(high) < Number(low)))
          throw this.refused(`${text} is no number of times (at most ${LARGEST_REPEAT})`)
        out += text + (this.take(/\?/y)?.[0] ?? '')
        repeatable = false
        continue
      }
      const [next, canRepeat] = this.token()
      out += next
      repeatable = canRepeat
    }
    if (this.outer.length > 0) throw this.refused('a parenthesis is not closed')
    return out
  }

  /** The next token, and whether it can be repeated. */
  private token(): readonly [string, boolean] {
    const quoted = this.take(/\\Q([^]*?)(\\E|$)/y)
    if (quoted !== undefined) return [[...(quoted[1] ?? '')].map(escaped).join(''), quoted[1] !== '']
    const char = this.take(/[^]/uy)?.[0] ?? ''
    switch (char) {
      case '\\':
        return [this.escape(), true]
      case '[':
        return [this.charClass(), true]
      case '.':
        return [this.flags.s ? '[\\x00-\\x{10FFFF}]' : '[^\\n]', true]
      case '^':
        return [this.flags.m ? '(?<![^\\n])' : '\\A', true]
      case '$':
        return [this.flags.m ? '(?![^\\n])' : '\\z', true]
      case '|':
        return ['|', false]
      case '(':
        return this.group()
      case ')': {
        const flags = this.outer.pop()
        if (flags === undefined) throw this.refused('a parenthesis is closed that was not opened')
        this.flags = flags
        return [')', true]
      }
      default:
        return [escaped(char), true]
    }
  }

  /** After `(`. Groups need no names: nothing asks for what they found. */
  private group(): readonly [string, boolean] {
    const isNamed = this.take(/\?P<[A-Za-z0-9_]+>/y) !== undefined
    const special = isNamed ? undefined : this.take(/\?([imsU]*)(-([imsU]+))?([:)])/y)
    if (!isNamed && special === undefined && this.from[this.at] === '?')
      throw this.refused(`(${this.from.slice(this.at, this.at + 3)} is not known`)
    const before = { ...this.flags }
    const [text = '', on = '', , off = '', end = ''] = special ?? []
    if (special !== undefined && end === ')' && text.length < 3) throw this.refused('(?) is not known')
    for (const flag of ['m', 's'] as const)
      if (off.includes(flag)) this.flags[flag] = false
      else if (on.includes(flag)) this.flags[flag] = true
    if (end === ')') return [off.includes('i') ? '(?-iu)' : on.includes('i') ? '(?iu)' : '', false]
    this.outer.push(before)
    return [off.includes('i') ? '(?-iu:' : on.includes('i') ? '(?iu:' : '(?:', false]
  }

  /** After a backslash, outside of brackets. */
  private escape(): string {
    if (this.take(/A/y)) return '\\A'
    if (this.take(/z/y)) return '\\z'
    if (this.take(/b/y)) return BOUNDARY
    if (this.take(/B/y)) return NO_BOUNDARY
    return this.set() ?? this.single()
  }

  /** `\d`, `\PL` … as a class of its own. */
  private set(): string | undefined {
    const perl = this.take(/[dwsDWS]/y)?.[0]
    if (perl !== undefined) return `[${perl < 'a' ? '^' : ''}${PERL[perl.toLowerCase()]}]`
    const property = this.take(/([pP])(?:([A-Z])|\{(\^?)([A-Za-z_]+)\})/y)
    if (property === undefined) return undefined
    const [, p = '', letter, negated = '', name = ''] = property
    const isOut = (p === 'P') !== (negated === '^')
    const of = letter ?? (name.length <= 2 ? name : `Is${name}`)
    return name === 'Any' ? `[${isOut ? '^' : ''}\\x00-\\x{10FFFF}]` : `\\${isOut ? 'P' : 'p'}{${of}}`
  }

  /** After a backslash: one character. */
  private single(): string {
    const hex = this.take(/x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})/y)
    if (hex !== undefined) return this.code(parseInt(hex[1] ?? hex[2] ?? '', 16))
    const octal = this.take(/0[0-7]{0,2}|[1-7][0-7]{1,2}/y)?.[0]
    if (octal !== undefined) return this.code(parseInt(octal, 8))
    const control = CONTROL[this.from[this.at] ?? '']
    if (control !== undefined) {
      this.at++
      return `\\x${control}`
    }
    const char = this.take(/[!-/:-@[-`{-~]/y)?.[0]
    if (char === undefined) throw this.refused(`\\${this.from[this.at] ?? ''} is not known`)
    return escaped(char)
  }

  private code(point: number): string {
    if (point > 0x10ffff) throw this.refused('there is no such character')
    return `\\x{${point.toString(16)}}`
  }

  /** After `[`. A negated set within stands as a class of its own, which Java joins with the rest. */
  private charClass(): string {
    let out = this.take(/\^/y) === undefined ? '[' : '[^'
    for (let first = true; ; first = false) {
      if (this.at >= this.from.length) throw this.refused('a bracket is not closed')
      if (!first && this.take(/\]/y)) return `${out}]`
      const posix = this.take(/\[:(\^?)([a-z]+):\]/y)
      if (posix !== undefined) {
        const [, negated = '', name = ''] = posix
        const set = POSIX[name]
        if (set === undefined) throw this.refused(`[:${name}:] is not known`)
        out += `[${negated}${set}]`
        continue
      }
      const isEscape = this.take(/\\/y) !== undefined
      const set = isEscape ? this.set() : undefined
      if (set !== undefined) {
        out += set
        continue
      }
      const low = isEscape ? this.single() : escaped(this.take(/[^]/uy)?.[0] ?? '')
      // a hyphen before the closing bracket is itself
      if (this.take(/-(?!\])/y) === undefined) {
        out += low
        continue
      }
      const isHighEscape = this.take(/\\/y) !== undefined
      const high = isHighEscape ? this.single() : escaped(this.take(/[^]/uy)?.[0] ?? '')
      out += `${low}-${high}`
    }
  }

  private take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.at
    const found = pattern.exec(this.from)
    if (found === null) return undefined
    this.at = pattern.lastIndex
    return found
  }

  private refused(why: string): MillraceError {
    return new MillraceError('MR_ENGINE_FAILED', `the pattern ${JSON.stringify(this.from)}: ${why}`)
  }
}

/** A character that stands for itself, also in brackets. */
function escaped(char: string): string {
  return /[!-/:-@[-`{-~]/.test(char) ? `\\${char}` : char
}
