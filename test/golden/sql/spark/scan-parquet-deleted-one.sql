SELECT /*+ BROADCAST(d) */
  CAST(`id` AS BIGINT) AS `id`,
  nullif(CAST(`k` AS STRING), '') AS `k`,
  nullif(CAST(`x` AS DOUBLE), CAST('NaN' AS DOUBLE)) AS `x`,
  nullif(CAST(`s` AS STRING), '') AS `s`,
  CAST(`t` AS TIMESTAMP_NTZ) AS `t`,
  CAST(`d` AS DATE) AS `d`,
  CAST(`b` AS BOOLEAN) AS `b`,
  __millrace_position AS `row`
FROM t_bd3c45038a3a6bf10f55b764 AS t
LEFT ANTI JOIN d_a8950f05d3443e7921e7ec6f AS d ON t.__millrace_position = d.__millrace_position
