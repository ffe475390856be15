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
  SELECT `id`, `k`, `x`, `s`, `t`, `d`, `b` FROM t0
) AS q
