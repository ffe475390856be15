/**
 * An object store that speaks S3: what a location names, and the bytes of an object. Credentials come by AWS's own chain
 * (environment, shared profile, the machine's role), none means anonymous. Redirects are never followed: what is signed
 * goes to the endpoint that a person named.
 */
import type { _Object, S3Client, S3ClientConfig } from '@aws-sdk/client-s3'
import { MillraceError } from '../../core/errors.js'
import { systemClock } from '../../core/clock.js'
import { RetryStrategy } from '../../core/retry.js'
import { globMatcher, isPattern } from '../glob.js'
import type { ObjectVersion } from '../relation.js'
import { storeError } from './errors.js'

export interface S3Options {
  /** An absolute folder: copies of objects are kept below it. */
  readonly cache: string
  /** Of a store other than AWS: `http://…` or `https://…`. */
  readonly endpoint?: string
  readonly region?: string
  /** What says that there are credentials (`AWS_PROFILE`): if none are found then, nothing is tried without. */
  readonly credentialsBy?: string
  /** Milliseconds without an answer or a byte after which a request is given up; default 60,000. */
  readonly patience?: number
  readonly retry?: RetryStrategy
}

/** A client of one bucket. */
export interface Store extends AsyncDisposable {
  readonly bucket: string
  readonly client: S3Client
  /** Runs a request again while it fails by what can pass; throws MR_SOURCE_S3 and the like with `key` in it. */
  request<T>(key: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T>
  /** What went wrong with a request, in words. */
  error(error: unknown, key: string): MillraceError
}

/** Milliseconds for a connection to be made. */
const CONNECT = 10_000
const PATIENCE = 60_000

interface Address {
  readonly bucket: string
  /** Of an object, with no slash in front; may be a pattern or the start of keys. Never decoded: `%20` is itself. */
  readonly key: string
}

function addressOf(location: string): Address {
  const [, bucket = '', key = ''] = /^s3a?:\/\/([^/]*)\/?(.*)$/is.exec(location) ?? []
  if (!/^[a-z0-9][a-z0-9._-]{1,254}$/i.test(bucket) || bucket.includes('..'))
    throw new MillraceError('MR_SOURCE_S3', `${location} names no bucket`, { hint: 'write s3://bucket/key' })
  return { bucket, key }
}

/** A client for the bucket of `location`. Throws MR_SOURCE_S3 for an endpoint that cannot be one. */
export async function openStore(location: string, options: S3Options): Promise<Store> {
  const { bucket } = addressOf(location)
  const endpoint = options.endpoint === undefined ? undefined : endpointOf(options.endpoint)
  const { S3Client } = await import('@aws-sdk/client-s3')
  const patience = options.patience ?? PATIENCE
  const config: S3ClientConfig = {
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: Math.min(CONNECT, patience),
      requestTimeout: patience,
      throwOnRequestTimeout: true,
    },
  }
  const { region, isAnonymous } = await circumstances(new S3Client(config), options)
  const client = new S3Client({
    ...config,
    region,
    ...(isAnonymous
      ? {
          credentials: { accessKeyId: '', secretAccessKey: '' },
          signer: { sign: (request) => Promise.resolve(request) },
        }
      : {}),
  })
  const retry = options.retry ?? new RetryStrategy({ initialDelay: 500, maxDelay: 10_000 })
  const error = (thrown: unknown, key: string): MillraceError =>
    storeError(thrown, { bucket, key, region, isAnonymous, ...(endpoint === undefined ? {} : { endpoint }) })
  return {
    bucket,
    client,
    error,
    request: (key, work, signal) =>
      retry.run(
        async () => {
          try {
            return await work()
          } catch (thrown) {
            if (signal?.aborted === true) throw cancelled(signal)
            throw error(thrown, key)
          }
        },
        { clock: systemClock, random: { uniform: Math.random }, ...(signal === undefined ? {} : { signal }) },
      ),
    [Symbol.asyncDispose]: async () => client.destroy(),
  }
}

export const cancelled = (signal: AbortSignal): MillraceError =>
  new MillraceError('MR_CANCELLED', 'interrupted while reading from an object store', { cause: signal.reason })

/** No user and password in it: it is shown to people. */
function endpointOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || url.username !== '' || url.password !== '' || url.search !== '')
    throw new MillraceError('MR_SOURCE_S3', 'data.s3.endpoint is not the plain address of a store', {
      hint: 'write it as https://host:port; credentials come from the environment or a profile (AWS_ACCESS_KEY_ID, AWS_PROFILE)',
    })
  return url.href.replace(/\/$/, '')
}

/** The region that is configured somewhere, and whether there are no credentials anywhere. */
async function circumstances(
  probe: S3Client,
  { region: wanted, credentialsBy }: S3Options,
): Promise<{ region: string; isAnonymous: boolean }> {
  try {
    const region = wanted ?? (await probe.config.region().catch(() => 'us-east-1'))
    const isAnonymous = await probe.config.credentials().then(
      () => false,
      () => {
        if (credentialsBy === undefined) return true
        throw new MillraceError('MR_SOURCE_S3', `${credentialsBy} is set, and no credentials are found by it`, {
          hint: 'look at the profile in ~/.aws, or unset the variable to read without credentials',
        })
      },
    )
    return { region, isAnonymous }
  } finally {
    probe.destroy()
  }
}

/**
 * The objects that a location names, in no order: one key; all keys below one (that end in a slash or not), those left
 * out of which a part begins with `.` or `_`, and those that `isData` does not take; or those that match a pattern.
 * `root` is the address that the location fixes. Throws MR_FILE_MISSING, MR_SOURCE_S3.
 */
export async function listObjects(
  store: Store,
  location: string,
  isData: (key: string) => boolean,
  signal?: AbortSignal,
): Promise<{ readonly root: string; readonly objects: ObjectVersion[] }> {
  const { key } = addressOf(location)
  const at = (text: string): string => `s3://${store.bucket}${text === '' ? '' : `/${text}`}`
  const single = key === '' || key.endsWith('/') ? undefined : await headObject(store, key, signal)
  if (single !== undefined) return { root: at(key.split('/').slice(0, -1).join('/')), objects: [single] }
  const fixed = isPattern(key)
    ? (/^[^*?[{]*\//.exec(key)?.[0] ?? '')
    : key === '' || key.endsWith('/')
      ? key
      : `${key}/`
  const matches = isPattern(key) ? globMatcher(key.slice(fixed.length)) : undefined
  const prefix = isPattern(key) ? (/^[^*?[{]*/.exec(key)?.[0] ?? '') : fixed
  const objects: ObjectVersion[] = []
  let isThere = false
  for await (const object of listed(store, prefix, key, signal)) {
    isThere = true
    const rest = object.key.slice(fixed.length)
    const isHidden = rest.split('/').some((part) => /^[._]/.test(part))
    if (rest === '' || rest.endsWith('/') || isHidden) continue
    if (matches === undefined ? isData(object.key) : matches(rest))
      objects.push({ name: at(object.key), etag: object.etag, size: object.size })
  }
  if (matches !== undefined && objects.length === 0)
    throw new MillraceError('MR_FILE_MISSING', `no object matches ${location}`)
  if (!isThere && key !== '')
    throw new MillraceError('MR_FILE_MISSING', `there is no object ${at(key)}, and none below it`, {
      hint: `look at what is there, for example: aws s3 ls ${at(fixed.replace(/[^/]*\/$/, ''))}/`.replace(/\/+$/, '/'),
    })
  return { root: at(fixed.replace(/\/$/, '')), objects }
}

/** One object; undefined if the store says that there is none, or does not say. */
async function headObject(store: Store, key: string, signal?: AbortSignal): Promise<ObjectVersion | undefined> {
  const { HeadObjectCommand } = await import('@aws-sdk/client-s3')
  const found = await store.request(
    key,
    () =>
      store.client
        .send(new HeadObjectCommand({ Bucket: store.bucket, Key: key }), options(signal))
        .catch((error: unknown) => {
          const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode
          // a HEAD has no body that could say why: the listing that follows has
          if (status === 404 || status === 403 || status === 400 || status === 301) return undefined
          throw error
        }),
    signal,
  )
  if (found?.ETag === undefined || found.ContentLength === undefined) return undefined
  return { name: `s3://${store.bucket}/${key}`, etag: found.ETag, size: found.ContentLength }
}

/** All keys with a prefix, page after page; `wanted` is what errors name. */
async function* listed(
  store: Store,
  prefix: string,
  wanted: string,
  signal?: AbortSignal,
): AsyncGenerator<{ readonly key: string; readonly etag: string; readonly size: number }> {
  const { ListObjectsV2Command } = await import('@aws-sdk/client-s3')
  let next: string | undefined
  do {
    // keys may hold characters that XML cannot
    const request = { Bucket: store.bucket, Prefix: prefix, EncodingType: 'url' as const, ContinuationToken: next }
    const page = await store.request(
      wanted,
      () => store.client.send(new ListObjectsV2Command(request), options(signal)),
      signal,
    )
    for (const object of page.Contents ?? []) {
      const found = entry(object, page.EncodingType === 'url')
      if (found !== undefined && found.key.startsWith(prefix)) yield found
    }
    const token = page.IsTruncated === true ? page.NextContinuationToken : undefined
    if (token !== undefined && token === next) throw store.error(new Error('the listing does not go on'), wanted)
    next = token
  } while (next !== undefined)
}

function entry({ Key, ETag, Size }: _Object, isEncoded: boolean) {
  if (Key === undefined || ETag === undefined || Size === undefined) return undefined
  return { key: isEncoded ? decodeURIComponent(Key.replaceAll('+', ' ')) : Key, etag: ETag, size: Size }
}

export const options = (signal: AbortSignal | undefined): { abortSignal?: AbortSignal } =>
  signal === undefined ? {} : { abortSignal: signal }
