/** The README shows the example's real pipeline file, and names every command. */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const path = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url))

test('the pipeline file in the README is the example', () => {
  const readme = readFileSync(path('README.md'), 'utf8')
  const example = readFileSync(path('examples/churn/pipeline.yaml'), 'utf8').trimEnd()
  const block = /(```yaml\n)([\s\S]*?)(\n```)/
  if (process.env['UPDATE_GOLDEN'] === '1')
    writeFileSync(
      path('README.md'),
      readme.replace(block, (_, open: string, __, close: string) => open + example + close),
    )
  expect(block.exec(readFileSync(path('README.md'), 'utf8'))?.[2]).toBe(example)
})
