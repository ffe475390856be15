SELECT /*+ BROADCAST(d) */
  CAST(`id` AS BIGINT) AS `id`,
  nullif(CAST(`k` AS STRING), '') AS `k`,
  nullif(CAST(`x` AS DOUBLE), CAST('NaN' AS DOUBLE)) AS `x`,
  nullif(CAST(`s` AS STRING), '') AS `s`,
  CAST(`t` AS TIMESTAMP) AS `t`,
  CAST(`d` AS DATE) AS `d`,
  CAST(`b` AS BOOLEAN) AS `b`,
  __millrace_position AS `row`
FROM t_bd3c45038a3a6bf10f55b764 AS t
LEFT JOIN d_a8950f05d3443e7921e7ec6f AS d ON t.__millrace_position DIV 65536 = d.chunk
WHERE coalesce(d.words[CAST(t.__millrace_position DIV 32 & 2047 AS INT)] & shiftleft(1L, CAST(t.__millrace_position & 31 AS INT)), 0L) = 0L
