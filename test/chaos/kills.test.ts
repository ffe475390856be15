/**
 * SIGKILL at each rename, each write and sync of the journal, each other sync and removal, and each write of the
 * registry, in a run of the built command that appends to a table that is there. strace kills as the call begins, so a
 * kill at one call is also a kill after the one before. One thread of libuv makes all of them but SQLite's, so the
 * numbers of calls count through the run. Where there is no strace, it is skipped.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openRegistry, registryFile } from '../../src/registry/sqlite.js'
import { counted } from './counts.js'
import {
  drawn,
  type Ended,
  eventsOf,
  expectAtRest,
  manifestOf,
  millrace,
  modelOf,
  people,
  prepared,
  type Project,
  project,
  side,
  successes,
  type Told,
  treeOf,
} from './small-pipeline.js'
import { busiest, hasStrace } from './trace.js'

interface Kind {
  readonly name: string
  readonly call: string
  /** Only calls at these files and folders of the project. */
  readonly files?: readonly string[]
}

const RENAMES: Kind = { name: 'renames', call: 'rename' }
const KINDS: readonly Kind[] = [
  RENAMES,
  { name: 'writes of the journal', call: 'write', files: ['.millrace/journal'] },
  { name: 'syncs of the journal', call: 'fdatasync', files: ['.millrace/journal'] },
  { name: 'syncs of other files and folders', call: 'fsync' },
  { name: 'removals', call: 'unlink' },
  { name: 'writes of the registry', call: 'pwrite64', files: ['.millrace/registry.db', '.millrace/registry.db-wal'] },
  // after the renames of its files' folder, and of its manifest
  { name: "syncs of the published table's folder", call: 'fsync', files: ['output'] },
]

/** Kills of a kind where not all are asked for. */
const KILLS = 2
/** Points in a full run at which it is killed and, resumed, once more. */
const TWICE_IN_FULL = 24
/** At which rename of the resumed run it is killed once more. */
const AGAIN = [2, 1, 6, 13] as const
const ONE_THREAD = { UV_THREADPOOL_SIZE: '1' }

/** A table of 600 rows is published and a champion is there; the source has other rows than those. */
let template: Project
let expected: { readonly model: string; readonly output: Readonly<Record<string, string>> }
/** Of a whole run. */
let trace: string
let traced: Project

beforeAll(async () => {
  if (!hasStrace) return
  template = await project(prepared().work)
  const yaml = await readFile(template.file, 'utf8')
  await writeFile(template.file, yaml.replace('output_path: output', 'output_path: output, write_mode: append'))
  await writeFile(join(template.path, 'people.csv'), people(11))
  traced = await project(template)
  const [log, calls] = [join(traced.path, 'trace'), KINDS.map(({ call }) => call).join()]
  const under = ['strace', '-f', '--seccomp-bpf', '-y', '-qq', '-o', log, '-e', `trace=${calls}`]
  const model = modelOf(await millrace(['run', traced.file], { under, env: ONE_THREAD }))
  trace = await readFile(log, 'utf8')
  expected = { model, output: await treeOf(traced.output) }
  expect((await manifestOf(traced.output))?.rows).toBe(1200)
})
afterAll(async () => {
  await template?.[Symbol.asyncDispose]()
  await traced?.[Symbol.asyncDispose]()
})

const pathsOf = ({ files = [] }: Kind, where: Project): string[] => files.map((file) => join(where.path, file))

/** The calls of a whole run at which it can be killed, from 1. */
function pointsOf(kind: Kind): readonly number[] {
  const paths = pathsOf(kind, traced)
  const calls = busiest(trace, (call, file) => call === kind.call && (paths.length === 0 || paths.includes(file)))
  expect(calls).toBeGreaterThan(0)
  return Array.from({ length: calls }, (_, i) => i + 1)
}

const killing = (where: Project, kind: Kind, point: number): Parameters<typeof millrace>[1] => ({
  under: [
    ...['strace', '-f', '-qq', '-o', join(where.path, 'trace')],
    ...pathsOf(kind, where).flatMap((path) => ['-P', path]),
    ...['-e', `trace=${kind.call}`, '-e', `inject=${kind.call}:signal=SIGKILL:when=${point}`],
  ],
  env: ONE_THREAD,
})

const wasKilled = ({ code }: Ended): boolean => code === null || code === 137

/** What must hold whenever a process was killed: the table is one of the two whole ones, and what was told is recorded. */
async function afterKill(work: Project, killed: Ended): Promise<Told[]> {
  expect([600, 1200]).toContain((await manifestOf(work.output))?.rows)
  const told = successes(killed.documents)
  const recorded = told[0] === undefined ? [] : successes(await eventsOf(work.home, told[0].run))
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
  await expectAtRest(work)
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
  const events = await eventsOf(work.home, run)
  const stages = successes(events).map(({ stage }) => stage)
  expect(stages).toEqual([...new Set(stages)])
  for (const [i, event] of events.entries())
    if (event.type === 'stage-started')
      expect(successes(events.slice(0, i)).map(({ stage }) => stage)).not.toContain(event.stage)
}

describe.skipIf(!hasStrace)('a run that is killed, and resumed', () => {
  test.each(KINDS.map((kind, i) => [kind.name, kind, i] as const))('at %s', async (_, kind, i) => {
    const points = pointsOf(kind)
    const chosen = drawn(points, KILLS, 7 * i)
    let killed = 0
    await side(chosen, async (point) => {
      await using work = await project(template)
      const ended = await millrace(['run', work.file], killing(work, kind, point))
      if (wasKilled(ended)) killed++
      try {
        await toTheEnd(work, await afterKill(work, ended))
      } catch (error) {
        throw new Error(`${kind.call} ${point} of ${points.length}`, { cause: error })
      }
    })
    // the last calls of a run may be fewer in the next: what goes on side by side meets in other ways
    expect(killed).toBeGreaterThanOrEqual(Math.floor(chosen.length * 0.9))
    counted(`killed at ${kind.name}`, { points: points.length, tried: chosen.length, killed })
  })

  test('at a rename, and once more while it is resumed', async () => {
    let killed = 0
    const pairs = drawn(pointsOf(RENAMES), KILLS, 5, TWICE_IN_FULL).map(
      (point, i) => [point, AGAIN[i % 4] ?? 1] as const,
    )
    await side(pairs, async ([point, again]) => {
      await using work = await project(template)
      const first = await afterKill(work, await millrace(['run', work.file], killing(work, RENAMES, point)))
      const resumed = await millrace(['resume', '--home', work.home], killing(work, RENAMES, again))
      if (wasKilled(resumed)) killed++
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
