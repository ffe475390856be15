/** The built server and the clients that people have: NVIDIA's client, curl as TorchServe's pages show it, a browser. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loanModel } from '../models.js'
import { contrast, launchChromium } from './chromium.js'
import { folder, type Started, start } from './cli.js'
import { python } from './python.js'

let made: Awaited<ReturnType<typeof folder>>
let server: Started
let url: string
beforeAll(async () => {
  made = await folder()
  const file = join(made.path, 'loan.onnx')
  await writeFile(file, loanModel())
  server = start(['serve', file, '--port', '0', '--json'])
  url = (JSON.parse(await server.line(/"event":"serving"/)) as { address: string }).address
})
afterAll(async () => {
  server.child.kill('SIGTERM')
  await server.finished
  await made[Symbol.asyncDispose]()
})

test('NVIDIA’s client: bytes and JSON give the same, bit for bit', async () => {
  interface Found {
    readonly rows: number
    readonly model: { readonly name: string; readonly inputs: readonly { readonly name: string }[] }
    readonly answers: Readonly<
      Record<string, { readonly outputs: Readonly<Record<string, readonly unknown[]>>; readonly inJson: string[] }>
    >
  }
  const found = await python<Found>('triton_client.py', new URL(url).host, 'loan')
  expect(found).toMatchObject({ live: true, ready: true, modelReady: true, otherReady: false })
  expect(found).toMatchObject({ server: { name: 'millrace' }, model: { name: 'loan', versions: ['1'] } })
  expect(found.model.inputs.map(({ name }) => name)).toEqual(['income', 'children', 'owns home', 'city', 'since'])
  const all = Object.entries(found.answers)
  expect(all).toHaveLength(6)
  const first = found.answers['json in, json out']?.outputs ?? {}
  expect(first['label']?.slice(0, 2)).toEqual(['text', [found.rows]])
  expect(first['probability']?.slice(0, 2)).toEqual(['float32', [found.rows, 2]])
  for (const [way, { outputs, inJson }] of all) {
    expect(outputs, way).toEqual(first)
    expect(inJson, way).toEqual(way.endsWith('json out') ? Object.keys(first).sort() : [])
  }
})

describe('curl, as TorchServe’s pages show it', () => {
  const row = { income: 100, children: 1, 'owns home': true, city: 'Oslo', since: '2021-01-01' }
  const curl = async (...args: string[]) => {
    const { stdout } = await promisify(execFile)('curl', ['--silent', '--write-out', '\n%{http_code}', ...args])
    const [status, ...body] = stdout.split('\n').reverse()
    return { status: Number(status), body: JSON.parse(body.reverse().join('\n')) as unknown }
  }

  test('POST with JSON, one row and several, with and without a version; health', async () => {
    const json = ['-H', 'Content-Type: application/json']
    const one = { prediction: 'yes', probability_no: expect.any(Number) as number }
    const post = (path: string, body: unknown) =>
      curl('-X', 'POST', `${url}${path}`, ...json, '-d', JSON.stringify(body))
    expect(await post('/predictions/loan', row)).toMatchObject({ status: 200, body: one })
    expect(await post('/predictions/loan/1', { data: row })).toMatchObject({ status: 200, body: one })
    expect(await post('/predictions/loan', [row, row])).toMatchObject({ status: 200, body: [one, one] })
    expect(await curl(`${url}/ping`)).toEqual({ status: 200, body: { status: 'Healthy' } })
    expect((await post('/predictions/none', row)).status).toBe(404)
  })

  test('a file, by -T', async () => {
    const file = join(made.path, 'row.json')
    await writeFile(file, JSON.stringify(row))
    const sent = await curl('-X', 'POST', `${url}/predictions/loan`, '-T', file, '-H', 'Content-Type: application/json')
    expect(sent).toMatchObject({ status: 200, body: { prediction: 'yes' } })
  })
})

describe('/docs in a browser', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(() => browser.close())

  test.each([false, true])('is quiet and readable, dark: %s, and its form asks the model', async (dark) => {
    for (const width of [1280, 375]) {
      const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme: dark ? 'dark' : 'light' })
      const faults: string[] = []
      page.on('console', (message) => faults.push(`console: ${message.text()}`))
      page.on('pageerror', (error) => faults.push(`error: ${error.message}`))
      page.on('requestfailed', (request) => faults.push(`request: ${request.url()}`))
      const answer = await page.goto(`${url}/docs`)
      expect(answer?.status()).toBe(200)
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width)
      const result = await contrast(page)
      expect(result.seen).toBeGreaterThan(30)
      expect(result.faults).toEqual([])
      await page.getByRole('button', { name: 'Predict' }).first().click()
      await page.getByText('probability_yes').last().waitFor()
      await page.screenshot({
        path: join(made.path, `docs-${dark ? 'dark' : 'light'}-${width}.png`),
        fullPage: true,
      })
      expect((await contrast(page)).faults).toEqual([])
      expect(faults).toEqual([])
      await page.close()
    }
  })
})
