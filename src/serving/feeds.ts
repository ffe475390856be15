/** From a batch of columns to the tensors that the model takes, without copying a value. */
import { Tensor } from 'onnxruntime-node'
import { MillraceError, nearest } from '../core/errors.js'
import { INPUT_TYPE } from '../core/onnx/graph.js'
import type { Schema } from '../core/schema.js'
import type { RecordBatch } from '../core/table.js'

export type Feeds = Record<string, Tensor>

/**
 * Makes feeds for models with the columns `inputs`. Where a batch's columns stand is looked up once for each schema
 * object. Tensors wrap the batch's own arrays, so these must not change until the run is over.
 * Throws MR_PREDICT_COLUMN where a column is absent or its vector is of another type.
 */
export class FeedMaker {
  private schema: Schema | undefined
  private positions: readonly number[] = []

  constructor(private readonly inputs: Schema) {}

  feeds(batch: RecordBatch): Feeds {
    if (batch.schema !== this.schema) this.locate(batch.schema)
    // no prototype: a column may be called `__proto__`
    const feeds = Object.create(null) as Feeds
    const dims = [batch.rows, 1]
    for (let i = 0; i < this.inputs.length; i++) {
      const { name, type } = this.inputs[i] as Schema[number]
      const vector = batch.columns[this.positions[i] as number]
      const element = INPUT_TYPE[type]
      if (element === 'double' && vector instanceof Float64Array) feeds[name] = new Tensor('float64', vector, dims)
      else if (element === 'string' && Array.isArray(vector))
        feeds[name] = new Tensor('string', vector as string[], dims)
      else if (element === 'int64' && vector instanceof BigInt64Array) feeds[name] = new Tensor('int64', vector, dims)
      else
        throw new MillraceError(
          'MR_PREDICT_COLUMN',
          `column "${name}" must be of type ${type}; the data has ${describe(vector)}`,
        )
    }
    return feeds
  }

  private locate(schema: Schema): void {
    const at = new Map(schema.map(({ name }, i) => [name, i]))
    const absent = this.inputs.filter(({ name }) => !at.has(name)).map(({ name }) => name)
    if (absent.length > 0) {
      const near = absent.length === 1 ? nearest(absent[0] as string, at.keys()) : undefined
      throw new MillraceError(
        'MR_PREDICT_COLUMN',
        `the data has no column ${absent.map((name) => `"${name}"`).join(', ')}, which the model needs; ` +
          `it has ${schema.map(({ name }) => `"${name}"`).join(', ')}`,
        near === undefined ? {} : { hint: `did you mean "${near}"?` },
      )
    }
    this.positions = this.inputs.map(({ name }) => at.get(name) as number)
    this.schema = schema
  }
}

function describe(vector: RecordBatch['columns'][number] | undefined): string {
  if (vector instanceof Float64Array) return 'numbers'
  return vector instanceof BigInt64Array ? 'times' : 'text'
}
