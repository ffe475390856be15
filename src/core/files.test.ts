/** Atomic writes, mapped system errors, digests and paths that stay inside, on a real file system. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { clearTemporary, fileError, makeFolder, sha256File, syncFolder, withinRoot, writeFileAtomic } from './files.js'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-files-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

describe('writeFileAtomic', () => {
  test('creates folders, replaces, leaves nothing else', async () => {
    const path = join(root, 'a b', 'ü.txt')
    await writeFileAtomic(path, 'one')
    await writeFileAtomic(path, new Uint8Array([116, 119, 111]))
    expect(await readFile(path, 'utf8')).toBe('two')
    expect(await readdir(join(root, 'a b'))).toEqual(['ü.txt'])
  })

  test('a failure keeps the old content, says why and leaves no temporary file', async () => {
    await mkdir(join(root, 'folder'))
    await writeFile(join(root, 'folder', 'x'), 'kept')
    await expect(writeFileAtomic(join(root, 'folder'), 'no')).rejects.toMatchObject({ code: 'MR_FILE_ACCESS' })
    await expect(writeFileAtomic(join(root, 'folder', 'x', 'y'), 'no')).rejects.toThrow()
    expect(await readFile(join(root, 'folder', 'x'), 'utf8')).toBe('kept')
    expect(await readdir(root)).toEqual(['folder'])
  })

  test('what a killed writer left is removed, what a living one writes is not', async () => {
    const left = ['.a.json.999999999-0123456789ab.tmp', `.a.json.${process.ppid}-0123456789ab.tmp`, '.a.json.tmp']
    for (const name of left) await writeFile(join(root, name), 'half')
    await clearTemporary(root)
    expect((await readdir(root)).sort()).toEqual(left.slice(1).sort())
    await clearTemporary(join(root, 'none'))
  })

  // /dev/full refuses every write with ENOSPC: a real full device.
  test.skipIf(!existsSync('/dev/full'))('a full disk is MR_DISK_FULL', async () => {
    const error = await writeFile('/dev/full', 'x').catch((thrown: unknown) => fileError(thrown, 'write', '/dev/full'))
    expect(error).toMatchObject({ code: 'MR_DISK_FULL', message: expect.stringContaining('/dev/full') as string })
  })
})

test.each([
  ['ENOSPC', 'MR_DISK_FULL'],
  ['EACCES', 'MR_FILE_ACCESS'],
  ['EROFS', 'MR_FILE_ACCESS'],
  ['ENOENT', 'MR_FILE_MISSING'],
])('%s becomes %s', (code, expected) => {
  const system = Object.assign(new Error(code), { code })
  expect(fileError(system, 'write', '/a/b')).toMatchObject({ code: expected, cause: system })
  expect(fileError(system, 'write', '/a/b')).toHaveProperty('hint')
})

test('other errors come back as they are', () => {
  for (const other of [new Error('x'), Object.assign(new Error('x'), { code: 'EWHAT' }), 'text', undefined]) {
    expect(fileError(other, 'read', 'x')).toBe(other)
  }
})

describe('sha256File', () => {
  test.each([0, 1, 2 ** 20, 2 ** 20 + 1, 2_500_000])('%i bytes', async (size) => {
    const bytes = Buffer.alloc(size, 'abc')
    await writeFile(join(root, 'x'), bytes)
    const expected = createHash('sha256').update(bytes).digest('hex')
    expect(await sha256File(join(root, 'x'))).toEqual({ digest: `sha256:${expected}`, size })
  })

  test('stops when asked, says what is missing', async () => {
    await writeFile(join(root, 'x'), 'x')
    await expect(sha256File(join(root, 'x'), AbortSignal.abort())).rejects.toMatchObject({ code: 'MR_CANCELLED' })
    await expect(sha256File(join(root, 'none'))).rejects.toMatchObject({ code: 'MR_FILE_MISSING' })
    await expect(sha256File(root)).rejects.toMatchObject({ code: 'MR_FILE_ACCESS' })
  })
})

describe('withinRoot', () => {
  test.each(['a', 'a/b/c', './a', 'a/../b', '..a', '.', 'ü 😀/x', '%2e%2e/x'])('%j stays inside', async (path) => {
    expect(await withinRoot(root, path)).toBe(join(root, path))
  })

  test.each(['..', '../x', 'a/../../x', '/etc/passwd', 'a\0b'])('%j is refused', async (path) => {
    await expect(withinRoot(root, path)).rejects.toMatchObject({ code: 'MR_FILE_OUTSIDE' })
  })

  test('links that lead out are refused, links that stay are followed', async () => {
    await mkdir(join(root, 'in', 'deep'), { recursive: true })
    const inner = join(root, 'in')
    await symlink(root, join(inner, 'out'))
    await symlink(join(inner, 'deep'), join(inner, 'ok'))
    await symlink(join(root, 'not-there-yet'), join(inner, 'broken'))
    await writeFile(join(root, 'secret'), '')
    await expect(withinRoot(inner, 'out/secret')).rejects.toMatchObject({ code: 'MR_FILE_OUTSIDE' })
    await expect(withinRoot(inner, 'out/new/file')).rejects.toMatchObject({ code: 'MR_FILE_OUTSIDE' })
    await expect(withinRoot(inner, 'broken')).rejects.toMatchObject({ code: 'MR_FILE_OUTSIDE' })
    expect(await withinRoot(inner, 'ok/new')).toBe(join(inner, 'ok', 'new'))
    await symlink(inner, join(root, 'alias'))
    expect(await withinRoot(join(root, 'alias'), 'deep')).toBe(join(root, 'alias', 'deep'))
  })
})

describe('makeFolder', () => {
  test('makes all that is missing, and is content with what is there', async () => {
    const path = join(root, 'a', 'b', 'c')
    await Promise.all([makeFolder(path), makeFolder(path)])
    await makeFolder(path)
    await makeFolder('/')
    expect(existsSync(path)).toBe(true)
  })

  test('below a file it fails', async () => {
    await writeFile(join(root, 'x'), '')
    await expect(makeFolder(join(root, 'x', 'y'))).rejects.toMatchObject({ code: 'ENOTDIR' })
    await expect(makeFolder(join(root, 'x'))).rejects.toMatchObject({ code: 'EEXIST' })
  })

  test.runIf(process.platform === 'linux')('it ends where the system says that nothing is there', async () => {
    for (const path of ['/proc/millrace', '/proc/millrace/a/b'])
      await expect(makeFolder(path)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('syncFolder', () => {
  test.runIf(process.platform === 'linux')('passes over a file system whose folders cannot be synced', async () => {
    await syncFolder('/proc')
    await expect(syncFolder(join(root, 'none'))).rejects.toThrow('ENOENT')
  })
})
