SELECT
  CAST(`id` AS BIGINT) AS `id`,
  nullif(CAST(`k` AS STRING), '') AS `k`,
  nullif(CAST(`x` AS DOUBLE), CAST('NaN' AS DOUBLE)) AS `x`,
  nullif(CAST(`s` AS STRING), '') AS `s`,
  CAST(`t` AS TIMESTAMP) AS `t`,
  CAST(`d` AS DATE) AS `d`,
  CAST(`b` AS BOOLEAN) AS `b`,
  __millrace_position AS `row`
FROM t_a451ab5ea30060a28039e710
