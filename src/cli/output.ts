/**
 * The one place that writes: people's text goes to standard output, or to standard error under `--json`, where standard
 * output holds JSON alone. Control characters in what comes from data never reach a terminal.
 */
import type { WriteStream } from 'node:tty'
import { MillraceError, type Position } from '../core/errors.js'
import { type Colour, cut, paint } from '../dashboard/terminal.js'

type Stream = Pick<NodeJS.WriteStream, 'write'> & Partial<Pick<WriteStream, 'isTTY' | 'columns'>>

export interface OutputOptions {
  readonly json: boolean
  readonly debug: boolean
  readonly stdout: Stream
  readonly stderr: Stream
  readonly env: Readonly<Record<string, string | undefined>>
}

export class Output {
  readonly json: boolean
  /** A person watches and can answer. */
  readonly isInteractive: boolean
  private readonly people: Stream
  readonly isColoured: boolean

  constructor(private readonly options: OutputOptions) {
    this.json = options.json
    this.people = options.json ? options.stderr : options.stdout
    this.isColoured = isColoured(this.people, options.env)
    this.isInteractive = !options.json && options.stdout.isTTY === true && options.env['CI'] === undefined
  }

  /** A line for people. What comes from data goes through `printable` first; `style` gives the rest its colours. */
  say(line = ''): void {
    this.people.write(`${line}\n`)
  }

  /** Columns of the terminal; 80 where there is none. */
  get width(): number {
    return this.people.columns ?? 80
  }

  /** Replaces the terminal's current line, cut to its width; only for an interactive output. '' clears it. */
  status(text: string): void {
    this.people.write(`\r\u001b[2K${cut(text, this.width - 1)}`)
  }

  /** Colours where the terminal has them, the text alone elsewhere. */
  style(style: Colour, text: string): string {
    return paint(text, style, this.isColoured)
  }

  /** Under `--json` one line of JSON on standard output: the command's one document, or an event. Else nothing. */
  document(value: unknown): void {
    if (this.json) this.options.stdout.write(`${JSON.stringify(value)}\n`)
  }

  /** Reports an error and gives the exit code for it. */
  error(error: unknown): number {
    const fault = asMillraceError(error)
    const coloured = isColoured(this.options.stderr, this.options.env)
    const lines = errorLines(fault, (style, text) => paint(text, style, coloured))
    if (this.options.debug) lines.push(printable(stackOf(error)))
    this.options.stderr.write(`${lines.join('\n')}\n`)
    this.document({ error: errorDocument(fault) })
    return fault.exitCode
  }
}

/**
 * `error MR_X: what, where, rule`, then `hint: …` and one line for each of `others`, with a hint of its own under it
 * where it was not just said.
 */
export function errorLines(error: MillraceError, style: (style: Colour, text: string) => string): string[] {
  const lines = [`${style('red', `error ${error.code}`)}: ${where(error.at)}${printable(error.message)}`]
  const [only] = error.others
  const others = error.others.length === 1 && only?.message === error.message ? [] : error.others
  if (error.hint !== undefined) lines.push(`${style('bold', 'hint')}: ${printable(error.hint)}`)
  const said = new Set<string>()
  for (const other of others) {
    lines.push(`  ${where(other.at)}${printable(other.message)}`)
    if (other.hint !== undefined && !said.has(other.hint)) lines.push(`    hint: ${printable(other.hint)}`)
    if (other.hint !== undefined) said.add(other.hint)
  }
  return lines
}

export interface ErrorDocument {
  readonly code: string
  readonly message: string
  readonly hint?: string
  readonly at?: Position
  readonly others?: readonly ErrorDocument[]
}

/** An error as `--json` shows it. */
export function errorDocument(error: MillraceError): ErrorDocument {
  return {
    code: error.code,
    message: error.message,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.at === undefined ? {} : { at: error.at }),
    ...(error.others.length === 0 ? {} : { others: error.others.map(errorDocument) }),
  }
}

/** Text from data or files that is safe on a terminal: control and direction characters are written as \u…. */
export function printable(text: string): string {
  return text.replace(/(?![\n\t])[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** `file:line:column: `, or the argument of the command line. */
function where(at: Position | undefined): string {
  if (at === undefined) return ''
  return at.file.startsWith('--set ') ? `${printable(at.file)}: ` : `${printable(at.file)}:${at.line}:${at.column}: `
}

function asMillraceError(error: unknown): MillraceError {
  if (error instanceof MillraceError) return error
  if (error instanceof Error && error.name === 'AbortError') return new MillraceError('MR_CANCELLED', 'interrupted')
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return new MillraceError('MR_INTERNAL_BUG', message, {
    hint: 'this is a fault of Millrace; run again with --debug and report what it prints',
    cause: error,
  })
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const own = error.stack ?? error.message
  return error.cause === undefined ? own : `${own}\ncaused by ${stackOf(error.cause)}`
}

/** https://no-color.org: any value that is not empty switches colours off. */
function isColoured(stream: Stream, env: Readonly<Record<string, string | undefined>>): boolean {
  return stream.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
}
