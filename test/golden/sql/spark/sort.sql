SELECT *
FROM (
  SELECT
    CAST(`id` AS BIGINT) AS `id`,
    nullif(CAST(`k` AS STRING), '') AS `k`,
    nullif(CAST(`x` AS DOUBLE), CAST('NaN' AS DOUBLE)) AS `x`,
    nullif(CAST(`s` AS STRING), '') AS `s`,
    CAST(`t` AS TIMESTAMP) AS `t`,
    CAST(`d` AS DATE) AS `d`,
    CAST(`b` AS BOOLEAN) AS `b`
  FROM t_fab6d58984828de87e8ac924
) AS q
ORDER BY `k` ASC NULLS LAST, `x` DESC NULLS FIRST
