SELECT *,
  row_number() OVER (PARTITION BY "k" ORDER BY "id" DESC NULLS FIRST, "x" ASC NULLS LAST) AS "row_number",
  count(*) OVER (PARTITION BY "k" ORDER BY "id" DESC NULLS FIRST, "x" ASC NULLS LAST) AS "count",
  count("x") OVER (PARTITION BY "k" ORDER BY "id" DESC NULLS FIRST, "x" ASC NULLS LAST) AS "count-x",
  sum("x") OVER (PARTITION BY "k" ORDER BY "id" DESC NULLS FIRST, "x" ASC NULLS LAST) AS "sum",
  CAST(sum("id") OVER (PARTITION BY "k" ORDER BY "id" DESC NULLS FIRST, "x" ASC NULLS LAST) AS BIGINT) AS "sum-integer",
  avg(CAST("id" AS DOUBLE)) OVER (PARTITION BY "k" ORDER BY "id" DESC NULLS FIRST, "x" ASC NULLS LAST) AS "avg",
  min("x") OVER (PARTITION BY "k" ORDER BY "id" DESC NULLS FIRST, "x" ASC NULLS LAST) AS "min",
  max("x") OVER (PARTITION BY "k" ORDER BY "id" DESC NULLS FIRST, "x" ASC NULLS LAST) AS "max",
  lag("x", CAST(1 AS BIGINT)) OVER (PARTITION BY "k" ORDER BY "id" DESC NULLS FIRST, "x" ASC NULLS LAST) AS "lag",
  count(*) OVER () AS "whole"
FROM (
  SELECT
    "id" AS "id",
    "k" AS "k",
    "x" AS "x"
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
) AS q
