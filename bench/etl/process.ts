/**
 * A contender as a process: wall time, and CPU and memory of it, its children and of a server that works for it, sampled
 * from /proc; Linux only.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'

export interface Cost {
  readonly wall_s: number
  readonly cpu_s: number
  /** Most bytes in memory at a time, of all its processes together. */
  readonly peak_bytes: number
  /** The same of the process alone, as the kernel kept it (VmHWM). */
  readonly own_bytes: number
}

export interface Surroundings {
  /** Variables beside those of this process. */
  readonly env?: Readonly<Record<string, string>>
  /** A process that runs before and after; what it takes meanwhile counts. */
  readonly server?: number
}

const SAMPLE_MS = 20
const TICKS_A_SECOND = 100
const PAGE_BYTES = 4096

/** Runs to the end; throws with the end of what it said if it fails or takes longer than `limit_s`. */
export async function costOf(
  command: string,
  args: readonly string[],
  limit_s: number,
  { env = {}, server }: Surroundings = {},
): Promise<Cost & { readonly stdout: string }> {
  const before = server === undefined ? 0 : statOf(server).cpu_s
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
  let [peak, own] = [0, 0]
  const timer = setInterval(() => {
    let resident = 0
    own = Math.max(own, mostOf(child.pid))
    for (const pid of [...treeOf(child.pid), ...(server === undefined ? [] : [server])]) {
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
  if (server !== undefined) cpu.set(server, statOf(server).cpu_s)
  const cpu_s = [...cpu.values()].reduce((a, b) => a + b, 0) - before
  return { wall_s, cpu_s, peak_bytes: peak, own_bytes: own, stdout: texts.stdout }
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

function mostOf(pid: number | undefined): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
  } catch {
    return 0 // it has just ended
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
