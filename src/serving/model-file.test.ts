import { create, toBinary } from '@bufbuild/protobuf'
import type { WindowDocument } from '../core/documents.js'
import { describe, expect, it } from 'vitest'
import { LOAN_INPUTS, loanModel } from '../../test/models.js'
import { floats, GraphBuilder, int64s, readModel } from '../core/onnx/graph.js'
import {
  type ModelProto,
  ModelProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation as DataLocation,
} from '../core/onnx/onnx_pb.js'
import { rankRows } from '../evaluate/ranking.js'
import { chooseThreshold } from '../evaluate/threshold.js'
import { readModelFile } from './model-file.js'

/** The loan model with a change to its protobuf. */
function changed(change: (model: ModelProto) => void): Uint8Array {
  const model = readModel(loanModel())
  change(model)
  return toBinary(ModelProtoSchema, model)
}

const refusal = (bytes: Uint8Array): { code: string; message: string } => {
  try {
    readModelFile(bytes)
  } catch (error) {
    return error as { code: string; message: string }
  }
  throw new Error('the file was accepted')
}

const WINDOW: WindowDocument = {
  name: 'income',
  by: 'who',
  of: 'paid',
  compute: 'mean',
  over: 86_400_000_000,
  delay: 1,
  timestamp: 'at',
  reads: [
    { name: 'who', type: 'text' },
    { name: 'at', type: 'timestamp' },
    { name: 'paid', type: 'number' },
  ],
  scale: 2 ** 70,
  inWords: 'mean of paid over the 1d before, by who',
}

describe('readModelFile', () => {
  it('reads metadata and digest', () => {
    const { metadata, digest } = readModelFile(loanModel())
    expect(metadata).toMatchObject({ name: 'loan', version: '1', label: 'repaid', inputs: LOAN_INPUTS })
    expect(metadata.task).toEqual({ kind: 'classification', classes: ['no', 'yes'], positive: 'yes' })
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/)
  })

  it('keeps how probabilities were calibrated', () => {
    const calibration = 'temperature 1.042: probabilities become less sure'
    expect(readModelFile(loanModel({ metadata: { calibration } })).metadata.calibration).toBe(calibration)
  })

  it('takes every threshold that can be chosen, also the one that no probability reaches', () => {
    const never = chooseThreshold(
      'accuracy',
      rankRows(Float32Array.of(1, 1, 0.2), (row) => row === 2),
    ).value
    expect(never).toBeGreaterThan(1)
    for (const threshold of [0, 0.5, 1, never])
      expect(readModelFile(loanModel({ metadata: { threshold } })).metadata.threshold).toBe(threshold)
  })

  it('takes windows as they were made', () => {
    expect(readModelFile(loanModel({ metadata: { windows: [WINDOW] } })).metadata.windows).toEqual([WINDOW])
  })

  it.each([
    ['nothing', new Uint8Array()],
    ['text', new TextEncoder().encode('income,city\n1,Oslo\n')],
    ['half a model', loanModel().slice(0, 700)],
  ])('refuses %s', (_, bytes) => {
    expect(refusal(bytes).code).toMatch(/^MR_MODEL_FILE_(UNREADABLE|METADATA|UNSAFE)$/)
  })

  it.each([
    ['no metadata', { millrace: undefined }, 'no "millrace" entry'],
    ['no JSON', { millrace: '{' }, 'not JSON'],
    ['another format', { format: 2 }, 'its format is 2'],
    ['no columns', { inputs: [] }, 'inputs is not a list of columns'],
    ['a type unknown', { inputs: [{ name: 'x', type: 'blob' }] }, 'inputs[0].type is "blob"'],
    ['a column twice', { inputs: [LOAN_INPUTS[0], LOAN_INPUTS[0]] }, '"income" twice'],
    ['no classes', { task: { kind: 'classification', classes: [] } }, 'task.classes'],
    ['a positive class unknown', { task: { kind: 'classification', classes: ['a'], positive: 'b' } }, 'task.positive'],
    ['left-out columns that are no names', { leftOut: ['id', 7] }, 'leftOut[1] is not a text'],
    ['windows that are none', { windows: [] }, 'windows is not a list of windows'],
    ['a window that is no input', { windows: [{ ...WINDOW, name: 'age' }] }, 'windows[0].name is "age"'],
    ['a window twice', { windows: [WINDOW, WINDOW] }, 'windows names "income" twice'],
    ['a window of a column that it does not read', { windows: [{ ...WINDOW, of: 'x' }] }, 'windows[0].of'],
    [
      'a window of a type unknown',
      { windows: [{ ...WINDOW, reads: [{ name: 'who', type: 'blob' }] }] },
      'reads[0].type',
    ],
    ['a window that computes anything', { windows: [{ ...WINDOW, compute: 'sql' }] }, 'windows[0].compute is "sql"'],
    ['a window of half a row', { windows: [{ ...WINDOW, over: 0.5 }] }, 'windows[0].over'],
    ['a window with two frames', { windows: [{ ...WINDOW, rows: 5 }] }, 'windows[0] needs over or rows'],
    ['a window whose scale is 10', { windows: [{ ...WINDOW, scale: 10 }] }, 'windows[0].scale'],
    ['a mean of nothing', { windows: [{ ...WINDOW, of: undefined }] }, 'windows[0] computes mean of nothing'],
    ['a threshold above 2', { threshold: 2.1 }, 'threshold'],
    ['a threshold below 0', { threshold: -0.1 }, 'threshold'],
    ['a seed of text', { seed: 'x' }, 'seed'],
  ])('refuses metadata with %s', (_, metadata, what) => {
    const bytes =
      'millrace' in metadata
        ? changed((model) => {
            const value = metadata.millrace
            model.metadataProps =
              value === undefined ? [] : [create(StringStringEntryProtoSchema, { key: 'millrace', value })]
          })
        : loanModel({ metadata })
    const { code, message } = refusal(bytes)
    expect(code).toBe('MR_MODEL_FILE_METADATA')
    expect(message).toContain(what)
  })

  it.each([
    ['an input less', { inputs: [...LOAN_INPUTS, { name: 'age', type: 'number' }] }, 'column "age"'],
    ['an input more', { inputs: LOAN_INPUTS.slice(1) }, 'input "income" of the graph'],
    [
      'an input of another type',
      { inputs: LOAN_INPUTS.map((field) => ({ ...field, type: 'text' })) },
      'input "income" is double [N, 1]; a column of type text is string [N, 1]',
    ],
    ['another task', { task: { kind: 'regression' } }, 'no output "prediction"'],
    [
      'more classes',
      { task: { kind: 'classification', classes: ['a', 'b', 'c'] } },
      'output "probability" is float [N, 2]; it must be float [N, 3]',
    ],
  ])('refuses a graph with %s than its metadata says', (_, metadata, what) => {
    const { code, message } = refusal(loanModel({ metadata }))
    expect(code).toBe('MR_MODEL_FILE_CONTRACT')
    expect(message).toContain(what)
  })

  const constant = (model: ModelProto) => model.graph!.initializer.find(({ dims }) => dims.length === 2)!
  it.each<[string, (model: ModelProto) => void, string]>([
    [
      'external data',
      (model) => {
        constant(model).dataLocation = DataLocation.EXTERNAL
        constant(model).externalData = [
          create(StringStringEntryProtoSchema, { key: 'location', value: '../../etc/passwd' }),
        ]
      },
      'another file ("../../etc/passwd")',
    ],
    ['a custom operator', (model) => (model.graph!.node[0]!.domain = 'com.evil'), 'names "com.evil"'],
    ['a custom operator set', (model) => (model.opsetImport[0]!.domain = 'com.evil'), 'names "com.evil"'],
    ['a shape without its data', (model) => (constant(model).dims = [1_000_000n, 1_000_000n]), '1000000, 1000000'],
    ['a negative dimension', (model) => (constant(model).dims = [-3n, -1n]), 'dimension of -3'],
    ['functions', (model) => (model.$unknown = [{ no: 25, wireType: 2, data: Uint8Array.of(0) }]), 'uses functions'],
    [
      'sparse data',
      (model) => (model.graph!.$unknown = [{ no: 15, wireType: 2, data: Uint8Array.of(0) }]),
      'uses sparse_initializer',
    ],
  ])('refuses %s', (_, change, what) => {
    const { code, message } = refusal(changed(change))
    expect(code).toBe('MR_MODEL_FILE_UNSAFE')
    expect(message).toContain(what)
  })

  it('refuses a constant shape that would fill the memory, in nested graphs too', () => {
    const g = GraphBuilder.create('g')
    const yes = g.subgraph('yes')
    const shape = yes.constant(int64s([1_000_000, 1_000_000]))
    yes.output('big', yes.node('ConstantOfShape', [shape]), 'float', ['N'])
    const no = g.subgraph('no')
    no.output('small', no.constant(floats([1])), 'float', ['N'])
    const x = g.input('x', 'double', ['N', 1])
    const condition = g.node('IsNaN', [g.node('ReduceSum', [x])])
    g.output('prediction', g.node('If', [condition], { then_branch: yes, else_branch: no }), 'float', ['N'])
    expect(refusal(g.toModel())).toMatchObject({
      code: 'MR_MODEL_FILE_UNSAFE',
      message: expect.stringContaining('[1000000, 1000000]') as string,
    })
  })
})
