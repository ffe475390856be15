/** What a command of `millrace` is: an entry of the table in main.ts, and the module that is loaded when it is called. */
import type { Output } from './output.js'

export interface Verb {
  readonly name: string
  readonly summary: string
  /** `<file>` is required, `[run]` optional, `<files...>` takes several; in the order of the command line. */
  readonly arguments?: readonly (readonly [term: string, about: string])[]
  /** `repeat`: given several times, its values become a list. */
  readonly options?: readonly (readonly [flags: string, about: string, repeat?: 'repeat'])[]
  /** Command lines, each with what it does; shown under `--help`. */
  readonly examples: readonly (readonly [command: string, about: string])[]
  /** Imports the command's module: nothing of it is loaded before. */
  readonly load?: () => Promise<{ readonly run: Command }>
  /** Commands under this one: `models alias`. */
  readonly verbs?: readonly Verb[]
}

/** Resolves to the exit code, 0 if undefined; throws MillraceErrors, which main.ts reports. */
export type Command = (call: Call) => Promise<number | undefined>

export interface Call {
  /** In the order of the verb's arguments; undefined for an optional one that is absent. */
  readonly args: readonly (string | readonly string[] | undefined)[]
  /** By the long name in camelCase: text, true, or a list for `repeat`. */
  readonly options: Readonly<Record<string, string | boolean | readonly string[] | undefined>>
  /** `--home`; absent: `.millrace` beside the pipeline file, see `homeFolder`. */
  readonly home: string | undefined
  readonly out: Output
  /** Fires at the first Ctrl-C, with the MR_CANCELLED to throw as its reason. */
  readonly signal: AbortSignal
}

/** An argument or option that is one text; undefined if absent. */
export function textOf(value: string | boolean | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** An argument or option that may be given several times; [] if absent. */
export function listOf(value: string | boolean | readonly string[] | undefined): readonly string[] {
  return typeof value === 'string' ? [value] : Array.isArray(value) ? (value as readonly string[]) : []
}
