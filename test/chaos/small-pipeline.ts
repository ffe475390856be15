/**
 * What the tests of broken surroundings share: a small pipeline that runs in two seconds, the built command line as a
 * process with an environment of its own, and file systems of a size of their own.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'

const MAIN = process.env['MILLRACE_MAIN'] ?? fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** 600 people of whom some bought; the same rows every time. */
function people(): string {
  let state = 7
  const random = (): number => (state = (state * 48271) % 2147483647) / 2147483647
  const rows = Array.from({ length: 600 }, (_, i) => {
    const [age, spent] = [18 + Math.floor(random() * 60), random() * 200]
    const city = ['Bern', 'Basel', 'Chur'][Math.floor(random() * 3)]
    return `c${i},${age},${spent.toFixed(2)},${city},${age / 60 + spent / 200 + random() * 0.6 > 1.2 ? 'yes' : 'no'}`
  })
  return `id,age,spent,city,bought\n${rows.join('\n')}\n`
}

/** A folder with the small pipeline; `[Symbol.asyncDispose]` removes it. */
export async function project(): Promise<{ readonly path: string; readonly file: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'millrace-disk-'))
  const file = join(path, 'pipeline.yaml')
  await writeFile(join(path, 'people.csv'), people())
  await writeFile(
    file,
    [
      'pipeline_name: people',
      'version: "1.0.0"',
      'seed: 1',
      'label: bought',
      'positive: "yes"',
      'entity: id',
      'data: {source_path: people.csv, output_path: output}',
      'training: {model_type: neural_network, hidden_dims: [4], batch_size: 64, max_epochs: 6, checkpoint_freq: 2}',
      'retry: {max_retries: 1, initial_delay: 0.01}',
    ].join('\n'),
  )
  return { path, file, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** Lines of standard output, parsed: the command is always given `--json`. */
  readonly documents: readonly Readonly<Record<string, unknown>>[]
}

/** Runs `millrace ARGS --json` to its end, with more arguments for node before it. */
export async function millrace(args: readonly string[], node: readonly string[] = []): Promise<Ended> {
  const child = spawn(process.execPath, [...node, MAIN, ...args, '--json'], {
    env: { ...process.env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()))
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()))
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  const documents = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
  return { code, stdout, stderr, documents }
}

/** Exactly one error of one of `codes`, with its exit code, for people and for programs; no stack trace. Gives its message. */
export function oneError(ended: Ended, codes: readonly string[], exit: number): string {
  const said = ended.stderr.split('\n').filter((line) => line.startsWith('error '))
  expect(said, ended.stderr).toHaveLength(1)
  const last = ended.documents.at(-1)?.['error'] as { readonly code: string; readonly message: string }
  expect(codes).toContain(last.code)
  expect(said[0]).toContain(`error ${last.code}: `)
  expect(ended.stderr).not.toMatch(/^\s+at /m)
  expect(ended.code, ended.stderr).toBe(exit)
  return last.message
}

/** The digest of the model that a run registered. */
export function modelOf(ended: Ended): string {
  expect(ended.code, ended.stderr).toBe(0)
  const result = ended.documents.at(-1) as { readonly registration?: { readonly model: { readonly digest: string } } }
  const digest = result.registration?.model.digest ?? ''
  expect(digest).toMatch(/^sha256:/)
  return digest
}

/** The published table's manifest, which must be whole; undefined where there is none. */
export async function manifestOf(output: string): Promise<unknown> {
  const text = await readFile(join(output, 'manifest.json'), 'utf8').catch(() => undefined)
  return text === undefined ? undefined : (JSON.parse(text) as unknown)
}

/** Files that a writer left half-written under `path`. */
export async function leftovers(path: string): Promise<readonly string[]> {
  const names = await readdir(path, { recursive: true })
  return names.filter((name) => /\.tmp$|\.writing|\.partial$/.test(name))
}

/** True where this process may mount a file system; says why not on standard error. */
export function canMount(folder: string): boolean {
  const tried = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder], { encoding: 'utf8' })
  if (tried.status === 0) spawnSync('umount', [folder])
  else process.stderr.write(`full and read-only disks are not tested: ${tried.error?.message ?? tried.stderr}\n`)
  return tried.status === 0
}

/** Mounts, or mounts anew with other options: `size=64k`, `remount,ro`. Throws with what mount says. */
export function mount(folder: string, options: string): void {
  const done = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { encoding: 'utf8' })
  if (done.status !== 0) throw new Error(done.stderr)
}

export function unmount(folder: string): void {
  spawnSync('umount', [folder])
}
