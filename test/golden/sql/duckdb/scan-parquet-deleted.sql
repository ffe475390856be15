SELECT
  CAST("id" AS BIGINT) AS "id",
  nullif(CAST("k" AS VARCHAR), '') AS "k",
  nullif(CAST("x" AS DOUBLE), CAST('NaN' AS DOUBLE)) AS "x",
  nullif(CAST("s" AS VARCHAR), '') AS "s",
  CAST("t" AS TIMESTAMP) AS "t",
  CAST("d" AS DATE) AS "d",
  CAST("b" AS BOOLEAN) AS "b"
FROM read_parquet(['a.parquet', 'b.parquet', 'c''.parquet'], hive_partitioning = false, filename = '__millrace_path', union_by_name = true)
WHERE get_bit(CAST(from_base64('gAH/') AS BIT), CAST(file_row_number + list_extract([0, 16], 1 + CAST(enum_code(TRY_CAST(__millrace_path AS ENUM('b.parquet', 'c''.parquet'))) AS BIGINT)) AS INTEGER)) IS DISTINCT FROM 1
