/**
 * How long a command line takes to say something: `millrace --help` of the built package beside MLflow, Metaflow and ZenML
 * where bench/peers/setup.sh has put them, and a Node that does nothing; in turns, there and back. `npm run build`, then
 * `npm run bench -- start [ROUNDS]`; the result goes to bench/results/start.json.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { absolute, times, writeReport } from './report.js'

const path = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url))
const rounds = Number(process.argv[2] ?? 10)
const PEERS = ['mlflow', 'metaflow', 'zenml']
const missing: Record<string, string> = {}
const commands: { name: string; command: string; args: readonly string[] }[] = [
  { name: 'millrace', command: process.execPath, args: [path('dist/cli/main.js'), '--help'] },
  { name: 'node', command: process.execPath, args: ['-e', '0'] },
]
for (const name of PEERS) {
  const command = path(`.venv-bench-${name}/bin/${name}`)
  const reason = path(`.venv-bench-${name}.txt`)
  if (existsSync(command)) commands.push({ name, command, args: ['--help'] })
  else missing[name] = existsSync(reason) ? readFileSync(reason, 'utf8').trim().slice(0, 200) : 'not installed'
}

/** Milliseconds of wall time of one process; it must end well and have said something. */
function measure({ name, command, args }: (typeof commands)[number]): number {
  const started = performance.now()
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  const milliseconds = performance.now() - started
  const silent = name !== 'node' && !/usage/i.test(stdout)
  if (status !== 0 || silent) throw new Error(`${name} ${args.join(' ')} ended with ${status}: ${stderr.slice(-500)}`)
  return milliseconds
}

function version(name: string): string {
  const { stdout } = spawnSync(path(`.venv-bench-${name}/bin/pip`), ['show', name], { encoding: 'utf8' })
  return `${name} ${/^Version: (.*)$/m.exec(stdout)?.[1] ?? ''}`
}

const samples: Record<string, number[]> = Object.fromEntries(commands.map(({ name }) => [name, []]))
for (const command of commands) measure(command) // the disk's cache is warm from here on
for (let round = 0; round < rounds; round++)
  for (const command of [...commands, ...commands.toReversed()]) samples[command.name]?.push(measure(command))

const area = 'start'
const what = '`millrace --help`'
const ours = samples['millrace'] ?? []
const peers = commands.map(({ name }) => name).filter((name) => PEERS.includes(name))
writeReport(
  'start',
  [
    { area, what, goal: 150, unit: 'ms', better: 'less', measured: absolute(ours) },
    ...peers.map((name) => ({
      ...{ area, what, goal: 1, unit: 'times', better: 'more' as const },
      measured: times(ours, samples[name] ?? []),
      peer: version(name),
    })),
  ],
  { unit: 'milliseconds', missing, samples },
)
