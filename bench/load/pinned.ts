/** Processes pinned to a core each, so that client and server of a benchmark do not take time from one another. */
import { type ChildProcess, fork, spawnSync } from 'node:child_process'

/** Pins this process with all its threads. Throws where the system has no `taskset`. */
export function pinSelf(core: number): void {
  const { status, error } = spawnSync('taskset', ['-acp', String(core), String(process.pid)])
  if (status !== 0) throw new Error(`this benchmark needs taskset (Linux, util-linux)`, { cause: error })
}

/** `fork` of a compiled module with its arguments, on one core from its first instruction; its threads load no compiler. */
export function forkPinned(core: number, module: string, args: readonly string[]): ChildProcess {
  const execArgv = ['-c', String(core), process.execPath]
  return fork(module, args, { execPath: 'taskset', execArgv })
}

/** The next message of a child. Rejects where it ends instead. */
export function nextMessage<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`the server's process ended with ${code}`))
    child.once('exit', ended)
    child.once('message', (message) => {
      child.off('exit', ended)
      resolve(message as T)
    })
  })
}
