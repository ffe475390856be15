/** Before and after a fuzz run: gathers what each parser was given, and writes it down after a long one. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const RESULTS = fileURLToPath(new URL('../../bench/results/fuzz.json', import.meta.url))

export default function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-fuzz-counts-'))
  process.env['FUZZ_COUNTS'] = folder
  return () => {
    const parsers = readdirSync(folder)
      .sort()
      .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as { readonly cases: number })
    rmSync(folder, { recursive: true, force: true })
    const cases = parsers.reduce((sum, parser) => sum + parser.cases, 0)
    console.log(`${cases} cases for ${parsers.length} parsers`)
    if (process.env['FUZZ_SECONDS'] === undefined) return
    const about = { secondsAParser: Number(process.env['FUZZ_SECONDS']), node: process.versions.node, cases }
    writeFileSync(RESULTS, `${JSON.stringify({ ...about, parsers }, null, 2)}\n`)
  }
}
