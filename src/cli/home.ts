/** Where journal, artifacts and registry of a pipeline are, and how a person names paths and commands that lead there. */
import { dirname, join, relative, resolve } from 'node:path'

/** `--home`, else `.millrace` beside the pipeline file, else in the current folder. */
export function homeFolder(home: string | undefined, pipelineFile?: string): string {
  if (home !== undefined) return resolve(home)
  return join(pipelineFile === undefined ? process.cwd() : dirname(resolve(pipelineFile)), '.millrace')
}

/** A path as a person would write it here: relative to the current folder where that is shorter. */
export function shownPath(path: string): string {
  const near = relative(process.cwd(), path) || '.'
  return near.length < path.length ? near : path
}

/**
 * A command line to copy: `millrace serve models:/churn@champion --home examples/churn/.millrace`. The home is left out
 * where it is the default of this folder; under npm (npx, npm start) `npx` goes first, as `millrace` is on no path then.
 */
export function commandLine(words: readonly string[], folder: string): string {
  const isDefault = folder === homeFolder(undefined)
  const launcher = process.env['npm_execpath'] === undefined ? ['millrace'] : ['npx', 'millrace']
  return [...launcher, ...words, ...(isDefault ? [] : ['--home', shownPath(folder)])].map(quoted).join(' ')
}

function quoted(word: string): string {
  if (/^[\p{L}\p{N}_@%+=:,./\\-]+$/u.test(word)) return word
  return process.platform === 'win32' ? `"${word}"` : `'${word.replaceAll("'", `'\\''`)}'`
}
