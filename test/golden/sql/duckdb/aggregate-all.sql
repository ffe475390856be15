SELECT
  count(*) AS "count",
  count("x") AS "count-x",
  CAST(count_if("b") AS BIGINT) AS "count_if",
  count(DISTINCT ("k")) AS "count_distinct",
  count(DISTINCT ("k", "s")) AS "count_distinct-pairs",
  sum("x") AS "sum",
  CAST(sum("id") AS BIGINT) AS "sum-integer",
  CAST(sum(CAST("b" AS BIGINT)) AS BIGINT) AS "sum-boolean",
  avg(CAST("id" AS DOUBLE)) AS "avg",
  min("s") AS "min",
  max("t") AS "max",
  stddev_samp("x") AS "stddev_samp",
  var_pop("x") AS "var_pop",
  quantile_cont("x", 2.5e-1) AS "quantile",
  CAST(sum("id") FILTER (WHERE ("s" IS NULL)) AS BIGINT) AS "filtered"
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
