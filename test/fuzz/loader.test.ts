/** Model files through ONNX Runtime itself, in a process of its own: whatever they hold, that process must live on. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll } from 'vitest'
import { loanModel } from '../models.js'
import { fuzz, mutated } from './fuzz.js'
import type { Loaded } from './load-model.js'

const folder = mkdtempSync(join(tmpdir(), 'millrace-fuzz-loader-'))
const file = join(folder, 'model.onnx')
let child: ChildProcess | undefined
// the process starts here, so that no case takes as long as that does on a busy machine
beforeAll(() => load(new Uint8Array()), 120_000)
afterAll(() => {
  child?.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

async function load(bytes: Uint8Array): Promise<Loaded> {
  writeFileSync(file, bytes)
  const script = fileURLToPath(new URL('./load-model.ts', import.meta.url))
  const used = (child ??= fork(script, { execArgv: ['--import', 'tsx'], stdio: ['ignore', 'ignore', 'ignore', 'ipc'] }))
  const ended = new AbortController()
  const answer = once(used, 'message', { signal: ended.signal }).then(([found]) => found as Loaded)
  const died = once(used, 'exit', { signal: ended.signal }).then(([code, signal]): Loaded => {
    child = undefined
    return { fault: `the process ended with ${String(signal ?? code)}` }
  })
  used.send(file)
  try {
    return await Promise.race([answer, died])
  } finally {
    answer.catch(() => undefined)
    died.catch(() => undefined)
    ended.abort()
  }
}

fuzz('model file in ONNX Runtime', {
  cases: mutated([loanModel(), loanModel({ regression: true })]),
  async parse(bytes) {
    const { code, fault } = await load(bytes)
    if (fault !== undefined) throw new Error(fault)
    if (code !== undefined && !/^MR_(MODEL_FILE|PREDICT)_/.test(code)) throw new Error(`refused with ${code}`)
    return code
  },
  runs: 400,
})
