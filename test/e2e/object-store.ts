/** A real object store on loopback: SeaweedFS, which scripts/setup-tests.sh installs into .venv from PyPI. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from './cli.js'
import { PYTHON } from './python.js'

export const ACCESS_KEY = 'millrace-tests'
export const SECRET_KEY = 'a-secret-that-stands-nowhere'

export interface ObjectStore extends AsyncDisposable {
  readonly endpoint: string
  readonly port: number
  /** Uploads by another client than ours: Arrow's, which is AWS's in C++. Keys of all files below the folder. */
  upload(folder: string, bucket: string): Promise<void>
  /** As by kill -9. */
  kill(): Promise<void>
  restart(): Promise<void>
}

/** Starts one that keeps its data in `folder`; ready when it answers. */
export async function startObjectStore(folder: string): Promise<ObjectStore> {
  const weed = join(ROOT, '.venv', 'bin', 'weed')
  if (!existsSync(weed)) throw new Error('.venv/bin/weed is missing: bash scripts/setup-tests.sh')
  const identity = {
    name: 'tests',
    credentials: [{ accessKey: ACCESS_KEY, secretKey: SECRET_KEY }],
    actions: ['Admin', 'Read', 'Write', 'List'],
  }
  const anonymous = { name: 'anonymous', actions: ['Read:public', 'List:public'] }
  await writeFile(join(folder, 's3.json'), JSON.stringify({ identities: [identity, anonymous] }))
  const [port = 0, ...ports] = await freePorts(8)
  const endpoint = `http://127.0.0.1:${port}`
  let child: ChildProcess
  const begin = async (): Promise<void> => {
    const services = ['master', 'volume', 'filer'].flatMap((name, i) => [
      `-${name}.port=${ports[2 * i]}`,
      `-${name}.port.grpc=${ports[2 * i + 1]}`,
    ])
    child = spawn(
      weed,
      [
        'server',
        `-dir=${folder}`,
        '-ip=127.0.0.1',
        '-ip.bind=127.0.0.1',
        ...services,
        '-s3',
        `-s3.port=${port}`,
        `-s3.port.grpc=${ports[6]}`,
        '-s3.port.iceberg=0',
        '-s3.port.lance=0',
        `-s3.config=${join(folder, 's3.json')}`,
        '-volume.max=0',
        '-master.electionTimeout=1s',
        '-master.volumeSizeLimitMB=64',
      ],
      { stdio: 'ignore' },
    )
    const started = performance.now()
    while (performance.now() - started < 60_000) {
      if (child.exitCode !== null) throw new Error(`weed ended with ${child.exitCode}`)
      const status =
        (await fetch(endpoint, { signal: AbortSignal.timeout(1000) }).catch(() => undefined))?.status ?? 500
      if (status < 500) return
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    throw new Error('weed does not answer')
  }
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  }
  await begin()
  return {
    endpoint,
    port,
    async upload(from, bucket) {
      const script = join(ROOT, 'test/e2e/upload_objects.py')
      await promisify(execFile)(PYTHON, [script, `127.0.0.1:${port}`, ACCESS_KEY, SECRET_KEY, from, bucket])
    },
    kill,
    restart: begin,
    [Symbol.asyncDispose]: kill,
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

/** A way to the store on which bytes can be counted, and no more let through after so many. */
export interface Way extends AsyncDisposable {
  readonly endpoint: string
  /** Bytes that went to the client since the last call of `allow`. */
  bytes(): number
  /** Ends all connections; from now on at most so many bytes go to the client. */
  allow(bytes: number): void
}

export async function openWay(port: number): Promise<Way> {
  let [passed, most] = [0, Infinity]
  const sockets = new Set<Socket>()
  const server: Server = createServer((client) => {
    const store = createConnection(port, '127.0.0.1')
    for (const socket of [client, store]) sockets.add(socket)
    client.on('error', () => store.destroy()).on('close', () => store.destroy())
    // what has been let through arrives
    store.on('error', () => client.end()).on('close', () => client.end())
    client.pipe(store)
    store.on('data', (bytes) => {
      if (passed >= most) return
      passed += bytes.length
      client.write(bytes)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const end = (): void => {
    for (const socket of sockets) socket.destroy()
    sockets.clear()
  }
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bytes: () => passed,
    allow(bytes) {
      end()
      ;[passed, most] = [0, bytes]
    },
    async [Symbol.asyncDispose]() {
      end()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
