/**
 * What a real Spark cannot be made to answer at will: the protocol's corners, by a script. The client on the real server
 * is tested in test/engines.
 */
import { createServer as createHttp2 } from 'node:http2'
import { createServer, type Server } from 'node:net'
import { create, fromBinary, toBinary, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf'
import { anyPack } from '@bufbuild/protobuf/wkt'
import { Metadata, status } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../core/clock.js'
import { FaultyServer, type Script } from '../../../../test/spark/faulty-server.js'
import {
  AnalyzePlanResponseSchema,
  ConfigRequestSchema,
  ConfigResponseSchema,
  ExecutePlanRequestSchema,
  ExecutePlanResponseSchema,
} from './connect_pb.js'
import { SparkSession, type SessionOptions } from './session.js'
import { PATIENT } from './retry.js'
import { ErrorInfoSchema, RetryInfoSchema, StatusSchema } from './status_pb.js'

const say = <T extends DescMessage>(schema: T, value: MessageInitShape<T>): Uint8Array =>
  toBinary(schema, create(schema, value))
const version = (text = '4.3.0', serverSideSessionId = 'server') =>
  say(AnalyzePlanResponseSchema, { serverSideSessionId, result: { case: 'sparkVersion', value: { version: text } } })
const complete = (serverSideSessionId = 'server') =>
  say(ExecutePlanResponseSchema, {
    ...{ serverSideSessionId, responseId: 'r', responseType: { case: 'resultComplete', value: {} } },
  })

/** An error as Spark sends it. */
function failed(errorClass: string, code = status.INTERNAL, retryAfter?: bigint) {
  const info = create(ErrorInfoSchema, { metadata: { errorClass, sqlState: 'HY000' } })
  const details = [anyPack(ErrorInfoSchema, info)]
  if (retryAfter !== undefined)
    details.push(anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay: { seconds: retryAfter, nanos: 0 } })))
  const metadata = new Metadata()
  metadata.set(
    'grpc-status-details-bin',
    Buffer.from(say(StatusSchema, { code, message: `[${errorClass}] x`, details })),
  )
  return { code, details: `[${errorClass}] x`, metadata }
}

/** A clock on which waiting takes no time. */
function hurried() {
  const waits: number[] = []
  const clock = {
    ...systemClock,
    sleep: (ms: number, signal?: AbortSignal) => {
      waits.push(ms)
      return systemClock.sleep(0, signal)
    },
  }
  return { waits, clock }
}

async function withSession<T>(
  script: Script,
  use: (session: SparkSession, server: FaultyServer) => Promise<T>,
  options: SessionOptions = {},
): Promise<T> {
  await using server = await FaultyServer.start(script)
  await using session = await SparkSession.connect(server.address, { clock: hurried().clock, ...options })
  return await use(session, server)
}

const outcome = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'done',
    (error: unknown) => error,
  )
const target = { format: 'parquet', path: '/nowhere', mode: 'append' } as const

describe('a server that was started anew', () => {
  it('after a request that may have arrived: the write is lost, and not sent to it', async () => {
    const script: Script = (method) => {
      if (method === 'AnalyzePlan') return [version()]
      if (method === 'ExecutePlan') return { code: status.UNAVAILABLE, details: 'gone' }
      return method === 'ReattachExecute' ? failed('INVALID_HANDLE.SESSION_NOT_FOUND') : []
    }
    await withSession(script, async (session, server) => {
      expect(await outcome(session.write(session.sql('SELECT 1'), target))).toMatchObject({
        ...{ code: 'MR_SPARK_LOST', retryable: false, errorClass: 'INVALID_HANDLE.SESSION_NOT_FOUND' },
      })
      expect(server.count('ExecutePlan')).toBe(1)
    })
  })

  it('before the request: it goes to a new session with the same configuration, and names the server it knows', async () => {
    const seen: { session: string; server: string | undefined; operation: string | undefined }[] = []
    const settings: string[] = []
    const script: Script = (method, bytes, call) => {
      if (method === 'AnalyzePlan') return [version('4.3.0', call === 1 ? 'old' : 'new')]
      if (method === 'Config') {
        const { sessionId, operation } = fromBinary(ConfigRequestSchema, bytes)
        if (operation?.opType.case === 'set')
          settings.push(
            `${sessionId} ${operation.opType.value.pairs.map(({ key, value }) => `${key}=${value}`).join()}`,
          )
        return [say(ConfigResponseSchema, { serverSideSessionId: seen.length === 0 ? 'old' : 'new' })]
      }
      if (method !== 'ExecutePlan') return []
      const request = fromBinary(ExecutePlanRequestSchema, bytes)
      seen.push({
        ...{ session: request.sessionId, operation: request.operationId },
        server: request.clientObservedServerSideSessionId,
      })
      return call === 1 ? failed('INVALID_HANDLE.SESSION_CHANGED') : [complete('new')]
    }
    await withSession(script, async (session) => {
      await session.config({ a: '1', b: '2' })
      await session.write(session.sql('SELECT 1'), target)
    })
    expect(seen.map(({ server }) => server)).toEqual(['old', 'new'])
    expect(new Set(seen.map(({ session }) => session)).size).toBe(2)
    expect(settings.map((text) => text.split(' ')[1])).toEqual(['a=1,b=2', 'a=1,b=2'])
    expect(settings[1]).toContain(seen[1]?.session)
  })
})

describe('an operation', () => {
  it('that never arrived is sent again under the same id; one that did is asked for', async () => {
    const ids: (string | undefined)[] = []
    const script: Script = (method, bytes, call) => {
      if (method === 'AnalyzePlan') return [version()]
      if (method === 'ReattachExecute') return call === 1 ? failed('INVALID_HANDLE.OPERATION_NOT_FOUND') : [complete()]
      if (method !== 'ExecutePlan') return []
      ids.push(fromBinary(ExecutePlanRequestSchema, bytes).operationId)
      return call === 1 ? { code: status.UNAVAILABLE } : failed('INVALID_HANDLE.OPERATION_ALREADY_EXISTS')
    }
    await withSession(script, async (session, server) => {
      expect(await outcome(session.run(session.sql('INSERT')))).toBe('done')
      expect(server.calls.filter((method) => /^(Ex|Rea)/.test(method))).toEqual([
        ...['ExecutePlan', 'ReattachExecute', 'ExecutePlan', 'ReattachExecute'],
      ])
    })
    expect(new Set(ids).size).toBe(1)
  })

  it('whose server stays away is given up after fifteen retries, over ten minutes, each of them told', async () => {
    const { waits, clock } = hurried()
    let told = 0
    const script: Script = (method) => (method === 'AnalyzePlan' ? [version()] : { code: status.UNAVAILABLE })
    const options = { clock, onRetry: () => void told++ }
    await withSession(
      script,
      async (session) => {
        expect(await outcome(session.run(session.sql('SELECT 1')))).toMatchObject({ code: 'MR_SPARK_LOST' })
      },
      options,
    )
    expect([told, waits.length]).toEqual([15, 15])
    expect(waits.reduce((sum, wait) => sum + wait, 0)).toBeGreaterThan(600_000)
  })

  it('whose streams end at once is asked for slower and slower, not for ever', async () => {
    const script: Script = (method) => (method === 'AnalyzePlan' ? [version()] : [])
    await withSession(script, async (session, server) => {
      expect(await outcome(session.run(session.sql('SELECT 1')))).toMatchObject({ code: 'MR_SPARK_LOST' })
      expect(server.count('ExecutePlan') + server.count('ReattachExecute')).toBeLessThan(20)
    })
  })

  it('waits as the server asks', async () => {
    const { waits, clock } = hurried()
    const script: Script = (method, _, call) => {
      if (method === 'AnalyzePlan') return [version()]
      return method === 'ExecutePlan' && call === 1 ? failed('BUSY', status.RESOURCE_EXHAUSTED, 7n) : [complete()]
    }
    await withSession(script, (session) => session.run(session.sql('SELECT 1')), { clock })
    expect(waits).toHaveLength(1)
    expect(waits[0]).toBeGreaterThanOrEqual(7000)
  })

  it('of a stopped context is lost, though Spark gives no class', async () => {
    const details = 'Cannot call methods on a stopped SparkContext.\nThis stopped SparkContext was created at:'
    const script: Script = (method) => (method === 'AnalyzePlan' ? [version()] : { code: status.INTERNAL, details })
    await withSession(script, async (session) => {
      expect(await outcome(session.run(session.sql('SELECT 1')))).toMatchObject({ code: 'MR_SPARK_LOST' })
    })
  })
})

describe('a server that takes calls and answers none', () => {
  const never = new Promise<never>(() => undefined)
  const impatient = { ...PATIENT, maxRetries: 3, patience: 300 }

  it.each([
    ['a query', (session: SparkSession) => session.run(session.sql('SELECT 1'))],
    ['configuration', (session: SparkSession) => session.config({ a: '1' })],
    ['a schema', (session: SparkSession) => session.schema(session.sql('SELECT 1'))],
  ])('is told by a question that it would answer at once: %s', async (_, ask) => {
    const script: Script = (method, __, call) => (method === 'AnalyzePlan' && call === 1 ? [version()] : never)
    const reasons: string[] = []
    const onRetry = ({ reason }: { readonly reason: string }) => reasons.push(reason)
    const began = performance.now()
    await using server = await FaultyServer.start(script)
    const session = await SparkSession.connect(server.address, { policy: impatient, silence: 60, onRetry })
    const error = await outcome(ask(session))
    expect(error).toMatchObject({ code: 'MR_SPARK_LOST', away: true })
    expect(String(error)).toContain('it takes calls and has answered none for')
    expect(reasons.length).toBeGreaterThan(0)
    expect(performance.now() - began).toBeLessThan(5000)
  })

  it('is another than one that works long on something', async () => {
    const later = async (answer: readonly Uint8Array[]) => {
      await systemClock.sleep(500)
      return answer
    }
    const script: Script = (method) => {
      if (method === 'AnalyzePlan') return [version()]
      return later([method === 'Config' ? say(ConfigResponseSchema, { serverSideSessionId: 'server' }) : complete()])
    }
    const use = async (session: SparkSession, server: FaultyServer) => {
      await session.config({ a: '1' })
      await session.run(session.sql('SELECT 1'))
      expect([server.count('Config'), server.count('ExecutePlan'), server.count('ReattachExecute')]).toEqual([1, 1, 0])
      // it was asked
      expect(server.count('AnalyzePlan')).toBeGreaterThan(3)
    }
    await withSession(script, use, { silence: 100 })
  })
})

describe('connecting', () => {
  const listening = async (server: Server): Promise<number> => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  it.concurrent('to nobody is told within seconds', async () => {
    const server = createServer()
    const port = await listening(server)
    await new Promise((resolve) => server.close(resolve))
    const began = performance.now()
    const error = await outcome(SparkSession.connect(`sc://127.0.0.1:${port}/;token=geheim`))
    expect(error).toMatchObject({ code: 'MR_SPARK_UNREACHABLE', retryable: true })
    expect(String(error)).toContain('ECONNREFUSED')
    expect(String(error)).not.toContain('geheim')
    expect(performance.now() - began).toBeLessThan(10_000)
  })

  it.concurrent('to who listens and says nothing is told within seconds', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined))
    const port = await listening(server)
    const began = performance.now()
    expect(await outcome(SparkSession.connect(`sc://127.0.0.1:${port}`))).toMatchObject({
      code: 'MR_SPARK_UNREACHABLE',
    })
    expect(performance.now() - began).toBeLessThan(10_000)
    server.close()
  })

  it.concurrent('is given up at once when it is interrupted', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined))
    const port = await listening(server)
    const controller = new AbortController()
    const connecting = outcome(SparkSession.connect(`sc://127.0.0.1:${port}`, { signal: controller.signal }))
    setTimeout(() => controller.abort(), 100)
    const began = performance.now()
    expect(await connecting).toMatchObject({ code: 'MR_CANCELLED' })
    expect(performance.now() - began).toBeLessThan(1000)
    server.close()
  })

  it('to a web server says that it is none of Spark', async () => {
    const server = createHttp2((request, response) => {
      response.statusCode = 404
      response.end()
    })
    const port = await listening(server)
    const error = await outcome(SparkSession.connect(`sc://127.0.0.1:${port}`))
    expect(error).toMatchObject({ code: 'MR_SPARK_UNREACHABLE' })
    expect(String(error)).toContain('404')
    server.close()
  })

  it('to Spark 3 is refused', async () => {
    await using server = await FaultyServer.start(() => [version('3.5.7')])
    expect(await outcome(SparkSession.connect(server.address))).toMatchObject({ code: 'MR_SPARK_VERSION' })
  })
})

describe('queries', () => {
  it('with names and arguments that the server would misread are refused', async () => {
    await withSession(
      (method) => (method === 'AnalyzePlan' ? [version()] : []),
      async (session) => {
        const wrong = [
          () => session.sql('SELECT 1', { a: 1 }),
          () => session.sql('SELECT :ab', { a: 1 }),
          () => session.sql('SELECT * FROM t', {}, { 'a b': { table: 't' } }),
          () => session.sql('SELECT ?', [2n ** 63n]),
          () => session.sql('SELECT ?', [{ integer: 2 ** 31 }]),
          () => session.sql('SELECT ?', [{ decimal: '1e5' }]),
          () => session.sql('SELECT ?', [{ date: '30.11.2026' }]),
          () => session.sql('SELECT ?', [new Date(NaN)]),
        ]
        for (const make of wrong)
          expect(make, String(make)).toThrow(expect.objectContaining({ code: 'MR_SPARK_ARGUMENT' }) as Error)
      },
    )
  })
})
