SELECT *
FROM (
  SELECT `id`, `k`, `x`, `s`, `t`, `d`, `b` FROM t0
) AS q
ORDER BY `id` ASC NULLS LAST
LIMIT 10 OFFSET 5
