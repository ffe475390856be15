import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseRecords, sniff } from './csv-head.js'
import { folderValue } from './hive.js'
import { expandSource, formatOf } from './source.js'

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-source-'))
  await mkdir(join(root, 'days', 'k'), { recursive: true })
  await mkdir(join(root, 'mixed'))
  await mkdir(join(root, 'none'))
  const files = ['days/b.csv', 'days/a.csv.gz', 'days/k/c.csv', 'days/.hidden.csv', 'days/_SUCCESS', 'days/notes.txt']
  for (const file of [...files, 'mixed/a.csv', 'mixed/a.json', 'odd[1]*.csv', 'noext', 't.tsv', 'Churn.csv'])
    await writeFile(join(root, file), 'a\n1\n')
})
afterAll(() => rm(root, { recursive: true }))

const paths = async (location: string): Promise<string[]> =>
  (await expandSource(join(root, location))).paths.map((path) => relative(root, path))

describe('expandSource', () => {
  it('finds a file, a folder, a pattern, always in the same order', async () => {
    expect(await paths('t.tsv')).toEqual(['t.tsv'])
    expect((await expandSource(join(root, 't.tsv'))).csv).toEqual({ delimiter: '\t' })
    expect(await paths('days')).toEqual(['days/a.csv.gz', 'days/b.csv', 'days/k/c.csv'])
    expect(await paths('days/*.csv')).toEqual(['days/b.csv'])
    expect(await paths('days/**/*.csv')).toEqual(['days/b.csv', 'days/k/c.csv'])
    expect(await paths('days/?.csv*')).toEqual(['days/a.csv.gz', 'days/b.csv'])
    expect(await paths('odd[1]*.csv')).toEqual(['odd[1]*.csv'])
  })
  it.each([
    ['nothing', 'Chur.csv', 'MR_FILE_MISSING', /did you mean .*Churn\.csv/],
    ['a folder that is not there', 'dayz/x.csv', 'MR_FILE_MISSING', /did you mean .*days/],
    ['a pattern that matches nothing', 'days/*.json', 'MR_FILE_MISSING', /^$/],
    ['an empty folder', 'none', 'MR_FILE_MISSING', /must end in/],
    ['several formats', 'mixed', 'MR_SOURCE_FORMAT', /one kind/],
    ['no format', 'noext', 'MR_SOURCE_FORMAT', /must end in/],
  ])('says that there is %s', async (_, location, code, hint) => {
    const error = await paths(location).then(
      () => undefined,
      (thrown: { code: string; hint?: string }) => thrown,
    )
    expect(error?.code).toBe(code)
    expect(error?.hint ?? '').toMatch(hint)
  })
  describe('a folder that Millrace published', () => {
    const publish = async (files: readonly unknown[], more: object = { format: 1, table: 't' }): Promise<string> => {
      const folder = await mkdtemp(join(root, 'published-'))
      await mkdir(join(folder, 'data-1', 'split=test'), { recursive: true })
      await mkdir(join(folder, 'data-0'))
      for (const file of ['data-1/split=test/part-0.json', 'data-0/old.json']) await writeFile(join(folder, file), '{}')
      await writeFile(join(folder, 'manifest.json'), JSON.stringify({ ...more, files }))
      return folder
    }

    it('is the files of its manifest, with the columns of their folders', async () => {
      const folder = await publish([{ path: 'data-1/split=test/part-0.json', rows: 1 }])
      expect(await expandSource(folder)).toEqual({
        format: 'json',
        paths: [join(folder, 'data-1/split=test/part-0.json')],
        hive: { root: folder, columns: ['split'] },
      })
    })
    it.each([
      ['leads out', '../mixed/a.json', 'MR_FILE_OUTSIDE'],
      ['leads out from the root', '/etc/hosts', 'MR_FILE_OUTSIDE'],
      ['is not there', 'data-1/part-7.json', 'MR_FILE_MISSING'],
    ])('is refused where a file %s', async (_, path, code) => {
      await expect(expandSource(await publish([{ path }]))).rejects.toMatchObject({ code })
    })
    it('is not what has a manifest.json of something else', async () => {
      const folder = await publish([{ path: 'data-1/part-7.json' }], { format: 2 })
      await rm(join(folder, 'data-1'), { recursive: true })
      expect((await expandSource(folder)).paths).toEqual(
        ['data-0/old.json', 'manifest.json'].map((p) => join(folder, p)),
      )
    })
  })
  it('takes names as they are, follows links, and goes round no circle', async () => {
    const folder = await mkdtemp(join(root, 'odd-'))
    const odd = ["it's.csv", 'a "b" c.csv', 'ü😀.csv', '%20.csv', 'x;y.csv', 'A.CSV.GZ', 'b.jsonl.zst'].filter(Boolean)
    for (const name of odd) await writeFile(join(folder, name), 'a\n1\n')
    for (const name of odd) expect(await paths(join(relative(root, folder), name))).toHaveLength(1)
    await mkdir(join(folder, 'in[1]{a,b}', 'deep'), { recursive: true })
    await writeFile(join(folder, 'in[1]{a,b}', 'deep', 'd.tsv'), 'a\n1\n')
    await symlink('../..', join(folder, 'in[1]{a,b}', 'deep', 'round'))
    await symlink(join('in[1]{a,b}', 'deep', 'd.tsv'), join(folder, 'link.tsv'))
    await symlink('nowhere', join(folder, 'broken.tsv'))
    const here = relative(root, folder)
    expect(await paths(join(here, '**', '*.tsv'))).toEqual([
      join(here, 'in[1]{a,b}/deep/d.tsv'),
      join(here, 'link.tsv'),
    ])
    expect(await paths(join(here, 'in[1]{a,b}', 'd*', '*.tsv'))).toHaveLength(1)
    expect(await paths(join(here, '[!a-z]*.csv'))).toEqual([join(here, '%20.csv'), join(here, 'ü😀.csv')])
    expect(await paths(join(here, '{%20,x*}.csv'))).toHaveLength(2)
    expect((await expandSource(`file://${encodeURI(folder)}/%2520.csv`)).paths).toEqual([join(folder, '%20.csv')])
  })
  it('refuses what is not a path', async () => {
    await expect(expandSource('gs://bucket/x.csv')).rejects.toMatchObject({ code: 'MR_SOURCE_SCHEME' })
    await expect(expandSource('s3://bucket/x.csv')).rejects.toMatchObject({ code: 'MR_SOURCE_S3' })
  })
  describe('folders called column=value', () => {
    const put = async (...files: string[]): Promise<string> => {
      const folder = join(await mkdtemp(join(root, 'x=5,')), 'z=6')
      for (const file of files) {
        await mkdir(join(folder, file, '..'), { recursive: true })
        await writeFile(join(folder, file), 'a\n1\n')
      }
      return folder
    }
    const hiveOf = async (location: string) => (await expandSource(location)).hive

    it('give columns below the folder or pattern that was named, never above it', async () => {
      const folder = await put('year=2024/k=a%2Fb/p.csv', 'year=2025/k=__HIVE_DEFAULT_PARTITION__/p.csv')
      const source = await expandSource(folder)
      expect(source.hive).toEqual({ root: folder, columns: ['year', 'k'] })
      const values = (column: string) => source.paths.map((path) => folderValue(source, path, column))
      expect(values('year')).toEqual(['2024', '2025'])
      expect(values('k')).toEqual(['a/b', null])
      expect((await hiveOf(join(folder, 'year=2024')))?.columns).toEqual(['k'])
      expect((await hiveOf(join(folder, 'year=*', '*', '*.csv')))?.columns).toEqual(['year', 'k'])
      expect((await hiveOf(join(folder, 'year=2024', '**', '*.csv')))?.columns).toEqual(['k'])
      expect(await hiveOf(join(folder, 'year=2024', 'k=a%2Fb'))).toBeUndefined()
      expect(await hiveOf(join(folder, 'year=2024', 'k=a%2Fb', 'p.csv'))).toBeUndefined()
      expect(await hiveOf(await put('plain.csv', 'below/plain.csv'))).toBeUndefined()
    })
    it('are taken as they stand where they are no escapes', async () => {
      const source = await expandSource(await put('k=100%/p.csv', 'k=b=c/p.csv', 'k=/p.csv'))
      expect(source.paths.map((path) => folderValue(source, path, 'k'))).toEqual(['', '100%', 'b=c'])
    })
    it.each([
      ['differ between files', ['k=1/p.csv', 'j=1/p.csv'], /j=1\/p\.csv \(j\), k=1\/p\.csv \(k\)/],
      ['are there for some files only', ['p.csv', 'k=1/p.csv'], /p\.csv \(none\)/],
      ['name a column twice', ['k=1/K=2/p.csv'], /twice/],
      ['have no name', ['=1/p.csv'], /or none/],
    ])('are refused where they %s', async (_, files, message) => {
      const location = await put(...files)
      await expect(expandSource(location)).rejects.toMatchObject({
        code: 'MR_SOURCE_HEADER',
        message: expect.stringMatching(message) as string,
      })
    })
  })
  it('tells formats from names', () => {
    const names = ['a.CSV', 'a.tsv.gz', 'a.ndjson.zst', 'a.parquet', 'a.parquet.gz', 'csv', 'a.gz', 'a.txt']
    expect(names.map(formatOf)).toEqual(['csv', 'csv', 'json', 'parquet', undefined, undefined, undefined, undefined])
  })
})

describe('the head of a CSV file', () => {
  it('is parsed as CSV says', () => {
    expect(parseRecords('a,"b ""c""\n,"\r\n,\n', ',', '"')).toEqual([
      ['a', 'b "c"\n,'],
      ['', ''],
    ])
    expect(parseRecords('a"b,c\n"open', ',', '"')).toEqual([['a"b', 'c'], ['open']])
    expect(parseRecords('', ',', '"')).toEqual([])
  })
  it('tells the delimiter', () => {
    const of = (text: string): string => sniff({ text, whole: true }).delimiter
    expect(of('a;b\n1,5;2\n2,5;3\n')).toBe(';')
    expect(of('a,b\n1;2,3\n')).toBe(',')
    expect(of('a\n1\n')).toBe(',')
    expect(of('a,b\n1,2\n1,2,3\n')).toBe(',')
  })
  it('leaves out a record that may be cut', () => {
    expect(sniff({ text: 'a,b\n1,2\n3', whole: false }).records).toHaveLength(2)
  })
})
