/**
 * What a connection is told when there is no request to answer: its bytes are not HTTP, or its headers or body take too
 * long. One that has sent nothing yet is not late. Proxies open connections ahead of their requests, and whatever is
 * written to such a one would be taken for the answer to its first request.
 */
import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'

/** What fastify and node:http call an error of a connection. */
interface ConnectionError extends Error {
  readonly code: string
}

const ANSWERS: Readonly<Record<string, { readonly status: number; readonly error: string }>> = {
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, error: 'the request took too long to arrive' },
  HPE_HEADER_OVERFLOW: { status: 431, error: 'the headers of the request are too long' },
}
const NO_REQUEST = { status: 400, error: 'the bytes that came are not an HTTP request' }

/**
 * For the event clientError of node:http: an answer and the end of the connection. One that has sent nothing within the
 * time for headers stays open, and is closed without a word after `idleMs` more of silence.
 */
export function onClientError(idleMs: number): (error: ConnectionError, socket: Socket) => void {
  return (error, socket) => {
    if (error.code === 'ECONNRESET' || socket.destroyed) return
    // node:http looks at each connection once, and again from when the first byte of a request is there
    if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && socket.bytesRead === 0) return void socket.setTimeout(idleMs)
    const { status, error: why } = ANSWERS[error.code] ?? NO_REQUEST
    const body = JSON.stringify({ error: why })
    const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json; charset=utf-8`
    if (socket.writable)
      socket.write(`${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`)
    socket.destroy(error)
  }
}

/** To be called with each request: the limit on silence is none on how long its answer may take. */
export function noLongerIdle({ socket }: IncomingMessage): void {
  if (socket.timeout) socket.setTimeout(0)
}
