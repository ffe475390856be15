SELECT *,
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
) AS q
