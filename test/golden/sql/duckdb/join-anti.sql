SELECT
  l."id" AS "id",
  l."k" AS "k",
  l."x" AS "x",
  l."s" AS "s",
  l."t" AS "t",
  l."d" AS "d",
  l."b" AS "b"
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
) AS l
ANTI JOIN (
  SELECT
    nullif(CAST("k2" AS VARCHAR), '') AS "k2",
    nullif(CAST("label" AS VARCHAR), '') AS "label"
  FROM read_parquet(['o.parquet'], hive_partitioning = false)
) AS r
ON l."k" = r."k2"
