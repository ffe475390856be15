/**
 * How long a beginning takes. A command line that says something: `millrace --help` of the built package beside MLflow,
 * Metaflow and ZenML where bench/peers/setup.sh has put them, and a Node that does nothing; in turns, there and back. And
 * a first served model: the packed package is installed into an empty folder (its time is told, not counted), then
 * `init`, `run` and `serve` on the example's 7,043 customers until /invocations has answered. `npm run build`, then
 * `npm run bench -- start [ROUNDS]`; the result goes to bench/results/start.json.
 */
import { spawn, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { absolute, times, writeReport } from './report.js'

const path = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url))
const rounds = Number(process.argv[2] ?? 10)
const PEERS = ['mlflow', 'metaflow', 'zenml']
/** Milliseconds after which no further round of `--help` begins, and after which one process counts as stuck. */
const ROUNDS_LIMIT = 60_000
const PROCESS_LIMIT = 60_000
/** First served models, each in a home of its own. */
const SERVED = 3
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
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', timeout: PROCESS_LIMIT })
  const milliseconds = performance.now() - started
  // ZenML says it on standard error
  const silent = name !== 'node' && !/usage/i.test(stdout + stderr)
  if (status !== 0 || silent)
    throw new Error(`${name} ${args.join(' ')} ended with ${status}: ${error?.message ?? stderr.slice(-500)}`)
  return milliseconds
}

/** A command of the installed package, which must end well. */
function succeed(folder: string, command: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: folder, encoding: 'utf8', maxBuffer: 2 ** 26 })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stderr.slice(-1000)}`)
  return stdout
}

/** The package as a user gets it, in a folder of its own with the data beside it; seconds that npm took. */
function install(folder: string): number {
  const packed = succeed(path(''), 'npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder])
  const file = /"filename": "([^"]+)"/.exec(packed)?.[1] ?? ''
  writeFileSync(join(folder, 'package.json'), '{"private": true, "type": "module"}')
  const started = performance.now()
  succeed(folder, 'npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', `./${file}`])
  const seconds = (performance.now() - started) / 1000
  copyFileSync(path('examples/churn/data/Telco-Customer-Churn.csv'), join(folder, 'customers.csv'))
  return seconds
}

/** Seconds from a CSV file to the first answer of a served model, and of its parts. */
async function firstServed(folder: string): Promise<Record<'init' | 'run' | 'serve' | 'all', number>> {
  for (const left of ['.millrace', 'output', 'pipeline.yaml'])
    rmSync(join(folder, left), { recursive: true, force: true })
  const main = join(folder, 'node_modules/millrace/dist/cli/main.js')
  const marks = [performance.now()]
  succeed(folder, process.execPath, [main, 'init', 'customers.csv', '--label', 'Churn', '--yes'])
  marks.push(performance.now())
  succeed(folder, process.execPath, [main, 'run', 'pipeline.yaml'])
  marks.push(performance.now())
  const server = spawn(process.execPath, [main, 'serve', 'models:/customers@champion', '--port', '0'], { cwd: folder })
  try {
    let said = ''
    const collect = (data: Buffer): void => void (said += data.toString())
    server.stderr.on('data', collect)
    let url: string | undefined
    for await (const line of createInterface({ input: server.stdout })) {
      said += line
      url = /https?:\/\/[^\s"]+/.exec(said)?.[0]
      if (url !== undefined) break
    }
    if (url === undefined) throw new Error(`the server did not start: ${said.slice(-1000)}`)
    const [names = [], values = []] = readFileSync(join(folder, 'customers.csv'), 'utf8')
      .split('\n', 2)
      .map((line) => line.trim().split(','))
    const numbers = ['SeniorCitizen', 'tenure', 'MonthlyCharges', 'TotalCharges']
    const record = names.flatMap((name, i) =>
      name === 'Churn' ? [] : [[name, numbers.includes(name) ? Number(values[i]) : values[i]]],
    )
    const answer = await fetch(`${new URL(url).origin}/invocations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ dataframe_records: [Object.fromEntries(record)] }),
    })
    const body = await answer.text()
    if (answer.status !== 200 || !body.includes('prediction')) throw new Error(`${answer.status}: ${body}`)
    marks.push(performance.now())
  } finally {
    server.kill('SIGINT')
    await new Promise((resolve) => server.once('exit', resolve))
  }
  const [init = 0, run = 0, serve = 0] = marks.slice(1).map((mark, i) => (mark - (marks[i] ?? 0)) / 1000)
  return { init, run, serve, all: init + run + serve }
}

function version(name: string): string {
  const { stdout } = spawnSync(path(`.venv-bench-${name}/bin/pip`), ['show', name], { encoding: 'utf8' })
  return `${name} ${/^Version: (.*)$/m.exec(stdout)?.[1] ?? ''}`
}

const samples: Record<string, number[]> = Object.fromEntries(commands.map(({ name }) => [name, []]))
/** Those that run here; the disk's cache is warm from here on. */
const running = commands.filter((command) => {
  try {
    measure(command)
    return true
  } catch (error) {
    if (!PEERS.includes(command.name)) throw error
    missing[command.name] = String(error).slice(0, 300)
    return false
  }
})
const begun = performance.now()
for (let round = 0; round < rounds && (round === 0 || performance.now() < begun + ROUNDS_LIMIT); round++)
  for (const command of [...running, ...running.toReversed()]) samples[command.name]?.push(measure(command))

const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
const served: Awaited<ReturnType<typeof firstServed>>[] = []
let installed = 0
try {
  installed = install(folder)
  for (let i = 0; i < SERVED; i++) served.push(await firstServed(folder))
} finally {
  rmSync(folder, { recursive: true, force: true })
}

const area = 'start'
const what = '`millrace --help`'
const ours = samples['millrace'] ?? []
const peers = running.map(({ name }) => name).filter((name) => PEERS.includes(name))
writeReport(
  'start',
  [
    { area, what, goal: 150, unit: 'ms', better: 'less', measured: absolute(ours) },
    {
      ...{ area, what: 'first served model after install, 7,043 rows', goal: 60, unit: 's', better: 'less' },
      measured: absolute(served.map(({ all }) => all)),
      note: `init, run, serve and one answer; npm install took ${installed.toFixed(0)} s before it, not counted`,
    },
    ...peers.map((name) => ({
      ...{ area, what, goal: 1, unit: 'times', better: 'more' as const },
      measured: times(ours, samples[name] ?? []),
      peer: version(name),
    })),
  ],
  { unit: 'milliseconds; of the first served model seconds', missing, samples, served, installed },
)
