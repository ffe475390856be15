/** Finds the verb of a command line, loads its module, runs it, and turns what it throws into text and an exit code. */
import { Command, CommanderError, Option } from 'commander'
import { MillraceError } from '../core/errors.js'
import { Output, type OutputOptions } from './output.js'
import { packageVersion } from './package-version.js'
import type { Verb } from './verb.js'
import { VERBS } from './verbs.js'

interface GlobalOptions {
  readonly home?: string
  readonly json?: boolean
  readonly debug?: boolean
}

export interface Surroundings extends Pick<OutputOptions, 'stdout' | 'stderr' | 'env'> {
  /** Fires at the first Ctrl-C, with the MR_CANCELLED to throw as its reason. */
  readonly signal: AbortSignal
}

/** `argv` without node and the script. Resolves to the exit code; never throws. */
export async function execute(argv: readonly string[], around: Surroundings): Promise<number> {
  const { stdout, stderr, env, signal } = around
  const output = ({ json = false, debug = false }: GlobalOptions) => new Output({ json, debug, stdout, stderr, env })
  let code = 0
  const act = async (command: Command, verb: Verb, given: readonly unknown[]): Promise<void> => {
    const { home, json, debug } = command.optsWithGlobals<GlobalOptions>()
    const { run } = await (verb.load as NonNullable<Verb['load']>)()
    const args = given.slice(0, verb.arguments?.length ?? 0) as (string | string[] | undefined)[]
    const out = output({ json: json === true, debug: debug === true })
    code = (await run({ args, options: command.opts(), home, out, signal })) ?? 0
  }
  const root = program(around, act)
  try {
    if (argv.length === 0) {
      stderr.write(root.helpInformation())
      return 2
    }
    await root.parseAsync(argv, { from: 'user' })
    return code
  } catch (error) {
    const options = { json: argv.includes('--json'), debug: argv.includes('--debug') }
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : output(options).error(usage(error, argv))
    return output(options).error(whatStopped(error, signal))
  }
}

type Act = (command: Command, verb: Verb, given: readonly unknown[]) => Promise<void>

function program(around: Surroundings, act: Act): Command {
  const root = new Command('millrace')
    .description('From raw files to a model that is served, watched and retrained: one YAML file.')
    .version(packageVersion(), '--version', 'print the version')
    .option('--home <dir>', 'journal, artifacts, registry (default: .millrace beside the pipeline file)')
    .option('--json', 'JSON on standard output, people’s text on standard error')
    .option('--debug', 'stack traces with errors')
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', examples([['millrace init data.csv --label churned', 'then: millrace check pipeline.yaml']]))
  quiet(root, around)
  for (const verb of VERBS) add(root, verb, around, act)
  return root
}

function add(parent: Command, verb: Verb, around: Surroundings, act: Act): void {
  const command = parent.command(verb.name).description(verb.summary)
  quiet(command, around).configureHelp({ showGlobalOptions: true })
  for (const [term, about] of verb.arguments ?? []) command.argument(term, about)
  for (const [flags, about, repeat] of verb.options ?? []) {
    const option = new Option(flags, about)
    if (repeat) option.argParser((value: string, before: readonly string[] | undefined) => [...(before ?? []), value])
    command.addOption(option)
  }
  if (verb.examples.length > 0) command.addHelpText('after', examples(verb.examples))
  for (const inner of verb.verbs ?? []) add(command, inner, around, act)
  if (verb.load) command.action((...given: unknown[]) => act(command, verb, given))
}

/** Commander says nothing on its own but help and version: errors go where all errors go. */
function quiet(command: Command, { stdout }: Surroundings): Command {
  const writeOut = (text: string): void => void stdout.write(text)
  return command.exitOverride().configureOutput({ writeOut, outputError: () => undefined })
}

function examples(lines: Verb['examples']): string {
  const width = Math.max(...lines.map(([command]) => command.length))
  const shown = lines.map(([command, about]) => `  ${command.padEnd(about === '' ? 0 : width + 2)}${about}`)
  return `\nExamples:\n${shown.join('\n')}\n`
}

/** After Ctrl-C whatever was thrown comes from that; an error that already says so may know how to go on. */
function whatStopped(error: unknown, signal: AbortSignal): unknown {
  if (!signal.aborted) return error
  return error instanceof MillraceError && error.code === 'MR_CANCELLED' ? error : signal.reason
}

/** Commander's "error: unknown option '--jsn'\n(Did you mean --json?)" as an error of ours. */
function usage(error: CommanderError, argv: readonly string[]): MillraceError {
  const [first = '', suggestion] = error.message.split('\n')
  const near = /^\(Did you mean (.*)\?\)$/.exec(suggestion ?? '')?.[1]
  const verb = VERBS.find(({ name }) => argv.includes(name))?.name
  const help = `millrace ${verb === undefined ? '' : `${verb} `}--help`
  return new MillraceError('MR_USAGE', first.replace(/^error: /, ''), {
    hint: near === undefined ? help : `did you mean ${near}?`,
  })
}
