/**
 * What a power failure may take: a run of the command is recorded by strace, and whenever it tells that a stage has
 * succeeded, each artifact in the home must be durable by POSIX's letter: its bytes synced before its last name, and the
 * names of it and of all folders that the run made above it synced after. Where there is no strace, it is skipped.
 */
import { readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { millrace, modelOf, project } from './small-pipeline.js'
import { hasStrace, operations } from './trace.js'

/** Faults by name, and how many successes and artifacts were looked at. */
function judge(trace: string, home: string): { faults: string[]; successes: number; artifacts: number } {
  const synced = new Set<string>()
  const unnamed = new Set<string>()
  const artifacts = new Set<string>()
  const faults = new Set<string>()
  const journal = join(home, 'journal')
  // successes that were told, that stand in the journal, and of those the ones that were there when it was synced last
  let [successes, written, recorded] = [0, 0, 0]
  for (const { call, text, paths, file } of operations(trace)) {
    const [from = '', to = ''] = paths.map((path) => resolve(path))
    if (call === 'fsync' || call === 'fdatasync') {
      synced.add(file)
      if (file === journal) recorded = written
      for (const name of unnamed) if (dirname(name) === file) unnamed.delete(name)
    } else if (call === 'mkdir') unnamed.add(from)
    else if (call.startsWith('rename') && to.startsWith(join(home, 'artifacts', 'sha256'))) {
      if (!synced.has(from)) faults.add(`${to}: named before its bytes were synced`)
      unnamed.add(to)
      artifacts.add(to)
    } else if (call === 'write' && file === journal) {
      written += text.split('\\"type\\":\\"stage-succeeded\\"').length - 1
    } else if (call === 'write' && /^write\(1<[^>]*>, "\{\\"type\\":\\"stage-succeeded/.test(text)) {
      successes++
      if (successes > recorded) faults.add('a success was told before the journal was synced')
      for (const artifact of artifacts)
        for (let part = artifact; part !== dirname(part); part = dirname(part))
          if (unnamed.has(part)) faults.add(`${part}: its name was not synced when a success was told`)
    }
  }
  return { faults: [...faults], successes, artifacts: artifacts.size }
}

test.skipIf(!hasStrace)('what a run has told is durable (skipped without strace)', async () => {
  await using work = await project()
  const [log, home] = [join(work.path, 'trace'), join(work.path, 'new', 'home')]
  const calls = 'trace=write,fsync,fdatasync,mkdir,rename,renameat,renameat2'
  const under = ['strace', '-f', '--seccomp-bpf', '-y', '-s', '1000000', '-e', calls, '-o', log]
  modelOf(await millrace(['run', work.file, '--home', home], { under }))
  const { faults, successes, artifacts } = judge(await readFile(log, 'utf8'), home)
  expect(successes).toBe(10)
  expect(artifacts).toBeGreaterThan(20)
  expect(faults).toEqual([])
})
