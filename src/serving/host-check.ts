/** Keeps web pages away from a server without a token: a browser on the same machine reaches loopback too. */
import { isIP } from 'node:net'
import type { FastifyInstance } from 'fastify'

/** True where only this machine can connect. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase()
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'))
}

/**
 * Answers only requests to a name of loopback: a page whose own name was made to lead here (DNS rebinding) still sends
 * that name as Host, and gets 421. Requests that a browser sends for a page of another origin get 403.
 */
export function addHostCheck(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    const { host = '', origin } = request.headers
    const name = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(host)
    // only HTTP/1.0 has requests without a Host, and no browser sends those
    if (host !== '' && !isLoopback(name?.[1] ?? name?.[2] ?? ''))
      return void reply.code(421).send({
        error: `a server without a token answers to localhost only, not to ${JSON.stringify(host)}; give it --token-file`,
      })
    if (origin !== undefined && origin.toLowerCase().replace(/^https?:\/\//, '') !== host.toLowerCase())
      return void reply.code(403).send({
        error: `a server without a token does not answer pages of another origin, such as ${JSON.stringify(origin)}`,
      })
    done()
  })
}
