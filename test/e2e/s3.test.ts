/** `s3://` against a real object store: the same model as from local files; only what changed is fetched; faults. */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { expandSource, fetchSource } from '../../src/etl/source.js'
import { folder, millrace, ROOT, start, succeed } from './cli.js'
import { ACCESS_KEY, openWay, SECRET_KEY, startObjectStore, type ObjectStore } from './object-store.js'

let root: string
let store: ObjectStore
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-store-'))
  store = await startObjectStore(root)
  process.env['AWS_ACCESS_KEY_ID'] = ACCESS_KEY
  process.env['AWS_SECRET_ACCESS_KEY'] = SECRET_KEY
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true'
})
afterAll(async () => {
  await store[Symbol.asyncDispose]()
  await rm(root, { recursive: true, force: true })
})

const ODD = `part's "ü" %20+&.csv`
/** The example's table in three folders, one file of them with columns in another order. */
async function parts(into: string): Promise<void> {
  const text = await readFile(join(ROOT, 'examples/churn/data/Telco-Customer-Churn.csv'), 'utf8')
  const [header = '', ...lines] = text.trimEnd().split(/\r?\n/)
  for (let i = 0; i < 3; i++) {
    const rows = [header, ...lines.slice(i * 2400, (i + 1) * 2400)].map((line) => {
      const values = line.split(',')
      return (i === 1 ? [...values.slice(1), values[0]] : values).join(',')
    })
    const below = join(into, 'raw', `month=2024-0${i + 1}`)
    await mkdir(below, { recursive: true })
    await writeFile(join(below, ODD), `${rows.join('\n')}\n`)
  }
  await writeFile(join(into, 'raw', '_SUCCESS'), '')
}

/** A copy of the example that reads `source`. */
async function project(path: string, source: string, more = ''): Promise<string> {
  await mkdir(path, { recursive: true })
  const text = await readFile(join(ROOT, 'examples/churn/pipeline.yaml'), 'utf8')
  const file = join(path, 'pipeline.yaml')
  await writeFile(file, text.replace(/source_path: .*/, `source_path: ${JSON.stringify(source)}\n${more}`))
  return file
}
const run = (file: string) => succeed(['run', file, '--set', 'training.max_epochs=2', '--set', 'gate.minimum=0.5'])
const copies = async (path: string): Promise<string[]> =>
  (await readdir(join(path, '.millrace/cache/objects'), { recursive: true })).filter((name) => name.endsWith('.csv'))

test('a partitioned folder of objects gives the bytes of the local one; a changed object alone is fetched again', async () => {
  await using made = await folder()
  const at = (name: string): string => join(made.path, name)
  await parts(at('data'))
  await store.upload(at('data'), 'company')
  const s3 = `  s3: {endpoint: "${store.endpoint}", region: us-east-1}`
  const local = await project(at('local'), '../data/raw')
  const remote = await project(at('remote'), 's3://company/raw/', s3)
  const model = async (name: string): Promise<Buffer> => {
    await succeed([
      'export',
      'models:/churn@champion',
      '--home',
      at(`${name}/.millrace`),
      '--out',
      at('m.onnx'),
      '--force',
    ])
    return readFile(at('m.onnx'))
  }
  await run(local)
  await run(remote)
  const first = await model('remote')
  expect(first.equals(await model('local'))).toBe(true)
  const before = await copies(at('remote'))
  expect(before).toHaveLength(3)

  // nothing changed: nothing is done
  expect((await run(remote)).stderr + (await run(remote)).stdout).toMatch(/extract +cached/)

  const changed = join(at('data/raw'), 'month=2024-02', ODD)
  await writeFile(changed, (await readFile(changed, 'utf8')).replaceAll('Fiber optic', 'Fibre'))
  await cp(at('data/raw/month=2024-02'), at('only/raw/month=2024-02'), { recursive: true })
  await store.upload(at('only'), 'company')
  await run(local)
  await run(remote)
  expect((await model('remote')).equals(first)).toBe(false)
  expect((await model('remote')).equals(await model('local'))).toBe(true)
  const after = await copies(at('remote'))
  expect(after).toHaveLength(3)
  expect(after.filter((name) => !before.includes(name))).toHaveLength(1)

  // people see addresses, never the names of the cache
  const runs = await readdir(at('remote/.millrace/runs'))
  const page = await readFile(join(at('remote/.millrace/runs'), runs.sort().at(-1) ?? '', 'index.html'), 'utf8')
  expect(page).toContain('s3://company/raw/')
  expect(page).not.toContain('cache/objects')

  const options = ['--home', at('remote/.millrace'), '--out', at('scored.csv')]
  process.env['AWS_ENDPOINT_URL'] = store.endpoint
  await succeed(['predict', 'models:/churn@champion', 's3://company/raw/month=*/*.csv', ...options])
  await succeed(['init', 's3://company/raw', '--label', 'Churn', '--out', at('init/pipeline.yaml'), '--yes'])
  delete process.env['AWS_ENDPOINT_URL']
  expect((await readFile(at('scored.csv'), 'utf8')).split('\n')).toHaveLength(7043 + 2)

  for (const [secret, words] of [
    ['wrong', 'SignatureDoesNotMatch'],
    [SECRET_KEY, ''],
  ] as const) {
    process.env['AWS_SECRET_ACCESS_KEY'] = secret
    const result = await millrace(['run', remote, '--set', 'data.source_path=s3://nowhere/x.csv'])
    process.env['AWS_SECRET_ACCESS_KEY'] = SECRET_KEY
    expect(result.code).toBe(2)
    expect(result.stderr).toMatch(/error MR_SOURCE_S3: (extract: )?s3:\/\/nowhere\/x\.csv/)
    expect(result.stderr).toContain(words === '' ? 'NoSuchBucket' : words)
  }
  for (const name of await readdir(at('remote/.millrace'), { recursive: true })) {
    const path = at(join('remote/.millrace', name))
    if ((await stat(path)).isFile()) expect((await readFile(path)).includes(SECRET_KEY), name).toBe(false)
  }
})

test('more keys than a page holds, without credentials', async () => {
  await using made = await folder()
  await mkdir(join(made.path, 'up/many'), { recursive: true })
  for (let i = 0; i < 1100; i++) await writeFile(join(made.path, 'up/many', `${i} é+%.csv`), `a,b\n${i},x\n`)
  await store.upload(join(made.path, 'up'), 'public')
  delete process.env['AWS_ACCESS_KEY_ID']
  try {
    const s3 = { cache: join(made.path, 'cache'), endpoint: store.endpoint, region: 'us-east-1' }
    const source = await expandSource('s3://public/many/*.csv', { s3 })
    expect(source.paths).toHaveLength(1100)
    expect(Object.values(source.objects ?? {}).some(({ name }) => name === 's3://public/many/1099 é+%.csv')).toBe(true)
    const few = await expandSource('s3://public/many/10[0-9] *.csv', { s3 })
    await fetchSource(few, { s3 })
    const texts = await Promise.all(few.paths.map((path) => readFile(path, 'utf8')))
    expect(texts.sort()).toEqual(Array.from({ length: 10 }, (_, i) => `a,b\n${100 + i},x\n`))
    await expect(expandSource('s3://company/raw/', { s3 })).rejects.toMatchObject({
      code: 'MR_SOURCE_S3',
      message: expect.stringContaining('without credentials') as string,
    })
  } finally {
    process.env['AWS_ACCESS_KEY_ID'] = ACCESS_KEY
  }
})

describe('in the middle of an object', () => {
  test('the client is killed, then the store: what was fetched is not fetched again, and nothing torn is used', async () => {
    await using made = await folder()
    const at = (name: string): string => join(made.path, name)
    await mkdir(at('up'))
    const line = (i: number): string =>
      `${i},${(i * 7919) % 10_007},some words that make it long enough ${i % 97},${i % 3 === 0 ? 'yes' : 'no'}`
    const text = `id,x,words,y\n${Array.from({ length: 600_000 }, (_, i) => line(i)).join('\n')}\n`
    await writeFile(at('up/big.csv'), text)
    await store.upload(at('up'), 'company')
    await using way = await openWay(store.port)
    process.env['AWS_ENDPOINT_URL'] = way.endpoint
    const init = [
      'init',
      's3://company/big.csv',
      '--label',
      'y',
      '--out',
      at('pipeline.yaml'),
      '--home',
      at('home'),
      '--yes',
    ]
    const files = async (): Promise<string[]> =>
      (await readdir(at('home/cache/objects'), { recursive: true }).catch(() => [])).filter((name) =>
        name.includes('.csv'),
      )
    /** Waits until a part has grown to so many bytes. */
    const grown = async (bytes: number): Promise<void> => {
      for (const until = Date.now() + 60_000; Date.now() < until;) {
        const [part] = await files()
        const size =
          part === undefined
            ? 0
            : ((await stat(at(join('home/cache/objects', part))).catch(() => undefined))?.size ?? 0)
        if (size >= bytes) return
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      throw new Error(`no part has grown to ${bytes} bytes`)
    }

    way.allow(10 * 2 ** 20)
    const client = start(init)
    await grown(9 * 2 ** 20)
    client.child.kill('SIGKILL')
    await client.finished
    expect(await files()).toEqual([expect.stringMatching(/\.part$/)])

    way.allow(10 * 2 ** 20)
    const second = start(init)
    await grown(17 * 2 ** 20)
    await store.kill()
    const failed = await second.finished
    expect(failed.code, failed.stderr).toBe(2)
    expect(failed.stderr).toMatch(/^error MR_SOURCE_S3: s3:\/\/company\/big\.csv .*cannot be reached/)
    expect(await files()).toEqual([expect.stringMatching(/\.part$/)])

    await store.restart()
    way.allow(Infinity)
    await succeed(init)
    expect(way.bytes()).toBeLessThan(text.length - 15 * 2 ** 20)
    const [copy = ''] = (await files()).filter((name) => name.endsWith('.csv'))
    expect((await readFile(at(join('home/cache/objects', copy)), 'utf8')) === text).toBe(true)
    delete process.env['AWS_ENDPOINT_URL']
  })
})
