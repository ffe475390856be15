/**
 * One request for predictions to the version that answers it: a share goes to canaries, which fall back to the version
 * that is served; after the answer come the prediction log and the shadows.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { RecordBatch } from '../core/table.js'
import { answerTo } from './answers.js'
import type { BinaryAnswer } from './binary-tensors.js'
import type { ServedModels, ServerLog } from './models.js'
import type { PredictionLog } from './prediction-log.js'
import type { Predictions } from './predictor.js'
import type { ServedModel } from './served-model.js'
import type { Shadows } from './shadow.js'
import { draw, keyOf } from './traffic.js'
import type { TrafficMetrics } from './traffic-metrics.js'

export interface AnsweringOptions {
  readonly models: ServedModels
  readonly metrics: TrafficMetrics
  readonly shadows: Shadows
  /** Column whose value in a request's first row chooses the version; else the request's id does. */
  readonly canaryKey?: string
  readonly predictionLog?: PredictionLog
  readonly logger?: ServerLog
}

/** How a protocol reads its rows and writes its answer. */
export interface Protocol<Read extends { readonly batch: RecordBatch }> {
  readonly read: (model: ServedModel, body: unknown) => Read
  readonly write: (model: ServedModel, predictions: Predictions, read: Read) => string | BinaryAnswer
}

interface Made {
  readonly answer: string | BinaryAnswer
  readonly batch: RecordBatch
  readonly predictions: Predictions
}

const JSON_TYPE = 'application/json; charset=utf-8'

export class Answering {
  constructor(private readonly options: AnsweringOptions) {}

  /**
   * Answers with `main`, or, where the request named no version, with one of its model's canaries.
   * @throws what the version that is served throws
   */
  async answer<Read extends { readonly batch: RecordBatch }>(
    request: FastifyRequest,
    reply: FastifyReply,
    main: ServedModel,
    named: boolean,
    protocol: Protocol<Read>,
  ): Promise<FastifyReply> {
    const chosen = named ? main : this.choose(main, request)
    // held from the beginning, also where a canary is asked first
    main.acquire()
    if (chosen !== main) chosen.acquire()
    try {
      let model = chosen
      let made: Made
      try {
        made = await this.run(chosen, request.body, protocol)
      } catch (error) {
        if (chosen === main) throw error
        made = await this.run(main, request.body, protocol)
        model = main
        if (this.options.metrics.fellBack(chosen)) {
          const what = `the canary ${chosen.name} version ${chosen.version} did not answer where version ${main.version} did`
          this.options.logger?.('warn', `${what}: ${(error as Error).message} (said once; /metrics counts)`)
        }
      }
      reply.header('millrace-model-version', model.versionHeader)
      const { answer } = made
      if (typeof answer === 'string') reply.header('content-type', JSON_TYPE).send(answer)
      else reply.headers(answer.headers).send(answer.body)
      if (!named) this.shadow(request, model, main.name, made, protocol)
      this.options.predictionLog?.add(model, request.id, made.batch, made.predictions)
      return reply
    } finally {
      main.release()
      if (chosen !== main) chosen.release()
    }
  }

  private choose(main: ServedModel, request: FastifyRequest): ServedModel {
    const canaries = this.options.models.beside(main.name, 'canary')
    if (canaries.length === 0) return main
    const { canaryKey } = this.options
    const key = (canaryKey === undefined ? undefined : keyOf(request.body, canaryKey)) ?? request.id
    let left = draw(key, `canary ${main.name}`)
    for (const { model, share } of canaries) {
      if (left < share) return model
      left -= share
    }
    return main
  }

  private async run<Read extends { readonly batch: RecordBatch }>(
    model: ServedModel,
    body: unknown,
    { read, write }: Protocol<Read>,
  ): Promise<Made> {
    const start = performance.now()
    const { metrics } = this.options
    try {
      const rows = read(model, body)
      const predictions = await model.batcher.predict(rows.batch)
      const answer = write(model, predictions, rows)
      metrics.answered(model, 'ok', (performance.now() - start) / 1000)
      return { answer, batch: rows.batch, predictions }
    } catch (error) {
      metrics.answered(model, answerTo(error, 0).fault ? 'error' : 'refused', (performance.now() - start) / 1000)
      throw error
    }
  }

  private shadow<Read extends { readonly batch: RecordBatch }>(
    { id, body }: FastifyRequest,
    model: ServedModel,
    name: string,
    { batch, predictions }: Made,
    { read }: Protocol<Read>,
  ): void {
    const { models, shadows } = this.options
    for (const { model: shadow, share } of models.beside(name, 'shadow'))
      if (shadow !== model && (share >= 1 || draw(id, `shadow ${name}`) < share))
        shadows.compare(shadow, model, batch, predictions, (at) => read(at, body).batch)
  }
}
