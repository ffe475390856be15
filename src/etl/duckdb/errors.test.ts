/** DuckDB's messages as it writes them, with words in paths and values that mean something elsewhere. */
import { expect, test } from 'vitest'
import { engineError } from './errors.js'

test.each([
  ['IO Error: Could not write file "/data/out/part-0.parquet": No space left on device', 'MR_DISK_FULL'],
  ['IO Error: Could not write file "/data/gzip \'d" e\'/x": No space left on device', 'MR_DISK_FULL'],
  [
    "Out of Memory Error: failed to offload data block of size 256.0 KiB (768.0 KiB/976.5 KiB used).\nThis limit was set by the 'max_temp_directory_size' setting.\nthe drive of '/data/parquet-exports/tmp'",
    'MR_DISK_FULL',
  ],
  ['IO Error: Cannot open file "/data/parquet-exports/x.tmp": Too many open files', 'MR_ENGINE_FAILED'],
  ['IO Error: Cannot open file "/data/a": Too many open files\n\nLINE 1: ... FROM read_parquet([', 'MR_ENGINE_FAILED'],
  ['INTERNAL Error: Could not read file "/zstd/x.csv.gz"', 'MR_ENGINE_FAILED'],
  ["Invalid Input Error: No magic bytes found at end of file '/data/disk full/a'", 'MR_SOURCE_CORRUPT'],
  ["Invalid Input Error: File '/data/it's/a' too small to be a Parquet file", 'MR_SOURCE_CORRUPT'],
  ['Invalid Error: ZSTD Decompression failure', 'MR_SOURCE_CORRUPT'],
  ["IO Error: Data doesn't match checksum", 'MR_SOURCE_CORRUPT'],
  [
    'Invalid Input Error: CSV Error on Line: 3\nOriginal Line: 1,ENOSPC: No space left on device,2\nExpected Number of Columns: 2 Found: 3\n  file = a.csv',
    'MR_SOURCE_ROW',
  ],
  ["Conversion Error: Could not convert string 'the disk is full' to DOUBLE", 'MR_SOURCE_TYPE'],
])('%s', (message, code) => {
  expect(engineError(new Error(message))).toMatchObject({ code })
})
