import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { expect, test } from 'vitest'
import { GraphBuilder, INPUT_TYPE } from './graph.js'
import { sessionOptions } from './session.js'

const src = fileURLToPath(new URL('../..', import.meta.url))
const sources = readdirSync(src, { recursive: true, encoding: 'utf8' })
  // doctor only asks whether ONNX Runtime runs at all
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && !name.endsWith('doctor.ts'))
  .map((name) => ({ name, text: readFileSync(join(src, name), 'utf8') }))

test('every session is opened with these options', () => {
  const made = sources.flatMap(({ name, text }) =>
    [...text.matchAll(/InferenceSession\.create\((.*)/g)].map((match) => ({ name, call: match[1] ?? '' })),
  )
  expect(made.length).toBeGreaterThan(2)
  expect(made.filter(({ call }) => !call.includes('sessionOptions('))).toEqual([])
  expect(sources.filter(({ text }) => text.includes('intraOpNumThreads')).map(({ name }) => name)).toEqual([
    join('core', 'onnx', 'session.ts'),
  ])
})

test('ONNX Runtime takes the options, and each input type of a column', async () => {
  const graph = GraphBuilder.create('types')
  for (const [name, type] of Object.entries(INPUT_TYPE)) graph.input(name, type, ['N', 1])
  for (const [name, type] of Object.entries(INPUT_TYPE)) graph.output(`${name} out`, name, type, ['N', 1])
  const session = await InferenceSession.create(graph.toModel(), sessionOptions(2))
  const [text, number, time] = [
    new Tensor('string', ['a'], [1, 1]),
    new Tensor('float64', [1], [1, 1]),
    new Tensor('int64', [1n], [1, 1]),
  ]
  const out = await session.run({ number, integer: number, boolean: number, text, timestamp: time, date: time })
  expect(Object.values(out).map(({ type }) => type)).toEqual([
    ...['float64', 'float64', 'float64', 'string', 'int64', 'int64'],
  ])
  await session.release()
})
