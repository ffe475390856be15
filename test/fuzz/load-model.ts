/** A process that loads the model files that it is told of, since a fault in native code ends the process it happens in. */
import { readFileSync } from 'node:fs'
import { MillraceError } from '../../src/core/errors.js'
import { openPredictor } from '../../src/serving/onnx-predictor.js'

/** `code` of the refusal; `fault` is what was thrown without one; neither: it loaded and answered its warm-up. */
export interface Loaded {
  readonly code?: string
  readonly fault?: string
}

process.on('message', (path: string) => {
  void load(path).then((found) => process.send?.(found))
})

async function load(path: string): Promise<Loaded> {
  try {
    const predictor = await openPredictor(readFileSync(path))
    await predictor[Symbol.asyncDispose]()
    return {}
  } catch (error) {
    return error instanceof MillraceError ? { code: error.code } : { fault: String(error) }
  }
}
