/** What every artifact store must do. An implementation's test calls `artifactStoreConformance`. */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ArtifactRef, ArtifactStore } from '../../src/core/artifacts.js'

export interface StoreUnderTest {
  readonly open: (root: string) => Promise<ArtifactStore>
  /** Changes a stored blob behind the store's back. */
  readonly damage: (root: string, ref: ArtifactRef, change: (bytes: Buffer) => Buffer) => Promise<void>
  /** Digests of all that can be seen in the store. */
  readonly visible: (root: string) => Promise<string[]>
}

const EMPTY = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

export function artifactStoreConformance(name: string, { open, damage, visible }: StoreUnderTest): void {
  describe(`artifact store: ${name}`, () => {
    let root: string
    let store: ArtifactStore
    beforeEach(async () => {
      root = await mkdtemp(join(tmpdir(), 'millrace-store-'))
      store = await open(root)
    })
    afterEach(async () => {
      await store.close()
      await rm(root, { recursive: true, force: true })
    })

    test('gives back the bytes it took, also to another process', async () => {
      const text = await store.put('grüße', 'text/plain')
      expect(text).toEqual({
        digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string,
        mediaType: 'text/plain',
        size: 7,
      })
      const empty = await store.put(new Uint8Array(), 'application/octet-stream')
      expect(empty).toMatchObject({ digest: EMPTY, size: 0 })
      const big = randomBytes(3 * 2 ** 20 + 17)
      const bigRef = await store.put(big, 'application/octet-stream')
      const second = await open(root)
      for (const reader of [store, second]) {
        expect(Buffer.from(await reader.get(text)).toString()).toBe('grüße')
        expect((await reader.get(empty)).length).toBe(0)
        expect(big.equals(await reader.get(bigRef))).toBe(true)
        expect(big.equals(await readFile(await reader.path(bigRef)))).toBe(true)
        expect(await reader.has(bigRef)).toBe(true)
      }
      await second.close()
      expect(big.equals(await store.get(bigRef))).toBe(true)
    })

    test('keeps one copy of the same content, put twice or at once', async () => {
      const refs = await Promise.all(Array.from({ length: 20 }, (_, i) => store.put(`content ${i % 2}`, 'text/plain')))
      expect(new Set(refs.map((ref) => ref.digest)).size).toBe(2)
      expect((await visible(root)).sort()).toEqual([...new Set(refs.map((ref) => ref.digest))].sort())
      expect(await store.put('content 0', 'text/plain')).toEqual(refs[0])
      for (const ref of refs) expect(await store.has(ref)).toBe(true)
    })

    test('blobs cannot be written to', async () => {
      const path = await store.path(await store.put('fixed', 'text/plain'))
      expect((await stat(path)).mode & 0o222).toBe(0)
    })

    test('takes files: copies, or moves from scratch', async () => {
      const scratch = await store.scratch()
      expect(await store.scratch()).not.toBe(scratch)
      const bytes = randomBytes(2 ** 20 + 1)
      await writeFile(join(scratch, 'a'), bytes)
      const copied = await store.putFile(join(scratch, 'a'), 'application/x')
      expect(existsSync(join(scratch, 'a'))).toBe(true)
      const moved = await store.putFile(join(scratch, 'a'), 'application/x', { move: true })
      expect(moved).toEqual(copied)
      expect(existsSync(join(scratch, 'a'))).toBe(false)
      await writeFile(join(scratch, 'b'), 'only moved')
      const ref = await store.putFile(join(scratch, 'b'), 'text/plain', { move: true })
      expect(existsSync(join(scratch, 'b'))).toBe(false)
      expect(Buffer.from(await store.get(ref)).toString()).toBe('only moved')
      expect((await stat(await store.path(ref))).mode & 0o222).toBe(0)
      // Outside of scratch: somebody's own file stays theirs, and is not reached through a link either.
      const outside = join(root, 'theirs.txt')
      await writeFile(outside, 'theirs')
      await store.putFile(outside, 'text/plain', { move: true })
      expect(await readFile(outside, 'utf8')).toBe('theirs')
      await symlink(outside, join(scratch, 'link'))
      const linked = await store.putFile(join(scratch, 'link'), 'text/plain', { move: true })
      expect(await readFile(outside, 'utf8')).toBe('theirs')
      expect(Buffer.from(await store.get(linked)).toString()).toBe('theirs')
      await expect(store.putFile(join(scratch, 'none'), 'text/plain')).rejects.toMatchObject({
        code: 'MR_FILE_MISSING',
      })
    })

    test('scratch is gone after close', async () => {
      const scratch = await store.scratch()
      await store.close()
      expect(existsSync(scratch)).toBe(false)
    })

    test.each([
      ['a flipped bit', (bytes: Buffer) => (bytes.writeUInt8(bytes.readUInt8(5) ^ 1, 5), bytes)],
      ['cut short', (bytes: Buffer) => bytes.subarray(0, bytes.length - 1)],
      ['emptied', () => Buffer.alloc(0)],
      ['torn: the end is zeros', (bytes: Buffer) => bytes.fill(0, bytes.length / 2)],
      ['longer', (bytes: Buffer) => Buffer.concat([bytes, Buffer.from('x')])],
    ])('finds damage: %s', async (_, change) => {
      const content = randomBytes(1000)
      const ref = await store.put(content, 'application/x')
      await damage(root, ref, change)
      const second = await open(root)
      await expect(second.path(ref)).rejects.toMatchObject({ code: 'MR_ARTIFACT_CORRUPT' })
      await second.close()
      // The same content put again repairs it.
      const third = await open(root)
      expect(await third.put(content, 'application/x')).toEqual(ref)
      await damage(root, ref, change)
      await expect(third.get(ref)).rejects.toMatchObject({ code: 'MR_ARTIFACT_CORRUPT' })
      await third.close()
      const fourth = await open(root)
      await fourth.put(content, 'application/x')
      expect(content.equals(await fourth.get(ref))).toBe(true)
      await damage(root, ref, change)
      await fourth.close()
      const fifth = await open(root)
      await fifth.put(content, 'application/x')
      expect(content.equals(await readFile(await fifth.path(ref)))).toBe(true)
      await fifth.close()
    })

    test('says what is missing', async () => {
      const ref: ArtifactRef = { digest: EMPTY, mediaType: 'text/plain', size: 0 }
      expect(await store.has(ref)).toBe(false)
      await expect(store.get(ref)).rejects.toMatchObject({
        code: 'MR_ARTIFACT_MISSING',
        message: expect.stringContaining(EMPTY) as string,
      })
      await expect(store.path(ref)).rejects.toMatchObject({ code: 'MR_ARTIFACT_MISSING' })
    })

    test.each([
      'sha256:../../x',
      `sha256:${'../'.repeat(20)}etc/passwd`,
      `sha256:${'A'.repeat(64)}`,
      `sha256:${'0'.repeat(64)}/../x`,
      `sha256:${'0'.repeat(63)}\n`,
      `md5:${'0'.repeat(64)}`,
      'sha256:',
      '',
      'sha256:__proto__',
    ])('refuses the digest %j', async (digest) => {
      const ref = { digest, mediaType: 'text/plain', size: 1 } as ArtifactRef
      for (const use of [() => store.get(ref), () => store.path(ref), () => store.has(ref)]) {
        await expect(use()).rejects.toMatchObject({ code: 'MR_ARTIFACT_INVALID' })
      }
    })
  })
}
