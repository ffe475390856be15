/** TorchServe's inference API: the bodies that its clients send, and answers in its shape. */
import { basename } from 'node:path'
import type { RecordBatch } from '../core/table.js'
import type { Protocol } from './answering.js'
import { isModelUri, type ServedModels } from './models.js'
import { isObject } from './rows.js'

interface TorchServeRequest {
  readonly batch: RecordBatch
  /** The body was one row, and so is the answer. */
  readonly single: boolean
}

/**
 * `POST` or `PUT /predictions/{model}`: a row, a list of rows, `{"data": row or rows}`, or a shape of `/invocations`. One row is
 * answered with one prediction, others with a list. Throws what RowReader.read does.
 */
export const PREDICTIONS: Protocol<TorchServeRequest> = {
  read: ({ reader }, body) => {
    const known = (key: string): boolean => reader.schema.some(({ name }) => name === key)
    const wrapped = isObject(body) && Object.keys(body).length === 1 && Object.hasOwn(body, 'data') && !known('data')
    const rows = wrapped ? body['data'] : body
    const single = isObject(rows) && (wrapped || Object.keys(rows).some(known))
    return { batch: reader.read(single ? [rows] : rows), single }
  },
  write: (model, predictions, { single }) => {
    // {"predictions":[…]}, of which TorchServe's clients expect the list or its only item
    const text = model.replies.invocations(predictions)
    return single ? text.slice('{"predictions":['.length, -']}'.length) : text.slice('{"predictions":'.length, -1)
  },
}

/** `GET /models` of its management API: what is served, and from where; of a file only its name, not where it lies. */
export function modelList(models: ServedModels): object {
  const served = models.list().filter(({ role }) => role === 'served')
  const first = models.names.flatMap((name) => served.find((model) => model.name === name) ?? [])
  return {
    models: first.map(({ name, source }) => ({
      modelName: name,
      modelUrl: isModelUri(source) ? source : basename(source),
    })),
  }
}

/** `GET /ping`: a load balancer looks at the status, TorchServe's clients at the text. */
export const health = (ready: boolean): object => ({ status: ready ? 'Healthy' : 'Unhealthy' })
