/** Binary tensors over a real server: what JSON says they say, and no byte of a request is trusted. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loanModel } from '../../test/models.js'
import { firstElement, readElements, writeElements } from './binary-tensors.js'
import { ServedModels } from './models.js'
import { buildServer } from './server.js'
import { keyOf } from './traffic.js'

interface Sent {
  readonly name: string
  readonly datatype: string
  readonly bytes: Buffer
  readonly shape?: readonly number[]
}
type Json = Readonly<Record<string, unknown>>

const int64s = (...values: bigint[]): Buffer => Buffer.from(BigInt64Array.from(values).buffer)
const doubles = (...values: number[]): Buffer => writeElements('FP64', values)
const texts = (...values: string[]): Buffer => writeElements('BYTES', values)

/** One row, the model's five columns. */
const SENT: readonly Sent[] = [
  { name: 'income', datatype: 'FP64', bytes: doubles(100) },
  { name: 'children', datatype: 'INT64', bytes: int64s(1n) },
  { name: 'owns home', datatype: 'BOOL', bytes: Buffer.of(1) },
  { name: 'city', datatype: 'BYTES', bytes: texts('Oslo') },
  { name: 'since', datatype: 'INT64', bytes: int64s(1_609_459_200_000_000n) },
]
/** The row with other bytes, datatype or shape for one column. */
const but = (name: string, change: Partial<Sent>): readonly Sent[] =>
  SENT.map((each) => (each.name === name ? { ...each, ...change } : each))

function bodyOf(tensors: readonly Sent[], more: Json = {}): { body: Buffer; length: number } {
  const inputs = tensors.map(({ name, datatype, bytes, shape = [1, 1] }) => {
    return { name, datatype, shape, parameters: { binary_data_size: bytes.length } }
  })
  const json = Buffer.from(JSON.stringify({ ...more, inputs }))
  return { body: Buffer.concat([json, ...tensors.map(({ bytes }) => bytes)]), length: json.length }
}

const folder = mkdtempSync(join(tmpdir(), 'millrace-binary-'))
const close: (() => Promise<unknown>)[] = []
let app: ReturnType<typeof buildServer>['app']
beforeAll(async () => {
  writeFileSync(join(folder, 'loan.onnx'), loanModel())
  writeFileSync(join(folder, 'sum.onnx'), loanModel({ name: 'sum', regression: true }))
  const models = await ServedModels.open({ sources: [join(folder, 'loan.onnx'), join(folder, 'sum.onnx')] })
  ;({ app } = buildServer({ models, version: '1' }))
  close.push(
    () => app.close(),
    () => models.close(),
  )
})
afterAll(async () => {
  for (const each of close) await each()
  rmSync(folder, { recursive: true })
})

async function post(body: Buffer | string, length?: number | string, type?: string, url = '/v2/models/loan/infer') {
  const { statusCode, headers, rawPayload } = await app.inject({
    ...{ method: 'POST', url, payload: body },
    headers: {
      ...(length !== undefined && { 'Inference-Header-Content-Length': String(length) }),
      ...(type !== undefined && { 'content-type': type }),
    },
  })
  const said = headers['inference-header-content-length']
  const json = rawPayload.subarray(0, said === undefined ? undefined : Number(said))
  const bytes = rawPayload.subarray(json.length)
  return { status: statusCode, headers, body: JSON.parse(json.toString()) as Json, bytes }
}
const send = (tensors: readonly Sent[], more: Json = {}, url?: string) => {
  const { body, length } = bodyOf(tensors, more)
  return post(body, length, 'application/octet-stream', url)
}
const sendJson = (data: readonly (readonly unknown[])[], datatypes = SENT.map(({ datatype }) => datatype), more = {}) =>
  post(
    JSON.stringify({
      ...more,
      inputs: SENT.map(({ name }, i) => {
        return { name, datatype: datatypes[i], shape: [data[i]?.length, 1], data: data[i] }
      }),
    }),
  )
const answered = async (answer: ReturnType<typeof post>) => {
  const { status, body } = await answer
  expect([status, body['error']]).toEqual([200, undefined])
  return body['outputs']
}

describe('binary tensors', () => {
  it('are listed, and answered as JSON is, whatever the request calls itself', async () => {
    expect((await app.inject('/v2')).json()).toMatchObject({ extensions: ['binary_tensor_data'] })
    const wanted = await answered(sendJson([[100], [1], [true], ['Oslo'], [1_609_459_200_000_000]]))
    const { body, length } = bodyOf(SENT)
    for (const type of ['application/octet-stream', 'application/json', undefined])
      expect(await answered(post(body, length, type))).toEqual(wanted)
    expect(await answered(send(SENT, {}, '/v2/models/loan/versions/1/infer'))).toEqual(wanted)
    expect(await post(body, length, 'text/csv')).toMatchObject({ status: 415 })
    // JSON of its whole length needs no bytes
    const json = JSON.stringify({
      inputs: SENT.map(({ name, datatype }, i) => {
        return { name, datatype, shape: [1], data: [[100], [1], [true], ['Oslo'], [1_609_459_200_000_000]][i] }
      }),
    })
    expect(await answered(post(json, json.length))).toEqual(wanted)
  })

  it('are mixed with JSON ones, and read where nothing is aligned', async () => {
    const wanted = await answered(sendJson([[0.1], [2], [false], ['Rome'], [0]]))
    const bytes = [doubles(0.1), int64s(2n), Buffer.of(0), texts('Rome'), int64s(0n)]
    for (let spaces = 0; spaces < 8; spaces++) {
      const inputs = SENT.map(({ name, datatype }, i) =>
        i === 2
          ? { name, datatype, shape: [1], data: [false] }
          : { name, datatype, shape: [1], parameters: { binary_data_size: bytes[i]?.length } },
      )
      const json = ' '.repeat(spaces) + JSON.stringify({ inputs })
      const raw = [Buffer.from(json), ...bytes.filter((_, i) => i !== 2)]
      expect(await answered(post(Buffer.concat(raw), json.length))).toEqual(wanted)
    }
  })

  it('answers with bytes what asks for them', async () => {
    const plain = (await answered(send(SENT))) as { data: unknown }[]
    const probabilities = plain[1]?.data as number[]
    const all = await send(SENT, { id: 'é', parameters: { binary_data_output: true } })
    expect(all.headers).toMatchObject({ 'content-type': 'application/octet-stream', 'millrace-model-version': '1' })
    expect(all.body).toEqual({
      ...{ model_name: 'loan', model_version: '1', id: 'é' },
      outputs: [
        { name: 'label', datatype: 'BYTES', shape: [1], parameters: { binary_data_size: 7 } },
        { name: 'probability', datatype: 'FP32', shape: [1, 2], parameters: { binary_data_size: 8 } },
      ],
    })
    expect(all.bytes).toEqual(Buffer.concat([Buffer.from('\x03\0\0\0yes'), writeElements('FP32', probabilities)]))

    const only = { parameters: { binary_data: true } }
    const some = await send(SENT, { outputs: [{ name: 'probability', ...only }, { name: 'label' }] })
    expect(some.body['outputs']).toEqual([
      { name: 'probability', datatype: 'FP32', shape: [1, 2], parameters: { binary_data_size: 8 } },
      plain[0],
    ])
    expect(some.bytes).toEqual(writeElements('FP32', probabilities))
    // an output's own parameter is the stronger one
    const not = [{ name: 'label', parameters: { binary_data: false } }]
    const text = await send(SENT, { outputs: not, parameters: { binary_data_output: true } })
    expect([text.body['outputs'], text.bytes.length]).toEqual([[plain[0]], 0])
    // of JSON too
    const asked = await sendJson([[100], [1], [true], ['Oslo'], [1_609_459_200_000_000]], undefined, {
      parameters: { binary_data_output: true },
    })
    expect(asked.bytes).toEqual(all.bytes)

    const sum = await send(SENT, { parameters: { binary_data_output: true } }, '/v2/models/sum/infer')
    const sumJson = await send(SENT, {}, '/v2/models/sum/infer')
    const value = (sumJson.body['outputs'] as { data: number[] }[])[0]?.data[0] ?? NaN
    expect([sum.body['outputs'], sum.bytes.readDoubleLE(0)]).toEqual([
      [{ name: 'prediction', datatype: 'FP64', shape: [1], parameters: { binary_data_size: 8 } }],
      value,
    ])
    const none = { shape: [0], bytes: Buffer.alloc(0) }
    const empty = await send(
      SENT.map((each) => ({ ...each, ...none })),
      { parameters: { binary_data_output: true } },
    )
    expect([empty.status, empty.bytes.length]).toEqual([200, 0])
  })

  it('takes what the model takes as missing for null', async () => {
    const bytes = [doubles(NaN), doubles(NaN), Buffer.of(1), texts(''), int64s(-(2n ** 63n))]
    const datatypes = ['FP64', 'FP64', 'BOOL', 'BYTES', 'INT64']
    const sent = SENT.map(({ name }, i) => ({ name, datatype: datatypes[i]!, bytes: bytes[i]! }))
    const wanted = await answered(sendJson([[null], [null], [true], [null], [null]]))
    expect(await answered(send(sent))).toEqual(wanted)
    const since = sent.map((each) => (each.name === 'since' ? { ...each, datatype: 'BYTES', bytes: texts('') } : each))
    expect(await answered(send(since))).toEqual(wanted)
  })

  const value = fc.record({
    income: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
    children: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    home: fc.boolean(),
    city: fc.oneof(fc.constantFrom('Oslo', 'Rome', '', '\ufeff\ufffd'), fc.string({ unit: 'grapheme' })),
    since: fc.option(fc.maxSafeInteger()),
  })
  it('gives the predictions of the same rows as JSON, bit for bit', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(value, { maxLength: 6 }), async (rows) => {
        const shape = [rows.length]
        const bytes = [
          doubles(...rows.map(({ income }) => income ?? NaN)),
          int64s(...rows.map(({ children }) => children)),
          Buffer.from(rows.map(({ home }) => Number(home))),
          texts(...rows.map(({ city }) => city)),
          int64s(...rows.map(({ since }) => (since === null ? -(2n ** 63n) : BigInt(since)))),
        ]
        const binary = await send(
          SENT.map((each, i) => ({ ...each, shape, bytes: bytes[i] as Buffer })),
          { parameters: { binary_data_output: true } },
        )
        const json = await sendJson([
          rows.map(({ income }) => income),
          // the digits, as a client writes them: JSON.stringify takes no BigInt
          rows.map(({ children }) => Number(children)),
          rows.map(({ home }) => home),
          rows.map(({ city }) => city),
          rows.map(({ since }) => since),
        ])
        expect([binary.status, json.status]).toEqual([200, 200])
        const [label, probability] = json.body['outputs'] as { data: (string | number | null)[] }[]
        const labels = texts(...((label?.data ?? []) as string[]))
        expect(binary.bytes.subarray(0, labels.length)).toEqual(labels)
        // JSON has null for what is not a number
        const wanted = probability?.data.map((each) => each ?? NaN)
        const bytes4 = Uint8Array.from(binary.bytes.subarray(labels.length))
        expect([...new Float32Array(bytes4.buffer)]).toEqual(wanted)
      }),
      { numRuns: 150 },
    )
  })
})

describe('elements', () => {
  const number = { name: 'n', type: 'number' } as const
  it.each<[string, Buffer, unknown]>([
    ['INT8', Buffer.of(0x80), -128],
    ['UINT8', Buffer.of(0x80), 128],
    ['INT16', Buffer.of(0xfe, 0xff), -2],
    ['UINT16', Buffer.of(0xfe, 0xff), 65_534],
    ['INT32', Buffer.of(0xfe, 0xff, 0xff, 0xff), -2],
    ['UINT32', Buffer.of(0xfe, 0xff, 0xff, 0xff), 4_294_967_294],
    ['INT64', int64s(-3n), -3],
    ['UINT64', int64s(-1n), Number(2n ** 64n - 1n)],
    ['FP32', Buffer.of(0, 0, 0xc0, 0xbf), -1.5],
    ['FP64', doubles(-0), -0],
    ['FP64', doubles(Infinity), Infinity],
    ['BOOL', Buffer.of(2), 2],
    // binary16: one, the largest, the smallest, minus infinity, not a number
    ['FP16', Buffer.of(0, 0x3c), 1],
    ['FP16', Buffer.of(0xff, 0x7b), 65_504],
    ['FP16', Buffer.of(1, 0), 2 ** -24],
    ['FP16', Buffer.of(0, 0xfc), -Infinity],
    ['FP16', Buffer.of(0, 0x7e), null],
  ])('of %s: %j is %s', (datatype, bytes, wanted) => {
    expect(readElements(number, datatype, bytes, 1)).toEqual([wanted])
    expect(firstElement(datatype, bytes)).toEqual(wanted)
  })

  it('of INT64 and UINT64 are the doubles that JSON.parse gives', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }), (value) => {
        const datatype = value < 2n ** 63n ? 'INT64' : 'UINT64'
        const bytes = int64s(BigInt.asIntN(64, value))
        expect(readElements(number, datatype, bytes, 1)).toEqual([JSON.parse(String(value))])
      }),
      { numRuns: 2_000 },
    )
  })

  it('tell the key of a canary as JSON does, and nothing where they are broken', () => {
    const tensor = (datatype: unknown, data: unknown) => ({ inputs: [{ name: 'key', datatype, data }] })
    const key = (datatype: unknown, data: unknown) => keyOf(tensor(datatype, data), 'key')
    expect(key('BYTES', texts('é', 'b'))).toBe(key('BYTES', ['é', 'b']))
    expect(key('INT64', int64s(7n, 8n))).toBe(key('INT64', [7, 8]))
    expect(key('BOOL', Buffer.of(1))).toBe(key('BOOL', [true]))
    expect(key('BYTES', texts('é', 'b'))).toBe('é')
    for (const datatype of ['BYTES', 'FP64', 'FP7', 3, null])
      for (const bytes of [[], [9, 0, 0], [9, 0, 0, 0, 65]]) expect(key(datatype, Buffer.from(bytes))).toBeUndefined()
  })
})

describe('a request that is not what it says', () => {
  const sized = (size: unknown, more: Json = {}) => {
    const inputs = [{ name: 'income', datatype: 'FP64', shape: [1], ...more, parameters: { binary_data_size: size } }]
    return JSON.stringify({ inputs })
  }
  const eight = '12345678'
  it.each<[string, string, number | string | undefined, RegExp]>([
    ['a length that is none', '{}', 'x', /Inference-Header-Content-Length is "x", not a number of bytes/],
    ['a negative length', '{}', '-1', /"-1", not a number/],
    ['a length too long to be one', '{}', '9'.repeat(400), /"9{70,}, not a number/],
    ['two lengths', '{}', '2, 2', /"2, 2", not a number/],
    ['no length', '{}', '', /"", not a number/],
    ['a length beyond the body', '{}', 3, /is 3, and the body has 2 bytes/],
    ['an empty body', '', 1, /is 1, and the body has 0 bytes/],
    ['no JSON', 'abc', 3, /the 3 bytes that Inference-Header-Content-Length calls JSON are not: /],
    ['JSON of no bytes', 'abc', 0, /the 0 bytes .* are not: /],
    ['JSON that is cut', '{"inputs":[]}', 12, /are not: /],
    ['JSON that is a list', '[1]', 3, /it is a list, not an object/],
    ['inputs that are none', '{"inputs":{}}xx', 13, /inputs is an object, not a list/],
    ['inputs that are no tensors', '{"inputs":[1,null]}', 19, /inputs\[0\] is a number/],
    ...[-1, 1.5, '8', 2 ** 53, null, [8], {}, true].map((size): [string, string, number, RegExp] => [
      `a size of ${JSON.stringify(size)}`,
      sized(size) + eight,
      sized(size).length,
      /tensor "income": binary_data_size is .*, not a number of bytes/,
    ]),
    ['a size beyond the body', sized(9) + eight, sized(9).length, /tensor "income": .* is 9, and 8 bytes .* are left/],
    ['a size of 2^53 - 1', sized(2 ** 53 - 1), sized(2 ** 53 - 1).length, /is 9007199254740991, and 0 bytes/],
    ['bytes that follow', sized(7) + eight, sized(7).length, /1 bytes of the body belong to no tensor/],
    ['data twice', sized(8, { data: [1] }) + eight, sized(8, { data: [1] }).length, /has both data and a binary/],
    ['a size without the header', sized(8), undefined, /binary_data_size, and the request no header Inference-Header/],
  ])('%s', async (_, body, length, message) => {
    const answer = await post(body, length)
    expect([answer.status, answer.body['error']]).toEqual([400, expect.stringMatching(message)])
  })

  it.each<[string, readonly Sent[], RegExp]>([
    ['too few bytes', but('income', { bytes: Buffer.alloc(7) }), /tensor "income" has 7 bytes; 1 of FP64 are 8/],
    [
      'too many bytes',
      but('children', { bytes: Buffer.alloc(16) }),
      /tensor "children" has 16 bytes; 1 of INT64 are 8/,
    ],
    ['no bytes', but('owns home', { bytes: Buffer.alloc(0) }), /tensor "owns home" has 0 bytes; 1 of BOOL are 1/],
    ['more rows than others', but('income', { shape: [2] }), /tensor "children" has 1 rows where others have 2/],
    ['rows beyond memory', SENT.map((each) => ({ ...each, shape: [2 ** 50] })), /MR_REQUEST_TOO_LARGE/],
    ['negative rows', but('income', { shape: [-1] }), /tensor "income" has the shape \[-1\]/],
    ['a shape of more', but('income', { shape: [1, 2] }), /tensor "income" has the shape \[1,2\]/],
    [
      'a text without a length',
      but('city', { bytes: Buffer.of(1, 0, 0) }),
      /"city" has 3 bytes; the lengths of 1 BYTES/,
    ],
    [
      'a text beyond its tensor',
      but('city', { bytes: Buffer.from([5, 0, 0, 0, 65]) }),
      /tensor "city", row 0: a length of 5 bytes, and 1 are left/,
    ],
    [
      'a length of 2^32 - 1',
      but('city', { bytes: Buffer.alloc(4, 255) }),
      /tensor "city", row 0: a length of 4294967295 bytes, and 0 are left/,
    ],
    ['bytes after a text', but('city', { bytes: Buffer.alloc(6) }), /tensor "city" has 2 bytes after its last value/],
    [
      'a text that is not UTF-8',
      but('city', { bytes: Buffer.of(2, 0, 0, 0, 0xc3, 0x28) }),
      /MR_REQUEST_VALUE: column "city", row 0: the bytes of the text are not UTF-8/,
    ],
    ['no truth', but('owns home', { bytes: Buffer.of(2) }), /column "owns home", row 0: 2 is not true, false or null/],
    ['an infinite number', but('income', { bytes: doubles(-Infinity) }), /column "income", row 0: a number too large/],
    [
      'half a child',
      but('children', { datatype: 'FP64', bytes: doubles(0.5) }),
      /"children", row 0: 0.5 is not a whole/,
    ],
    ['a time too far', but('since', { bytes: int64s(2n ** 60n) }), /column "since", row 0: 1152921504606847000 is not/],
    ['a datatype of none', but('income', { datatype: 'BF16' }), /column "income" .* must be one of FP64, .*, not BF16/],
    ['an inherited datatype', but('income', { datatype: 'constructor' }), /column "income" .*, not constructor/],
    ['text for a number', but('income', { datatype: 'BYTES', bytes: texts('1') }), /"income" is of type number/],
    ['no column', SENT.slice(1), /MR_REQUEST_COLUMN: the request lacks the column "income"/],
  ])('%s', async (_, tensors, message) => {
    const { status, body } = await send(tensors)
    expect([status, body['error']]).toEqual([
      /TOO_LARGE/.test(String(body['error'])) ? 413 : 400,
      expect.stringMatching(message),
    ])
  })

  it('a second text whose length is cut', async () => {
    const bytes = Buffer.concat([texts('Oslo12345'), Buffer.of(1, 0)])
    const two = SENT.map((each) => ({ ...each, shape: [2], bytes: Buffer.concat([each.bytes, each.bytes]) }))
    const { body } = await send(two.map((each) => (each.name === 'city' ? { ...each, bytes } : each)))
    expect(body['error']).toMatch(/tensor "city", row 1: its bytes end before the length of the value/)
  })

  it('asks for outputs twice, or not with true or false', async () => {
    const errors = [
      [{ outputs: [{ name: 'label' }, { name: 'label' }] }, /the output "label" is asked for twice/],
      [{ parameters: { binary_data_output: 1 } }, /binary_data_output is 1, not true or false/],
      [
        { outputs: [{ name: 'label', parameters: { binary_data: 'yes' } }] },
        /output "label": binary_data is "yes", not true or false/,
      ],
    ] as const
    for (const [more, message] of errors) expect((await send(SENT, more)).body['error']).toMatch(message)
  })

  it('never makes the server fail, whatever bytes are changed', async () => {
    const { body, length } = bodyOf(SENT, { parameters: { binary_data_output: true } })
    const edit = fc.tuple(fc.nat(body.length - 1), fc.integer({ min: 0, max: 255 }))
    await fc.assert(
      fc.asyncProperty(
        fc.array(edit, { maxLength: 4 }),
        fc.oneof(fc.constant(body.length), fc.nat(body.length)),
        fc.oneof(fc.constant(length), fc.nat(body.length + 2)),
        async (edits, end, said) => {
          const bytes = Buffer.from(body)
          for (const [at, to] of edits) bytes[at] = to
          const { status } = await post(bytes.subarray(0, end), said)
          expect([200, 400, 413]).toContain(status)
        },
      ),
      { numRuns: 500 },
    )
  })
})
