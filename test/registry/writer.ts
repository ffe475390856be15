/**
 * A process that registers versions and moves an alias, for tests of several processes at once and of `kill -9`:
 * FILE RUN COUNT. Prints each version number once it is acknowledged.
 */
import { writeSync } from 'node:fs'
import { openRegistry } from '../../src/registry/sqlite.js'
import { entry } from '../conformance/registry-entry.js'

const [file = '', run = '', count = '0'] = process.argv.slice(2)
const registry = await openRegistry(file)
for (let i = 0; i < Number(count); i++) {
  const { version } = await registry.register(entry('churn', `${run}-${i}`))
  await registry.setAlias('churn', 'champion', version, run)
  writeSync(1, `${version}\n`)
}
await registry.close()
