/** Addresses of Spark Connect servers: what they mean, and what is refused. */
import { describe, expect, it } from 'vitest'
import { parseAddress } from './address.js'

describe('addresses', () => {
  it.each([
    ['sc://spark.example', { host: 'spark.example', port: 15002, tls: false, headers: {} }],
    ['sc://localhost:7/', { host: 'localhost', port: 7, tls: false }],
    ['sc://h:15002/;use_ssl=true', { tls: true }],
    ['sc://h/;token=abc', { tls: true, token: 'abc' }],
    ['sc://127.0.0.1/;token=abc', { tls: false, token: 'abc' }],
    ['sc://[::1]:5/;token=abc', { host: '::1', port: 5, tls: false }],
    ['sc://localhost/;use_ssl=true;token=a%3Bb', { tls: true, token: 'a;b' }],
    [
      'sc://h/;user_id=me;user_agent=mine;x-team=blue;',
      { userId: 'me', userAgent: 'mine', headers: { 'x-team': 'blue' } },
    ],
    ['sc://h/;session_id=6C1F3B52-71F0-4b07-8f4e-1f3a5d0d3c11', { sessionId: '6C1F3B52-71F0-4b07-8f4e-1f3a5d0d3c11' }],
  ])('%s', (text, expected) => {
    expect(parseAddress(text)).toMatchObject(expected)
  })

  it.each([
    ['spark://h:7077', 'is not an address'],
    ['h:15002', 'is not an address'],
    ['sc://', 'is not an address'],
    ['sc://me@h/', 'is not an address'],
    ['sc://h:0', 'port "0"'],
    ['sc://h:65536', 'port "65536"'],
    ['sc://h:', 'port ""'],
    ['sc://h:x', 'port "x"'],
    ['sc://h/path', 'the path must be empty'],
    ['sc://h/;token', 'is not key=value'],
    ['sc://h/;tokn=geheim', 'unknown option tokn'],
    ['sc://h/;use_ssl=yes', 'neither true nor false'],
    ['sc://h/;use_ssl=true;use_ssl=true', 'given twice'],
    ['sc://h/;session_id=7', 'is not a UUID'],
    ['sc://h/;X Y=1', 'a name that a header can have'],
    ['sc://h/;grpc-timeout=1', 'a name that a header can have'],
    ['sc://h/;x-a=%zz', 'begins no escape'],
    ['sc://h/;x-a=%0A', 'not printable ASCII'],
    ['sc://h/;token=', 'the token is empty'],
    ['sc://h/;use_ssl=false;token=geheim', 'a token without TLS'],
    ['sc://token=geheim@h/;token=geheim', 'is not an address'],
  ])('%s is refused', (text, reason) => {
    let error: unknown
    try {
      parseAddress(text)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toMatchObject({ code: 'MR_SPARK_ADDRESS' })
    expect(String(error)).toContain(reason)
    expect(String(error)).not.toContain('geheim')
  })
})
