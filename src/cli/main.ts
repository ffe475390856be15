#!/usr/bin/env node
/** The command line: finds the verb, loads its module, runs it, and turns what it throws into text and an exit code. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError, Option } from 'commander'
import { MillraceError } from '../core/errors.js'
import { Output } from './output.js'
import { VERBS } from './verbs.js'
import type { Verb } from './verb.js'

interface GlobalOptions {
  readonly home?: string
  readonly json?: boolean
  readonly debug?: boolean
}

const argv = process.argv.slice(2)
const output = (options: GlobalOptions) =>
  new Output({
    json: options.json === true,
    debug: options.debug === true,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
  })

/** The reader of a pipe may go away: then there is nobody left to tell. */
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit()
    throw error
  })

const interrupted = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(name, () => {
    if (interrupted.signal.aborted) process.exit(130)
    process.stderr.write('\nstopping; once more stops at once\n')
    interrupted.abort(new MillraceError('MR_CANCELLED', `interrupted by ${name}`))
  })

function program(): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  const root = new Command('millrace')
    .description('From raw files to a model that is served, watched and retrained: one YAML file.')
    .version(version, '--version', 'print the version')
    .option('--home <dir>', 'journal, artifacts, registry (default: .millrace beside the pipeline file)')
    .option('--json', 'JSON on standard output, people’s text on standard error')
    .option('--debug', 'stack traces with errors')
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', examples([['millrace init data.csv --label churned', 'then: millrace check pipeline.yaml']]))
  quiet(root)
  for (const verb of VERBS) add(root, verb)
  return root
}

function add(parent: Command, verb: Verb): void {
  const command = parent.command(verb.name).description(verb.summary)
  quiet(command).configureHelp({ showGlobalOptions: true })
  for (const [term, about] of verb.arguments ?? []) command.argument(term, about)
  for (const [flags, about, repeat] of verb.options ?? []) {
    const option = new Option(flags, about)
    if (repeat) option.argParser((value: string, before: readonly string[] | undefined) => [...(before ?? []), value])
    command.addOption(option)
  }
  if (verb.examples.length > 0) command.addHelpText('after', examples(verb.examples))
  for (const inner of verb.verbs ?? []) add(command, inner)
  const { load } = verb
  if (!load) return
  command.action(async (...given: unknown[]) => {
    const { home, json, debug } = command.optsWithGlobals<GlobalOptions>()
    const out = output({ json: json === true, debug: debug === true })
    const { run } = await load()
    const code = await run({
      args: given.slice(0, verb.arguments?.length ?? 0) as (string | string[] | undefined)[],
      options: command.opts(),
      home,
      out,
      signal: interrupted.signal,
    })
    process.exitCode = code ?? 0
  })
}

/** Commander says nothing on its own but help and version: errors go where all errors go. */
function quiet(command: Command): Command {
  return command.exitOverride().configureOutput({ outputError: () => undefined })
}

function examples(lines: Verb['examples']): string {
  const width = Math.max(...lines.map(([command]) => command.length))
  const shown = lines.map(([command, about]) => `  ${command.padEnd(about === '' ? 0 : width + 2)}${about}`)
  return `\nExamples:\n${shown.join('\n')}\n`
}

/** After Ctrl-C whatever was thrown comes from that; an error that already says so may know how to go on. */
function whatStopped(error: unknown): unknown {
  if (!interrupted.signal.aborted) return error
  return error instanceof MillraceError && error.code === 'MR_CANCELLED' ? error : interrupted.signal.reason
}

/** Commander's "error: unknown option '--jsn'\n(Did you mean --json?)" as an error of ours. */
function usage(error: CommanderError): MillraceError {
  const [first = '', suggestion] = error.message.split('\n')
  const near = /^\(Did you mean (.*)\?\)$/.exec(suggestion ?? '')?.[1]
  const verb = VERBS.find(({ name }) => argv.includes(name))?.name
  const help = `millrace ${verb === undefined ? '' : `${verb} `}--help`
  return new MillraceError('MR_USAGE', first.replace(/^error: /, ''), {
    hint: near === undefined ? help : `did you mean ${near}?`,
  })
}

try {
  if (argv.length === 0) {
    process.stderr.write(program().helpInformation())
    process.exitCode = 2
  } else await program().parseAsync(argv, { from: 'user' })
} catch (error) {
  const options = { json: argv.includes('--json'), debug: argv.includes('--debug') }
  if (error instanceof CommanderError) {
    if (error.exitCode !== 0) process.exitCode = output(options).error(usage(error))
  } else process.exitCode = output(options).error(whatStopped(error))
}
