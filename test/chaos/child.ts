/**
 * Runs, or goes on with, a small pipeline in a home, and dies by SIGKILL at a given point. For pipeline.test.ts.
 * Usage: child.ts <home> <shape> <point>, where <point> counts the journal's appends and the file renames, both before
 * and after each; `none` lives to the end. Prints {points, outputs}.
 */
import { createHash } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import type { StageKind } from '../../src/pipeline/stage.js'

interface Config {
  readonly salt: string
}

const SHAPES: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  chain: { a: [], b: ['a'], c: ['b'] },
  diamond: { a: [], b: ['a'], c: ['a'], d: ['b', 'c'] },
  fan: { a: [], b: ['a'], c: ['a'], d: ['a'], e: ['a'] },
}

const [home = '', shape = '', point = 'none'] = process.argv.slice(2)
let points = 0
const pass = () => {
  if (String(points++) === point) process.kill(process.pid, 'SIGKILL')
}

// Before the modules of the pipeline are loaded, so that their imports see it.
const { rename } = fs
fs.rename = async (from, to) => {
  pass()
  await rename(from, to)
  pass()
}
syncBuiltinESMExports()

const { openHome } = await import('../../src/pipeline/home.js')
const { PipelineExecutor } = await import('../../src/pipeline/executor.js')

const stages = Object.entries(SHAPES[shape] ?? {}).map(([name, after]): StageKind<Config> => ({
  name,
  version: 1,
  after,
  async run({ config, inputs, store, resumed, checkpoint }) {
    await fs.appendFile(join(home, `ran-${name}`), 'x')
    const hash = createHash('sha256').update(config.salt).update(name)
    for (const input of after) {
      const ref = inputs[input]?.['out']
      if (ref === undefined) throw new Error(`no input ${input}`)
      hash.update(await store.get(ref))
    }
    const half = resumed ?? (await store.put(`half of ${name}`, 'text/plain'))
    if (resumed === undefined) await checkpoint(half)
    hash.update(await store.get(half))
    const file = join(await store.scratch(), 'out')
    await fs.writeFile(file, hash.digest('hex'))
    return { out: await store.putFile(file, 'text/plain', { move: true }) }
  },
}))

const opened = await openHome(home, 'run')
const append = opened.journal.append.bind(opened.journal)
const journal = Object.assign(Object.create(opened.journal) as typeof opened.journal, {
  append: async (event: Parameters<typeof append>[0]) => {
    pass()
    await append(event)
    // Acknowledged: written down outside, to be held against the journal after the kill. At once, as what is
    // acknowledged too early would be written meanwhile.
    if (event.type === 'stage-succeeded') appendFileSync(join(home, 'acknowledged'), `${event.stage}\n`)
    pass()
  },
})
for (const method of ['replay', 'runs', 'successes', 'checkpoints'] as const) {
  Object.assign(journal, { [method]: opened.journal[method].bind(opened.journal) })
}
const executor = new PipelineExecutor({ journal, store: opened.store, concurrency: 2 })
const isKnown = (await opened.journal.runs()).length > 0
const state = isKnown
  ? await executor.resume('run', { stages })
  : await executor.execute({ runId: 'run', name: shape, stages, config: { salt: 'salt' }, seed: 1 })
await opened.close()
if (state.status !== 'success') throw new Error(JSON.stringify(state))
const outputs = Object.fromEntries(state.stages.map(({ name, value }) => [name, value?.['out']?.digest]))
process.stdout.write(JSON.stringify({ points, outputs, notes: opened.journal.notes }))
