/**
 * The crash matrix: for each shape of graph, a real process is killed by SIGKILL before and after appends to the
 * journal and renames of artifacts; another goes on. Every point with `npm run chaos:full`; else some, spread evenly. The outputs are those of an undisturbed run, and no stage
 * whose success was acknowledged is run again.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, inject, test } from 'vitest'
import { openJournal } from '../../src/pipeline/journal.js'
import { foldRun } from '../../src/pipeline/state.js'
import { counted } from './counts.js'

interface Result {
  readonly signal: string | null
  readonly points: number
  readonly outputs: Readonly<Record<string, string>>
}

async function child(home: string, shape: string, point: string): Promise<Result> {
  const script = fileURLToPath(new URL('./child.ts', import.meta.url))
  const process_ = spawn(process.execPath, ['--import', 'tsx', script, home, shape, point], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  let errors = ''
  process_.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
  process_.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const [code, signal] = (await once(process_, 'close')) as [number | null, string | null]
  if (signal !== null) return { signal, points: 0, outputs: {} }
  if (code !== 0) throw new Error(`child at point ${point}: ${errors}`)
  return { signal, ...(JSON.parse(text) as Omit<Result, 'signal'>) }
}

async function lines(path: string): Promise<string[]> {
  return (await readFile(path, 'utf8').catch(() => '')).split('\n').filter(Boolean)
}

async function withHome<T>(use: (home: string) => Promise<T>): Promise<T> {
  const home = await mkdtemp(join(tmpdir(), 'millrace-chaos-'))
  try {
    return await use(home)
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

async function killAndResume(shape: string, point: number, expected: Result['outputs']): Promise<void> {
  await withHome(async (home) => {
    const killed = await child(home, shape, String(point))
    expect(killed.signal, `point ${point}`).toBe('SIGKILL')
    const acknowledged = await lines(join(home, 'acknowledged'))
    const before = new Map<string, number>()
    for (const stage of acknowledged) before.set(stage, (await readFile(join(home, `ran-${stage}`))).length)

    // What was acknowledged is there, for somebody who only looks.
    const reader = await openJournal(home).catch(() => undefined)
    if (acknowledged.length > 0) {
      const state = await foldRun(reader?.replay('run') ?? [])
      for (const stage of acknowledged) {
        expect(state?.stages.find(({ name }) => name === stage)?.status, `point ${point}`).toBe('success')
      }
    }
    await reader?.close()

    const resumed = await child(home, shape, 'none')
    expect(resumed.outputs, `point ${point}`).toEqual(expected)
    for (const [stage, times] of before) {
      expect((await readFile(join(home, `ran-${stage}`))).length, `${stage} at point ${point}`).toBe(times)
    }
    expect((await lines(join(home, 'acknowledged'))).sort(), `point ${point}`).toEqual(
      expect.arrayContaining(acknowledged),
    )
    expect(await readdir(join(home, 'artifacts', 'scratch'))).toEqual([])
  })
}

/** Every stride-th point, from another start for each shape, so that together they take in each kind of point. */
function sample(points: number, offset: number): number[] {
  const stride = inject('stride')
  return Array.from({ length: points }, (_, point) => point).filter((point) => point % stride === offset % stride)
}

describe.each(['chain', 'diamond', 'fan'].map((shape, i) => ({ shape, i })))('$shape', ({ shape, i }) => {
  test('killed and resumed', async () => {
    const whole = await withHome((home) => child(home, shape, 'none'))
    expect(whole.points).toBeGreaterThan(20)
    const waiting = sample(whole.points, i)
    expect(waiting.length).toBeGreaterThan(2)
    const worker = async () => {
      for (let point = waiting.shift(); point !== undefined; point = waiting.shift()) {
        await killAndResume(shape, point, whole.outputs)
      }
    }
    const tried = waiting.length
    await Promise.all([worker(), worker()])
    counted(`processes killed: ${shape}`, { points: whole.points, tried })
  })
})
