/** Before and after a fuzz run: gathers what each parser was given, and writes it down after a long one. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const RESULTS = fileURLToPath(new URL('../../bench/results/fuzz.json', import.meta.url))

interface Counted {
  readonly parser: string
  readonly cases: number
}

const casesOf = (parsers: readonly Counted[]): number => parsers.reduce((sum, { cases }) => sum + cases, 0)

function before(): readonly Counted[] {
  try {
    return (JSON.parse(readFileSync(RESULTS, 'utf8')) as { readonly parsers: readonly Counted[] }).parsers
  } catch {
    return []
  }
}

export default function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-fuzz-counts-'))
  process.env['FUZZ_COUNTS'] = folder
  return () => {
    const parsers = readdirSync(folder)
      .sort()
      .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Counted)
    rmSync(folder, { recursive: true, force: true })
    console.log(`${casesOf(parsers)} cases for ${parsers.length} parsers`)
    if (process.env['FUZZ_SECONDS'] === undefined) return
    // a part of the tests leaves what the others counted
    const names = new Set(parsers.map(({ parser }) => parser))
    const all = [...before().filter(({ parser }) => !names.has(parser)), ...parsers]
    all.sort((a, b) => (a.parser < b.parser ? -1 : 1))
    const about = { secondsAParser: Number(process.env['FUZZ_SECONDS']), node: process.versions.node }
    writeFileSync(RESULTS, `${JSON.stringify({ ...about, cases: casesOf(all), parsers: all }, null, 2)}\n`)
  }
}
