/** The servers that bench/serving.ts compares: how each is started, what a row looks like to it, what it answered. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Target } from './load.js'

export interface Row {
  readonly income: number | null
  readonly children: number
  readonly 'owns home': boolean
  readonly city: string
  /** ISO 8601. */
  readonly since: string
}

export interface Answer {
  readonly label: string
  readonly probabilities: readonly number[]
}

export interface Contender {
  readonly name: string
  readonly command: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly path: string
  body(row: Row): string
  answer(text: string): Answer
}

const root = fileURLToPath(new URL('../..', import.meta.url))
const peer = (file: string): string => join(root, 'bench/peers/serving', file)
/** Compiled as it is shipped: what tsx makes of the sources keeps functions' names, and pays for it in each call. */
const main = [join(root, 'dist/cli/main.js')]

interface Predicted {
  readonly prediction: string
  readonly probability_no: number
  readonly probability_yes: number
}
function read([first]: readonly Predicted[]): Answer {
  if (!first) throw new Error('there is no prediction in the answer')
  return { label: first.prediction, probabilities: [first.probability_no, first.probability_yes] }
}
const records = {
  path: '/invocations',
  body: (row: Row): string => JSON.stringify([row]),
  answer: (text: string): Answer => read((JSON.parse(text) as { predictions: Predicted[] }).predictions),
}

/** Whether `millrace serve` here can write a sample of its predictions; with it on is what the goal speaks of. */
export function canSample(): boolean {
  const { stdout, status, stderr } = spawnSync(process.execPath, [...main, 'serve', '--help'], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`millrace does not start; is it built (npm run build)? ${stderr.slice(-500)}`)
  return stdout.includes('--log-sample')
}

/** @param folder of this run, for files that servers write. @param samples see `canSample` */
export function millrace(model: string, port: number, folder: string, samples: boolean): Contender {
  const log = samples ? ['--log-predictions', join(folder, 'predictions'), '--log-sample', '1%'] : []
  const command = [process.execPath, ...main, 'serve', model, '--port', String(port), ...log]
  return { name: 'millrace', command, ...records }
}

export function nodeHttp(model: string, port: number, folder: string): Contender {
  const command = [process.execPath, peer('node-http.mjs'), model, String(port), join(folder, 'sample.jsonl')]
  return { name: 'node:http', command, ...records }
}

/** The Python peers that are installed, and why the others are not. */
export function pythonPeers(
  model: string,
  port: number,
  folder: string,
): { readonly peers: readonly Contender[]; readonly missing: Readonly<Record<string, string>> } {
  const env = {
    MODEL: model,
    PYTHONPATH: peer(''),
    OMP_NUM_THREADS: '1',
    RAY_USAGE_STATS_ENABLED: '0',
    RAY_AUTH_MODE: 'disabled',
    BENTOML_DO_NOT_TRACK: 'true',
    BENTOML_HOME: join(folder, 'bentoml'),
  }
  const missing: Record<string, string> = {}
  const peers = Object.entries({ fastapi, mlserver, bentoml, ray }).flatMap(([key, make]): Contender[] => {
    const environment = join(root, `.venv-bench-${key}`)
    const failure = `${environment}.txt`
    if (existsSync(join(environment, 'bin/python')) && !existsSync(failure))
      return make(join(environment, 'bin'), port, folder).map((made) => ({ ...made, env: { ...env, ...made.env } }))
    const why = existsSync(failure) ? readFileSync(failure, 'utf8').trim() : 'run bench/peers/setup-serving.sh'
    missing[key] = `not installed: ${why}`
    return []
  })
  return { peers, missing }
}

/** Which of the two is better depends on the machine: the better one is the peer. */
function fastapi(bin: string, port: number): Contender[] {
  const command = [join(bin, 'python'), peer('fastapi_server.py'), String(port)]
  return ['loop', 'threadpool'].map((mode) => ({
    ...{ name: `fastapi ${mode}`, command, env: { FASTAPI_MODE: mode } },
    ...records,
  }))
}

function ray(bin: string, port: number): Contender[] {
  return [{ name: 'ray', command: [join(bin, 'python'), peer('ray_server.py'), String(port)], ...records }]
}

function bentoml(bin: string, port: number): Contender[] {
  const place = ['--host', '127.0.0.1', '--port', String(port), '--working-dir', peer('')]
  return [
    {
      name: 'bentoml',
      command: [join(bin, 'bentoml'), 'serve', 'bento_server:Loan', ...place],
      path: '/predict',
      body: (row) => JSON.stringify({ rows: [row] }),
      answer: (text) => read(JSON.parse(text) as Predicted[]),
    },
  ]
}

interface OipReply {
  readonly outputs: readonly { readonly name: string; readonly data: readonly (string | number)[] }[]
}

function mlserver(bin: string, port: number, folder: string): Contender[] {
  const home = join(folder, 'mlserver')
  mkdirSync(home, { recursive: true })
  // parallel_workers 0: on one core a worker process only adds a hop
  const [grpc, metrics] = [
    port + 1000 > 65_000 ? port - 1000 : port + 1000,
    port + 500 > 65_000 ? port - 500 : port + 500,
  ]
  const settings = { host: '127.0.0.1', http_port: port, grpc_port: grpc, metrics_port: metrics, parallel_workers: 0 }
  const batching = { max_batch_size: 64, max_batch_time: 0.001 }
  const served = { name: 'loan', implementation: 'mlserver_loan.LoanRuntime', ...batching }
  writeFileSync(join(home, 'settings.json'), JSON.stringify({ ...settings, debug: false }))
  writeFileSync(join(home, 'model-settings.json'), JSON.stringify(served))
  const tensor = (name: string, datatype: string, value: unknown): object => ({
    name,
    shape: [1, 1],
    datatype,
    data: [value],
  })
  return [
    {
      name: 'mlserver',
      command: [join(bin, 'mlserver'), 'start', home],
      path: '/v2/models/loan/infer',
      body: (row) =>
        JSON.stringify({
          inputs: [
            tensor('income', 'FP64', row.income),
            tensor('children', 'FP64', row.children),
            tensor('owns home', 'FP64', Number(row['owns home'])),
            tensor('city', 'BYTES', row.city),
            tensor('since', 'INT64', Date.parse(row.since) * 1000),
          ],
        }),
      answer: (text) => {
        const { outputs } = JSON.parse(text) as OipReply
        const data = (name: string): readonly (string | number)[] => outputs.find((o) => o.name === name)?.data ?? []
        return { label: String(data('label')[0]), probabilities: data('probability').map(Number) }
      },
    },
  ]
}

export async function ask({ port, path, body }: Target): Promise<string> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', headers, body })
  const text = await response.text()
  if (response.status !== 200) throw new Error(`status ${response.status}: ${text.slice(0, 300)}`)
  return text
}
