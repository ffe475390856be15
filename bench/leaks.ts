/**
 * How near tables that hold no leak come to being told that they do: runs the data part and the leak check, and prints one
 * line a table as JSON: seconds, what was found, the nearest figures.
 *
 *   node --import tsx bench/leaks.ts FILE LABEL [--set KEY=VALUE]...
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import type { LeakDocument } from '../src/core/documents.js'
import { loadConfig, openArtifactStore, runPipeline } from '../src/index.js'
import { getJson } from '../src/stages/run-resources.js'

const [file = '', label = '', ...rest] = process.argv.slice(2)
const folder = await mkdtemp(join(tmpdir(), 'millrace-leaks-'))
try {
  const pipeline = join(folder, 'pipeline.yaml')
  await writeFile(
    pipeline,
    JSON.stringify({
      pipeline_name: 'leaks',
      version: '1',
      label,
      data: { source_path: resolve(file), output_path: 'out' },
      training: { model_type: 'logistic_regression' },
    }),
  )
  const home = join(folder, 'home')
  const { state } = await runPipeline(loadConfig(pipeline, { set: rest.filter((word) => word !== '--set') }), {
    home,
    stages: ['extract', 'validate', 'features', 'transform', 'leaks'],
  })
  const stage = state.stages.find(({ name }) => name === 'leaks')
  const store = await openArtifactStore(join(home, 'artifacts'), { readOnly: true })
  const ref = stage?.attachments?.['report']
  const document = ref === undefined ? undefined : await getJson<LeakDocument>(store, ref)
  await store.close()
  console.log(
    JSON.stringify({
      table: basename(file),
      passed: document?.passed,
      seconds: Number((stage?.seconds ?? 0).toFixed(2)),
      transform: Number((state.stages.find(({ name }) => name === 'transform')?.seconds ?? 0).toFixed(2)),
      error: state.stages.find(({ error }) => error !== undefined)?.error?.message,
      checks: document?.checks.map(({ check, column, passed, value, limit, detail }) => ({
        check,
        column,
        passed,
        value,
        limit,
        detail,
      })),
    }),
  )
} finally {
  await rm(folder, { recursive: true, force: true })
}
