/** A contender as a process: wall time, and CPU and memory of it and its children, sampled from /proc; Linux only. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'

export interface Cost {
  readonly wall_s: number
  readonly cpu_s: number
  /** Most bytes in memory at a time, of all its processes together. */
  readonly peak_bytes: number
}

const SAMPLE_MS = 20
const TICKS_A_SECOND = 100
const PAGE_BYTES = 4096

/**
 * Runs to the end; throws with the end of what it said if it fails or takes longer than `limit_s`.
 * @param env variables beside those of this process
 */
export async function costOf(
  command: string,
  args: readonly string[],
  limit_s: number,
  env: Readonly<Record<string, string>> = {},
): Promise<Cost & { readonly stdout: string }> {
  const started = performance.now()
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: limit_s * 1000,
    env: { ...process.env, ...env },
  })
  const texts = { stdout: '', stderr: '' }
  child.stdout.on('data', (data: Buffer) => (texts.stdout += data.toString()))
  child.stderr.on('data', (data: Buffer) => (texts.stderr = (texts.stderr + data.toString()).slice(-2000)))
  const cpu = new Map<number, number>()
  let peak = 0
  const timer = setInterval(() => {
    let resident = 0
    for (const pid of treeOf(child.pid)) {
      const found = statOf(pid)
      cpu.set(pid, Math.max(found.cpu_s, cpu.get(pid) ?? 0))
      resident += found.resident
    }
    peak = Math.max(peak, resident)
  }, SAMPLE_MS)
  const code = await new Promise<number | null>((resolve, reject) => child.on('close', resolve).on('error', reject))
  clearInterval(timer)
  const wall_s = (performance.now() - started) / 1000
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${code} after ${wall_s} s\n${texts.stderr}`)
  return { wall_s, cpu_s: [...cpu.values()].reduce((a, b) => a + b, 0), peak_bytes: peak, stdout: texts.stdout }
}

function treeOf(pid: number | undefined): readonly number[] {
  if (pid === undefined) return []
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean)
    return [pid, ...children.flatMap((child) => treeOf(Number(child)))]
  } catch {
    return [pid] // it has just ended
  }
}

function statOf(pid: number): { readonly cpu_s: number; readonly resident: number } {
  try {
    // after the name, which may hold spaces: state is the 3rd field, utime the 14th, stime the 15th, resident pages the 24th
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop()?.split(' ') ?? []
    const at = (field: number): number => Number(fields[field - 3])
    return { cpu_s: (at(14) + at(15)) / TICKS_A_SECOND, resident: at(24) * PAGE_BYTES }
  } catch {
    return { cpu_s: 0, resident: 0 }
  }
}
