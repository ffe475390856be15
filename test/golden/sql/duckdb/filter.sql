SELECT *
FROM (
  SELECT
    CAST("id" AS BIGINT) AS "id",
    nullif(CAST("k" AS VARCHAR), '') AS "k",
    nullif(CAST("x" AS DOUBLE), CAST('NaN' AS DOUBLE)) AS "x",
    nullif(CAST("s" AS VARCHAR), '') AS "s",
    CAST("t" AS TIMESTAMP) AS "t",
    CAST("d" AS DATE) AS "d",
    CAST("b" AS BOOLEAN) AS "b"
  FROM read_parquet(['data/t.parquet'], hive_partitioning = false)
) AS q
WHERE ("x" > 0e0)
