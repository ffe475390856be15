SELECT
  `id` AS `id`,
  `k` AS `k`,
  `x` AS `x`,
  CAST(row_number() OVER (PARTITION BY `k` ORDER BY `id` DESC NULLS FIRST, `x` ASC NULLS LAST) AS BIGINT) AS `row_number`,
  count(*) OVER (PARTITION BY `k` ORDER BY `id` DESC NULLS FIRST, `x` ASC NULLS LAST) AS `count`,
  count(`x`) OVER (PARTITION BY `k` ORDER BY `id` DESC NULLS FIRST, `x` ASC NULLS LAST) AS `count-x`,
  sum(`x`) OVER (PARTITION BY `k` ORDER BY `id` DESC NULLS FIRST, `x` ASC NULLS LAST) AS `sum`,
  sum(`id`) OVER (PARTITION BY `k` ORDER BY `id` DESC NULLS FIRST, `x` ASC NULLS LAST) AS `sum-integer`,
  avg(CAST(`id` AS DOUBLE)) OVER (PARTITION BY `k` ORDER BY `id` DESC NULLS FIRST, `x` ASC NULLS LAST) AS `avg`,
  min(`x`) OVER (PARTITION BY `k` ORDER BY `id` DESC NULLS FIRST, `x` ASC NULLS LAST) AS `min`,
  max(`x`) OVER (PARTITION BY `k` ORDER BY `id` DESC NULLS FIRST, `x` ASC NULLS LAST) AS `max`,
  lag(`x`, CAST(CAST(1 AS BIGINT) AS INT)) OVER (PARTITION BY `k` ORDER BY `id` DESC NULLS FIRST, `x` ASC NULLS LAST) AS `lag`,
  count(*) OVER () AS `whole`
FROM (
  SELECT
    `id` AS `id`,
    `k` AS `k`,
    `x` AS `x`
  FROM (
    SELECT `id`, `k`, `x`, `s`, `t`, `d`, `b` FROM t0
  ) AS q
) AS q
