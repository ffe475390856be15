/**
 * Where a Spark Connect server is and how to speak to it: `sc://host:port/;key=value;…`, the format of Spark's own
 * clients (connector/connect/docs/client-connection-string.md in Spark's sources).
 */
import { MillraceError, nearest } from '../../../core/errors.js'

export interface SparkAddress {
  readonly host: string
  readonly port: number
  readonly tls: boolean
  readonly token?: string
  readonly userId?: string
  /** A UUID: joins a session that exists. */
  readonly sessionId?: string
  readonly userAgent?: string
  /** Sent with every call. */
  readonly headers: Readonly<Record<string, string>>
  /** The address for messages: host and port, no token. */
  readonly shown: string
}

const KEYS = ['token', 'use_ssl', 'user_id', 'session_id', 'user_agent']
const EXAMPLE = 'sc://host:15002/;use_ssl=true;token=…'
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/**
 * Reads an address. Keys other than `token`, `use_ssl`, `user_id`, `session_id` and `user_agent` are headers of every
 * call. A token means TLS, except to this machine, unless `use_ssl` says otherwise; one that would travel in the clear
 * to another machine is refused. Throws MR_SPARK_ADDRESS; no message holds the token.
 */
export function parseAddress(text: string): SparkAddress {
  const match = /^sc:\/\/(\[[0-9a-fA-F:.]+\]|[^/:;?#@[\]]+)(?::([^/;]*))?(?:\/(.*))?$/.exec(text.trim())
  if (match === null) throw invalid(`${JSON.stringify(withoutValues(text))} is not an address of Spark Connect`)
  const [, host = '', portText, rest = ''] = match
  const shown = `sc://${host}:${portText ?? 15002}`
  const port = portText === undefined ? 15002 : Number(portText)
  if (!/^\d+$/.test(portText ?? '0') || port > 65535 || (port === 0 && portText !== undefined))
    throw invalid(`${shown}: port ${JSON.stringify(portText)} is not a number from 1 to 65535`)
  if (rest !== '' && !rest.startsWith(';'))
    throw invalid(
      `${shown}: ${JSON.stringify(withoutValues(rest))} after the slash: the path must be empty, options follow "/;"`,
    )
  const values = options(rest, shown)
  const headers: Record<string, string> = {}
  for (const [key, value] of values) {
    if (KEYS.includes(key)) continue
    const known = nearest(key, KEYS)
    if (known !== undefined) throw invalid(`${shown}: unknown option ${key}`, `did you mean ${known}?`)
    if (!/^[a-z0-9_.-]+$/.test(key) || /^grpc[-_]/.test(key) || key.endsWith('-bin'))
      throw invalid(`${shown}: option ${key} is neither one of ${KEYS.join(', ')} nor a name that a header can have`)
    if (!/^[\x20-\x7e]*$/.test(value)) throw invalid(`${shown}: the value of ${key} is not printable ASCII`)
    headers[key] = value
  }
  const [token, sessionId, userAgent] = [values.get('token'), values.get('session_id'), values.get('user_agent')]
  if (sessionId !== undefined && !UUID.test(sessionId))
    throw invalid(`${shown}: session_id ${JSON.stringify(sessionId)} is not a UUID`)
  if (userAgent !== undefined && userAgent.length > 2048)
    throw invalid(`${shown}: user_agent has ${userAgent.length} characters; at most 2048`)
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token))
    throw invalid(`${shown}: the token is empty or holds what a header cannot carry`)
  const ssl = values.get('use_ssl')
  if (ssl !== undefined && !/^(true|false)$/i.test(ssl))
    throw invalid(`${shown}: use_ssl=${JSON.stringify(ssl)} is neither true nor false`)
  const local = isLoopback(host)
  const tls = ssl === undefined ? token !== undefined && !local : ssl.toLowerCase() === 'true'
  if (token !== undefined && !tls && !local)
    throw invalid(`${shown}: a token without TLS could be read on the way`, 'take use_ssl=false away')
  const userId = values.get('user_id')
  return {
    ...{ host: host.replace(/^\[|\]$/g, ''), port, tls, headers, shown },
    ...(token !== undefined && { token }),
    ...(userId !== undefined && { userId }),
    ...(sessionId !== undefined && { sessionId }),
    ...(userAgent !== undefined && { userAgent }),
  }
}

function options(rest: string, shown: string): Map<string, string> {
  const values = new Map<string, string>()
  for (const part of rest.split(';')) {
    if (part === '') continue
    const equals = part.indexOf('=')
    if (equals <= 0) throw invalid(`${shown}: option ${JSON.stringify(withoutValues(part))} is not key=value`)
    const key = part.slice(0, equals)
    if (values.has(key)) throw invalid(`${shown}: option ${key} is given twice`)
    try {
      values.set(key, decodeURIComponent(part.slice(equals + 1)))
    } catch {
      throw invalid(`${shown}: the value of ${key} has a % that begins no escape`, 'write %25 for a percent sign')
    }
  }
  return values
}

function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase()
  return name === 'localhost' || name.endsWith('.localhost') || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name)
}

/** What follows an equals sign, or stands before an @, could be a secret. */
function withoutValues(text: string): string {
  return text.replace(/=[^;]*/g, '=…').replace(/\/\/[^/]*@/, '//…@')
}

function invalid(message: string, hint = `the form is ${EXAMPLE}`): MillraceError {
  return new MillraceError('MR_SPARK_ADDRESS', message, { hint })
}
