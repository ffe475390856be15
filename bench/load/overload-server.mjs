/**
 * The server of bench/overload.ts, compiled as it is shipped: from the sources every swap would start a thread that
 * compiles first, on the core that is measured. Moves the registry's alias every ten seconds while it is told to: a swap
 * loads a model for two threads, which costs the core 120 ms.
 *
 *   node overload-server.mjs FOLDER    (with registry.db and artifacts/, versions 1 and 2 of the model `loan`)
 */
import { join } from 'node:path'
import { openArtifactStore } from '../../dist/core/artifact-store.js'
import { openRegistry } from '../../dist/registry/sqlite.js'
import { ServedModels } from '../../dist/serving/models.js'
import { startServer } from '../../dist/serving/server.js'

const folder = process.argv[2]
const registry = await openRegistry(join(folder, 'registry.db'))
const store = await openArtifactStore(join(folder, 'artifacts'))
let swaps = 0
const models = await ServedModels.open({
  ...{ sources: ['models:/loan@champion'], registry, store, worker: true },
  log: (level, message) => void (level === 'info' ? swaps++ : process.stderr.write(`${level}: ${message}\n`)),
})
const { address } = await startServer({ models, version: 'bench', port: 0 })
let version = 1
let timer
process.on('message', (message) => {
  if (message === 'swap')
    timer = setInterval(() => void registry.setAlias('loan', 'champion', (version = 3 - version), 'bench'), 10_000)
  if (message === 'keep') clearInterval(timer)
  process.send({ cpu: process.cpuUsage(), swaps })
})
process.send({ port: Number(new URL(address).port) })
