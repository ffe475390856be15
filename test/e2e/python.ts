/** The Python interpreter for judges in tests: .venv of the repository, made by scripts/setup-tests.sh. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../..', import.meta.url))
export const PYTHON = join(root, '.venv', 'bin', 'python')

/** Runs a script of test/e2e; resolves to the JSON it prints. */
export async function python<T>(script: string, ...args: readonly string[]): Promise<T> {
  if (!existsSync(PYTHON)) throw new Error('.venv is missing: bash scripts/setup-tests.sh')
  const { stdout } = await promisify(execFile)(PYTHON, [join(root, 'test/e2e', script), ...args], {
    maxBuffer: 64 * 2 ** 20,
  })
  return JSON.parse(stdout) as T
}
