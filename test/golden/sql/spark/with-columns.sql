SELECT
  `id` AS `id`,
  `k` AS `k`,
  (`x` * 2e0) AS `x`,
  `s` AS `s`,
  `t` AS `t`,
  `d` AS `d`,
  `b` AS `b`,
  'line\u000aline' AS `y`
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
