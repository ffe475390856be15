import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { LOAN_INPUTS, loanModel, type LoanOptions } from '../../test/models.js'
import { ServedModels } from './models.js'
import { startServer } from './server.js'

const HOSTILE = [
  '<script>alert(1)</script>',
  `it's "so" $(id)`,
  '🦜\u202e%2f{x}',
  '__proto__',
  '</textarea><img src=x>',
]
const INPUTS = LOAN_INPUTS.map(({ type }, i) => ({ name: HOSTILE[i] as string, type }))

let folder: string
const closing: (() => Promise<unknown>)[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-docs-'))
})
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
  await rm(folder, { recursive: true })
})

async function start(options: LoanOptions, token?: string) {
  const file = join(folder, 'model.onnx')
  await writeFile(file, loanModel(options))
  const models = await ServedModels.open({ sources: [file] })
  const server = await startServer({ models, version: '9.9.9', port: 0, ...(token === undefined ? {} : { token }) })
  closing.push(() => server.stop())
  return server
}

const text = (html: string): string =>
  html.replace(
    /&(lt|gt|quot|#39|amp);/g,
    (_, name: string) => ({ lt: '<', gt: '>', quot: '"', '#39': "'" })[name] ?? '&',
  )

it('escapes every name, and each line to copy works in a shell', async () => {
  for (const name of HOSTILE) {
    const { address } = await start({ name, version: name, classes: HOSTILE, inputs: INPUTS })
    const html = await (await fetch(`${address}/docs`)).text()
    expect(html).not.toMatch(/<script>alert|<img|<\/textarea>(?!<button>)|\u202e/)
    expect(html.match(/<script/g)).toHaveLength(1)
    const lines = [...html.matchAll(/<pre class="curl">(.*?)<\/pre>/g)].map((match) => text(match[1] as string))
    expect(lines).toHaveLength(8)
    const answers = await Promise.all(lines.map((line) => promisify(execFile)('sh', ['-c', line])))
    for (const [i, { stdout }] of answers.entries())
      expect([lines[i], stdout]).toEqual([lines[i], expect.stringMatching(/"prediction|"outputs":\[/)])
  }
})

it('loads nothing: policy, no addresses of others', async () => {
  const { address } = await start({})
  const answer = await fetch(`${address}/docs`)
  expect(answer.headers.get('content-security-policy')).toMatch(
    /^default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-[^']+'; connect-src 'self'/,
  )
  expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8')
  expect((await answer.text()).match(/https?:\/\/(?!127\.0\.0\.1)[^'"<]*/g)).toBeNull()
})

it('shows nothing of the models without the token, to a browser a page that asks for it', async () => {
  const { address } = await start({ name: 'secret-model' }, 'sesame')
  const html = { accept: 'text/html' }
  const locked = await fetch(`${address}/docs`, { headers: html })
  const page = await locked.text()
  expect([locked.status, page.includes('id="token"'), page.includes('secret-model')]).toEqual([401, true, false])
  for (const url of ['/docs', '/openapi.json']) {
    const refused = await fetch(address + url, { headers: url === '/docs' ? {} : html })
    expect([refused.status, Object.keys((await refused.json()) as object)]).toEqual([401, ['error']])
  }
  const open = await fetch(`${address}/docs`, { headers: { ...html, authorization: 'Bearer sesame' } })
  expect([open.status, (await open.text()).includes('secret-model')]).toEqual([200, true])
})

it('answers neither to another host nor to pages of another origin', async () => {
  const { app } = await start({})
  for (const url of ['/docs', '/openapi.json']) {
    expect((await app.inject({ url, headers: { host: 'evil.example' } })).statusCode).toBe(421)
    expect((await app.inject({ url, headers: { origin: 'http://evil.example' } })).statusCode).toBe(403)
  }
})
