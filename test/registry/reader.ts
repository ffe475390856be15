/**
 * A process that may only read a registry, for tests: FILE. At each line on its input it prints what it sees, as JSON;
 * at the end of the input it says how a change is refused, and closes.
 */
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { openRegistry } from '../../src/registry/sqlite.js'

const [file = ''] = process.argv.slice(2)
const say = (what: object): number => writeSync(1, `${JSON.stringify(what)}\n`)
const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code
const registry = await openRegistry(file, { readOnly: true })
for await (const _ of createInterface({ input: process.stdin })) {
  const versions = (await registry.versions('churn')).length
  say({ versions, champion: (await registry.resolve('models:/churn@champion')).version, revision: registry.revision() })
}
say({
  change: await registry.setAlias('churn', 'champion', 1, '').catch(codeOf),
  writer: await openRegistry(file)
    .then((writer) => writer.setAlias('churn', 'other', 1, ''))
    .then(() => 'written', codeOf),
})
await registry.close()
