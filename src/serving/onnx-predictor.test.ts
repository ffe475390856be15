import { describe, expect, it } from 'vitest'
import { loanRows, predictorConformance } from '../../test/conformance/predictor.js'
import { loanModel } from '../../test/models.js'
import { missingRows, openPredictor } from './onnx-predictor.js'

describe('openPredictor', () => {
  predictorConformance('on this thread', (bytes) => openPredictor(bytes))
  predictorConformance('on a worker', (bytes) => openPredictor(bytes, { worker: true, inlineRows: 0 }))

  it('keeps the event loop free during a long batch', async () => {
    await using predictor = await openPredictor(loanModel(), { worker: true })
    const rows = missingRows(predictor.metadata.inputs, 200_000)
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    await predictor.predict(rows)
    clearInterval(timer)
    expect(predictor.inlineRows).toBeLessThan(200_000)
    expect(turns).toBeGreaterThan(3)
  })

  it('answers with an error when the thread dies, and replaces the thread', async () => {
    await using predictor = await openPredictor(loanModel(), { worker: true, inlineRows: 0 })
    const lost = predictor.predict(missingRows(predictor.metadata.inputs, 300_000))
    const answered = expect(lost).rejects.toMatchObject({ code: 'MR_PREDICT_WORKER', retryable: true })
    await predictor.worker?.kill()
    await answered
    expect((await predictor.predict(loanRows())).labels).toEqual(['yes', 'yes', 'no'])
    expect(predictor.worker?.deaths).toBe(1)
  })

  it('says what ONNX Runtime refuses', async () => {
    // an input of the right kind, but a node that does not exist
    const { GraphBuilder } = await import('../core/onnx/graph.js')
    const g = GraphBuilder.create('g')
    const x = g.input('x', 'double', ['N', 1])
    g.output('prediction', g.node('NoSuchOperator', [x]), 'double', ['N'])
    const metadata = {
      ...{ format: 1, name: 'bad', version: '1', task: { kind: 'regression' }, label: 'y', seed: 1 },
      ...{ inputs: [{ name: 'x', type: 'number' }], digests: {}, engines: {} },
    }
    await expect(openPredictor(g.toModel({ millrace: JSON.stringify(metadata) }))).rejects.toMatchObject({
      code: 'MR_MODEL_FILE_LOAD',
      message: expect.stringContaining('NoSuchOperator') as string,
    })
  })
})
