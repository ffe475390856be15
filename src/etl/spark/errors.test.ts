/** What Spark and those who run its executors say, as codes of Millrace's; the texts are theirs. */
import { describe, expect, it } from 'vitest'
import { SparkError } from './connect/failure.js'
import { isLost, sparkEngineError } from './errors.js'

const lost =
  'Job aborted due to stage failure: Task 0 in stage 3.0 failed 4 times, most recent failure: Lost task 0.5 in'

describe('a query of the engine that failed', () => {
  it.each([
    [`${lost} (executor 5 exited caused by one of the running tasks) Reason: Command exited with code 52`],
    [`${lost} Reason: Container from a bad node: container_1 on host: h. Exit status: 137. Diagnostics: killed`],
    [`${lost} Reason: The executor with id 5 exited with exit code 137(SIGKILL, possible container OOM).`],
    [`${lost} Reason: Container killed by YARN for exceeding physical memory limits. 5.5 GB of 5.5 GB used.`],
    ['ResultStage 20 has failed the maximum allowable number of times: 4. Most recent failure reason: FetchFailed'],
    ['java.lang.OutOfMemoryError: Java heap space'],
    ['[UNABLE_TO_ACQUIRE_MEMORY] Unable to acquire 65536 bytes of memory, got 0'],
  ])('for want of memory: %s', (message) => {
    const error = sparkEngineError(new SparkError('MR_SPARK_QUERY', message))
    expect(error).toMatchObject({ code: 'MR_ENGINE_MEMORY', retryable: false })
    expect((error as SparkError).hint).toContain('data.num_partitions')
  })

  it('for another reason is not one of memory', () => {
    const message = `${lost} Reason: Command exited with code 1`
    expect(sparkEngineError(new SparkError('MR_SPARK_QUERY', message))).toMatchObject({ code: 'MR_SPARK_QUERY' })
  })

  it.each(['MR_SPARK_LOST', 'MR_SPARK_STALLED'] as const)('with %s may be done again, also where it wrote', (code) => {
    const error = new SparkError(code, 'gone', { hint: 'look first', errorClass: 'INVALID_HANDLE.SESSION_CLOSED' })
    expect(sparkEngineError(error)).toMatchObject({ code, retryable: true, errorClass: error.errorClass })
    expect(sparkEngineError(error, AbortSignal.abort())).toMatchObject({ code: 'MR_CANCELLED' })
  })

  it('is done again at once where the server was started anew, not where it stays away', () => {
    expect(isLost(new SparkError('MR_SPARK_LOST', 'session gone'))).toBe(true)
    expect(isLost(new SparkError('MR_SPARK_LOST', 'nobody answers', { away: true }))).toBe(false)
  })
})
