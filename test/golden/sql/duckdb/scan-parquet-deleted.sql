SELECT
  CAST("id" AS BIGINT) AS "id",
  nullif(CAST("k" AS VARCHAR), '') AS "k",
  nullif(CAST("x" AS DOUBLE), CAST('NaN' AS DOUBLE)) AS "x",
  nullif(CAST("s" AS VARCHAR), '') AS "s",
  CAST("t" AS TIMESTAMP) AS "t",
  CAST("d" AS DATE) AS "d",
  CAST("b" AS BOOLEAN) AS "b"
FROM read_parquet(['a.parquet', 'b.parquet', 'c''.parquet'], hive_partitioning = false, filename = '__millrace_path', union_by_name = true)
WHERE CASE __millrace_path WHEN 'b.parquet' THEN get_bit(CAST(from_base64('gAE=') AS BIT), CAST(file_row_number AS INTEGER)) = 0 WHEN 'c''.parquet' THEN get_bit(CAST(from_base64('/w==') AS BIT), CAST(file_row_number AS INTEGER)) = 0 ELSE TRUE END
