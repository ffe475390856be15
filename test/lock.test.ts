/** The lock installs on every system and from any registry: what npm leaves out, scripts/complete-lock.mjs adds. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'

interface Lock {
  readonly packages: Record<
    string,
    { version?: string; resolved?: string; integrity?: string } & Record<string, unknown>
  >
}

const FILE = 'package-lock.json'
const read = (path: string): Lock => JSON.parse(readFileSync(path, 'utf8')) as Lock
const check = (path: string): { status: number | null; said: string } => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/complete-lock.mjs', '--check', path])
  return { status, said: String(stderr) }
}

test('the lock holds the packages of every system and names no other registry', () => {
  expect(check(FILE)).toEqual({ status: 0, said: '' })
})

test('what millrace itself runs on is there for each system, with its digest', () => {
  const { packages } = read(FILE)
  const systems = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64', 'win32-x64']
  for (const system of systems) {
    for (const start of ['node_modules/@duckdb/node-bindings-', 'node_modules/@libsql/', 'node_modules/@esbuild/']) {
      const found = Object.entries(packages).filter(([place]) => place.startsWith(start + system))
      expect(found.length, start + system).toBeGreaterThan(0)
      for (const [place, { integrity }] of found) expect(integrity, place).toMatch(/^sha512-/)
    }
  }
  // Alpine's C library: DuckDB and libSQL; ONNX Runtime has no build for it
  for (const place of ['@duckdb/node-bindings-linux-x64-musl', '@libsql/linux-x64-musl']) {
    expect(packages, place).toHaveProperty([`node_modules/${place}`])
  }
})

test('a package left out and a foreign address are found', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-lock-'))
  try {
    const lock = read(FILE)
    delete lock.packages['node_modules/@duckdb/node-bindings-win32-x64']
    delete lock.packages['node_modules/zod']
    const yaml = lock.packages['node_modules/yaml']
    if (yaml) yaml.resolved = 'https://mirror.example/yaml/-/yaml-2.9.1.tgz'
    const path = join(folder, FILE)
    writeFileSync(path, JSON.stringify(lock))
    const { status, said } = check(path)
    expect(status).toBe(1)
    expect(said).toContain('missing: @duckdb/node-bindings-win32-x64@')
    expect(said).toContain('missing, run npm install: zod@')
    expect(said).toContain('another registry: node_modules/yaml from mirror.example')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
