import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loanModel } from '../../../test/models.js'
import { openArtifactStore } from '../../core/artifact-store.js'
import { openRegistry, registryFile } from '../../registry/sqlite.js'
import { artifactFolder } from '../model-source.js'
import { Output } from '../output.js'
import type { Call, Command } from '../verb.js'
import { run as exportModel } from './export.js'
import { alias, rollback, run as models } from './models.js'
import { run as predict } from './predict.js'
import { run as serve } from './serve.js'

let folder: string
let home: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-commands-'))
  home = join(folder, 'home')
  await mkdir(home)
  const registry = await openRegistry(registryFile(home))
  const store = await openArtifactStore(artifactFolder(home))
  for (const version of [1, 2]) {
    const model = await store.put(loanModel({ version: String(version), bias: version }), 'application/onnx')
    const lineage = { runId: `run-${version}`, data: 'd', config: 'c' }
    await registry.register({ name: 'loan', model, lineage, metrics: { accuracy: 0.8 } })
  }
  await registry.setAlias('loan', 'champion', 1, 'gate')
  await store.close()
  await registry.close()
})
afterAll(async () => rm(folder, { recursive: true }))

/** Runs a command as `--json` would; gives its documents. */
async function call(
  command: Command,
  args: Call['args'],
  options: Call['options'] = {},
  more: { home?: string; signal?: AbortSignal; onLine?: (line: string) => void } = {},
): Promise<readonly unknown[]> {
  const documents: unknown[] = []
  const write = (text: string): boolean => {
    documents.push(JSON.parse(text))
    more.onLine?.(text)
    return true
  }
  const out = new Output({ json: true, debug: false, stdout: { write }, stderr: { write: () => true }, env: {} })
  const signal = more.signal ?? new AbortController().signal
  expect(await command({ args, options, home: more.home ?? home, out, signal })).toBe(0)
  return documents
}

describe('models', () => {
  it('lists, moves an alias, and rolls it back', async () => {
    expect(await call(models, [undefined])).toMatchObject([
      { models: [{ name: 'loan', versions: 2, aliases: { champion: 1 } }] },
    ])
    expect(await call(alias, ['loan', 'champion', '2'])).toEqual([
      { name: 'loan', alias: 'champion', version: 2, before: 1 },
    ])
    expect(await call(models, ['loan'])).toMatchObject([
      {
        versions: [
          { version: 1, aliases: [] },
          { version: 2, aliases: ['champion'] },
        ],
        history: [{ to: 1 }, { to: 2 }],
      },
    ])
    expect(await call(rollback, ['loan'])).toEqual([{ name: 'loan', alias: 'champion', version: 1, before: 2 }])
  })

  it('refuses what is not there', async () => {
    await expect(call(models, ['lone'])).rejects.toMatchObject({ code: 'MR_MODEL_UNKNOWN' })
    await expect(call(alias, ['loan', 'champion', '7'])).rejects.toMatchObject({ code: 'MR_MODEL_VERSION_UNKNOWN' })
    await expect(call(alias, ['loan', 'champion', 'x'])).rejects.toMatchObject({ code: 'MR_USAGE' })
    await expect(call(models, [undefined], {}, { home: join(folder, 'none') })).rejects.toMatchObject({
      code: 'MR_MODEL_UNKNOWN',
      hint: expect.stringContaining('millrace run') as string,
    })
  })
})

describe('export, predict and serve', () => {
  it('copy the file out, and score with it and with the registry alike', async () => {
    const [model, data] = [join(folder, 'model.onnx'), join(folder, 'in.csv')]
    await writeFile(data, 'income,children,owns home,city,since,repaid\n100,1,true,Oslo,2021-01-01 00:00:00,yes\n')
    const [exported] = await call(exportModel, ['models:/loan@champion'], { out: model })
    expect(exported).toMatchObject({ name: 'loan', version: '1' })
    expect(Buffer.compare(await readFile(model), loanModel({ bias: 1 }))).toBe(0)
    await expect(call(exportModel, ['models:/loan/2'], { out: model })).rejects.toMatchObject({
      code: 'MR_FILE_EXISTS',
    })
    const [one, two] = [join(folder, 'one.csv'), join(folder, 'two.csv')]
    await call(predict, ['models:/loan/1', data], { out: one })
    expect(await call(predict, [model, data], { out: two })).toMatchObject([{ rows: 1, model: { version: '1' } }])
    expect(await readFile(one, 'utf8')).toBe(await readFile(two, 'utf8'))
    await expect(call(predict, [model, data])).rejects.toMatchObject({ code: 'MR_USAGE' })
  })

  it('serves until it is told to stop', async () => {
    const stop = new AbortController()
    let answer: Promise<number> | undefined
    const documents = await call(
      serve,
      [['models:/loan@champion']],
      { port: '0' },
      {
        signal: stop.signal,
        onLine: (line) => {
          const { address } = JSON.parse(line) as { address: string }
          answer = fetch(`${address}/v2/models/loan`).then(({ status }) => {
            stop.abort()
            return status
          })
        },
      },
    )
    expect(documents).toMatchObject([{ event: 'serving', models: [{ name: 'loan', version: '1' }] }])
    expect(await answer).toBe(200)
  })

  it('refuses a port, a token and a host that cannot be used', async () => {
    const token = join(folder, 'token')
    await writeFile(token, 'short\n')
    for (const [options, code] of [
      [{ port: '99999' }, 'MR_USAGE'],
      [{ unknownColumns: 'x' }, 'MR_USAGE'],
      [{ tokenFile: token }, 'MR_SERVER_TOKEN'],
      [{ tokenFile: join(folder, 'none') }, 'MR_FILE_MISSING'],
      [{ host: '0.0.0.0', port: '0' }, 'MR_SERVER_TOKEN'],
    ] as const)
      await expect(call(serve, [['models:/loan@champion']], options)).rejects.toMatchObject({ code })
  })
})
