/**
 * SIGKILL at each rename, each write and sync of the journal, each other sync and removal, and each write of the
 * registry, in a run of the built command that appends to a table that is there. strace kills as the call begins, so a
 * kill at one call is also a kill after the one before. One thread of libuv makes all of them but SQLite's, so the
 * numbers of calls count through the run. Where there is no strace, it is skipped.
 */
import { spawnSync } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { RunEvent } from '../../src/pipeline/events.js'
import { openJournal } from '../../src/pipeline/journal.js'
import { openRegistry, registryFile } from '../../src/registry/sqlite.js'
import { counted } from './counts.js'
import {
  type Ended,
  leftovers,
  manifestOf,
  millrace,
  modelOf,
  people,
  type Project,
  project,
  treeOf,
} from './small-pipeline.js'

const hasStrace = spawnSync('strace', ['-V']).status === 0

interface Kind {
  readonly name: string
  readonly call: string
  /** Only calls at these files of the home. */
  readonly files?: readonly string[]
}

const KINDS: readonly Kind[] = [
  { name: 'renames', call: 'rename' },
  { name: 'writes of the journal', call: 'write', files: ['journal'] },
  { name: 'syncs of the journal', call: 'fdatasync', files: ['journal'] },
  { name: 'syncs of other files and folders', call: 'fsync' },
  { name: 'removals', call: 'unlink' },
  { name: 'writes of the registry', call: 'pwrite64', files: ['registry.db', 'registry.db-wal'] },
]

/** A table of 600 rows is published and a champion is there; the source has other rows than those. */
let template: Project
let expected: { readonly model: string; readonly output: Readonly<Record<string, string>> }

beforeAll(async () => {
  if (!hasStrace) return
  template = await project()
  const yaml = await readFile(template.file, 'utf8')
  await writeFile(template.file, yaml.replace('output_path: output', 'output_path: output, write_mode: append'))
  modelOf(await millrace(['run', template.file]))
  await writeFile(join(template.path, 'people.csv'), people(11))
  await using whole = await project(template)
  const model = modelOf(await millrace(['run', whole.file]))
  expected = { model, output: await treeOf(whole.output) }
  expect((await manifestOf(whole.output))?.rows).toBe(1200)
})
afterAll(async () => template?.[Symbol.asyncDispose]())

const traced = (where: Project, { call, files = [] }: Kind, more: readonly string[]): readonly string[] => [
  ...['strace', '-f', '-qq', '-o', join(where.path, 'trace')],
  ...files.flatMap((file) => ['-P', join(where.home, file)]),
  ...['-e', `trace=${call}`, ...more],
]
const killing = (where: Project, kind: Kind, point: number): Parameters<typeof millrace>[1] => ({
  under: traced(where, kind, ['-e', `inject=${kind.call}:signal=SIGKILL:when=${point}`]),
  env: { UV_THREADPOOL_SIZE: '1' },
})

/** How many such calls the busiest thread of a whole run makes. */
async function pointsOf(kind: Kind): Promise<number> {
  await using work = await project(template)
  const around = { under: traced(work, kind, []), env: { UV_THREADPOOL_SIZE: '1' } }
  expect(modelOf(await millrace(['run', work.file], around))).toBe(expected.model)
  const threads = new Map<string, number>()
  for (const line of (await readFile(join(work.path, 'trace'), 'utf8')).split('\n')) {
    const [, thread] = /^(\d+)\s+(\w+)\(/.exec(line) ?? []
    if (thread !== undefined) threads.set(thread, (threads.get(thread) ?? 0) + 1)
  }
  return Math.max(...threads.values())
}

async function eventsOf(work: Project, run: string): Promise<RunEvent[]> {
  const journal = await openJournal(work.home)
  const events: RunEvent[] = []
  try {
    if ((await journal.runs()).some((known) => known.run === run))
      for await (const event of journal.replay(run)) events.push(event)
    return events
  } finally {
    await journal.close()
  }
}

type Told = Extract<RunEvent, { type: 'stage-succeeded' }>
const successes = (events: readonly unknown[]): Told[] =>
  (events as readonly RunEvent[]).filter((event) => event.type === 'stage-succeeded')

/** What must hold whenever a process was killed: the table is one of the two whole ones, and what was told is recorded. */
async function afterKill(work: Project, killed: Ended): Promise<Told[]> {
  expect([600, 1200]).toContain((await manifestOf(work.output))?.rows)
  const told = successes(killed.documents)
  const recorded = told[0] === undefined ? [] : successes(await eventsOf(work, told[0].run))
  for (const { stage, key, outputs } of told)
    expect(recorded).toContainEqual(expect.objectContaining({ stage, key, outputs }))
  return told
}

/** Goes on to the end and looks at everything; `told` were acknowledged by processes that were killed. */
async function toTheEnd(work: Project, told: readonly Told[]): Promise<void> {
  let ended = await millrace(['resume', '--home', work.home])
  // killed before the run was recorded, or after its end was
  if (ended.code === 2 && ended.stderr.includes('MR_RUN_UNKNOWN')) ended = await millrace(['run', work.file])
  expect(modelOf(ended)).toBe(expected.model)
  expect(await treeOf(work.output)).toEqual(expected.output)
  expect((await leftovers(work.path)).filter((name) => name !== 'trace')).toEqual([])
  expect(await readdir(join(work.home, 'artifacts', 'scratch'))).toEqual([])
  expect(await readdir(work.home)).not.toContain('lock.json')
  const registry = await openRegistry(registryFile(work.home), { readOnly: true })
  try {
    const versions = await registry.versions('people')
    expect(versions.map(({ version }) => version)).toEqual([1, 2])
    expect(versions[1]?.model.digest).toBe(expected.model)
    expect(await registry.history('people')).toHaveLength(versions[1]?.aliases.length === 0 ? 1 : 2)
  } finally {
    await registry.close()
  }
  const run = told[0]?.run ?? (ended.documents.at(-1)?.['run'] as string)
  const events = await eventsOf(work, run)
  const stages = successes(events).map(({ stage }) => stage)
  expect(stages).toEqual([...new Set(stages)])
  for (const [i, event] of events.entries())
    if (event.type === 'stage-started')
      expect(successes(events.slice(0, i)).map(({ stage }) => stage)).not.toContain(event.stage)
}

/** Every stride-th of the points, from another start for each kind. */
function sample(points: number, offset: number): number[] {
  const stride = inject('stride')
  return Array.from({ length: points }, (_, i) => i + 1).filter((point) => point % stride === offset % stride)
}

async function side<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items]
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item)
  }
  await Promise.all([worker(), worker()])
}

describe.skipIf(!hasStrace)('a run that is killed, and resumed', () => {
  test.each(KINDS.map((kind, i) => [kind.name, kind, i] as const))('at %s', async (_, kind, i) => {
    const points = await pointsOf(kind)
    const chosen = sample(points, i)
    expect(chosen.length).toBeGreaterThan(0)
    let killed = 0
    await side(chosen, async (point) => {
      await using work = await project(template)
      const ended = await millrace(['run', work.file], killing(work, kind, point))
      if (ended.code === null || ended.code === 137) killed++
      try {
        await toTheEnd(work, await afterKill(work, ended))
      } catch (error) {
        throw new Error(`${kind.call} ${point} of ${points}`, { cause: error })
      }
    })
    // the last calls of a run may be fewer in the next: what goes on side by side meets in other ways
    expect(killed).toBeGreaterThanOrEqual(Math.floor(chosen.length * 0.9))
    counted(`killed at ${kind.name}`, { points, tried: chosen.length, killed })
  })

  test('at a rename, and once more while it is resumed', async () => {
    const kind: Kind = { name: 'renames', call: 'rename' }
    const points = await pointsOf(kind)
    let killed = 0
    const pairs = sample(points, 3).flatMap((point) =>
      (point % 5 === 0 ? [1, 6, 13] : [2]).map((again) => [point, again] as const),
    )
    await side(pairs, async ([point, again]) => {
      await using work = await project(template)
      const first = await afterKill(work, await millrace(['run', work.file], killing(work, kind, point)))
      const resumed = await millrace(['resume', '--home', work.home], killing(work, kind, again))
      if (resumed.code === null || resumed.code === 137) killed++
      try {
        await toTheEnd(work, [...first, ...(await afterKill(work, resumed))])
      } catch (error) {
        throw new Error(`rename ${point}, then ${again}`, { cause: error })
      }
    })
    expect(killed).toBeGreaterThan(0)
    counted('killed twice', { tried: pairs.length, killed })
  })
})
