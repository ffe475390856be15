import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Validator } from '@seriousme/openapi-schema-validator'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LOAN_INPUTS, loanModel, type LoanOptions } from '../../test/models.js'
import { ServedModels } from './models.js'
import type { OpenApiDocument } from './openapi.js'
import { buildServer } from './server.js'

const HOSTILE = ['<script>alert(1)</script>', `it's "so"`, '🦜\u202e%2f{x}', '__proto__', 'a\nb/../c?#']
const HOSTILE_INPUTS = LOAN_INPUTS.map(({ type }, i) => ({ name: HOSTILE[i] as string, type }))

let folder: string
const closing: (() => Promise<unknown>)[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-openapi-'))
})
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
  await rm(folder, { recursive: true })
})

async function serve(files: readonly LoanOptions[], token?: string) {
  const sources: string[] = []
  for (const [i, options] of files.entries()) {
    sources.push(join(folder, `${i}.onnx`))
    await writeFile(sources[i] as string, loanModel(options))
  }
  const models = await ServedModels.open({ sources })
  const { app } = buildServer({ models, version: '9.9.9', ...(token === undefined ? {} : { token }) })
  closing.push(async () => {
    await app.close()
    await models.close()
  })
  const headers = { authorization: `Bearer ${token}` }
  const document = async () =>
    (await app.inject({ method: 'GET', url: '/openapi.json', headers })).json<OpenApiDocument>()
  return { app, headers, document }
}

interface Sent {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly payload?: string
}

/** Every request that the document shows. */
function requests({ paths }: OpenApiDocument): readonly Sent[] {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, { parameters = [], requestBody }]): readonly Sent[] => {
      const url = parameters.reduce(
        (at, { name, example }) => at.replace(`{${name}}`, encodeURIComponent(example ?? '')),
        path,
      )
      const examples = Object.values(requestBody?.content['application/json'].examples ?? {})
      return method === 'get'
        ? [{ method: 'GET' as const, url }]
        : examples.map(({ value }) => ({ method: 'POST' as const, url, payload: JSON.stringify(value) }))
    }),
  )
}

const CASES: readonly [string, readonly LoanOptions[], string | undefined][] = [
  ['one model', [{}], undefined],
  ['a token', [{}], 'sesame'],
  [
    'several models and versions, other columns and classes',
    [
      {},
      {
        version: '2',
        classes: ['a', 'b', 'c'],
        inputs: LOAN_INPUTS.map(({ name, type }) => ({ name: `${name}2`, type })),
      },
      { name: 'server', regression: true, metadata: { leftOut: ['id', 'repaid'] } },
    ],
    undefined,
  ],
  [
    'hostile names',
    HOSTILE.map((name) => ({ name, version: name, classes: HOSTILE, inputs: HOSTILE_INPUTS })),
    undefined,
  ],
  ['names that no path can carry', ['..', '', 'x'.repeat(501), 'a\ud800'].map((name) => ({ name })), undefined],
]

describe.each(CASES)('GET /openapi.json: %s', (_, files, token) => {
  it('is valid OpenAPI 3.1, describes every route, and each example is answered with 200', async () => {
    const { app, headers, document } = await serve(files, token)
    const api = await document()
    const validator = new Validator()
    expect(await validator.validate({ ...structuredClone(api) })).toEqual({ valid: true })
    expect(validator.version).toBe('3.1')
    const sent = requests(api)
    expect(sent.length).toBeGreaterThan(11)
    for (const request of sent) {
      const answer = await app.inject({ ...request, headers })
      expect([request, answer.statusCode, answer.statusCode === 200 || answer.body]).toEqual([request, 200, true])
    }
    const operations = Object.values(api.paths).flatMap((path) => Object.values(path))
    const ids = operations.map(({ operationId }) => operationId)
    expect(new Set(ids).size).toBe(ids.length)
    // each $ref leads somewhere
    for (const [, kind, name] of JSON.stringify(api).matchAll(/"#\/components\/(\w+)\/([^"]+)"/g))
      expect(api.components).toHaveProperty([kind as string, name as string])
  })
})

it('leaves no route out', async () => {
  const { app, document } = await serve([{}])
  const described = Object.entries((await document()).paths).flatMap(([path, operations]) =>
    Object.keys(operations).map(
      (method) => `${method.toUpperCase()} ${path.replace(/\/loan\b/, '/:model').replace('{version}', ':version')}`,
    ),
  )
  const lines = app.printRoutes({ commonPrefix: false }).trimEnd().split('\n')
  const routes: string[] = []
  const above: string[] = []
  for (const line of lines) {
    const [, indent, part, methods] = /^([│ ]*)[├└]── (\S*)(?: \((.*)\))?/.exec(line) ?? []
    const depth = (indent as string).length / 4
    above.length = depth
    above.push(part as string)
    for (const method of methods?.split(', ') ?? []) if (method !== 'HEAD') routes.push(`${method} ${above.join('')}`)
  }
  expect(routes.length).toBeGreaterThan(15)
  expect(described.sort()).toEqual(routes.sort())
})

it('says columns, classes, errors and the token', async () => {
  const { document } = await serve([{}], 'sesame')
  const { paths, components, security } = await document()
  expect(components).toMatchObject({
    securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
    schemas: {
      'loan.row': {
        properties: {
          income: { type: ['number', 'null'] },
          children: { type: ['integer', 'null'] },
          'owns home': { type: ['boolean', 'null'] },
          city: { type: ['string', 'null'] },
          since: { type: ['string', 'integer', 'null'], format: 'date-time' },
        },
        required: ['income', 'children', 'owns home', 'city', 'since'],
        additionalProperties: false,
      },
      'loan.prediction': { properties: { prediction: { enum: ['no', 'yes'] } } },
      error: { properties: { error: { type: 'string' } } },
    },
  })
  expect(security).toEqual([{ bearer: [] }])
  expect(Object.keys(paths['/predictions/loan']?.post?.responses ?? {})).toEqual(
    expect.arrayContaining(['400', '401', '404', '413', '429', '503']),
  )
  expect(paths['/ping']?.get).toMatchObject({ security: [] })
  expect(paths['/ping']?.get?.responses).not.toHaveProperty('401')
})

it('says how tensors come as bytes, where they may: a request made of what it says is answered', async () => {
  const { app, document } = await serve([{}])
  const { paths } = await document()
  const takesBytes = Object.entries(paths).filter(
    ([, { post }]) => post?.requestBody?.content['application/octet-stream'] !== undefined,
  )
  expect(takesBytes.map(([path]) => path)).toEqual(Object.keys(paths).filter((path) => path.endsWith('/infer')))
  for (const [path, { post }] of takesBytes) {
    const header = post?.parameters?.find((parameter) => parameter.in === 'header')
    const [example] = Object.values(post?.requestBody?.content['application/json'].examples ?? {})
    const [income, ...others] = (example?.value as { inputs: object[] }).inputs
    const bytes = { ...income, data: undefined, parameters: { binary_data_size: 8 } }
    const head = JSON.stringify({ inputs: [...others, bytes], parameters: { binary_data_output: true } })
    const double = Buffer.alloc(8)
    double.writeDoubleLE(1.5)
    const answer = await app.inject({
      ...{ method: 'POST', url: path.replace('{version}', '1'), payload: Buffer.concat([Buffer.from(head), double]) },
      headers: { 'content-type': 'application/octet-stream', [header?.name ?? '']: String(head.length) },
    })
    expect([path, answer.statusCode]).toEqual([path, 200])
    expect(post?.responses['200']).toMatchObject({
      headers: { 'inference-header-content-length': {} },
      content: { 'application/octet-stream': {} },
    })
    expect(Number(answer.headers['inference-header-content-length'])).toBeGreaterThan(0)
  }
})
