/** A server in a process tree of its own on one core: start, CPU time of the whole tree, end. Linux only. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Clock ticks a second of /proc/PID/stat: 100 on every Linux that Node runs on. */
const TICKS = 100

interface Stat {
  readonly pid: number
  readonly parent: number
  readonly seconds: number
}

function stats(): Stat[] {
  return readdirSync('/proc').flatMap((name): Stat[] => {
    if (!/^\d+$/.test(name)) return []
    try {
      const text = readFileSync(`/proc/${name}/stat`, 'utf8')
      // the command's name, in brackets, may hold anything
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
      const ticks = [11, 12].reduce((sum, at) => sum + Number(fields[at]), 0)
      return [{ pid: Number(name), parent: Number(fields[1]), seconds: ticks / TICKS }]
    } catch {
      return [] // it ended meanwhile
    }
  })
}

function tree(root: number): Stat[] {
  const all = stats()
  const found = all.filter(({ pid }) => pid === root)
  for (let i = 0; i < found.length; i++) found.push(...all.filter(({ parent }) => parent === found[i]?.pid))
  return found
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

export class ServerProcess {
  private readonly output: string[] = []

  private constructor(private readonly child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (data: Buffer) => {
        this.output.push(data.toString())
        if (this.output.length > 200) this.output.shift()
      })
  }

  /**
   * Starts `command` pinned to `core`; resolves when `isReady` says true, asked every 100 ms; Ray Serve needs a minute on one core.
   * @throws with the end of its output where it ends before or needs more than `seconds`
   */
  static async start(
    command: readonly string[],
    core: number,
    env: NodeJS.ProcessEnv,
    isReady: () => Promise<boolean>,
    seconds = 180,
  ): Promise<ServerProcess> {
    const child = spawn('taskset', ['-c', String(core), ...command], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const server = new ServerProcess(child)
    let failure: Error | undefined
    child.on('error', (error) => (failure = error))
    for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(100)) {
      if (failure) throw failure
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${server.tail()}`)
      if (await isReady().catch(() => false)) return server
    }
    await server.end()
    throw new Error(`it was not ready after ${seconds} s: ${server.tail()}`)
  }

  /** Seconds that the tree has had on a core. */
  cpu(): number {
    return tree(this.child.pid ?? -1).reduce((sum, { seconds }) => sum + seconds, 0)
  }

  /** Ends it and everything that it started. */
  async end(): Promise<void> {
    const pids = tree(this.child.pid ?? -1).map(({ pid }) => pid)
    const signal = (name: NodeJS.Signals): void => {
      for (const pid of pids) {
        try {
          process.kill(pid, name)
        } catch {
          // gone already
        }
      }
    }
    signal('SIGTERM')
    await sleep(1500)
    signal('SIGKILL')
  }

  tail(): string {
    return this.output.join('').slice(-1500)
  }
}
