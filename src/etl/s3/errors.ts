/**
 * What an object store or the way to it says, in words. Nothing of a request is repeated (it is signed), and nothing of
 * an answer but its code and status: no error holds a key, a token or a signed address.
 */
import { MillraceError } from '../../core/errors.js'
import { isRetryable } from '../../core/retry.js'

export interface Place {
  readonly bucket: string
  /** Of an object, or the start of keys that were listed. */
  readonly key: string
  readonly endpoint?: string
  readonly region: string
  readonly isAnonymous: boolean
}

const CREDENTIALS = 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE'

/** By code: what it means, and the next step. */
const KNOWN: Readonly<Record<string, readonly [words: string, hint: string]>> = {
  NoSuchBucket: ['there is no such bucket', 'look at its name, and at data.s3.endpoint and data.s3.region'],
  NoSuchKey: ['there is no such object', 'look at its key; an object that was listed may be gone since: run again'],
  InvalidAccessKeyId: ['the store does not know the access key', `look at ${CREDENTIALS}`],
  SignatureDoesNotMatch: ['the secret key is not that of the access key', `look at ${CREDENTIALS}`],
  ExpiredToken: ['the session of the credentials is over', 'log in again, for example: aws sso login'],
  InvalidToken: ['the session token is not valid', 'look at AWS_SESSION_TOKEN'],
  RequestTimeTooSkewed: ["this machine's clock is wrong", 'set the clock'],
}

/** MR_SOURCE_S3 with what, bucket, key, code and next step; MR_SOURCE_CHANGED for an object that is not as listed. */
export function storeError(error: unknown, place: Place): MillraceError {
  if (error instanceof MillraceError) return error
  const { name: code, status, region } = told(error)
  const address = `s3://${place.bucket}/${place.key}`
  const at = place.endpoint === undefined ? '' : ` at ${place.endpoint}`
  const failed = (words: string, hint: string, retryable = false): MillraceError =>
    new MillraceError('MR_SOURCE_S3', `${address}${at}: ${words}${code === '' ? '' : ` (${code})`}`, {
      hint,
      retryable,
    })
  if (status === 412)
    return new MillraceError('MR_SOURCE_CHANGED', `${address} changed while it was read`, {
      hint: 'run again when nobody writes to it',
      retryable: true,
    })
  const known = KNOWN[code]
  if (known !== undefined) return failed(...known)
  if (code === 'PermanentRedirect' || code === 'AuthorizationHeaderMalformed' || (status >= 300 && status < 400))
    return failed(
      `the bucket is not to be had here, in region ${place.region}`,
      region === undefined ? 'set data.s3.region to the region of the bucket' : `set data.s3.region to ${region}`,
    )
  if (status === 401 || status === 403)
    return failed(
      place.isAnonymous ? 'it may not be read without credentials' : 'the credentials may not read it',
      place.isAnonymous ? `give credentials: ${CREDENTIALS}` : 'they need s3:ListBucket and s3:GetObject here',
    )
  if (status === 404) return failed('there is no such object', 'look at its key')
  if (status >= 500 || status === 429 || status === 408)
    return failed(`the store answers ${status}`, 'try again later', true)
  if (status > 0)
    return failed(`the store answers ${status}`, 'look at data.s3.endpoint: is it a store that speaks S3?')
  const isPassing =
    isRetryable(error) || /Timeout|aborted|socket hang up|ECONN|EPIPE/i.test(`${code} ${message(error)}`)
  return failed(
    isPassing ? 'the store cannot be reached, or stopped answering' : 'what the store answers cannot be read',
    place.endpoint === undefined ? 'look at the network' : 'look at data.s3.endpoint and whether the store is running',
    isPassing,
  )
}

const message = (error: unknown): string => (error instanceof Error ? error.message : '')

function told(error: unknown): { readonly name: string; readonly status: number; readonly region?: string } {
  const { name, code, $metadata, $response } = error as {
    name?: string
    code?: string
    $metadata?: { httpStatusCode?: number }
    $response?: { headers?: Record<string, string> }
  }
  const region = $response?.headers?.['x-amz-bucket-region']
  const word = [code, name].find(
    (text) => text !== undefined && /^[A-Z][A-Za-z0-9_.]{2,60}$/.test(text) && text !== 'Error',
  )
  return {
    name: word ?? '',
    status: $metadata?.httpStatusCode ?? 0,
    ...(region !== undefined && /^[a-z0-9-]{1,40}$/.test(region) ? { region } : {}),
  }
}
