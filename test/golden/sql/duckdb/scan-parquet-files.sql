SELECT
  CAST("id" AS BIGINT) AS "id",
  nullif(CAST("k" AS VARCHAR), '') AS "k",
  nullif(CAST("x" AS DOUBLE), CAST('NaN' AS DOUBLE)) AS "x",
  nullif(CAST("s" AS VARCHAR), '') AS "s",
  CAST("t" AS TIMESTAMP) AS "t",
  CAST("d" AS DATE) AS "d",
  CAST("b" AS BOOLEAN) AS "b",
  CAST(file_row_number + list_extract([0, 1000], 1 + CAST(enum_code(TRY_CAST(__millrace_path AS ENUM('a.parquet', 'b''[1]*.parquet'))) AS BIGINT)) AS BIGINT) AS "row"
FROM read_parquet(['a.parquet', 'b''[[]1][*].parquet'], hive_partitioning = false, filename = '__millrace_path', union_by_name = true)
