/**
 * The loan model behind a hand-written node:http server, the work that Millrace does and nothing else: parses JSON, checks
 * columns and types, runs what came in one turn of the loop as one batch, answers JSON, counts, writes 1 % of the rows.
 *
 *   node node-http.mjs MODEL PORT LOG
 */
import { createWriteStream } from 'node:fs'
import { createServer } from 'node:http'
import { InferenceSession, Tensor } from 'onnxruntime-node'

const [model, port, log] = process.argv.slice(2)
const session = await InferenceSession.create(model, {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  logSeverityLevel: 3,
})
const COLUMNS = ['income', 'children', 'owns home', 'city', 'since']
const OUTPUTS = ['label', 'probability']
const BOUNDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const buckets = new Float64Array(BOUNDS.length + 1)
const statuses = new Map()
const sample = createWriteStream(log, { flags: 'a' })
const MISSING_TIME = -(2n ** 63n)

function answer(response, status, text, began) {
  response.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
  })
  response.end(text)
  const seconds = (performance.now() - began) / 1000
  let i = 0
  while (i < BOUNDS.length && seconds > BOUNDS[i]) i++
  buckets[i]++
  statuses.set(status, (statuses.get(status) ?? 0) + 1)
}

/** What is wrong with a row, or undefined. */
function fault(row) {
  if (typeof row !== 'object' || row === null) return 'a row is no record'
  if (Object.keys(row).length !== COLUMNS.length) return 'other columns than the model has'
  const { income, children, city, since } = row
  const home = row['owns home']
  if (income !== null && typeof income !== 'number') return '"income" is no number'
  if (children !== null && !Number.isInteger(children)) return '"children" is no whole number'
  if (home !== null && typeof home !== 'boolean') return '"owns home" is no boolean'
  if (city !== null && typeof city !== 'string') return '"city" is no text'
  if (since !== null && (typeof since !== 'string' || Number.isNaN(Date.parse(since)))) return '"since" is no time'
  return undefined
}

let waiting = []

async function flush() {
  const batch = waiting
  waiting = []
  let n = 0
  for (const { rows } of batch) n += rows.length
  const [income, children, home] = [new Float64Array(n), new Float64Array(n), new Float64Array(n)]
  const city = new Array(n)
  const since = new BigInt64Array(n)
  let at = 0
  for (const { rows } of batch)
    for (const row of rows) {
      income[at] = row.income ?? NaN
      children[at] = row.children ?? NaN
      home[at] = row['owns home'] === null ? NaN : Number(row['owns home'])
      city[at] = row.city ?? ''
      since[at++] = row.since === null ? MISSING_TIME : BigInt(Date.parse(row.since)) * 1000n
    }
  const dims = [n, 1]
  try {
    const { label, probability } = await session.run(
      {
        income: new Tensor('float64', income, dims),
        children: new Tensor('float64', children, dims),
        'owns home': new Tensor('float64', home, dims),
        city: new Tensor('string', city, dims),
        since: new Tensor('int64', since, dims),
      },
      OUTPUTS,
    )
    const [labels, p] = [label.data, probability.data]
    at = 0
    for (const { rows, response, began } of batch) {
      let text = '{"predictions":['
      for (let r = 0; r < rows.length; r++, at++) {
        const one = `{"prediction":"${labels[at]}","probability_no":${p[2 * at]},"probability_yes":${p[2 * at + 1]}}`
        text += r > 0 ? `,${one}` : one
        if (Math.random() < 0.01) sample.write(`${JSON.stringify({ at: Date.now(), row: rows[r], answer: one })}\n`)
      }
      answer(response, 200, `${text}]}`, began)
    }
  } catch (error) {
    for (const { response, began } of batch) answer(response, 500, JSON.stringify({ error: String(error) }), began)
  }
}

function take(body, response, began) {
  let rows
  try {
    rows = JSON.parse(body)
  } catch {
    return answer(response, 400, '{"error":"the body is no JSON"}', began)
  }
  if (!Array.isArray(rows)) return answer(response, 400, '{"error":"the body is no list"}', began)
  for (const row of rows) {
    const wrong = fault(row)
    if (wrong !== undefined) return answer(response, 400, JSON.stringify({ error: wrong }), began)
  }
  if (waiting.push({ rows, response, began }) === 1) setImmediate(flush)
}

const server = createServer((request, response) => {
  const began = performance.now()
  if (request.method === 'GET') {
    const lines = [...statuses].map(([status, count]) => `requests_total{status="${status}"} ${count}`)
    return response.end(`${lines.join('\n')}\n`)
  }
  if (request.method !== 'POST' || request.url !== '/invocations') return answer(response, 404, '{}', began)
  let first
  let more
  let bytes = 0
  request.on('data', (chunk) => {
    bytes += chunk.length
    if (bytes > 16 * 1024 * 1024) return request.destroy()
    if (first === undefined) first = chunk
    else (more ??= [first]).push(chunk)
  })
  request.on('end', () => {
    const body = more ? Buffer.concat(more) : (first ?? Buffer.alloc(0))
    take(body.utf8Slice(0, body.length), response, began)
  })
})
server.keepAliveTimeout = 72_000
server.listen(Number(port), '127.0.0.1')
