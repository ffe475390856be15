/** A client of one Spark Connect server: its session, its calls with retries, and errors in Spark's own words. */
import { randomInt, randomUUID } from 'node:crypto'
import { userInfo } from 'node:os'
import {
  create,
  type DescMessage,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf'
import { status } from '@grpc/grpc-js'
import { systemClock, type Clock } from '../../../core/clock.js'
import { Rng } from '../../../core/rng.js'
import type { SparkAddress } from './address.js'
import {
  FetchErrorDetailsRequestSchema,
  InterruptRequest_InterruptType,
  ReleaseSessionRequestSchema,
  SparkConnectService,
  type DataType,
  type ExecutePlanResponse,
  type FetchErrorDetailsResponse,
  type Plan,
} from './connect_pb.js'
import { cancelled, execute, NotExecuted, type Envelope, type Notice } from './execution.js'
import { failureOf, isSessionGone, SparkError, sparkError, type Failure, type Telling } from './failure.js'
import { BRIEF, PATIENT, retryDelay, type RetryPolicy } from './retry.js'
import type { Pulse } from './silence.js'
import { Wire } from './wire.js'

export interface ClientOptions {
  /** Default: as Spark's own clients, a server may be away for ten minutes. */
  readonly policy?: RetryPolicy
  readonly clock?: Clock
  readonly random?: { uniform(): number }
  /** Told of every failure that is tried again: a client that waits for ten minutes must not be silent. */
  readonly onRetry?: (notice: Notice) => void
  /** Milliseconds without an answer after which the server is asked whether it answers anything; default half a minute. */
  readonly silence?: number
}

/** A session as both sides name it. */
interface Identity {
  readonly sessionId: string
  /** The server's id, once it has answered. */
  serverId: string
}

interface CallRules {
  readonly policy?: RetryPolicy
  readonly timeout?: number
  readonly signal?: AbortSignal | undefined
  /** False where the call itself makes the session. */
  readonly renew?: boolean
  readonly identity?: Identity
  readonly first?: boolean
}

/** PySpark 4.3's deadlines: AnalyzePlan may read many files. */
const ANALYZE_TIMEOUT = 3_600_000
const CALL_TIMEOUT = 600_000
const FIRST_TIMEOUT = 60_000
const REACH_TIMEOUT = 5000
/** For what is only tried. */
const SHORT_TIMEOUT = 5000
const SILENCE = 30_000

const { analyzePlan, config, interrupt, fetchErrorDetails, releaseSession } = SparkConnectService.method

export class ConnectClient {
  readonly address: SparkAddress
  readonly #wire: Wire
  readonly #policy: RetryPolicy
  readonly #clock: Clock
  readonly #random: { uniform(): number }
  readonly #onRetry: ((notice: Notice) => void) | undefined
  readonly #silence: number
  readonly #userId: string
  /** What was set; a new session gets it again. */
  readonly #settings = new Map<string, string>()
  #identity: Identity
  #renewing: Promise<void> | undefined

  constructor(address: SparkAddress, options: ClientOptions = {}) {
    this.address = address
    this.#wire = new Wire(address)
    this.#policy = options.policy ?? PATIENT
    this.#clock = options.clock ?? systemClock
    this.#random = options.random ?? new Rng(randomInt(2 ** 32))
    this.#onRetry = options.onRetry
    this.#silence = options.silence ?? SILENCE
    this.#userId = address.userId ?? login()
    this.#identity = { sessionId: address.sessionId ?? randomUUID(), serverId: '' }
  }

  /**
   * The first call: Spark's version, e.g. `4.3.0`. Where no server speaks within five seconds it is MR_SPARK_UNREACHABLE:
   * here a wrong address is likelier than a server that comes back. One that does may take long for its first session.
   */
  async connect(signal?: AbortSignal): Promise<string> {
    if (signal?.aborted) throw cancelled(signal)
    const ready = await this.#wire.ready(REACH_TIMEOUT, signal)
    if (signal?.aborted) throw cancelled(signal)
    const timeout = ready ? FIRST_TIMEOUT : REACH_TIMEOUT / 5 // only to hear why not
    const policy = ready ? BRIEF : { ...BRIEF, maxRetries: 0 }
    // Who names a session wants that one.
    const renew = this.address.sessionId === undefined
    return this.#version({ policy, timeout, signal, renew, first: true })
  }

  async #version(rules: CallRules): Promise<string> {
    const analyze = { case: 'sparkVersion', value: {} } as const
    const { result } = await this.#call(analyzePlan, (envelope) => ({ ...envelope, analyze }), rules)
    return result.case === 'sparkVersion' ? result.value.version : ''
  }

  /** The type of a plan's rows; nothing is executed, but files may be read to infer it. */
  async schema(plan: Plan, signal?: AbortSignal): Promise<DataType | undefined> {
    const analyze = { case: 'schema', value: { plan } } as const
    const rules = { timeout: ANALYZE_TIMEOUT, signal }
    const { result } = await this.#call(analyzePlan, (envelope) => ({ ...envelope, analyze }), rules)
    return result.case === 'schema' ? result.value.schema : undefined
  }

  /** Sets the session's configuration, also of sessions that take its place; resolves to the server's warnings. */
  async set(values: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<readonly string[]> {
    const { warnings } = await this.#set(Object.entries(values), { signal })
    for (const [key, value] of Object.entries(values)) this.#settings.set(key, value)
    return warnings
  }

  #set(values: Iterable<readonly [string, string]>, rules: CallRules) {
    const pairs = Array.from(values, ([key, value]) => ({ key, value }))
    const operation = { opType: { case: 'set', value: { pairs } } } as const
    return this.#call(config, (envelope) => ({ ...envelope, operation }), rules)
  }

  /** Values of the session's configuration, in the keys' order; an unknown key is MR_SPARK_QUERY (SQL_CONF_NOT_FOUND). */
  async get(keys: readonly string[], signal?: AbortSignal): Promise<readonly (string | undefined)[]> {
    const operation = { opType: { case: 'get' as const, value: { keys: [...keys] } } }
    const { pairs } = await this.#call(config, (envelope) => ({ ...envelope, operation }), { signal })
    return keys.map((key) => pairs.find((pair) => pair.key === key)?.value)
  }

  /** Interrupts whatever the session does; resolves to the number of operations that were told. */
  async interrupt(): Promise<number> {
    const interruptType = InterruptRequest_InterruptType.ALL
    const answer = await this.#call(interrupt, (envelope) => ({ ...envelope, interruptType }), {})
    return answer.interruptedIds.length
  }

  /** Executes a plan once; see `execute` in execution.ts. `writes`: nobody is told to just run it again. */
  async *execute(
    plan: Plan,
    { signal, writes = false }: { readonly signal?: AbortSignal | undefined; readonly writes?: boolean } = {},
  ): AsyncGenerator<ExecutePlanResponse, void, undefined> {
    if (signal?.aborted) throw cancelled(signal)
    for (let renewed = false; ; renewed = true) {
      const identity = this.#identity
      // Without the server's id a request could not be told from one to a server that was started anew.
      if (identity.serverId === '') await this.#version({ signal })
      try {
        yield* execute(
          plan,
          {
            ...{ wire: this.#wire, clock: this.#clock, random: this.#random, policy: this.#policy },
            envelope: this.#envelope(identity),
            pulse: this.#pulse(identity),
            observe: (id) => this.#observe(identity, id, writes),
            explain: (failure) => this.#explain(failure, identity, { wrote: writes }),
            onRetry: this.#onRetry,
          },
          signal,
        )
        return
      } catch (error) {
        if (!(error instanceof NotExecuted)) throw error
        if (renewed) throw await this.#explain(error.failure, identity, {})
        await this.#renew(identity, signal)
      }
    }
  }

  /** Releases the session, best effort, and closes the connection. */
  async close(): Promise<void> {
    const identity = this.#identity
    if (identity.serverId !== '') {
      const { sessionId, userContext, clientType } = this.#envelope(identity)
      const message = create(ReleaseSessionRequestSchema, { sessionId, userContext, clientType })
      await this.#wire.unary(releaseSession, message, { timeout: SHORT_TIMEOUT }).catch(() => undefined)
    }
    this.#wire.close()
  }

  #envelope({ sessionId, serverId }: Identity): Envelope & Partial<Envelope> {
    return {
      sessionId,
      userContext: { userId: this.#userId },
      clientType: this.address.userAgent ?? 'millrace',
      ...(serverId !== '' && { clientObservedServerSideSessionId: serverId }),
    } as Envelope
  }

  /** Spark's version, which costs it nothing; every answer will do, also a refusal. */
  #pulse(identity: Identity): Pulse {
    const ask = (): Promise<boolean> => {
      const analyze = { case: 'sparkVersion', value: {} } as const
      const message = create(analyzePlan.input, { ...this.#envelope(identity), analyze })
      return this.#wire.unary(analyzePlan, message, { timeout: this.#silence }).then(
        () => true,
        (error: unknown) => !(error instanceof Error && 'code' in error && error.code === status.DEADLINE_EXCEEDED),
      )
    }
    return { after: this.#silence, ask }
  }

  #observe(identity: Identity, serverId: string, wrote = false): void {
    if (serverId === '') return
    if (identity.serverId === '') identity.serverId = serverId
    if (identity.serverId !== serverId)
      throw new SparkError('MR_SPARK_LOST', `another server answers at ${this.address.shown} than before`, {
        hint: 'a balancer on the way must send a session always to the same server',
        retryable: !wrote,
      })
  }

  /** A call that may be made twice, and is, as the policy says; a session that is gone is replaced once. */
  async #call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    fields: (envelope: Envelope) => MessageInitShape<I>,
    rules: CallRules,
  ): Promise<MessageShape<O>> {
    const { policy = this.#policy, timeout = CALL_TIMEOUT, signal, renew = true, first = false } = rules
    let failing: number | undefined
    for (let attempt = 0, renewed = !renew; ;) {
      const identity = rules.identity ?? this.#identity
      let failure: Failure
      try {
        const message = create(method.input, fields(this.#envelope(identity)))
        const pulse = first ? undefined : this.#pulse(identity)
        const answer = await this.#wire.unary(method, message, { timeout, signal, pulse })
        if ('serverSideSessionId' in answer) this.#observe(identity, String(answer.serverSideSessionId))
        return answer
      } catch (error) {
        if (signal?.aborted) throw cancelled(signal)
        failure = failureOf(error)
      }
      if (isSessionGone(failure) && !renewed) {
        renewed = true
        await this.#renew(identity, signal)
        continue
      }
      const now = this.#clock.monotonic()
      const delay = retryDelay(policy, attempt, failure, this.#random, now - (failing ??= now))
      if (delay === undefined) throw await this.#explain(failure, identity, { first })
      attempt++
      this.#onRetry?.({ attempt, delay, reason: failure.message })
      await this.#clock.sleep(delay, signal)
    }
  }

  /** Takes a new session in the place of one that is gone, with the same settings; for all who miss it at once. */
  async #renew(gone: Identity, signal?: AbortSignal): Promise<void> {
    if (this.#identity !== gone) return
    this.#renewing ??= this.#replace(signal).finally(() => (this.#renewing = undefined))
    await this.#renewing
  }

  async #replace(signal: AbortSignal | undefined): Promise<void> {
    const identity: Identity = { sessionId: randomUUID(), serverId: '' }
    await this.#version({ signal, renew: false, identity })
    if (this.#settings.size > 0) await this.#set(this.#settings, { signal, renew: false, identity })
    this.#identity = identity
  }

  async #explain(
    failure: Failure,
    identity: Identity,
    telling: Omit<Telling, 'shown' | 'details'>,
  ): Promise<SparkError> {
    let details: FetchErrorDetailsResponse | undefined
    if (failure.errorId !== undefined && !isSessionGone(failure)) {
      const message = create(FetchErrorDetailsRequestSchema, {
        ...this.#envelope(identity),
        errorId: failure.errorId,
      })
      // The short form is enough where the long one cannot be had.
      details = await this.#wire.unary(fetchErrorDetails, message, { timeout: SHORT_TIMEOUT }).catch(() => undefined)
    }
    return sparkError(failure, { ...telling, shown: this.address.shown, details })
  }
}

/** Who Spark's pages show as the session's user. */
function login(): string {
  try {
    return userInfo().username
  } catch {
    return 'millrace' // the system has no name for this user
  }
}
