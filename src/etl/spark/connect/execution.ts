/**
 * One operation on a Spark Connect server, from its plan to its last response, over as many streams as it takes: the
 * server ends streams after two minutes, connections break, and the operation goes on meanwhile. What was answered is
 * asked for again from the last response on (reattachable execution), so nothing is lost, repeated or executed twice.
 *
 * Never twice: the operation has an id that the server knows, also after its end; and every request echoes the server's
 * own id of the session, so that another server (started anew, perhaps after the operation was done) refuses it.
 */
import { randomUUID } from 'node:crypto'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { status } from '@grpc/grpc-js'
import type { Clock } from '../../../core/clock.js'
import { MillraceError } from '../../../core/errors.js'
import {
  ExecutePlanRequestSchema,
  InterruptRequest_InterruptType,
  InterruptRequestSchema,
  ReattachExecuteRequestSchema,
  ReleaseExecuteRequestSchema,
  SparkConnectService,
  type ExecutePlanResponse,
  type Plan,
} from './connect_pb.js'
import { failureOf, isClass, isSessionGone, type Failure } from './failure.js'
import { retryDelay, type RetryPolicy } from './retry.js'
import type { Pulse } from './silence.js'
import type { Wire } from './wire.js'

/** Fields of every request. */
export interface Envelope {
  readonly sessionId: string
  readonly userContext: { readonly userId: string }
  readonly clientType: string
  readonly clientObservedServerSideSessionId: string
}

export interface Notice {
  /** From 1. */
  readonly attempt: number
  /** Milliseconds until it is tried again. */
  readonly delay: number
  readonly reason: string
}

/** What an operation needs of its client. */
export interface Surroundings {
  readonly wire: Wire
  readonly clock: Clock
  readonly random: { uniform(): number }
  readonly policy: RetryPolicy
  readonly envelope: Envelope
  readonly pulse: Pulse
  /** Called with the session id of every response; throws where another server answers. */
  readonly observe: (serverSessionId: string) => void
  readonly explain: (failure: Failure) => Promise<MillraceError>
  readonly onRetry?: ((notice: Notice) => void) | undefined
}

/** The server refused the first request for its session: nothing was executed, and another session may ask again. */
export class NotExecuted extends Error {
  constructor(readonly failure: Failure) {
    super(failure.message)
  }
}

/** A stream that says nothing for longer is looked at anew (PySpark 4.3). */
const STREAM_TIMEOUT = 600_000
/** The server holds responses until they are released, at most 10 MiB of them beyond what was taken. */
const RELEASE_EVERY = 4 * 2 ** 20
const SHORT_CALL = 5000

type Release = MessageInitShape<typeof ReleaseExecuteRequestSchema>['release'] & {}

const { executePlan, reattachExecute, releaseExecute, interrupt } = SparkConnectService.method

/**
 * Executes a plan and yields its responses, no faster than they are taken. Left early, or when the signal fires (then
 * MR_CANCELLED), the operation is interrupted and forgotten by the server. Throws NotExecuted, or what `explain` makes.
 */
export async function* execute(
  plan: Plan,
  around: Surroundings,
  signal?: AbortSignal,
): AsyncGenerator<ExecutePlanResponse, void, undefined> {
  const { wire, envelope } = around
  const operationId = randomUUID()
  const release = (until: Release) =>
    wire
      .unary(releaseExecute, create(ReleaseExecuteRequestSchema, { ...envelope, operationId, release: until }), {
        timeout: SHORT_CALL,
      })
      .catch(() => undefined) // the server forgets by itself, later
  let stopped: Promise<boolean> | undefined
  const stop = () =>
    (stopped ??= wire
      .unary(
        interrupt,
        create(InterruptRequestSchema, {
          ...envelope,
          interruptType: InterruptRequest_InterruptType.OPERATION_ID,
          interrupt: { case: 'operationId', value: operationId },
        }),
        { timeout: SHORT_CALL },
      )
      .then(
        () => true,
        () => false,
      ))
  const onAbort = () => void stop()
  signal?.addEventListener('abort', onAbort, { once: true })
  let ended = false
  try {
    yield* responses(plan, operationId, around, release, signal)
    ended = true
  } catch (error) {
    if (signal?.aborted) throw cancelled(signal)
    ended = error instanceof MillraceError || error instanceof NotExecuted // by the server, or with it
    throw error
  } finally {
    signal?.removeEventListener('abort', onAbort)
    // a server that does not hear of the one is not waited for with the other
    const isHeard = !ended && (await stop())
    const released = release({ case: 'releaseAll', value: {} })
    if (isHeard) await released
  }
}

async function* responses(
  plan: Plan,
  operationId: string,
  around: Surroundings,
  release: (until: Release) => Promise<unknown>,
  signal: AbortSignal | undefined,
): AsyncGenerator<ExecutePlanResponse, void, undefined> {
  const { wire, envelope, pulse, policy, clock, random } = around
  let lastResponseId: string | undefined
  let asked = false // a request may have reached a server
  let known = false // the server may know the operation: ask for it instead of executing
  let unreleased = 0
  let failing: number | undefined // since when
  for (let attempt = 0; ;) {
    const options = { timeout: STREAM_TIMEOUT, signal, pulse }
    const stream = known
      ? wire.stream(
          reattachExecute,
          create(ReattachExecuteRequestSchema, {
            ...{ ...envelope, operationId },
            ...(lastResponseId !== undefined && { lastResponseId }),
          }),
          options,
        )
      : wire.stream(
          executePlan,
          create(ExecutePlanRequestSchema, {
            ...{ ...envelope, operationId, plan },
            requestOptions: [{ requestOption: { case: 'reattachOptions', value: { reattachable: true } } }],
          }),
          options,
        )
    let failure: Failure | undefined
    try {
      for await (const response of stream) {
        around.observe(response.serverSideSessionId)
        attempt = 0
        failing = undefined
        lastResponseId = response.responseId
        if (response.responseType.case === 'resultComplete') return
        yield response
        if (response.responseType.case !== 'arrowBatch') continue
        unreleased += response.responseType.value.data.length
        if (unreleased < RELEASE_EVERY) continue
        unreleased = 0
        void release({
          case: 'releaseUntil',
          value: { responseId: lastResponseId },
        })
      }
    } catch (error) {
      if (signal?.aborted) throw error
      failure = failureOf(error)
    }
    if (failure === undefined) {
      // The server ended the stream for its own limits. One that ends streams at once is asked again, slower and slower.
      failure = { code: status.UNAVAILABLE, message: 'the stream ended before the result', unsent: false }
      if (lastResponseId !== undefined && attempt === 0) {
        ;[asked, known, attempt] = [true, true, 1]
        continue
      }
    }
    if (isSessionGone(failure)) throw asked ? await around.explain(failure) : new NotExecuted(failure)
    asked ||= !failure.unsent
    if (known && lastResponseId === undefined && isClass(failure, 'INVALID_HANDLE.OPERATION_NOT_FOUND')) {
      known = false // the request never arrived; the same id again
      failure = { ...failure, code: status.UNAVAILABLE }
    } else if (!known && isClass(failure, 'INVALID_HANDLE.OPERATION_ALREADY_EXISTS')) {
      known = true
      failure = { ...failure, code: status.UNAVAILABLE }
    } else if (failure.code === status.CANCELLED || failure.code === status.DEADLINE_EXCEEDED) {
      failure = { ...failure, code: status.UNAVAILABLE } // not ours: something on the way
      known = asked
    } else {
      known = asked
    }
    const now = clock.monotonic()
    const delay = retryDelay(policy, attempt, failure, random, now - (failing ??= now))
    if (delay === undefined) throw await around.explain(failure)
    attempt++
    around.onRetry?.({ attempt, delay, reason: failure.message })
    await clock.sleep(delay, signal)
  }
}

export function cancelled(signal: AbortSignal): MillraceError {
  return new MillraceError('MR_CANCELLED', 'the query was interrupted', { cause: signal.reason })
}
