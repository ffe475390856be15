/**
 * One-row JSON requests over 64 keep-alive connections, closed loop, from this process against servers in processes of
 * their own: Millrace, and node:http with a constant answer. Interleaved A-B-B-A. Prints JSON with every round.
 *
 *   npx tsx bench/serving.ts [seconds a round]
 */
import { type ChildProcess, fork } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ServedModels } from '../src/serving/models.js'
import { startServer } from '../src/serving/server.js'
import { loanModel } from '../test/models.js'

const CONNECTIONS = 64
const BODY = '[{"income":1234.5,"children":2,"owns home":true,"city":"Oslo","since":"2021-01-01T10:00:00Z"}]'
const REQUEST = Buffer.from(
  `POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
)

interface Round {
  readonly server: string
  readonly requests: number
  readonly failed: number
  readonly perSecond: number
  readonly cpuMicros: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** In the server's process: says its port, then its CPU time whenever it is asked. */
async function serve(kind: string, model: string): Promise<void> {
  let port: number
  if (kind === 'millrace') {
    const models = await ServedModels.open({ sources: [model], worker: true })
    const { address } = await startServer({ models, version: 'bench', port: 0 })
    port = Number(new URL(address).port)
  } else {
    const answer = '{"predictions":[{"prediction":"yes","probability_no":0.1,"probability_yes":0.9}]}'
    const headers = { 'content-type': 'application/json; charset=utf-8', 'content-length': answer.length }
    const server = createServer((request, response) => {
      request.resume().on('end', () => response.writeHead(200, headers).end(answer))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    port = (server.address() as { port: number }).port
  }
  process.on('message', () => process.send?.({ cpu: process.cpuUsage() }))
  process.send?.({ port })
}

const next = <T>(child: ChildProcess): Promise<T> => new Promise((resolve) => child.once('message', resolve))
async function cpu(child: ChildProcess): Promise<number> {
  const answer = next<{ cpu: NodeJS.CpuUsage }>(child)
  child.send('cpu')
  const { user, system } = (await answer).cpu
  return user + system
}

/** One connection: sends a request when the answer before has come. Raw sockets keep the client's own cost low. */
function connection(port: number, until: number, latencies: number[], failures: { count: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    socket.setNoDelay(true)
    let sent = 0
    let text = ''
    const send = (): void => {
      if (performance.now() >= until) return void socket.end()
      sent = performance.now()
      text = ''
      socket.write(REQUEST)
    }
    socket.on('connect', send)
    socket.on('data', (data) => {
      text += data.toString('latin1')
      const head = text.indexOf('\r\n\r\n')
      const length = head < 0 ? undefined : /content-length: (\d+)/i.exec(text)?.[1]
      if (length === undefined || text.length < head + 4 + Number(length)) return
      latencies.push(performance.now() - sent)
      if (!text.startsWith('HTTP/1.1 200')) failures.count++
      send()
    })
    socket.on('error', reject)
    socket.on('close', () => resolve())
  })
}

async function round(name: string, child: ChildProcess, port: number, seconds: number): Promise<Round> {
  const latencies: number[] = []
  const failures = { count: 0 }
  const before = await cpu(child)
  const start = performance.now()
  const until = start + seconds * 1000
  await Promise.all(Array.from({ length: CONNECTIONS }, () => connection(port, until, latencies, failures)))
  const elapsed = (performance.now() - start) / 1000
  const used = (await cpu(child)) - before
  latencies.sort((a, b) => a - b)
  const at = (q: number): number => latencies[Math.floor(q * (latencies.length - 1))] ?? NaN
  return {
    server: name,
    requests: latencies.length,
    failed: failures.count,
    perSecond: Math.round(latencies.length / elapsed),
    cpuMicros: Math.round((used / latencies.length) * 10) / 10,
    p50Ms: Math.round(at(0.5) * 1000) / 1000,
    p99Ms: Math.round(at(0.99) * 1000) / 1000,
  }
}

async function main(seconds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
  const model = join(folder, 'model.onnx')
  writeFileSync(model, loanModel())
  const kinds = ['millrace', 'node:http constant']
  const servers = await Promise.all(
    kinds.map(async (kind) => {
      const child = fork(fileURLToPath(import.meta.url), ['--serve', kind, model], { execArgv: process.execArgv })
      return { kind, child, port: (await next<{ port: number }>(child)).port }
    }),
  )
  try {
    const rounds: Round[] = []
    // the first pass warms up and is not kept
    for (const { kind, child, port } of servers) await round(kind, child, port, 3)
    for (const index of [0, 1, 1, 0]) {
      const { kind, child, port } = servers[index]!
      rounds.push(await round(kind, child, port, seconds))
    }
    const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version }
    process.stdout.write(`${JSON.stringify({ connections: CONNECTIONS, seconds, machine, rounds }, undefined, 2)}\n`)
  } finally {
    for (const { child } of servers) child.kill()
    rmSync(folder, { recursive: true })
  }
}

if (process.argv[2] === '--serve') await serve(process.argv[3] as string, process.argv[4] as string)
else await main(Number(process.argv[2] ?? 5))
