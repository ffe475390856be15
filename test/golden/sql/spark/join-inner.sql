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
  SELECT
    CAST(`id` AS BIGINT) AS `id`,
    nullif(CAST(`k` AS STRING), '') AS `k`,
    nullif(CAST(`x` AS DOUBLE), CAST('NaN' AS DOUBLE)) AS `x`,
    nullif(CAST(`s` AS STRING), '') AS `s`,
    CAST(`t` AS TIMESTAMP) AS `t`,
    CAST(`d` AS DATE) AS `d`,
    CAST(`b` AS BOOLEAN) AS `b`
  FROM t_fab6d58984828de87e8ac924
) AS l
INNER JOIN (
  SELECT
    nullif(CAST(`k2` AS STRING), '') AS `k2`,
    nullif(CAST(`label` AS STRING), '') AS `label`
  FROM t_f9c4d0057a0d935822c93099
) AS r
ON l.`k` = r.`k2`
