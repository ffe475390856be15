/**
 * The examples' scores beside scikit-learn's logistic regression on the same rows: `npm run bench -- quality`.
 * Both are trained on the training rows, tuned on validation rows, and scored on the test rows, with intervals. Then the
 * tables with published scores (quality/tables.ts), where their data is here. `-- quality search` ranks settings for
 * them by validation loss.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { evaluationOf, example, resultOf, ROOT, succeed } from '../test/e2e/cli.js'
import { python } from '../test/e2e/python.js'
import { scoreTable, search, TABLES } from './quality/tables.js'

interface Peer {
  readonly rows: number
  readonly C: number
  readonly roc_auc: number
  readonly roc_auc_interval: readonly [number, number]
  readonly average_precision: number
  readonly average_precision_interval: readonly [number, number]
}

if (process.argv[2] === 'search') {
  for (const table of TABLES) await search(table)
  process.exit()
}

const results: Record<string, unknown> = {}
for (const [name, label, weights] of [
  ['churn', 'Churn', undefined],
  ['fraud', 'Class', '[11.1, 1]'],
] as const) {
  await using copy = await example(name)
  const result = resultOf(await succeed(['run', copy.file, '--json']))
  const { rows, metrics, parity } = await evaluationOf(copy.path, result.run)
  const peer = await python<Peer>(
    'logistic_regression.py',
    ...[join(copy.path, 'output/features'), label, '1', ...(weights === undefined ? [] : [weights])],
  )
  if (peer.rows !== rows) throw new Error(`${name}: ${rows} test rows here, ${peer.rows} there`)
  const { roc_auc, average_precision } = metrics
  results[name] = { testRows: rows, millrace: { roc_auc, average_precision }, scikitLearn: peer, parity }
}
for (const table of TABLES) {
  const scored = await scoreTable(table)
  if (scored === undefined) console.error(`${table.name} is skipped: its data is not here`)
  else results[table.name] = scored
}
await mkdir(join(ROOT, 'bench/results'), { recursive: true })
await writeFile(join(ROOT, 'bench/results/quality.json'), `${JSON.stringify(results, null, 2)}\n`)
console.log(JSON.stringify(results, null, 2))
