/** `npm run bench -- NAME [ARGUMENTS]`: runs bench/NAME.ts, which prints JSON. Without a name: lists them. */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('.', import.meta.url))
const names = readdirSync(folder)
  .filter((name) => name.endsWith('.ts') && !['report.ts', 'run.ts', 'statistics.ts'].includes(name))
  .map((name) => name.slice(0, -'.ts'.length))
const [name, ...rest] = process.argv.slice(2)
if (name === undefined || !names.includes(name)) {
  console.error(`benchmarks: ${names.join(', ')}`)
  process.exitCode = 2
} else {
  const { status } = spawnSync(process.execPath, ['--import', 'tsx', `${folder}${name}.ts`, ...rest], {
    stdio: 'inherit',
  })
  process.exitCode = status ?? 1
}
