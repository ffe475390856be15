/** Requests to a prediction server with a real model: it stays alive, says 4xx and never 5xx, and tells nothing of itself. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import type { InjectOptions } from 'fastify'
import { afterAll } from 'vitest'
import { LOAN_INPUTS, loanModel } from '../models.js'
import { ServedModels } from '../../src/serving/models.js'
import { buildServer } from '../../src/serving/server.js'
import { fuzz, hostile, json, mutated, mutatedText } from './fuzz.js'

const folder = mkdtempSync(join(tmpdir(), 'millrace-fuzz-server-'))
for (const [i, name] of ['loan', 'canary', 'shadow'].entries())
  writeFileSync(join(folder, `${name}.onnx`), loanModel({ bias: i, version: String(i + 1) }))
const models = await ServedModels.open({
  sources: [join(folder, 'loan.onnx')],
  canaries: [{ source: join(folder, 'canary.onnx'), share: 0.5 }],
  shadows: [{ source: join(folder, 'shadow.onnx'), share: 0.5 }],
})
const { app } = buildServer({ models, version: '1', canaryKey: 'city' })
afterAll(async () => {
  await app.close()
  await models.close()
  rmSync(folder, { recursive: true })
})

const row = { income: 100, children: 1, 'owns home': true, city: 'Oslo', since: '2021-01-01' }
const names = LOAN_INPUTS.map(({ name }) => name)
const DATATYPES = ['FP64', 'INT64', 'BOOL', 'BYTES', 'FP32', 'UINT8', 'INT32']
const tensor = { name: 'income', datatype: 'FP64', shape: [1, 1], data: [1] }
const infer = { id: '1', inputs: names.map((name, i) => ({ ...tensor, name, datatype: DATATYPES[i] ?? 'FP64' })) }
const bodies = [
  [row],
  { dataframe_records: [row, row] },
  { dataframe_split: { columns: names, data: [Object.values(row)] } },
  { instances: [row] },
  { inputs: Object.fromEntries(Object.entries(row).map(([name, value]) => [name, [value]])) },
  infer,
  { ...infer, outputs: [{ name: 'label' }] },
].map((body) => JSON.stringify(body))

const value = fc.oneof(json, fc.constantFrom<unknown>('Oslo', 1, null, true, '2021-01-01', 1e400))
const record = fc.tuple(
  fc.record(Object.fromEntries(names.map((name) => [name, value]))),
  fc.dictionary(hostile, value, { maxKeys: 1 }),
)
const records = fc.array(
  fc.oneof(
    record.map(([known, more]) => ({ ...known, ...more })),
    json,
  ),
  { maxLength: 3 },
)
const tensors = fc.array(
  fc.record({
    name: fc.oneof(fc.constantFrom(...names), hostile),
    datatype: fc.oneof(fc.constantFrom(...DATATYPES), json),
    shape: fc.oneof(
      fc.array(fc.oneof(fc.constantFrom(1, 2, 0, -1, 2 ** 53, 1e308, 0.5), json), { maxLength: 3 }),
      json,
    ),
    data: fc.oneof(
      fc.array(value, { maxLength: 3 }),
      fc.array(fc.array(value, { maxLength: 2 }), { maxLength: 2 }),
      json,
    ),
    parameters: fc.oneof(fc.constant({ binary_data_size: 8 }), json),
  }),
  { maxLength: 6 },
)
/** Deeper than any stack that walks it. */
const deep = fc.constantFrom('[', '{"a":', '[{"income":', '{"inputs":[').map((open) => open.repeat(8_000))
const whole = deep.map(
  (open) =>
    open +
    '1' +
    [...open]
      .reverse()
      .map((c) => (c === '[' ? ']' : c === '{' ? '}' : ''))
      .join(''),
)
const body = fc.oneof(
  mutatedText(bodies),
  fc
    .tuple(fc.constantFrom('dataframe_records', 'instances', 'inputs'), records)
    .map(([key, list]) => JSON.stringify({ [key]: list })),
  fc
    .tuple(fc.array(fc.oneof(fc.constantFrom(...names), hostile)), json)
    .map(([columns, data]) => JSON.stringify({ dataframe_split: { columns, data } })),
  tensors.map((inputs) => JSON.stringify({ inputs })),
  json.map((any) => JSON.stringify(any)),
  deep,
  whole,
  whole.map((nested) => `[{"income":${nested},"children":1,"owns home":true,"city":"Oslo","since":null}]`),
)
const urls = [
  '/invocations',
  '/v2/models/loan/infer',
  '/v2/models/loan/versions/1/infer',
  '/v2/models/loan/versions/2/infer',
  '/predictions/loan',
  '/v2/models/loan/explain',
]
/** A stack, a folder of this machine, or a file of the code. */
const TELLING = /\n\s+at |node_modules|\.[tj]s:\d|\/(home|tmp|root|usr|work|var)\//

async function ask(request: InjectOptions): Promise<unknown> {
  // a request without the key's column goes by its id
  const answer = await app.inject({ ...request, headers: { 'x-request-id': 'fuzz', ...request.headers } })
  if (answer.statusCode >= 500 && answer.statusCode !== 501) throw new Error(`${answer.statusCode}: ${answer.body}`)
  if (answer.statusCode >= 400 && TELLING.test(answer.body)) throw new Error(`it tells too much: ${answer.body}`)
  return [answer.statusCode, answer.body]
}

fuzz('bodies of requests', {
  cases: fc.tuple(
    fc.constantFrom(...urls),
    body,
    fc.constantFrom('application/json', 'text/plain', 'application/octet-stream'),
  ),
  parse: ([url, payload, type]) => ask({ method: 'POST', url, payload, headers: { 'content-type': type } }),
  runs: 400,
})
/** A request of the Open Inference Protocol with its tensors as bytes behind the JSON. */
function binaryBody(outputs: object): { readonly json: Buffer; readonly bytes: Buffer } {
  const double = Buffer.alloc(16)
  double.writeDoubleLE(100, 0)
  double.writeDoubleLE(NaN, 8)
  const tensors: readonly [string, Buffer][] = [
    ['FP64', double],
    ['INT32', Buffer.from(Int32Array.of(1, 2).buffer)],
    ['BOOL', Buffer.of(1, 0)],
    ['BYTES', Buffer.from('\x04\0\0\0Oslo\x05\0\0\0Zü 1', 'utf8')],
    ['INT64', Buffer.from(BigInt64Array.of(1_600_000_000_000_000n, -(2n ** 63n)).buffer)],
  ]
  const inputs = tensors.map(([datatype, { length }], i) => ({
    ...{ name: names[i], shape: [2, 1], datatype, parameters: { binary_data_size: length } },
  }))
  return {
    json: Buffer.from(JSON.stringify({ inputs, ...outputs })),
    bytes: Buffer.concat(tensors.map(([, bytes]) => bytes)),
  }
}
const binary = [
  binaryBody({}),
  binaryBody({ parameters: { binary_data_output: true } }),
  binaryBody({ outputs: [{ name: 'label', parameters: { binary_data: true } }, { name: 'probability' }] }),
]
const BINARY_URLS = ['/v2/models/loan/infer', '/v2/models/loan/versions/2/infer', '/invocations']
fuzz('binary tensors', {
  cases: fc.tuple(
    fc.constantFrom(...BINARY_URLS),
    fc.nat({ max: binary.length - 1 }).chain((i) => {
      const { json: head, bytes } = binary[i] as (typeof binary)[number]
      const length = fc.oneof(
        { weight: 4, arbitrary: fc.constant(String(head.length)) },
        fc.constantFrom('0', '-1', '1e3', '99999999', '9'.repeat(20), '', '0x10'),
        fc.nat({ max: head.length + bytes.length + 1 }).map(String),
      )
      return fc.tuple(
        fc.oneof(
          mutated([bytes]).map((changed) => Buffer.concat([head, changed])),
          mutated([Buffer.concat([head, bytes])]).map((changed) => Buffer.from(changed)),
          fc.constant(Buffer.concat([head, bytes])),
        ),
        length,
      )
    }),
  ),
  parse: ([url, [payload, length]]) =>
    ask({
      ...{ method: 'POST', url, payload },
      headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': length },
    }),
  runs: 1_000,
})
const HEADERS = [
  'content-type',
  'accept',
  'x-request-id',
  'authorization',
  'inference-header-content-length',
  'content-encoding',
]
const printable = hostile.map((text) => text.replaceAll(/[^\x20-\x7e]/g, '?'))
fuzz('headers of requests', {
  cases: fc.tuple(
    fc.constantFrom(...urls),
    fc.dictionary(fc.constantFrom(...HEADERS), printable),
    fc.constantFrom(...bodies),
  ),
  parse: async ([url, headers, payload]) => {
    const [status] = (await ask({ method: 'POST', url, payload, headers })) as [number]
    return status
  },
  runs: 500,
})
const PATHS = [
  '/v2/models/',
  '/v2/models/loan/versions/',
  '/predictions/',
  '/',
  '/v2/models/loan/../../',
  '/openapi.json',
  '/metrics',
]
const ENCODED = [
  '%2e%2e%2f',
  '%252e%252e%252f',
  '..\\',
  '%c0%ae%c0%ae%c0%af',
  '%00',
  '..;/',
  '%',
  '//evil.example/',
  '%ff',
]
fuzz('paths of requests', {
  cases: fc.tuple(
    fc.constantFrom('GET', 'POST', 'DELETE', 'PUT', 'OPTIONS', 'HEAD'),
    fc.constantFrom(...PATHS),
    fc.array(
      fc.oneof(
        fc.constantFrom(...ENCODED, 'etc/passwd', 'infer', 'ready'),
        hostile.map((text) => encodeURIComponent(text.replaceAll(/\p{Cs}/gu, ''))),
      ),
      {
        maxLength: 6,
      },
    ),
  ),
  async parse([method, path, parts]) {
    const url = path + parts.join('')
    const [status] = (await ask({ method: method, url, headers: { accept: 'text/plain' } })) as [number, string]
    return status
  },
  runs: 1_000,
})
