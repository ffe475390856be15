SELECT *
FROM (
  SELECT `id`, `k`, `x`, `s`, `t`, `d`, `b` FROM t0
) AS q
ORDER BY `k` ASC NULLS LAST, `x` DESC NULLS FIRST
