/** A closed-loop client: each keep-alive connection sends its next request when the answer before has come. */
import { connect } from 'node:net'

export interface Target {
  readonly port: number
  readonly path: string
  readonly body: string
}

export interface LoadResult {
  readonly requests: number
  readonly failed: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Of this process meanwhile, of one core: near 1 the client is what is measured. */
  readonly clientCpu: number
}

export function requestOf({ path, body }: Target): Buffer {
  const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json`
  return Buffer.from(`${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
}

/** True where `text` is a whole HTTP answer, with a length or chunked. */
function isWhole(text: string): boolean {
  const head = text.indexOf('\r\n\r\n')
  if (head < 0) return false
  const length = /content-length: *(\d+)/i.exec(text)?.[1]
  return length === undefined ? text.endsWith('0\r\n\r\n') : text.length >= head + 4 + Number(length)
}

function connection(
  port: number,
  request: Buffer,
  until: number,
  latencies: number[],
  failures: { count: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    socket.setNoDelay(true)
    let sent = 0
    let text = ''
    const send = (): void => {
      if (performance.now() >= until) return void socket.end()
      sent = performance.now()
      text = ''
      socket.write(request)
    }
    socket.on('connect', send)
    socket.on('data', (data) => {
      text += data.toString('latin1')
      if (!isWhole(text)) return
      latencies.push(performance.now() - sent)
      if (!text.startsWith('HTTP/1.1 200')) failures.count++
      send()
    })
    socket.on('error', reject)
    socket.on('close', () => resolve())
  })
}

/** Loads the server for `seconds` over `connections`. Latencies in ms, of all requests. */
export async function closedLoop(target: Target, connections: number, seconds: number): Promise<LoadResult> {
  const request = requestOf(target)
  const latencies: number[] = []
  const failures = { count: 0 }
  const [start, cpu] = [performance.now(), process.cpuUsage()]
  const until = start + seconds * 1000
  const all = Array.from({ length: connections }, () => connection(target.port, request, until, latencies, failures))
  await Promise.all(all)
  const elapsed = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpu)
  const sorted = Float64Array.from(latencies).sort()
  const at = (q: number): number => Number((sorted[Math.floor(q * (sorted.length - 1))] ?? NaN).toFixed(3))
  return {
    requests: sorted.length,
    failed: failures.count,
    perSecond: Math.round(sorted.length / elapsed),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    clientCpu: Number(((user + system) / 1e6 / elapsed).toFixed(2)),
  }
}
