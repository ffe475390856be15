/**
 * Patterns of file names, as shells and DuckDB know them: `*` and `?` within a name, `**` over folders too, `[a-z]`,
 * `[!a]`, `{a,b}`. The same for paths and for keys of objects.
 */

/** True if the text holds a character that means something in a pattern. */
export const isPattern = (text: string): boolean => /[*?[{]/.test(text)

/** What all of a text must match; names are parted by `/`. A bracket or brace that is never closed is itself. */
export function globRegex(pattern: string): RegExp {
  return new RegExp(`^${translated(pattern)}$`, 'su')
}

function translated(pattern: string): string {
  let regex = ''
  for (let at = 0; at < pattern.length;) {
    const rest = pattern.slice(at)
    const [token = '', piece = ''] =
      /^\*\*\//.exec(rest) !== null
        ? ['**/', '(?:[^/]+/)*']
        : rest.startsWith('**')
          ? ['**', '.*']
          : rest.startsWith('*')
            ? ['*', '[^/]*']
            : rest.startsWith('?')
              ? ['?', '[^/]']
              : (characterClass(rest) ?? alternatives(rest) ?? literal(rest))
    regex += piece
    at += token.length
  }
  return regex
}

/** `[ab]`, `[a-z]`, `[!a]`; a bracket right after the opening one is a member. */
function characterClass(text: string): readonly [string, string] | undefined {
  const [token, not = '', members = ''] = /^\[([!^]?)(\]?[^\]/]*)\]/.exec(text) ?? []
  if (token === undefined || members === '') return undefined
  const escaped = members.replace(/[\\[\]^&|~]/g, '\\$&').replace(/^-|-$/g, '\\-')
  try {
    new RegExp(`[${escaped}]`, 'u')
  } catch {
    return undefined
  }
  return [token, not === '' ? `[${escaped}]` : `(?!/)[^${escaped}]`]
}

/** `{a,b}`; what stands between may be patterns, but holds no braces. */
function alternatives(text: string): readonly [string, string] | undefined {
  const [token, inside] = /^\{([^{}]*,[^{}]*)\}/.exec(text) ?? []
  if (token === undefined || inside === undefined) return undefined
  return [token, `(?:${inside.split(',').map(translated).join('|')})`]
}

function literal(text: string): readonly [string, string] {
  const character = String.fromCodePoint(text.codePointAt(0) ?? 0)
  return [character, character.replace(/[\\^$.*+?()[\]{}|/]/u, '\\$&')]
}
