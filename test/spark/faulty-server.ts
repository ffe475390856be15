/**
 * A gRPC server between a client and Spark that does harm on purpose: passes every call on to a real server, or, without
 * one, to a script, except where a fault is planned. It knows calls and bytes, nothing of plans.
 */
import * as grpc from '@grpc/grpc-js'
import { SparkConnectService } from '../../src/etl/spark/connect/connect_pb.js'

export type Method =
  | 'ExecutePlan'
  | 'ReattachExecute'
  | 'ReleaseExecute'
  | 'AnalyzePlan'
  | 'Config'
  | 'Interrupt'
  | 'ReleaseSession'
  | 'FetchErrorDetails'

export interface Fault {
  readonly method: Method
  /** Calls of the method that pass before; default 0. Each fault happens once. */
  readonly skip?: number
  /** Whether the real server hears of the call; default true. */
  readonly forward?: boolean
  /** Messages that still get through; default 0. */
  readonly after?: number
  /** How the call then ends; absent: as if it had ended well. */
  readonly error?: { readonly code: grpc.status; readonly details?: string; readonly metadata?: grpc.Metadata }
  /** Changes every message that gets through; with it the call goes on to its own end. */
  readonly change?: (message: Uint8Array) => Uint8Array
}

/** Messages of an answer, or how the call fails; a promise of it may take its time, or for ever. */
export type Script = (method: Method, request: Uint8Array, call: number) => Answer | Promise<Answer>

type Answer = readonly Uint8Array[] | NonNullable<Fault['error']>

type Call = grpc.ServerWritableStream<Buffer, Buffer>

const same = (bytes: Buffer): Buffer => bytes

export class FaultyServer implements AsyncDisposable {
  /** Every call, in its order. */
  readonly calls: Method[] = []
  readonly #faults: { fault: Fault; left: number }[] = []
  readonly #server = new grpc.Server({ 'grpc.max_receive_message_length': -1 })
  readonly #upstream: grpc.Client | undefined
  readonly #script: Script | undefined
  #port = 0

  private constructor(behind: string | Script) {
    if (typeof behind === 'function') this.#script = behind
    else
      this.#upstream = new grpc.Client(behind, grpc.credentials.createInsecure(), {
        'grpc.max_receive_message_length': -1,
        'grpc.enable_retries': 0,
      })
    const methods: Record<string, grpc.MethodDefinition<Buffer, Buffer>> = {}
    const handlers: Record<string, (call: Call) => void> = {}
    for (const { name } of SparkConnectService.methods) {
      // To a client one answer and a stream of one look alike.
      methods[name] = {
        path: `/${SparkConnectService.typeName}/${name}`,
        ...{ requestStream: false, responseStream: true },
        ...{ requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same },
      }
      handlers[name] = (call) => this.#take(name as Method, call)
    }
    this.#server.addService(methods, handlers)
  }

  /** @param behind `host:port` of a real server, or a script */
  static async start(behind: string | Script): Promise<FaultyServer> {
    const server = new FaultyServer(behind)
    server.#port = await new Promise<number>((resolve, reject) =>
      server.#server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      ),
    )
    return server
  }

  get address(): string {
    return `sc://127.0.0.1:${this.#port}`
  }

  /** How often the method was called. */
  count(method: Method): number {
    return this.calls.filter((called) => called === method).length
  }

  plan(...faults: readonly Fault[]): void {
    for (const fault of faults) this.#faults.push({ fault, left: fault.skip ?? 0 })
  }

  #take(method: Method, call: Call): void {
    this.calls.push(method)
    const fault = this.#next(method)
    if (fault?.forward === false) return finish(call, fault)
    if (this.#script === undefined) return this.#pass(method, call, fault)
    void this.#say(call, this.#script(method, call.request, this.count(method)))
  }

  async #say(call: Call, answer: Answer | Promise<Answer>): Promise<void> {
    const said = await answer
    if (!(said instanceof Array)) return finish(call, { error: said })
    for (const message of said) call.write(Buffer.from(message))
    finish(call, {})
  }

  #next(method: Method): Fault | undefined {
    const index = this.#faults.findIndex((planned) => planned.fault.method === method)
    const planned = this.#faults[index]
    if (planned === undefined || planned.left-- > 0) return undefined
    this.#faults.splice(index, 1)
    return planned.fault
  }

  #pass(method: Method, call: Call, fault: Fault | undefined): void {
    const metadata = call.metadata.clone()
    for (const key of ['user-agent', 'content-type', 'te']) metadata.remove(key)
    const upstream = this.#upstream?.makeServerStreamRequest(
      `/${SparkConnectService.typeName}/${method}`,
      ...([same, same, call.request, metadata] as const),
    )
    if (upstream === undefined) return
    const { after = 0, change } = fault ?? {}
    const harmful = fault !== undefined && change === undefined
    let [given, ended] = [0, false]
    const end = (how: Pick<Fault, 'error'>): void => {
      if (ended) return
      ended = true
      finish(call, how)
      upstream.cancel()
    }
    call.on('cancelled', () => {
      ended = true
      upstream.cancel()
    })
    call.on('drain', () => upstream.resume())
    upstream.on('data', (message: Buffer) => {
      if (ended) return
      // With none to get through, the real server has still taken the call up before the client hears that it failed.
      if (harmful && given++ >= after) return end(fault)
      if (!call.write(change === undefined ? message : Buffer.from(change(message)))) upstream.pause()
    })
    upstream.on('end', () => end(harmful ? fault : {}))
    upstream.on('error', (error: grpc.ServiceError) => end({ error }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#upstream?.close()
    this.#server.forceShutdown()
  }
}

function finish(call: Call, { error }: Pick<Fault, 'error'>): void {
  if (error === undefined) {
    call.end()
    return
  }
  const { code, details = 'planned', metadata } = error
  const passed = new grpc.Metadata()
  for (const value of metadata?.get('grpc-status-details-bin') ?? []) passed.set('grpc-status-details-bin', value)
  call.emit('error', { code, details, metadata: passed })
}
