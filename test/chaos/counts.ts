/** Before and after the crash tests: gathers what they counted, prints it, and writes it down after a full run. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'

const RESULTS = fileURLToPath(new URL('../../bench/results/chaos.json', import.meta.url))

interface Counted {
  readonly what: string
  readonly counts: Readonly<Record<string, number>>
}

/** Tells what a test counted, e.g. `counted('kills at renames', { points: 55, killed: 55 })`. */
export function counted(what: string, counts: Counted['counts']): void {
  const name = `${what.replaceAll(/\W+/g, '-')}.json`
  writeFileSync(join(process.env['CHAOS_COUNTS'] ?? tmpdir(), name), JSON.stringify({ what, counts }))
}

export default function setup(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-chaos-counts-'))
  process.env['CHAOS_COUNTS'] = folder
  return () => {
    const found = readdirSync(folder)
      .sort()
      .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Counted)
    rmSync(folder, { recursive: true, force: true })
    for (const { what, counts } of found)
      console.log(
        `${what}: ${Object.entries(counts)
          .map(([name, count]) => `${count} ${name}`)
          .join(', ')}`,
      )
    if (project.config.provide.stride !== 1) return
    // a part of the tests (`-t`) leaves what the others counted
    const tests = { ...before(), ...Object.fromEntries(found.map(({ what, counts }) => [what, counts])) }
    writeFileSync(RESULTS, `${JSON.stringify({ node: process.versions.node, tests }, null, 2)}\n`)
  }
}

function before(): Readonly<Record<string, Counted['counts']>> {
  try {
    return (
      JSON.parse(readFileSync(RESULTS, 'utf8')) as { readonly tests: Readonly<Record<string, Counted['counts']>> }
    ).tests
  } catch {
    return {}
  }
}
