SELECT
  `k` AS `k`,
  (rint(`x`) - CAST(CAST(rint(`x`) > `x` AS INT) AS DOUBLE)) AS `x`,
  count(*) AS `n`
FROM (
  SELECT `id`, `k`, `x`, `s`, `t`, `d`, `b` FROM t0
) AS q
GROUP BY 1, 2
