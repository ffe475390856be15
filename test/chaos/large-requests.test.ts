/**
 * Requests that are too large, at a real server: a million rows, and bodies of 10 GB, which are refused before they are
 * read, whose connections are closed, and which cost no memory. The next request is answered as before.
 */
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { counted } from './counts.js'
import { endOf, lineOf, people, prepared, type Project, project, start } from './small-pipeline.js'

const MEGABYTE = 2 ** 20
const ROUTE = '/invocations'

let work: Project
/** With the usual limits. */
let usual: Server
beforeAll(async () => {
  work = await project(prepared().work)
  usual = await serve()
})
afterAll(async () => {
  await usual?.[Symbol.asyncDispose]()
  await work?.[Symbol.asyncDispose]()
})

interface Server extends AsyncDisposable {
  readonly url: URL
  /** Bytes of memory that it had at most. */
  readonly peak: () => Promise<number>
}

async function serve(...options: readonly string[]): Promise<Server> {
  const child = start(['serve', 'models:/people@champion', '--home', work.home, '--port', '0', ...options])
  const end = endOf(child)
  const { address } = JSON.parse(await lineOf(child, /"event":"serving"/)) as { readonly address: string }
  return {
    url: new URL(address),
    async peak() {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8')
      return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? NaN) * 1024
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      const { code, stderr } = await end
      expect(code, stderr).toBe(0)
    },
  }
}

/** Rows of the model's columns as a request has them: the source's 600, again and again. */
function rows(times: number): string {
  const all = people(7)
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => {
      const [, age, spent, city] = line.split(',')
      return `[${age},${spent},"${city}"]`
    })
    .join()
  const data = Array.from({ length: times }, () => all).join()
  return `{"dataframe_split":{"columns":["age","spent","city"],"data":[${data}]}}`
}
/** So often that they are more than a million. */
const MILLION = 1667

interface Prediction {
  readonly prediction: string
  readonly probability_yes: number
}

async function ask({ url }: Server, body: string): Promise<readonly Prediction[]> {
  const response = await fetch(new URL(ROUTE, url), { method: 'POST', body })
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`)
  return ((await response.json()) as { readonly predictions: readonly Prediction[] }).predictions
}

async function rejected({ url }: Server, reason: string): Promise<number> {
  const text = await (await fetch(new URL('/metrics', url))).text()
  return Number(new RegExp(`^millrace_rejected_total{reason="${reason}"} (\\d+)$`, 'm').exec(text)?.[1] ?? 0)
}

interface Poured {
  readonly sent: number
  readonly answer: string
}

/** Sends a request's head, then `part` until `most` bytes are sent or the server closes the connection. */
async function pour({ url }: Server, head: string, part: Buffer, most: number): Promise<Poured> {
  const socket = connect(Number(url.port), url.hostname)
  let answer = ''
  socket.on('data', (data: Buffer) => (answer += data.toString('latin1')))
  // a write to a connection that is being closed; what matters is that it is closed
  socket.on('error', () => undefined)
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.write(`POST ${ROUTE} HTTP/1.1\r\nHost: ${url.host}\r\nContent-Type: application/json\r\n${head}\r\n\r\n`)
  let sent = 0
  while (!socket.destroyed && sent < most) {
    if (!socket.write(part)) await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), closed])
    sent += part.length
    await setImmediate()
  }
  await closed
  return { sent, answer }
}

const megabyte = Buffer.alloc(MEGABYTE, ' ')
const [GIGABYTES, GIGABYTE] = [10, 2 ** 30]
const CASES: Readonly<Record<string, readonly [head: string, part: Buffer]>> = {
  'a body that says it has 10 GB': [`Content-Length: ${GIGABYTES * GIGABYTE}`, megabyte],
  'a body of 10 GB that does not say so': [
    'Transfer-Encoding: chunked',
    Buffer.concat([Buffer.from(`${MEGABYTE.toString(16)}\r\n`), megabyte, Buffer.from('\r\n')]),
  ],
}

test.skipIf(process.platform !== 'linux').each(Object.keys(CASES))('%s', async (name) => {
  const [head, part] = CASES[name] ?? ['', megabyte]
  const before = await ask(usual, rows(1))
  const [peak, rejections] = [await usual.peak(), await rejected(usual, 'body')]
  const { sent, answer } = await pour(usual, head, part, GIGABYTES * GIGABYTE)
  // what the limit lets in, and what the system holds of what was sent
  expect(sent).toBeLessThan(64 * MEGABYTE)
  // the answer is lost where the system tells of the closed connection first
  expect(['HTTP/1.1 413', '']).toContain(answer.slice(0, 12))
  expect(await rejected(usual, 'body')).toBe(rejections + 1)
  const grown = (await usual.peak()) - peak
  expect(grown).toBeLessThan(300 * MEGABYTE)
  expect(await ask(usual, rows(1))).toEqual(before)
  counted(name, { 'MB sent': Math.round(sent / 1e6), 'MB of memory more': Math.round(grown / 1e6) })
})

test('a million rows, where the server has its usual limits', async () => {
  const before = await ask(usual, rows(1))
  const rejections = await rejected(usual, 'body')
  const body = Buffer.from(rows(MILLION))
  expect(body.length).toBeGreaterThan(16 * MEGABYTE)
  const { answer } = await pour(usual, `Content-Length: ${body.length}`, body, body.length)
  expect(['HTTP/1.1 413', '']).toContain(answer.slice(0, 12))
  expect(await rejected(usual, 'body')).toBe(rejections + 1)
  expect(await ask(usual, rows(1))).toEqual(before)
})

test('a million rows, where longer bodies are read', async () => {
  await using server = await serve('--max-body', '100000000')
  const before = await ask(server, rows(1))
  const response = await fetch(new URL(ROUTE, server.url), { method: 'POST', body: rows(MILLION) })
  expect(response.status).toBe(413)
  expect(await response.text()).toContain('the request has 1000200 rows; at most 100000 are allowed in one')
  expect(await rejected(server, 'rows')).toBe(1)
  expect(await ask(server, rows(1))).toEqual(before)
})

test('a million rows, where they are allowed', async () => {
  await using server = await serve('--max-body', '100000000', '--max-rows', '2000000', '--timeout', '600000')
  const before = await ask(server, rows(1))
  const predictions = await ask(server, rows(MILLION))
  expect(predictions).toHaveLength(600 * MILLION)
  const others = predictions.filter(({ prediction, probability_yes }, i) => {
    const known = before[i % before.length]
    const near = Math.abs(probability_yes - (known?.probability_yes ?? NaN)) < 1e-6
    return prediction !== known?.prediction || !near
  })
  expect(others).toHaveLength(0)
  expect(await ask(server, rows(1))).toEqual(before)
})
