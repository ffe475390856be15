/** Limits of the server, on real sockets: too many requests, connections or bytes, and clients that are slow on purpose. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { loanModel } from '../../test/models.js'
import { ServedModels } from './models.js'
import { type ServerLimits, startServer } from './server.js'

const BODY = '[{"income":100,"children":1,"owns home":true,"city":"Oslo","since":"2021-01-01"}]'
const head = (length: number | string): string =>
  `POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${
    typeof length === 'number' ? `Content-Length: ${length}` : length
  }\r\n\r\n`
const REQUEST = head(BODY.length) + BODY

let folder: string
let file: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-admission-'))
  file = join(folder, 'loan.onnx')
  await writeFile(file, loanModel())
})
afterAll(async () => rm(folder, { recursive: true }))

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

async function start(limits: ServerLimits, options: { maxWait?: number; timeout?: number; maxBatch?: number } = {}) {
  const models = await ServedModels.open({ sources: [file], ...options })
  const server = await startServer({ models, version: '1', port: 0, limits: { drainDelay: 0, ...limits } })
  closing.push(() => server.stop(500))
  const port = Number(new URL(server.address).port)
  const metrics = async (): Promise<string> => (await server.app.inject('/metrics')).body
  return { port, metrics, server }
}

/** One socket: what it is sent, and all that came until it was closed or has an answer of 200 or 429. */
class Client {
  readonly socket: Socket
  text = ''
  closed = false
  constructor(port: number, text: string) {
    this.socket = connect(port, '127.0.0.1')
    this.socket.on('data', (data) => (this.text += data.toString()))
    this.socket.on('error', () => undefined)
    this.socket.on('close', () => (this.closed = true))
    this.socket.write(text)
    closing.push(async () => this.socket.destroy())
  }

  get status(): number {
    return Number(this.text.slice(9, 12))
  }

  async until(ready: (client: this) => boolean): Promise<this> {
    await expect.poll(() => ready(this), { timeout: 10_000, interval: 2 }).toBe(true)
    return this
  }

  answered(): Promise<this> {
    return this.until(({ text }) => text.includes('\r\n\r\n'))
  }
}

it('turns away what is more than it may answer at once, before the body is there, and goes on', async () => {
  const { port, metrics } = await start({ maxActive: 2 }, { maxWait: 400 })
  const taken = [new Client(port, REQUEST), new Client(port, REQUEST)]
  await expect.poll(metrics).toContain('millrace_active_requests 2')
  const whole = await new Client(port, REQUEST).answered()
  expect([whole.status, whole.closed]).toEqual([429, false])
  expect(whole.text).toMatch(/\r\nretry-after: 1\r\n/)
  expect(whole.text).toMatch(/\r\nx-request-id: [\w-]+\r\n/)
  expect(whole.text).toMatch(/\{"error":"MR_SERVER_BUSY: 2 requests are being answered/)
  const long = await (await new Client(port, head(10_000_000)).answered()).until(({ closed }) => closed)
  expect([long.status, /\r\nconnection: close\r\n/.test(long.text)]).toEqual([429, true])
  const health = await new Client(port, 'GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n').answered()
  expect([health.status, taken.map(({ text }) => text)]).toEqual([200, ['', '']])
  for (const client of taken) expect((await client.answered()).status).toBe(200)
  // the connection that was turned away is as good as before, and so is the server
  whole.text = ''
  whole.socket.write(REQUEST)
  expect((await whole.answered()).status).toBe(200)
  expect(await metrics()).toContain('millrace_rejected_total{reason="active"} 2')
  expect(await metrics()).toContain('millrace_active_requests 0')
  // two runs: one waited 400 ms for its two requests, as the last one did alone
  const waits = /millrace_batch_wait_seconds_sum\{model="loan"\} (\S+)/.exec(await metrics())
  expect(Number(waits?.[1])).toBeGreaterThan(0.79)
  expect(await metrics()).toContain('millrace_batch_wait_seconds_count{model="loan"} 2')
})

it('forgets a request whose client has gone', async () => {
  const { port, metrics } = await start({ maxActive: 1 }, { maxWait: 100 })
  const gone = new Client(port, REQUEST)
  await expect.poll(metrics).toContain('millrace_active_requests 1')
  gone.socket.destroy()
  await expect.poll(metrics).toContain('millrace_active_requests 0')
  expect((await new Client(port, REQUEST).answered()).status).toBe(200)
})

it('gives no place to clients that send their bodies slowly, and cuts them', { timeout: 20_000 }, async () => {
  const { port, metrics } = await start({ maxActive: 2, headersTimeout: 300, requestTimeout: 600 })
  const slow = Array.from({ length: 5 }, () => new Client(port, head(BODY.length) + BODY.slice(0, 10)))
  await Promise.all(slow.map(({ socket }) => new Promise((done) => socket.once('connect', done))))
  expect((await new Client(port, REQUEST).answered()).status).toBe(200)
  expect(await metrics()).not.toContain('millrace_rejected_total{')
  for (const client of slow) expect((await client.until(({ closed }) => closed)).status).toBe(408)
})

it('tells a connection that was opened ahead nothing, and answers its first request', { timeout: 20_000 }, async () => {
  const { port } = await start({ headersTimeout: 100, keepAliveTimeout: 60_000 }, { maxWait: 300 })
  const ahead = Array.from({ length: 3 }, () => new Client(port, ''))
  const slow = new Client(port, 'POST /invocations HT')
  expect((await slow.until(({ closed }) => closed)).text).toMatch(/^HTTP\/1.1 408 [^]*\r\nConnection: close\r\n[^]*"}$/)
  // node:http has looked at all of them by now, and looks at each once more
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(ahead.map(({ text, closed }) => [text, closed])).toEqual(ahead.map(() => ['', false]))
  for (const client of ahead) client.socket.write(REQUEST)
  for (const client of ahead) expect((await client.answered()).status).toBe(200)
  // and the time for the headers of the next request counts as ever
  const [first] = ahead as [Client]
  first.text = ''
  first.socket.write('POST /invo')
  expect((await first.until(({ closed }) => closed)).status).toBe(408)
})

it('closes a connection that was opened ahead and never used, without a word', async () => {
  const { port } = await start({ headersTimeout: 100, keepAliveTimeout: 400 }, { maxWait: 800 })
  const [unused, used] = [new Client(port, ''), new Client(port, '')]
  await new Promise((resolve) => setTimeout(resolve, 250))
  used.socket.write(REQUEST)
  expect((await unused.until(({ closed }) => closed)).text).toBe('')
  // an answer may take longer than a connection may be silent
  expect((await used.answered()).status).toBe(200)
})

it('refuses a giant body by its length, and one without a length where it has become too long', async () => {
  const { port, metrics } = await start({ body: 10_000 })
  const told = await new Client(port, head(10_001)).answered()
  expect([told.status, told.text]).toEqual([413, expect.stringContaining('longer than 10000 bytes')])
  const untold = new Client(port, head('Transfer-Encoding: chunked'))
  for (let i = 0; i < 11; i++) untold.socket.write(`3e8\r\n${' '.repeat(1000)}\r\n`)
  expect((await untold.answered()).status).toBe(413)
  expect(await metrics()).toContain('millrace_rejected_total{reason="body"} 2')
  const packed = await new Client(port, head(`Content-Encoding: gzip\r\nContent-Length: 30`)).answered()
  expect(packed.status).toBe(415)
})

/** What of each body does not count. */
const FREE = 65_536
const CHUNKED = 'Transfer-Encoding: chunked'
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`

it('lets in others, long ones too, while clients announce much and send nothing', async () => {
  const { port, metrics } = await start({ body: 100_000, maxBodies: 200_000 })
  const waiting = [100_000, 100_000, 100_000, CHUNKED, CHUNKED, CHUNKED].map((length) => {
    const headers = head(length).replace('\r\n\r\n', '\r\nExpect: 100-continue\r\n\r\n')
    return new Client(port, headers)
  })
  for (const client of waiting) expect((await client.answered()).status).toBe(100)
  const chunked = head(CHUNKED) + chunk(BODY) + chunk('')
  for (const request of [REQUEST, chunked, head(100_000) + ' '.repeat(100_000 - BODY.length) + BODY])
    expect((await new Client(port, request).answered()).status).toBe(200)
  expect(await metrics()).not.toContain('millrace_rejected_total{')
})

it('bounds the bytes of all bodies that have arrived, but for the first of each', async () => {
  const { port, metrics } = await start({ maxBodies: 1_500 })
  const first = new Client(port, head(FREE + 5_000) + ' '.repeat(FREE + 800))
  await expect.poll(metrics).toContain('millrace_body_bytes 800\n')
  // by what it announces, before it is read
  const headers = head(FREE + 701).replace('\r\n\r\n', '\r\nx-request-id: mine\r\n\r\n')
  const more = await (await new Client(port, headers).answered()).until(({ closed }) => closed)
  expect([more.status, more.text]).toEqual([429, expect.stringMatching(/x-request-id: mine\r\n[^]*than 1500 bytes/)])
  // by what it sends
  const untold = new Client(port, head(CHUNKED) + chunk(' '.repeat(FREE + 700)))
  await expect.poll(metrics).toContain('millrace_body_bytes 1500\n')
  expect((await new Client(port, REQUEST).answered()).status).toBe(200)
  untold.socket.write(chunk(' '))
  expect((await untold.until(({ closed }) => closed)).text).toMatch(/^HTTP\/1.1 429 [^]*than 1500 bytes/)
  await expect.poll(metrics).toContain('millrace_body_bytes 800\n')
  expect(await metrics()).toContain('millrace_rejected_total{reason="bodies"} 2')
  const fits = new Client(port, head(FREE + 700) + ' '.repeat(FREE + 700 - BODY.length) + BODY)
  expect((await fits.answered()).status).toBe(200)
  await expect.poll(metrics).toContain('millrace_body_bytes 800\n')
  first.socket.destroy()
  await expect.poll(metrics).toContain('millrace_body_bytes 0\n')
})

it('bounds the bodies of methods that no route has too', async () => {
  const { port, metrics } = await start({ maxBodies: 1_200 })
  const methods = ['PUT', 'PATCH', 'DELETE', 'OPTIONS']
  const part = ' '.repeat(FREE + 250)
  const slow = methods.map((method) => new Client(port, head(FREE + 300).replace('POST', method) + part))
  await expect.poll(metrics).toContain('millrace_body_bytes 1000\n')
  for (const method of methods)
    expect((await new Client(port, head(FREE + 201).replace('POST', method)).answered()).status).toBe(429)
  for (const client of slow) client.socket.write(`${' '.repeat(48)}{}`)
  for (const client of slow) expect((await client.answered()).status).toBe(404)
  await expect.poll(metrics).toContain('millrace_body_bytes 0\n')
})

it('gives back what a body held that is refused before its end', async () => {
  const { port, metrics } = await start({ body: FREE + 1_000 })
  const long = new Client(port, head(CHUNKED) + chunk(' '.repeat(FREE + 900)))
  await expect.poll(metrics).toContain('millrace_body_bytes 900\n')
  long.socket.write(chunk(' '.repeat(101)) + chunk(' '.repeat(FREE)))
  expect((await long.until(({ closed }) => closed)).status).toBe(413)
  const html = head(FREE + 500).replace('application/json', 'text/html') + ' '.repeat(FREE + 500)
  expect((await new Client(port, html).answered()).status).toBe(415)
  await expect.poll(metrics).toContain('millrace_body_bytes 0\n')
})

it('takes a body that alone is longer than all may be', async () => {
  const { port } = await start({ maxBodies: 10 })
  const long = new Client(port, head(FREE + 11) + ' '.repeat(FREE + 11 - BODY.length) + BODY)
  expect((await long.answered()).status).toBe(200)
})

it('closes connections beyond those that it may have', async () => {
  const { port, metrics } = await start({ maxConnections: 2 })
  const kept = [new Client(port, REQUEST), new Client(port, REQUEST)]
  for (const client of kept) expect((await client.answered()).status).toBe(200)
  const more = await new Client(port, REQUEST).until(({ closed }) => closed)
  expect(more.text).toBe('')
  expect(await metrics()).toContain('millrace_rejected_total{reason="connections"} 1')
})

it('answers 503 to what has waited too long, and says so', async () => {
  const { port, metrics } = await start({}, { maxWait: 80, timeout: 20 })
  const late = await new Client(port, REQUEST).answered()
  expect([late.status, late.text]).toEqual([503, expect.stringMatching(/MR_SERVER_LATE: the request waited \d+ ms/)])
  expect(late.text).toMatch(/\r\nretry-after: 1\r\n/)
  expect(await metrics()).toContain('millrace_rejected_total{reason="late"} 1')
})

it('gives back the places of requests that waited behind another on a connection that closed', async () => {
  // the first waits for its run, the others for its answer: node:http tells only the first's response of the end
  const { port, metrics } = await start({ maxActive: 4 }, { maxWait: 300 })
  const client = new Client(port, REQUEST.repeat(4))
  await expect.poll(metrics, { timeout: 5_000 }).toContain('millrace_active_requests 4\n')
  client.socket.destroy()
  await expect.poll(metrics, { timeout: 5_000 }).toContain('millrace_active_requests 0\n')
  const next = await new Client(port, REQUEST).until(({ text }) => text.length > 0)
  expect(next.status).toBe(200)
})
