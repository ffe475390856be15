SELECT /*+ BROADCAST(d) */
  CAST(`id` AS BIGINT) AS `id`,
  nullif(CAST(`k` AS STRING), '') AS `k`,
  nullif(CAST(`x` AS DOUBLE), CAST('NaN' AS DOUBLE)) AS `x`,
  nullif(CAST(`s` AS STRING), '') AS `s`,
  CAST(`t` AS TIMESTAMP_NTZ) AS `t`,
  CAST(`d` AS DATE) AS `d`,
  CAST(`b` AS BOOLEAN) AS `b`
FROM t_9f559f391e2da9f4d6114c8e AS t
LEFT ANTI JOIN d_2e42d67888ff96b92b614e3b AS d ON t.__millrace_position = d.__millrace_position
