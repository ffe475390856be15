SELECT
  count(*) AS `count`,
  count(`x`) AS `count-x`,
  sum(CAST(`b` AS BIGINT)) AS `count_if`,
  count(DISTINCT (`k`)) AS `count_distinct`,
  count(DISTINCT (`k`, `s`)) AS `count_distinct-pairs`,
  sum(`x`) AS `sum`,
  sum(`id`) AS `sum-integer`,
  sum(CAST(`b` AS BIGINT)) AS `sum-boolean`,
  avg(CAST(`id` AS DOUBLE)) AS `avg`,
  min(`s`) AS `min`,
  max(`t`) AS `max`,
  stddev_samp(`x`) AS `stddev_samp`,
  var_pop(`x`) AS `var_pop`,
  percentile(`x`, 2.5e-1) AS `quantile`,
  sum(`id`) FILTER (WHERE (`s` IS NULL)) AS `filtered`
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
