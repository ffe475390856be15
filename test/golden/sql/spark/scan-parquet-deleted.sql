SELECT /*+ BROADCAST(d) */
  CAST(`id` AS BIGINT) AS `id`,
  nullif(CAST(`k` AS STRING), '') AS `k`,
  nullif(CAST(`x` AS DOUBLE), CAST('NaN' AS DOUBLE)) AS `x`,
  nullif(CAST(`s` AS STRING), '') AS `s`,
  CAST(`t` AS TIMESTAMP) AS `t`,
  CAST(`d` AS DATE) AS `d`,
  CAST(`b` AS BOOLEAN) AS `b`
FROM t_9f559f391e2da9f4d6114c8e AS t
LEFT JOIN d_2e42d67888ff96b92b614e3b AS d ON t.__millrace_position DIV 65536 = d.chunk
WHERE coalesce(d.words[CAST(t.__millrace_position DIV 32 & 2047 AS INT)] & shiftleft(1L, CAST(t.__millrace_position & 31 AS INT)), 0L) = 0L
