/**
 * States that a power failure leaves: the journal ends at any byte of a record, and everything that was written and not
 * synced is gone (names that were not made durable, and the bytes of files that nobody synced, as a trace of the killed
 * process tells). What was told is still recorded, and the run goes on to the same model and the same published bytes.
 */
import { chmod, cp, readdir, readFile, rm, truncate } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { counted } from './counts.js'
import {
  begunStages,
  drawn,
  eventsOf,
  expectAtRest,
  millrace,
  modelOf,
  prepared,
  type Project,
  project,
  side,
  successes,
  treeOf,
} from './small-pipeline.js'
import { busiest, hasStrace, operations } from './trace.js'

/** Cuts of a record, in a full run too (src/pipeline/journal.test.ts cuts at every byte), and failures at a kind of sync. */
const CUTS = 2
const CUTS_IN_FULL = 40
const FAILURES = 2
/** A full set of cuts takes some minutes. */
const LONG = 3_600_000

/** Where a record of the journal begins and ends. */
function recordIn(journal: Buffer, isIt: (line: string) => boolean): readonly [from: number, to: number] {
  for (let from = 0; from < journal.length;) {
    const to = journal.indexOf('\n', from) + 1
    if (isIt(journal.toString('utf8', from, to))) return [from, to]
    from = to
  }
  throw new Error('the journal has no such record')
}

describe('a journal that ends', () => {
  test('within a record: the last, one in the middle', { timeout: LONG }, async () => {
    const records = [
      ['the last record', '"type":"run-finished"'],
      ['one in the middle', '"stage":"transform","version"'],
    ] as const
    // a run that is resumed works in the folder that it began in: each record has one, and puts it back as it was
    await side(records, async ([name, marks]) => {
      let tried = 0
      await using work = await project()
      const ended = await millrace(['run', work.file])
      const { model, output } = prepared()
      expect(modelOf(ended)).toBe(model)
      const run = ended.documents.at(-1)?.['run'] as string
      await using whole = await project(work)
      const path = join(work.home, 'journal')
      const [from, to] = recordIn(
        await readFile(path),
        (line) => line.includes(marks) && /"type":"(run-finished|stage-succeeded)"/.test(line),
      )
      const cuts = drawn(
        Array.from({ length: to - from }, (_, i) => from + i),
        CUTS,
        0,
        CUTS_IN_FULL,
      )
      for (const cut of cuts) {
        for (const folder of ['home', 'output'] as const) {
          await rm(work[folder], { recursive: true })
          await cp(whole[folder], work[folder], { recursive: true, preserveTimestamps: true })
        }
        await truncate(path, cut)
        const kept = successes(await eventsOf(work.home, run)).map(({ stage }) => stage)
        const resumed = await millrace(['resume', '--home', work.home])
        expect(modelOf(resumed), `byte ${cut - from}`).toBe(model)
        expect(resumed.stderr.includes('its end was torn or damaged'), resumed.stderr).toBe(cut > from)
        expect(await treeOf(work.output)).toEqual(output)
        for (const stage of kept) expect(begunStages(resumed)).not.toContain(stage)
        expect((await eventsOf(work.home, run)).at(-1)).toMatchObject({ type: 'run-finished', status: 'success' })
        if (name === 'the last record') expect(begunStages(resumed)).toEqual([])
        await expectAtRest(work)
        tried++
      }
      counted(`journals that end within ${name}`, { bytes: to - from, tried })
    })
  })
})

/** What a trace says of the files under `folder`, which did not exist when it began. */
interface Durable {
  /** Made or renamed to, and the folder above not synced since. */
  readonly unnamed: ReadonlySet<string>
  /** Synced at least once. */
  readonly synced: ReadonlySet<string>
  /** Bytes of the journal at its last sync. */
  readonly journal: number
}

function durable(trace: string, folder: string, journalPath: string): Durable {
  const [unnamed, synced, seen] = [new Set<string>(), new Set<string>(), new Set<string>()]
  let [written, journal] = [0, 0]
  const isUnder = (path: string): boolean => path.startsWith(`${folder}/`)
  for (const { call, text, paths, file } of operations(trace)) {
    const [from = '', to = ''] = paths
    if (call === 'fsync' || call === 'fdatasync') {
      synced.add(file)
      for (const name of unnamed) if (dirname(name) === file) unnamed.delete(name)
      if (file === journalPath) journal = written
    } else if (call === 'write') {
      if (file === journalPath) written += Number(/ = (\d+)$/.exec(text)?.[1] ?? NaN)
    } else if (call === 'rename') {
      for (const known of [unnamed, synced])
        for (const path of [...known])
          if (path === from || path.startsWith(`${from}/`)) {
            known.delete(path)
            known.add(to + path.slice(from.length))
          }
      if (isUnder(to)) unnamed.add(to)
    } else if (isUnder(from) && !seen.has(from) && (call === 'mkdir' || text.includes('O_CREAT'))) {
      seen.add(from)
      unnamed.add(from)
    }
  }
  return { unnamed, synced, journal }
}

/** Takes from `folder` what was not durable; gives how many files lost their name or their bytes. */
async function fail(folder: string, journalPath: string, { unnamed, synced, journal }: Durable): Promise<number> {
  let lost = 0
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name)
    if (unnamed.has(path)) {
      await rm(path, { recursive: true })
      lost++
    } else if (entry.isDirectory()) lost += await fail(path, journalPath, { unnamed, synced, journal })
    else if (path === journalPath || !synced.has(path)) {
      await chmod(path, 0o644)
      await truncate(path, path === journalPath ? journal : 0)
      if (path !== journalPath) lost++
    }
  }
  return lost
}

describe.skipIf(!hasStrace)('a power failure at a sync (skipped without strace)', () => {
  const expected = prepared()
  /** Of a whole run. */
  let whole: string

  const tracing = (work: Project, calls: string, more: readonly string[]): Parameters<typeof millrace>[1] => ({
    under: ['strace', '-f', '-y', '-qq', '-o', join(work.path, 'trace'), '-e', `trace=${calls}`, ...more],
    env: { UV_THREADPOOL_SIZE: '1' },
  })
  // home and output do not exist yet, and stand in one folder
  const argsOf = (work: Project): string[] => [
    ...['run', work.file, '--home', join(work.path, 'new', 'home')],
    ...['--set', `data.output_path=${join(work.path, 'new', 'output')}`],
  ]

  beforeAll(async () => {
    await using work = await project()
    const ended = await millrace(argsOf(work), tracing(work, 'fsync,fdatasync', ['--seccomp-bpf']))
    expect(modelOf(ended)).toBe(expected.model)
    whole = await readFile(join(work.path, 'trace'), 'utf8')
  })
  let [tried, files] = [0, 0]
  afterAll(() => counted('power failures', { tried, 'files lost': files }))

  test.each(['fdatasync', 'fsync'])('%s', { timeout: LONG }, async (kind) => {
    const all = busiest(whole, (call) => call === kind)
    const points = drawn(
      Array.from({ length: all }, (_, i) => i + 1),
      FAILURES,
      5,
    )
    expect(points.length).toBeGreaterThan(0)
    await side(points, async (point) => {
      await using work = await project()
      const folder = join(work.path, 'new')
      const home = join(folder, 'home')
      const calls = 'fsync,fdatasync,write,mkdir,rename,openat'
      const injected = ['-e', `inject=${kind}:signal=SIGKILL:when=${point}`]
      const killed = await millrace(argsOf(work), tracing(work, calls, injected))
      const journal = join(home, 'journal')
      files += await fail(folder, journal, durable(await readFile(join(work.path, 'trace'), 'utf8'), folder, journal))
      tried++
      try {
        const told = successes(killed.documents)
        const recorded = told[0] === undefined ? [] : successes(await eventsOf(home, told[0].run))
        for (const { stage, key, outputs } of told)
          expect(recorded).toContainEqual(expect.objectContaining({ stage, key, outputs }))
        let ended = await millrace(['resume', '--home', home])
        // nothing was recorded of the run, or its end
        if (ended.code === 2 && /MR_(RUN_UNKNOWN|FILE_MISSING)/.test(ended.stderr)) ended = await millrace(argsOf(work))
        expect(modelOf(ended)).toBe(expected.model)
        for (const { stage } of told) expect(begunStages(ended)).not.toContain(stage)
        expect(await treeOf(join(folder, 'output'))).toEqual(expected.output)
        await expectAtRest({ ...work, home })
      } catch (error) {
        throw new Error(`${kind} ${point} of ${all}`, { cause: error })
      }
    })
  })
})
