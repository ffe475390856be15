SELECT
  "id" AS "id",
  "k" AS "k",
  "x" AS "x",
  "b" AS "b",
  count(*) OVER (PARTITION BY "k" ORDER BY "id" ASC NULLS LAST RANGE BETWEEN 604800000000 PRECEDING AND 1 PRECEDING) AS "range",
  max("x") OVER (PARTITION BY "k" ORDER BY "id" ASC NULLS LAST ROWS BETWEEN 5 PRECEDING AND 1 PRECEDING) AS "rows",
  count("x") OVER (PARTITION BY "k" ORDER BY "id" ASC NULLS LAST ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS "all",
  lag("k", CAST(3 AS BIGINT)) OVER (PARTITION BY "k" ORDER BY "id" ASC NULLS LAST) AS "lag",
  (CAST(sum(CAST(round("x" * 7.555786372591432e22) AS HUGEINT)) OVER (PARTITION BY "k" ORDER BY "id" ASC NULLS LAST RANGE BETWEEN 10 PRECEDING AND 1 PRECEDING) AS DOUBLE) / 7.555786372591432e22) AS "exact",
  (CAST(sum(CAST(round(CAST("b" AS DOUBLE) * 5e-1) AS HUGEINT)) OVER (PARTITION BY "k" ORDER BY "id" ASC NULLS LAST ROWS BETWEEN 1 PRECEDING AND 0 PRECEDING) AS DOUBLE) / 5e-1) AS "exact-boolean"
FROM (
  SELECT
    "id" AS "id",
    "k" AS "k",
    "x" AS "x",
    "b" AS "b"
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
