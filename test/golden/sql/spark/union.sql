SELECT *
FROM (
  SELECT
    `k` AS `k`
  FROM (
    SELECT `id`, `k`, `x`, `s`, `t`, `d`, `b` FROM t0
  ) AS q
) AS q
UNION ALL
SELECT *
FROM (
  SELECT
    `k` AS `k`
  FROM (
    SELECT *
    FROM (
      SELECT `id`, `k`, `x`, `s`, `t`, `d`, `b` FROM t0
    ) AS q
    WHERE `b`
  ) AS q
) AS q
