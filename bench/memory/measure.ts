/** Runs a pipeline as a process of its own and watches its memory and its spills; Linux only, from /proc. */
import { spawn } from 'node:child_process'
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface Peak {
  /** Bytes of the process that are in memory, at most (sampled; of the whole run the kernel's own VmHWM). */
  readonly resident: number
  /** Bytes that the engine spilled to disk, at most at a time. */
  readonly spilled: number
  readonly seconds: number
}

export interface Measured extends Peak {
  readonly exitCode: number | null
  readonly stages: Readonly<Record<string, Peak>>
  /** Digest of model.onnx, if there is one. */
  readonly model?: string
  readonly error?: string
}

interface Event {
  readonly type: string
  readonly stage?: string
  readonly registration?: { readonly model: { readonly digest: string } }
  readonly error?: { readonly code: string; readonly message: string }
}

const SAMPLE_MS = 25

/** `command ARGS` to its end; `args` must hold `--json`, and `home` is where the run keeps its `tmp`. */
export async function measure(
  command: string,
  args: readonly string[],
  home: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Measured> {
  const start = performance.now()
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'ignore'] })
  const running = new Map<string, { resident: number; spilled: number; start: number }>()
  const stages: Record<string, Peak> = {}
  const found = { resident: 0, spilled: 0 }
  let last: Event | undefined
  const timer = setInterval(() => {
    const status = statusOf(child.pid)
    if (status === undefined) return
    found.resident = Math.max(found.resident, status.peak)
    const spilled = bytesBelow(join(home, 'tmp'))
    found.spilled = Math.max(found.spilled, spilled)
    for (const stage of running.values()) {
      stage.resident = Math.max(stage.resident, status.now)
      stage.spilled = Math.max(stage.spilled, spilled)
    }
  }, SAMPLE_MS)
  createInterface({ input: child.stdout }).on('line', (line) => {
    const event = JSON.parse(line) as Event
    if (event.type === 'result') last = event
    if (event.stage === undefined) return
    const stage = running.get(event.stage)
    if (event.type === 'stage-started')
      running.set(event.stage, { resident: statusOf(child.pid)?.now ?? 0, spilled: 0, start: performance.now() })
    else if (stage !== undefined && /^stage-(succeeded|failed)$/.test(event.type)) {
      const { resident, spilled } = stage
      stages[event.stage] = { resident, spilled, seconds: (performance.now() - stage.start) / 1000 }
      running.delete(event.stage)
    }
  })
  const exitCode = await new Promise<number | null>((resolve) => child.on('close', resolve))
  clearInterval(timer)
  const model = last?.registration?.model.digest
  return {
    exitCode,
    ...found,
    seconds: (performance.now() - start) / 1000,
    stages,
    ...(model === undefined ? {} : { model }),
    ...(last?.error === undefined ? {} : { error: `${last.error.code}: ${last.error.message}` }),
  }
}

function statusOf(pid: number | undefined): { readonly now: number; readonly peak: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8')
    const kilobytes = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text)?.[1])
    const [now, peak] = [kilobytes('VmRSS') * 1024, kilobytes('VmHWM') * 1024]
    return Number.isNaN(peak) ? undefined : { now, peak }
  } catch {
    return undefined
  }
}

function bytesBelow(folder: string): number {
  let bytes = 0
  try {
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
      if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name)).blocks * 512
  } catch {
    // files come and go
  }
  return bytes
}
