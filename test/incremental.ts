/** A partitioned table whose files come, change and go, and runs of it in a home that stays and in homes that are new. */
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect } from 'vitest'
import { loadConfig } from '../src/config/load.js'
import { Rng } from '../src/core/rng.js'
import type { StageName } from '../src/stages/pipeline-stages.js'
import { runPipeline } from '../src/stages/run-pipeline.js'

/** Bytes; see stages/source-table.ts. */
const LARGE = 1.1e6

const ETL = ['extract', 'validate', 'features', 'transform'] as const

export interface Project {
  /** Writes a file of so many rows that the seed decides; a large one is a file of the table by itself. */
  write(name: string, seed: number, rows?: number, isLarge?: boolean): Promise<void>
  remove(name: string): Promise<void>
  move(from: string, to: string): Promise<void>
  /** Runs in the project's home and in a new one; fails if any artifact differs. Gives the lines of the log. */
  runTwice(stages?: readonly StageName[], set?: readonly string[]): Promise<readonly string[]>
  run(stages?: readonly StageName[], set?: readonly string[], force?: boolean): Promise<Ran>
}

interface Ran {
  /** `stage.output` and its digest. */
  readonly digests: Readonly<Record<string, string>>
  readonly log: readonly string[]
}

export async function incrementalProject(folder: string, config = ''): Promise<Project> {
  await writeFile(
    join(folder, 'pipeline.yaml'),
    `pipeline_name: incremental
version: "1"
label: bought
entity: id
data:
  source_path: data
  output_path: out
  validation_rules: {value_ranges: {x: [-2.5, 2.5]}, non_null_columns: [colour]}
training: {model_type: logistic_regression, max_epochs: 2, batch_size: 64}
evaluation: {bootstrap: 100}
leak_check: {action: warn}
${config === '' ? 'features: {exclude: [pad]}\n' : config}`,
  )
  const at = (name: string): string => join(folder, 'data', name)
  const runIn = async (home: string, stages: readonly StageName[], set: readonly string[], force = false) => {
    const log: string[] = []
    const { state } = await runPipeline(loadConfig(join(folder, 'pipeline.yaml'), { set }), {
      home,
      stages,
      force,
      onEvent: (event) => {
        if (event.type === 'stage-log') log.push(`${event.stage}: ${event.message}`)
      },
    })
    expect(state.stages.map(({ status, error }) => error ?? status)).not.toContainEqual(expect.any(Object))
    const digests = Object.fromEntries(
      state.stages
        .filter(({ name }) => name !== 'publish')
        .flatMap(({ name, value = {} }) =>
          Object.entries(value).map(([output, { digest }]) => [`${name}.${output}`, digest]),
        ),
    )
    return { digests, log }
  }
  const home = join(folder, 'home')
  return {
    async write(name, seed, rows = 40, isLarge = true) {
      const rng = new Rng(seed)
      const pad = isLarge ? 'p'.repeat(Math.ceil(LARGE / Math.max(1, rows))) : ''
      const lines = Array.from({ length: rows }, (_, i) => {
        const [x, n, missing] = [rng.normal(), rng.below(9), rng.below(10) === 0]
        const colour = ['red', 'green', 'blue', ''][rng.below(40) === 0 ? 3 : rng.below(3)]
        return `${seed * 1000 + i},${x.toFixed(5)},${missing ? '' : n},${colour},${x + rng.normal() > 0 ? 'yes' : 'no'},${pad}`
      })
      await mkdir(dirname(at(name)), { recursive: true })
      await writeFile(at(name), `id,x,n,colour,bought,pad\n${lines.map((line) => `${line}\n`).join('')}`)
    },
    remove: (name) => rm(at(name)),
    async move(from, to) {
      await mkdir(dirname(at(to)), { recursive: true })
      await rename(at(from), at(to))
    },
    async runTwice(stages = ETL, set = []) {
      const fresh = await mkdtemp(join(folder, 'fresh-'))
      const [kept, anew] = [await runIn(home, stages, set), await runIn(fresh, stages, set)]
      expect(kept.digests).toEqual(anew.digests)
      return kept.log
    },
    run: (stages = ETL, set = [], force = false) => runIn(home, stages, set, force),
  }
}
