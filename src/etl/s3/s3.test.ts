/**
 * What goes wrong on the way to an object store: answers of a server that breaks off, stalls, lies and redirects. That a
 * real one is read right is shown in test/e2e/s3.test.ts.
 */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { RetryStrategy } from '../../core/retry.js'
import { expandSource, fetchSource } from '../source.js'

const SECRET = 'the-very-secret-key'
const retry = new RetryStrategy({ maxRetries: 3, initialDelay: 1, maxDelay: 5 })

let server: Server
let other: Server
let reached: string[]
let cache: string
/** Answers a request in another way than the store would, if it returns true. */
let fault: (request: IncomingMessage, response: ServerResponse) => boolean
let requests: { readonly method: string; readonly key: string; readonly range: string | undefined }[]
const objects = new Map<string, Buffer>()
const tag = (bytes: Buffer): string => `"${createHash('md5').update(bytes).digest('hex')}"`

const listen = async (made: Server): Promise<string> => {
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(made.address() as AddressInfo).port}`
}
let endpoint: string
let elsewhere: string
beforeAll(async () => {
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true'
  process.env['AWS_ACCESS_KEY_ID'] = 'someone'
  process.env['AWS_SECRET_ACCESS_KEY'] = SECRET
  server = createServer(answer)
  other = createServer((request, response) => {
    reached.push(request.url ?? '')
    response.end()
  })
  endpoint = await listen(server)
  elsewhere = await listen(other)
})
afterAll(() => {
  delete process.env['AWS_ACCESS_KEY_ID']
  delete process.env['AWS_SECRET_ACCESS_KEY']
  server.closeAllConnections()
  server.close()
  other.close()
})
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'millrace-s3-'))
  fault = () => false
  requests = []
  reached = []
  objects.clear()
})
afterEach(() => rm(cache, { recursive: true, force: true }))

function answer(request: IncomingMessage, response: ServerResponse): void {
  // not by URL: it takes `..` for a step up
  const [path = '', query] = (request.url ?? '').split('?')
  const parameters = new URLSearchParams(query)
  const key = decodeURIComponent(path).replace(/^\/bucket\/?/, '')
  const { range } = request.headers
  requests.push({ method: request.method ?? '', key, range })
  if (fault(request, response)) return
  if (parameters.has('list-type')) {
    const prefix = parameters.get('prefix') ?? ''
    const found = [...objects].filter(([name]) => name.startsWith(prefix))
    const entries = found.map(
      ([name, bytes]) =>
        `<Contents><Key>${encodeURIComponent(name)}</Key><ETag>${tag(bytes)}</ETag><Size>${bytes.length}</Size></Contents>`,
    )
    response.end(
      `<?xml version="1.0"?><ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>${entries.join('')}</ListBucketResult>`,
    )
    return
  }
  const bytes = objects.get(key)
  if (bytes === undefined) return refuse(response, 404, 'NoSuchKey')
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0)
  if (request.headers['if-match'] !== undefined && request.headers['if-match'] !== tag(bytes))
    return refuse(response, 412, 'PreconditionFailed')
  response.writeHead(range === undefined ? 200 : 206, {
    etag: tag(bytes),
    'content-length': bytes.length - from,
    ...(range === undefined ? {} : { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
  })
  response.end(request.method === 'HEAD' ? undefined : bytes.subarray(from))
}
function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/xml' })
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>m</Message></Error>`)
}

const options = (more: object = {}) => ({
  s3: { cache, endpoint, region: 'here', credentialsBy: 'AWS_ACCESS_KEY_ID', retry, ...more },
})
async function fetched(location: string, more: object = {}, signal?: AbortSignal): Promise<Buffer[]> {
  const all = { ...options(more), ...(signal === undefined ? {} : { signal }) }
  const source = await expandSource(location, all)
  await fetchSource(source, all)
  return Promise.all(source.paths.map((path) => readFile(path)))
}
const gets = () => requests.filter(({ method, key }) => method === 'GET' && key !== '')
const filesBelow = async (): Promise<string[]> =>
  (await readdir(cache, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)

describe('an object', () => {
  test('is fetched once a version, and its older copy removed', async () => {
    objects.set('a.csv', Buffer.from('a\n1\n'))
    expect(String(await fetched('s3://bucket/a.csv'))).toBe('a\n1\n')
    expect(String(await fetched('s3://bucket/a.csv'))).toBe('a\n1\n')
    expect(gets()).toHaveLength(1)
    objects.set('a.csv', Buffer.from('a\n2\n'))
    expect(String(await fetched('s3://bucket/a.csv'))).toBe('a\n2\n')
    expect(gets()).toHaveLength(2)
    expect(await filesBelow()).toHaveLength(2)
  })

  test('with a hostile key is no path, and its name is its key', async () => {
    const keys = [
      '../../../../etc/x.csv',
      'd//x/y\\..\\z.csv',
      'd/a b+%20?*"\'é.csv',
      `d/${'n'.repeat(900)}.csv`,
      'd/z/\u0001.csv',
    ]
    for (const key of keys) objects.set(key, Buffer.from('a\n1\n'))
    for (const key of keys.slice(0, 1).concat(keys.slice(2, 4)))
      expect(await fetched(`s3://bucket/${key}`)).toHaveLength(1)
    const source = await expandSource('s3://bucket/d/**.csv', options())
    expect(Object.values(source.objects ?? {}).map(({ name }) => name)).toEqual(
      keys
        .slice(1)
        .map((key) => `s3://bucket/${key}`)
        .sort(),
    )
    for (const path of source.paths) expect(dirname(dirname(dirname(path)))).toBe(cache)
    const digits = (await readdir(cache)).every((name) => /^[0-9a-f]{2}$/.test(name))
    expect(digits).toBe(true)
  })

  const big = randomBytes(20 * 2 ** 20)
  test('goes on where the connection breaks, where it stalls, and after an answer of 503', async () => {
    objects.set('big.csv', big)
    let broken = 0
    fault = (request, response) => {
      if (request.method !== 'GET' || broken === 3) return false
      const from = Number(/\d+/.exec(request.headers.range ?? '')?.[0] ?? 0)
      broken++
      if (broken === 3) refuse(response, 503, 'SlowDown')
      else {
        response.writeHead(from === 0 ? 200 : 206, {
          etag: tag(big),
          'content-length': big.length - from,
          ...(from === 0 ? {} : { 'content-range': `bytes ${from}-${big.length - 1}/${big.length}` }),
        })
        response.write(big.subarray(from, from + 9 * 2 ** 20), () =>
          setTimeout(() => broken === 1 && response.destroy(), 20),
        )
      }
      return true
    }
    const [bytes] = await fetched('s3://bucket/big.csv', { patience: 300 })
    expect(bytes?.equals(big)).toBe(true)
    const starts = gets().map(({ range }) => Number(/\d+/.exec(range ?? '')?.[0] ?? 0))
    expect(starts).toHaveLength(4)
    expect(starts[0]).toBe(0)
    expect(starts[1]).toBeGreaterThan(0)
    expect(starts[2]).toBeGreaterThan(starts[1] ?? 0)
    expect(starts[3]).toBe(starts[2])
  })

  test('goes on from what a killed process left, as far as that is safe', async () => {
    objects.set('big.csv', big)
    const { paths } = await expandSource('s3://bucket/big.csv', options())
    await fetched('s3://bucket/big.csv')
    const [path = ''] = paths
    await rm(path)
    // a process number that is no more: the kernel gives none so high
    const left = Buffer.from(big.subarray(0, 11 * 2 ** 20))
    left.fill(0, 8 * 2 ** 20)
    await writeFile(`${path}.99999999-00000000.part`, left)
    requests = []
    const [bytes] = await fetched('s3://bucket/big.csv')
    expect(bytes?.equals(big)).toBe(true)
    expect(gets().map(({ range }) => range)).toEqual([`bytes=${8 * 2 ** 20}-`])
    expect((await filesBelow()).filter((name) => name.endsWith('.part'))).toEqual([])
  })

  test('whose copy is damaged is fetched again', async () => {
    objects.set('a.csv', Buffer.from('a\n1\n'))
    const { paths } = await expandSource('s3://bucket/a.csv', options())
    await fetched('s3://bucket/a.csv')
    await writeFile(paths[0] ?? '', 'a\n7\n')
    expect(String(await fetched('s3://bucket/a.csv'))).toBe('a\n1\n')
  })

  test('whose bytes are not those of its tag is refused after a second try, and nothing is kept', async () => {
    objects.set('a.csv', Buffer.from('a\n1\n'))
    fault = (request, response) => {
      if (request.method !== 'GET') return false
      response.writeHead(200, { etag: tag(Buffer.from('a\n1\n')), 'content-length': 4 })
      response.end('a\n2\n')
      return true
    }
    await expect(fetched('s3://bucket/a.csv')).rejects.toMatchObject({ code: 'MR_SOURCE_CORRUPT' })
    expect(gets()).toHaveLength(2)
    expect(await filesBelow()).toEqual([])
  })

  test('that changes between listing and reading is an error that can pass', async () => {
    objects.set('a.csv', Buffer.from('a\n1\n'))
    const source = await expandSource('s3://bucket/a.csv', options())
    objects.set('a.csv', Buffer.from('a\n2\n'))
    await expect(fetchSource(source, options())).rejects.toMatchObject({ code: 'MR_SOURCE_CHANGED', retryable: true })
  })

  test('is left when it is told to; what is there stays for the next time', async () => {
    objects.set('big.csv', big)
    const abort = new AbortController()
    fault = (request, response) => {
      if (request.method !== 'GET') return false
      response.writeHead(200, { etag: tag(big), 'content-length': big.length })
      response.write(big.subarray(0, 9 * 2 ** 20), () => setTimeout(() => abort.abort(), 50))
      return true
    }
    await expect(fetched('s3://bucket/big.csv', {}, abort.signal)).rejects.toMatchObject({ code: 'MR_CANCELLED' })
    const names = await filesBelow()
    expect(names).toHaveLength(1)
    expect(names[0]).toMatch(/\.part$/)
  })
})

describe('an error', () => {
  test.each([
    ['NoSuchBucket', 404, 'there is no such bucket (NoSuchBucket)', 'data.s3.endpoint'],
    ['AccessDenied', 403, 'the credentials may not read it (AccessDenied)', 's3:ListBucket'],
    ['InvalidAccessKeyId', 403, 'does not know the access key', 'AWS_ACCESS_KEY_ID'],
    ['SignatureDoesNotMatch', 403, 'the secret key is not', 'AWS_SECRET_ACCESS_KEY'],
    ['ExpiredToken', 400, 'session of the credentials is over', 'log in'],
    ['InternalError', 500, 'the store answers 500', 'later'],
  ])('%s names bucket, key, code and next step, and nothing secret', async (code, status, words, hint) => {
    fault = (_, response) => {
      refuse(response, status, code)
      return true
    }
    const error = await fetched('s3://bucket/d/*.csv').catch((thrown: unknown) => thrown as Error & { hint: string })
    expect(error).toMatchObject({
      code: 'MR_SOURCE_S3',
      message: expect.stringContaining(`s3://bucket/d/*.csv at ${endpoint}: `) as string,
      retryable: status >= 500,
    })
    expect((error as Error).message).toContain(words)
    expect((error as Error & { hint: string }).hint).toContain(hint)
    expect(JSON.stringify([error, (error as Error).stack, (error as Error).cause])).not.toMatch(
      /the-very-secret|Credential=|Signature=|someone/,
    )
    // the first is a HEAD, whose answer cannot say why
    expect(requests.length).toBe(status >= 500 ? 4 : 2)
  })

  test('a redirect is not followed', async () => {
    fault = (_, response) => {
      response.writeHead(307, { location: `${elsewhere}/bucket/`, 'x-amz-bucket-region': 'there-1' })
      response.end()
      return true
    }
    await expect(fetched('s3://bucket/a.csv')).rejects.toMatchObject({
      code: 'MR_SOURCE_S3',
      hint: 'set data.s3.region to there-1',
    })
    expect(reached).toEqual([])
  })

  test('a store that is not there, an answer that is none, an endpoint with a password', async () => {
    await expect(fetched('s3://bucket/a.csv', { endpoint: 'http://127.0.0.1:1' })).rejects.toMatchObject({
      code: 'MR_SOURCE_S3',
      message: expect.stringContaining('cannot be reached') as string,
    })
    fault = (_, response) => {
      response.end('<html>hello</html>')
      return true
    }
    await expect(fetched('s3://bucket/d/')).rejects.toMatchObject({
      code: expect.stringMatching(/MR_SOURCE_S3|MR_FILE_MISSING/) as string,
    })
    const error = await fetched('s3://bucket/a.csv', { endpoint: `http://me:${SECRET}@127.0.0.1:1` }).catch(
      (thrown: unknown) => thrown as Error,
    )
    expect(error).toMatchObject({ code: 'MR_SOURCE_S3' })
    expect(String(error)).not.toContain(SECRET)
  })

  test('no object', async () => {
    objects.set('d/a.csv', Buffer.from('a\n'))
    for (const location of ['s3://bucket/x.csv', 's3://bucket/x/', 's3://bucket/d/*.json'])
      await expect(fetched(location)).rejects.toMatchObject({ code: 'MR_FILE_MISSING' })
    await expect(stat(join(cache, 'x'))).rejects.toThrow()
  })
})
