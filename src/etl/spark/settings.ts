/** The session configuration that results depend on: one meaning of SQL, and cuts of files that no cluster's size moves. */

/** Bytes of a file that one task reads: where a file is cut decides which part files a write leaves. */
export const SPLIT = 32 * 2 ** 20
/** Files that one task has open at a time, one for each value that a table is partitioned by. */
export const WRITERS = 32

/**
 * Set when the engine opens, and part of what a run records.
 * @param shufflePartitions of joins, groups and sorts; adaptive execution puts small ones together
 */
export function settings(shufflePartitions: number): Readonly<Record<string, string>> {
  return {
    'spark.sql.session.timeZone': 'UTC',
    'spark.sql.ansi.enabled': 'true',
    'spark.sql.ansi.doubleQuotedIdentifiers': 'true',
    'spark.sql.caseSensitive': 'false',
    // `${name}` in a text is a text
    'spark.sql.variable.substitute': 'false',
    // what the parser learns of texts is 6 MiB a kilobyte of nested SQL, for ever unless this says otherwise
    'spark.sql.parser.manageParserCaches': 'true',
    'spark.sql.parser.parserDfaCacheFlushThreshold': '20000',
    'spark.sql.parser.parserDfaCacheFlushRatio': '5',
    // plans are cached by content, and no two of this engine's are alike
    'spark.connect.session.planCache.enabled': 'false',
    // beyond 100 columns and sums a query would not be compiled, and take several times as long
    'spark.sql.codegen.maxFields': '2000',
    // what Java would not compile further is better made in pieces
    'spark.sql.codegen.hugeMethodLimit': '8000',
    'spark.sql.shuffle.partitions': String(shufflePartitions),
    'spark.sql.adaptive.enabled': 'true',
    'spark.sql.adaptive.coalescePartitions.enabled': 'true',
    // whatever the number of cores: the same cuts everywhere
    'spark.sql.files.maxPartitionBytes': String(SPLIT),
    'spark.sql.files.minPartitionNum': '1',
    'spark.sql.files.maxPartitionNum': String(2 ** 31 - 1),
    'spark.sql.files.openCostInBytes': String(4 * 2 ** 20),
    // a file that is gone or damaged is an error, never fewer rows
    'spark.sql.files.ignoreMissingFiles': 'false',
    'spark.sql.files.ignoreCorruptFiles': 'false',
    'spark.sql.sources.partitionColumnTypeInference.enabled': 'false',
    // without a plan of its own a write is not sorted by its partitions, but has a file open for each
    'spark.sql.optimizer.plannedWrite.enabled': 'false',
    'spark.sql.maxConcurrentOutputFileWriters': String(WRITERS),
    // else what a filter asks of files goes through the calendar of old, which lacks ten days of 1582: their rows were lost
    'spark.sql.datetime.java8API.enabled': 'true',
    'spark.sql.parquet.outputTimestampType': 'TIMESTAMP_MICROS',
    'spark.sql.parquet.writeLegacyFormat': 'false',
    'spark.sql.parquet.datetimeRebaseModeInWrite': 'CORRECTED',
    'spark.sql.parquet.datetimeRebaseModeInRead': 'CORRECTED',
    'spark.sql.parquet.int96RebaseModeInRead': 'CORRECTED',
    'spark.sql.parquet.int96RebaseModeInWrite': 'CORRECTED',
    'spark.sql.execution.arrow.maxRecordsPerBatch': '10000',
    'spark.sql.execution.arrow.compression.codec': 'none',
    'spark.connect.progress.reportInterval': '500ms',
  }
}
