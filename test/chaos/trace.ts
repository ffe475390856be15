/** What strace wrote down, read back: calls in the order in which they ended, and how often threads made them. */
import { spawnSync } from 'node:child_process'

export const hasStrace = spawnSync('strace', ['-V']).status === 0

export interface Operation {
  readonly call: string
  readonly text: string
  /** Quoted arguments: the paths that the call names. */
  readonly paths: readonly string[]
  /** Of the descriptor that is its first argument (strace -y). */
  readonly file: string
}

/** Finished calls that did not fail, in the order in which they ended. */
export function operations(trace: string): Operation[] {
  const begun = new Map<string, string>()
  return trace.split('\n').flatMap((line) => {
    const [, thread = '', rest = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? []
    if (rest.endsWith('<unfinished ...>')) {
      begun.set(thread, rest.slice(0, -'<unfinished ...>'.length))
      return []
    }
    const text = rest.replace(/^<\.\.\. \w+ resumed>/, () => begun.get(thread) ?? '')
    const call = /^(\w+)\(/.exec(text)?.[1]
    if (call === undefined || / = -1 E/.test(text)) return []
    const paths = [...text.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, path = '']) => path)
    return [{ call, text, paths, file: fileOf(text) }]
  })
}

const fileOf = (text: string): string => /^\w+\(\d+<([^>]*)>/.exec(text)?.[1] ?? ''

/** How many of the calls that are `counted` the thread begins that begins most of them: strace injects by thread. */
export function busiest(trace: string, counted: (call: string, file: string) => boolean): number {
  const threads = new Map<string, number>()
  for (const line of trace.split('\n')) {
    const [, thread, text = '', call = ''] = /^(\d+)\s+((\w+)\(.*)$/.exec(line) ?? []
    if (thread !== undefined && counted(call, fileOf(text))) threads.set(thread, (threads.get(thread) ?? 0) + 1)
  }
  return Math.max(0, ...threads.values())
}
