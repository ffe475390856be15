#!/usr/bin/env -S MALLOC_ARENA_MAX=2 MALLOC_TRIM_THRESHOLD_=131072 node
/**
 * The command line as a process: its streams, its signals, its exit code.
 *
 * The two variables of the first line are for glibc, which reads them only as a process begins: without them it keeps a
 * heap for each of the threads of Node, DuckDB and ONNX Runtime and gives little of what they freed back to the system.
 * `npm run bench -- memory` shows by how much; other C libraries do not know them.
 */
import { MillraceError } from '../core/errors.js'
import { execute } from './program.js'

/** The reader of a pipe may go away (`| head`): then there is nobody left to tell, and the work goes on to its end. */
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error
  })

const interrupted = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(name, () => {
    if (interrupted.signal.aborted) process.exit(130)
    process.stderr.write('\nstopping; once more stops at once\n')
    interrupted.abort(new MillraceError('MR_CANCELLED', `interrupted by ${name}`))
  })

process.exitCode = await execute(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal: interrupted.signal,
})
