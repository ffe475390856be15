import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { type LoadedConfig, loadConfig } from '../config/load.js'
import { MillraceError } from '../core/errors.js'
import { explainPipeline, runPipeline } from './run-pipeline.js'
import { sparkAddress } from './spark.js'

const folder = mkdtempSync(join(tmpdir(), 'millrace-spark-stage-'))
afterAll(() => rmSync(folder, { recursive: true }))

function asking(remote: string): LoadedConfig {
  writeFileSync(
    join(folder, 'pipeline.yaml'),
    `pipeline_name: small
version: "1"
label: bought
data:
  source_path: rows.csv
  output_path: out
  engine: spark
  spark:
    remote: '${remote}'
training: {model_type: neural_network}
`,
  )
  return loadConfig('pipeline.yaml', { cwd: folder })
}

async function failure(work: () => unknown): Promise<MillraceError> {
  try {
    await work()
  } catch (error) {
    if (error instanceof MillraceError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe("Spark's address in a file", () => {
  it.each([
    ['sc://host:99999', /port "99999" is not a number/],
    ['sc://host/;token=secret-1;use_ssl=false', /a token without TLS/],
    ['sc://host/;tokn=secret-1', /unknown option tokn/],
  ])('is refused at its place: %s', async (remote, message) => {
    const loaded = asking(remote)
    const error = await failure(() => sparkAddress(loaded.config, loaded.positionOf))
    expect(error).toMatchObject({ code: 'MR_SPARK_ADDRESS', at: { file: 'pipeline.yaml', line: 9, column: 13 } })
    expect(error.message).toMatch(message)
    expect(error.message).not.toContain('secret-1')
    const home = join(folder, 'home')
    expect(await failure(() => runPipeline(loaded, { home }))).toMatchObject({ code: 'MR_SPARK_ADDRESS' })
    expect(existsSync(home)).toBe(false)
  })

  it('is none where the engine is another', () => {
    const { config, positionOf } = asking('sc://host:1')
    expect(sparkAddress({ data: { ...config.data, engine: 'duckdb' } }, positionOf)).toBeUndefined()
    expect(sparkAddress(config, positionOf)).toMatchObject({ host: 'host', port: 1 })
  })

  it('whose token was not recorded is told so, and not sent', async () => {
    const { config, positionOf } = asking('sc://host/;token=***')
    expect(await failure(() => sparkAddress(config, positionOf))).toMatchObject({ code: 'MR_RUN_INVALID' })
  })
})

describe('where nobody answers', () => {
  it('a run and its explanation end within seconds, before anything is made', { timeout: 30_000 }, async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    await new Promise((resolve) => server.close(resolve))
    if (address === null || typeof address === 'string') throw new Error('no port')
    const loaded = asking(`sc://127.0.0.1:${address.port}/;token=secret-1`)
    const home = join(folder, 'home')
    for (const work of [runPipeline, explainPipeline]) {
      const began = performance.now()
      const error = await failure(() => work(loaded, { home }))
      expect(performance.now() - began).toBeLessThan(10_000)
      expect(error.code).toBe('MR_SPARK_UNREACHABLE')
      expect(error.message).not.toContain('secret-1')
    }
    expect(existsSync(home)).toBe(false)
  })

  it('Ctrl-C ends the wait', async () => {
    // a server that takes connections and says nothing
    const server = createServer(() => undefined)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const began = performance.now()
    const options = { home: join(folder, 'home'), signal: AbortSignal.timeout(500) }
    const error = await failure(() => runPipeline(asking(`sc://127.0.0.1:${address.port}`), options))
    expect(error.code).toBe('MR_CANCELLED')
    expect(performance.now() - began).toBeLessThan(8000)
    server.close()
  })
})
