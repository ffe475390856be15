/** Runs the built command line as a user's shell would, in folders of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MAIN = join(ROOT, 'dist/cli/main.js')

export interface Finished {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Started {
  readonly child: ChildProcess
  readonly finished: Promise<Finished>
  /** What it has printed so far on standard output. */
  output(): string
  /** Resolves with the first line of standard output that matches; rejects if the process ends before. */
  line(pattern: RegExp): Promise<string>
}

/** Starts `millrace ARGS` from the built package, or from `main` of another. */
export function start(args: readonly string[], cwd: string = ROOT, main: string = MAIN): Started {
  if (!existsSync(main)) throw new Error('dist/ is missing: npm run build')
  const child = spawn(process.execPath, [main, ...args], { cwd, env: { ...process.env, NO_COLOR: '1' } })
  let [stdout, stderr] = ['', '']
  const watchers = new Set<() => void>()
  child.stdout.on('data', (data: Buffer) => {
    stdout += data.toString()
    for (const watch of watchers) watch()
  })
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()))
  const finished = new Promise<Finished>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
  return {
    child,
    finished,
    output: () => stdout,
    line: (pattern) =>
      new Promise((resolve, reject) => {
        const watch = (): void => {
          const line = stdout.split('\n').find((text) => pattern.test(text))
          if (line === undefined) return
          watchers.delete(watch)
          resolve(line)
        }
        watchers.add(watch)
        void finished.then(({ code, stderr: text }) =>
          reject(new Error(`ended with ${code} before ${String(pattern)}: ${text}`)),
        )
        watch()
      }),
  }
}

/** Runs it to its end. */
export async function millrace(args: readonly string[], cwd?: string): Promise<Finished> {
  return start(args, cwd).finished
}

/** As `millrace`, with the exit code checked; what it printed is in the error. */
export async function succeed(args: readonly string[], cwd?: string): Promise<Finished> {
  const result = await millrace(args, cwd)
  if (result.code !== 0)
    throw new Error(`millrace ${args.join(' ')}: exit code ${result.code}\n${result.stdout}\n${result.stderr}`)
  return result
}

/** A fresh folder; `[Symbol.asyncDispose]` removes it. */
export async function folder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'millrace-e2e-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** A copy of an example in a fresh folder, so that its home and output are its own. */
export async function example(
  name: string,
): Promise<{ readonly path: string; readonly file: string } & AsyncDisposable> {
  const made = await folder()
  await cp(join(ROOT, 'examples', name), made.path, {
    recursive: true,
    filter: (source) => !/[\\/](\.millrace|output)([\\/]|$)/.test(source),
  })
  return { ...made, file: join(made.path, 'pipeline.yaml') }
}

interface ResultLine {
  readonly type: string
  readonly run: string
  readonly page: string
  readonly registration?: { readonly version: number; readonly model: { readonly digest: string } }
}

/** The last line of `run --json`. */
export function resultOf(finished: Finished): ResultLine {
  const lines = finished.stdout.trim().split('\n')
  return JSON.parse(lines.at(-1) ?? '{}') as ResultLine
}

export interface Evaluation {
  readonly rows: number
  readonly metrics: Readonly<Record<string, { readonly value: number; readonly low: number; readonly high: number }>>
  readonly parity: { readonly maxDifference: number }
}

/** The evaluation document of a run, by way of `status --json` and the artifact store. */
export async function evaluationOf(path: string, run: string): Promise<Evaluation> {
  const home = join(path, '.millrace')
  const status = JSON.parse((await succeed(['status', run, '--json', '--home', home])).stdout) as {
    readonly stages: readonly { readonly name: string; readonly value?: Readonly<Record<string, { digest: string }>> }[]
  }
  const digest = status.stages.find(({ name }) => name === 'evaluate')?.value?.['report']?.digest ?? ''
  const hex = digest.slice('sha256:'.length)
  return JSON.parse(await readFile(join(home, 'artifacts/sha256', hex.slice(0, 2), hex), 'utf8')) as Evaluation
}
