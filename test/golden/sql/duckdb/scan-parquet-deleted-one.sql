SELECT
  CAST("id" AS BIGINT) AS "id",
  nullif(CAST("k" AS VARCHAR), '') AS "k",
  nullif(CAST("x" AS DOUBLE), CAST('NaN' AS DOUBLE)) AS "x",
  nullif(CAST("s" AS VARCHAR), '') AS "s",
  CAST("t" AS TIMESTAMP) AS "t",
  CAST("d" AS DATE) AS "d",
  CAST("b" AS BOOLEAN) AS "b",
  CAST(file_row_number + 1000 AS BIGINT) AS "row"
FROM read_parquet(['b.parquet'], hive_partitioning = false)
WHERE get_bit(CAST(from_base64('gAE=') AS BIT), CAST(file_row_number AS INTEGER)) IS DISTINCT FROM 1
