SELECT
  (`x` + 1e0) AS `a "b"`,
  `k` AS `select`
FROM (
  SELECT `id`, `k`, `x`, `s`, `t`, `d`, `b` FROM t0
) AS q
