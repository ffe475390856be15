SELECT
  l.`id` AS `id`,
  l.`k` AS `k`,
  l.`x` AS `x`,
  l.`s` AS `s`,
  l.`t` AS `t`,
  l.`d` AS `d`,
  l.`b` AS `b`,
  r.`k2` AS `k2`,
  r.`label` AS `label`
FROM (
  SELECT `id`, `k`, `x`, `s`, `t`, `d`, `b` FROM t0
) AS l
LEFT JOIN (
  SELECT `k2`, `label` FROM t0
) AS r
ON l.`k` = r.`k2`
