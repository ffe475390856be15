/** What models and aliases may be called, and how a model is addressed. */
import { MillraceError } from '../core/errors.js'

/**
 * Names become folders, addresses and page titles: 1 to 255 bytes of UTF-8, no `/ \ : @`, no control characters, no
 * space at either end, not `.` or `..`. Quotes, spaces within and other scripts are fine.
 * @throws MR_MODEL_NAME
 */
export function checkModelName(name: string): void {
  const rule =
    name === ''
      ? 'it is empty'
      : Buffer.byteLength(name) > 255
        ? 'it is longer than 255 bytes'
        : /[/\\:@]/.test(name)
          ? 'it holds one of / \\ : @'
          : // Controls, line separators, and marks that reorder the text around them.
            /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/u.test(name)
            ? 'it holds a control character'
            : /\p{Cs}/u.test(name)
              ? 'it is not valid Unicode'
              : name.trim() !== name
                ? 'it begins or ends with a space'
                : name === '.' || name === '..'
                  ? 'it is a folder of its own'
                  : undefined
  if (rule === undefined) return
  throw new MillraceError('MR_MODEL_NAME', `the model name ${shown(name)} cannot be used: ${rule}`, {
    hint: 'use letters, digits, - and _, e.g. telco-churn',
  })
}

/**
 * MLflow's rule for aliases: letters, digits, `-` and `_`, at most 255; not `latest` and not like `v12`, which read as
 * versions.
 * @throws MR_MODEL_NAME
 */
export function checkAlias(alias: string): void {
  const rule = !/^[\w-]{1,255}$/.test(alias)
    ? 'an alias is 1 to 255 letters, digits, - or _'
    : alias.toLowerCase() === 'latest'
      ? '"latest" always means the newest version'
      : /^v\d+$/i.test(alias)
        ? 'it reads as a version number'
        : undefined
  if (rule === undefined) return
  throw new MillraceError('MR_MODEL_NAME', `the alias ${shown(alias)} cannot be used: ${rule}`, {
    hint: 'for example champion, challenger, staging',
  })
}

export interface ModelAddress {
  readonly name: string
  readonly alias?: string
  /** A version's number or the newest. Neither alias nor version: champion, else the newest. */
  readonly version?: number | 'latest'
}

/**
 * Reads `models:/NAME`, `models:/NAME/VERSION`, `models:/NAME/latest` or `models:/NAME@ALIAS`; nothing is unescaped.
 * @throws MR_MODEL_URI, MR_MODEL_NAME
 */
export function parseModelUri(uri: string): ModelAddress {
  const wrong = (why: string) =>
    new MillraceError('MR_MODEL_URI', `${shown(uri)} is no model address: ${why}`, {
      hint: 'write models:/NAME@ALIAS, models:/NAME/VERSION or models:/NAME',
    })
  const rest = /^models:\/(?!\/)(.*)$/s.exec(uri)?.[1]
  if (rest === undefined) throw wrong('it does not begin with models:/ and a name')
  const [, name = '', alias, version] = /^([^/@]*)(?:@([^/@]*)|\/([^/@]*))?$/s.exec(rest) ?? []
  if (name === '') throw wrong('after the name comes one @ALIAS or one /VERSION')
  checkModelName(name)
  if (alias !== undefined) {
    if (alias.toLowerCase() === 'latest') return { name, version: 'latest' }
    checkAlias(alias)
    return { name, alias }
  }
  if (version === undefined) return { name }
  if (version === 'latest') return { name, version }
  if (!/^[1-9]\d{0,14}$/.test(version)) throw wrong(`${shown(version)} is no version; versions are 1, 2, 3 …`)
  return { name, version: Number(version) }
}

/** Quoted and cut, so that a message stays one line whatever it is about. */
const shown = (text: string) => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
