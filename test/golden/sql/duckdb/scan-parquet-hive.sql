SELECT
  CAST("id" AS BIGINT) AS "id",
  nullif("k", '') AS "k",
  nullif(CAST("x" AS DOUBLE), CAST('NaN' AS DOUBLE)) AS "x",
  nullif(CAST("s" AS VARCHAR), '') AS "s",
  CAST("t" AS TIMESTAMP) AS "t",
  CAST("d" AS DATE) AS "d",
  CAST("b" AS BOOLEAN) AS "b",
  CAST(row_number() OVER () - 1 AS BIGINT) AS "row"
FROM (SELECT *, CAST(CASE __millrace_path WHEN 't/k=it''s/p.parquet' THEN 'it''s' WHEN 't/k=__HIVE_DEFAULT_PARTITION__/p.parquet' THEN NULL END AS VARCHAR) AS "k" FROM read_parquet(['t/k=it''s/p.parquet', 't/k=__HIVE_DEFAULT_PARTITION__/p.parquet'], hive_partitioning = false, filename = '__millrace_path', union_by_name = true))
