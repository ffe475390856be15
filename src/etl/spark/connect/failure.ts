/** What went wrong in a call, as gRPC and Spark tell it, and as an error that a person can act on. */
import { status, type ServiceError } from '@grpc/grpc-js'
import { fromBinary } from '@bufbuild/protobuf'
import { anyUnpack } from '@bufbuild/protobuf/wkt'
import { MillraceError, type ErrorCode, type ErrorOptions } from '../../../core/errors.js'
import type { FetchErrorDetailsResponse, FetchErrorDetailsResponse_Error } from './connect_pb.js'
import { ErrorInfoSchema, RetryInfoSchema, StatusSchema } from './status_pb.js'

/** A call's end as it came over the wire. */
export interface Failure {
  readonly code: status
  readonly message: string
  /** Spark's error class, e.g. `UNRESOLVED_COLUMN.WITH_SUGGESTION`. */
  readonly errorClass?: string
  readonly sqlState?: string
  /** Under which the server keeps the whole error; it tells it once. */
  readonly errorId?: string
  /** Milliseconds that the server asks to wait before the next attempt. */
  readonly retryDelay?: number
  /** The request never left this machine. */
  readonly unsent: boolean
}

/** An error of Spark's: `errorClass` and `sqlState` as Spark names them, where it does. */
export class SparkError extends MillraceError {
  readonly errorClass?: string
  readonly sqlState?: string
  /** The server was waited for and did not come back: asking it at once again is of no use. */
  readonly away: boolean
  /** By name, what the message was made from. */
  readonly parameters: Readonly<Record<string, string>>

  constructor(
    code: ErrorCode,
    message: string,
    options: ErrorOptions & {
      readonly errorClass?: string | undefined
      readonly sqlState?: string | undefined
      readonly parameters?: Readonly<Record<string, string>>
      readonly away?: boolean
    } = {},
  ) {
    super(code, message, options)
    if (options.errorClass !== undefined) this.errorClass = options.errorClass
    if (options.sqlState !== undefined) this.sqlState = options.sqlState
    this.parameters = options.parameters ?? {}
    this.away = options.away ?? false
  }
}

/** Reads what grpc-js threw; anything else is thrown on, being no failure of a call. */
export function failureOf(error: unknown): Failure {
  if (!isServiceError(error)) throw error
  const base = { code: error.code, message: error.details, unsent: neverSent(error) }
  const [bytes] = error.metadata?.get('grpc-status-details-bin') ?? []
  if (!(bytes instanceof Uint8Array)) return base
  const { details, message } = decodeStatus(bytes)
  const info = details.flatMap((any) => anyUnpack(any, ErrorInfoSchema) ?? [])[0]
  const retry = details.flatMap((any) => anyUnpack(any, RetryInfoSchema) ?? [])[0]
  const wait = retry?.retryDelay
  return {
    ...base,
    // the trailer's message is not cut at 2048 characters where the status line's is
    message: message.length > base.message.length ? message : base.message,
    ...optional('errorClass', info?.metadata['errorClass']),
    ...optional('sqlState', info?.metadata['sqlState']),
    ...optional('errorId', info?.metadata['errorId']),
    ...(retry !== undefined && { retryDelay: Number(wait?.seconds ?? 0) * 1000 + (wait?.nanos ?? 0) / 1e6 }),
  }
}

function decodeStatus(bytes: Uint8Array) {
  try {
    return fromBinary(StatusSchema, bytes)
  } catch {
    return { details: [], message: '' } // a proxy's own trailer
  }
}

/** True for a failure of the class, or, where the server cut the class away, of a message that begins with it. */
export function isClass(failure: Failure, ...classes: readonly string[]): boolean {
  return classes.some((name) => failure.errorClass === name || failure.message.includes(`[${name}]`))
}

const SESSION_GONE = ['SESSION_CHANGED', 'SESSION_NOT_FOUND', 'SESSION_CLOSED'].map((fact) => `INVALID_HANDLE.${fact}`)

/** The server does not know the session, or not any more: it was started anew, or the session was idle for too long. */
export function isSessionGone(failure: Failure): boolean {
  return isClass(failure, ...SESSION_GONE)
}

/** gRPC's client says so when there was no connection to send on. */
function neverSent(error: ServiceError): boolean {
  return error.code === status.UNAVAILABLE && /^(No connection established|Name resolution failed)/.test(error.details)
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error
}

export interface Telling {
  /** The server's address. */
  readonly shown: string
  /** What the server told of the failure (FetchErrorDetails). */
  readonly details?: FetchErrorDetailsResponse | undefined
  /** What failed wrote something: doing it again is not known to be safe. */
  readonly wrote?: boolean
  /** It was the first call. */
  readonly first?: boolean
}

/** The error for a person. */
export function sparkError(failure: Failure, { shown, details, wrote = false, first = false }: Telling): SparkError {
  const { code, errorClass, sqlState } = failure
  const said = readable(failure.message)
  if (code === status.UNAUTHENTICATED || code === status.PERMISSION_DENIED)
    return new SparkError('MR_SPARK_AUTH', `${shown} refuses this client: ${said}`, {
      hint: 'give the right token in the address: sc://host:port/;token=…',
    })
  const away = code === status.UNAVAILABLE || code === status.DEADLINE_EXCEEDED
  if (code === status.UNIMPLEMENTED || (!away && /Received HTTP status code/.test(failure.message)))
    return new SparkError('MR_SPARK_UNREACHABLE', `${shown} answers, but is no Spark Connect server: ${said}`, {
      hint: 'look at host and port, and at a proxy on the way: it must pass gRPC (HTTP/2) on',
    })
  if (away && first)
    return new SparkError('MR_SPARK_UNREACHABLE', `no Spark Connect server answers at ${shown}: ${said}`, {
      hint: 'start one there, or look at the address and at use_ssl',
      retryable: true,
    })
  if (away || isGone(failure))
    return new SparkError(
      'MR_SPARK_LOST',
      `the Spark ${isSessionGone(failure) ? 'session' : 'server'} at ${shown} went away with what it was doing: ${said}`,
      {
        ...{ retryable: !wrote, errorClass, sqlState, away },
        hint: wrote
          ? 'it may have been done or not: look at what it was to write before running it again'
          : 'run it again once the server is there',
      },
    )
  if (code === status.RESOURCE_EXHAUSTED && /larger than max/.test(failure.message))
    return new SparkError('MR_SPARK_QUERY', `a message of ${shown} is too large: ${said}`, {
      hint: 'set spark.sql.execution.arrow.maxRecordsPerBatch lower',
    })
  const told = details === undefined ? [] : chain(details)
  const root = told[0]?.sparkThrowable
  const name = root?.errorClass ?? errorClass
  const text = told.length === 0 ? said : story(told)
  const named = name === undefined || text.includes(name) ? text : `[${name}] ${text}`
  return new SparkError('MR_SPARK_QUERY', `Spark: ${named}`, {
    ...{ errorClass: name, sqlState: root?.sqlState ?? sqlState },
    parameters: root?.messageParameters ?? {},
  })
}

/** The server, its context or what it knew of the operation is gone. */
function isGone(failure: Failure): boolean {
  const { errorClass = '', message } = failure
  return (
    /^INVALID_(HANDLE|CURSOR)\./.test(errorClass) ||
    /\[INVALID_(HANDLE|CURSOR)\./.test(message) ||
    /stopped SparkContext|SparkContext (was|has been) (shut ?down|stopped)/i.test(message)
  )
}

/** An error and its causes, outermost first. */
function chain({ errors, rootErrorIdx }: FetchErrorDetailsResponse): readonly FetchErrorDetailsResponse_Error[] {
  const found: FetchErrorDetailsResponse_Error[] = []
  let next = rootErrorIdx
  while (next !== undefined && found.length < errors.length) {
    const error = errors[next]
    if (error === undefined) break
    found.push(error)
    next = error.causeIdx
  }
  return found
}

/** The outermost error says what was done, the inner ones why it failed; what is said already is left out. */
function story(errors: readonly FetchErrorDetailsResponse_Error[]): string {
  const parts: string[] = []
  for (const { message, errorTypeHierarchy } of errors) {
    // an Error of Java's says little without its name: "Java heap space"
    const [, name] = /([^.$]+Error)$/.exec(errorTypeHierarchy[0] ?? '') ?? []
    const text = name === undefined || message.includes(name) ? readable(message) : `${name}: ${readable(message)}`
    if (text !== '' && !parts.some((part) => part.includes(text))) parts.push(text)
  }
  return parts.join('; because: ')
}

const LONGEST = 2000

/** Without the server's stack traces. */
function readable(message: string): string {
  const text = message.split(/\n\s*(?:Driver stacktrace|at [\w$.]+\(|JVM stacktrace)/)[0]?.trim() ?? ''
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text
}

function optional<Key extends string>(key: Key, value: string | undefined): Partial<Record<Key, string>> {
  return value === undefined ? {} : ({ [key]: value } as Partial<Record<Key, string>>)
}
