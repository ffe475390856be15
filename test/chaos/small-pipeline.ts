/**
 * What the tests of broken surroundings share: a small pipeline that runs in two seconds, the built command line as a
 * process with an environment of its own, and file systems of a size of their own.
 */
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cp, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { expect, inject } from 'vitest'
import type { RunEvent } from '../../src/pipeline/events.js'
import { openJournal } from '../../src/pipeline/journal.js'
import type { PublishedManifest } from '../../src/stages/published-table.js'

const MAIN = process.env['MILLRACE_MAIN'] ?? fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** 600 people of whom some bought; the same rows every time for one seed. */
export function people(seed: number): string {
  let state = seed
  const random = (): number => (state = (state * 48271) % 2147483647) / 2147483647
  const rows = Array.from({ length: 600 }, (_, i) => {
    const [age, spent] = [18 + Math.floor(random() * 60), random() * 200]
    const city = ['Bern', 'Basel', 'Chur'][Math.floor(random() * 3)]
    return `c${i},${age},${spent.toFixed(2)},${city},${age / 60 + spent / 200 + random() * 0.6 > 1.2 ? 'yes' : 'no'}`
  })
  return `id,age,spent,city,bought\n${rows.join('\n')}\n`
}

export interface Project extends AsyncDisposable {
  readonly path: string
  readonly file: string
  readonly home: string
  readonly output: string
}

const projectAt = (path: string): Project => ({
  path,
  file: join(path, 'pipeline.yaml'),
  home: join(path, '.millrace'),
  output: join(path, 'output'),
  [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
})

/** What `prepared.ts` has made before all tests: the folder after one undisturbed run, and what came out. */
export interface Prepared {
  readonly path: string
  /** The model's digest. */
  readonly model: string
  /** Of the published table: see `treeOf`. */
  readonly output: Readonly<Record<string, string>>
}

/** The small pipeline after an undisturbed run: to be copied and compared with, not to be changed. */
export function prepared(): Prepared & { readonly work: Project } {
  const made = inject('prepared')
  return { ...made, work: projectAt(made.path) }
}

/** A folder with the small pipeline, or a copy of another's folder; `[Symbol.asyncDispose]` removes it. */
export async function project(copyOf?: Project): Promise<Project> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'millrace-chaos-')))
  const made = projectAt(path)
  if (copyOf !== undefined) {
    await cp(copyOf.path, path, { recursive: true, preserveTimestamps: true })
    return made
  }
  await writeFile(join(path, 'people.csv'), people(7))
  await writeFile(
    made.file,
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
  return made
}

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** Lines of standard output, parsed: the command is always given `--json`. */
  readonly documents: readonly Readonly<Record<string, unknown>>[]
}

export interface Around {
  /** A command that is given the process to run: `strace …`, `faketime …`. */
  readonly under?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

type Started = ChildProcessByStdio<null, Readable, Readable>

/** Starts `millrace ARGS --json`. */
export function start(args: readonly string[], { under = [], env = {} }: Around = {}): Started {
  const [command = '', ...rest] = [...under, process.execPath, MAIN, ...args, '--json']
  return spawn(command, rest, { env: { ...process.env, NO_COLOR: '1', ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
}

/** What a process says from here to its end. A last line that a kill cut in two is no document. */
export async function endOf(child: Started): Promise<Ended> {
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()))
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()))
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  const documents = stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
  return { code, stdout, stderr, documents }
}

/** The first line of standard output that `pattern` is found in; an error where the process ends without one. */
export function lineOf(child: Started, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: child.stdout })
    lines.on('line', (line) => {
      if (pattern.test(line)) resolve(line)
    })
    lines.once('close', () => reject(new Error(`it ended without a line like ${String(pattern)}`)))
  })
}

/** Runs `millrace ARGS --json` to its end. */
export const millrace = (args: readonly string[], around: Around = {}): Promise<Ended> => endOf(start(args, around))

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

/** The published table's manifest, which must be whole and name whole files; undefined where there is none. */
export async function manifestOf(output: string): Promise<PublishedManifest | undefined> {
  const text = await readFile(join(output, 'manifest.json'), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const manifest = JSON.parse(text) as PublishedManifest
  for (const { path, digest } of manifest.files)
    expect(`sha256:${sha256(await readFile(join(output, path)))}`, path).toBe(digest)
  return manifest
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Every file under `folder` with the digest of its bytes. */
export async function treeOf(folder: string): Promise<Readonly<Record<string, string>>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const tree: Record<string, string> = {}
  for (const file of files.sort()) tree[file.slice(folder.length + 1)] = sha256(await readFile(file))
  return tree
}

/** Files that a writer left half-written under `path`. */
export async function leftovers(path: string): Promise<readonly string[]> {
  const names = await readdir(path, { recursive: true })
  return names.filter((name) => /\.tmp$|\.writing|\.partial$/.test(name))
}

/**
 * `most` of the items, evenly apart, from the one at `offset` on; with `npm run chaos:full` `full` of them, without it
 * all.
 */
export function drawn<T>(items: readonly T[], most: number, offset = 0, full = Infinity): readonly T[] {
  if (inject('stride') === 1) return full < items.length ? evenly(items, full, offset) : items
  return items.length <= most ? items : evenly(items, most, offset)
}

function evenly<T>(items: readonly T[], most: number, offset: number): readonly T[] {
  const places = Array.from({ length: most }, (_, i) => Math.floor((items.length * i) / most) + offset)
  return places.map((place) => items[place % items.length] as T)
}

/** `work` for each item, two at a time. */
export async function side<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items]
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item)
  }
  await Promise.all([worker(), worker()])
}

/** What the journal holds of a run: nothing where it does not know it, or is not there. */
export async function eventsOf(home: string, run: string): Promise<RunEvent[]> {
  const journal = await openJournal(home, { orEmpty: true })
  const events: RunEvent[] = []
  try {
    if ((await journal.runs()).some((known) => known.run === run))
      for await (const event of journal.replay(run)) events.push(event)
    return events
  } finally {
    await journal.close()
  }
}

export type Told = Extract<RunEvent, { type: 'stage-succeeded' }>

/** The successes among a journal's events, or among what a command said. */
export const successes = (events: readonly unknown[]): Told[] =>
  (events as readonly RunEvent[]).filter((event) => event.type === 'stage-succeeded')

/** The stages that a command began to do: those that it found done are not among them. */
export const begunStages = ({ documents }: Ended): readonly unknown[] =>
  documents.filter(({ type }) => type === 'stage-started').map(({ stage }) => stage)

/** A home that nobody works in, with nothing in it that a run should have taken away. */
export async function expectAtRest(work: Project): Promise<void> {
  expect((await leftovers(work.path)).filter((name) => name !== 'trace')).toEqual([])
  expect(await readdir(join(work.home, 'artifacts', 'scratch'))).toEqual([])
  expect(await readdir(work.home)).not.toContain('lock.json')
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
