/** Calls of the Spark Connect service over one HTTP/2 connection: bytes in and out, no decision about what failed. */
import * as grpc from '@grpc/grpc-js'
import {
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type MessageShape,
} from '@bufbuild/protobuf'
import type { SparkAddress } from './address.js'
import { Silence, type Pulse } from './silence.js'

/** The server's own limit for one message, of which it uses about 70 %. */
const LARGEST_MESSAGE = 128 * 2 ** 20

export interface CallOptions {
  /** Milliseconds from now. */
  readonly timeout: number
  readonly signal?: AbortSignal | undefined
  /** Where it is left out, only the timeout ends a call that nobody answers. */
  readonly pulse?: Pulse | undefined
}

export class Wire {
  readonly #client: grpc.Client
  readonly #metadata: grpc.Metadata

  constructor(address: SparkAddress, options: Readonly<Record<string, number>> = {}) {
    const host = address.host.includes(':') ? `[${address.host}]` : address.host
    const credentials = address.tls ? grpc.credentials.createSsl() : grpc.credentials.createInsecure()
    this.#client = new grpc.Client(`${host}:${address.port}`, credentials, {
      'grpc.max_receive_message_length': LARGEST_MESSAGE,
      'grpc.max_send_message_length': LARGEST_MESSAGE,
      'grpc.enable_retries': 0, // gRPC's own retries know nothing of operations
      'grpc.keepalive_time_ms': 60_000,
      'grpc.keepalive_timeout_ms': 20_000,
      'grpc.keepalive_permit_without_calls': 1,
      'grpc.initial_reconnect_backoff_ms': 200,
      'grpc.max_reconnect_backoff_ms': 10_000,
      'grpc.use_local_subchannel_pool': 1, // closing one session must not wait for another's connection
      ...options,
    })
    this.#metadata = new grpc.Metadata()
    for (const [key, value] of Object.entries(address.headers)) this.#metadata.set(key, value)
    if (address.token !== undefined) this.#metadata.set('authorization', `Bearer ${address.token}`)
  }

  /** One message for one. Rejects with gRPC's ServiceError. */
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    message: MessageShape<I>,
    { timeout, signal, pulse }: CallOptions,
  ): Promise<MessageShape<O>> {
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        path(method),
        (value: MessageShape<I>) => Buffer.from(toBinary(method.input, value)),
        (bytes) => fromBinary(method.output, bytes),
        message,
        this.#metadata,
        { deadline: Date.now() + timeout },
        (error, response) => {
          silence.rest()
          signal?.removeEventListener('abort', cancel)
          if (error !== null) reject(error)
          else if (response !== undefined) resolve(response)
          else reject(new Error('gRPC gave neither an answer nor an error'))
        },
      )
      const cancel = () => call.cancel()
      const silence = new Silence(pulse, (error) => {
        reject(error)
        cancel()
      })
      silence.listen()
      if (signal?.aborted) call.cancel()
      else signal?.addEventListener('abort', cancel, { once: true })
    })
  }

  /**
   * Messages as they come, no faster than they are taken: what is not taken holds the server back (HTTP/2 flow control).
   * Ends the call when it is left. Throws gRPC's ServiceError.
   */
  async *stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    message: MessageShape<I>,
    { timeout, signal, pulse }: CallOptions,
  ): AsyncGenerator<MessageShape<O>, void, undefined> {
    const call = this.#client.makeServerStreamRequest(
      path(method),
      (value: MessageShape<I>) => Buffer.from(toBinary(method.input, value)),
      (bytes) => fromBinary(method.output, bytes),
      message,
      this.#metadata,
      { deadline: Date.now() + timeout },
    )
    call.on('error', () => undefined) // also after it was left
    const cancel = () => call.cancel()
    const silence = new Silence(pulse, (error) => call.destroy(error))
    if (signal?.aborted) call.cancel()
    else signal?.addEventListener('abort', cancel, { once: true })
    try {
      silence.listen()
      for await (const response of call as AsyncIterable<MessageShape<O>>) {
        silence.rest()
        yield response
        silence.listen()
      }
    } finally {
      silence.rest()
      signal?.removeEventListener('abort', cancel)
      call.cancel()
    }
  }

  /** True as soon as a server speaks HTTP/2; false where none has within so many milliseconds, or when the signal fires. */
  ready(timeout: number, signal?: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (isReady: boolean): void => {
        signal?.removeEventListener('abort', stop)
        resolve(isReady)
      }
      const stop = (): void => end(false)
      signal?.addEventListener('abort', stop, { once: true })
      this.#client.waitForReady(Date.now() + timeout, (error) => end(error === undefined))
    })
  }

  close(): void {
    this.#client.close()
  }
}

function path({ parent, name }: DescMethodUnary | DescMethodServerStreaming): string {
  return `/${parent.typeName}/${name}`
}
