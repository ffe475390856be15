SELECT
  coalesce(TRY_CAST("id" AS BIGINT), CAST(CASE WHEN NOT list_contains(['', 'na', 'n/a', 'nan', 'null', 'none', '?'], lower(trim("id", E' \t\n\r\f'))) THEN trim("id", E' \t\n\r\f') END AS BIGINT)) AS "id",
  nullif("k", '') AS "k",
  nullif(coalesce(TRY_CAST("x" AS DOUBLE), CAST(CASE WHEN NOT list_contains(['', 'na', 'n/a', 'nan', 'null', 'none', '?'], lower(trim("x", E' \t\n\r\f'))) THEN trim("x", E' \t\n\r\f') END AS DOUBLE)), CAST('NaN' AS DOUBLE)) AS "x",
  nullif("s", '') AS "s",
  coalesce(CAST(TRY_CAST("t" AS TIMESTAMPTZ) AS TIMESTAMP), CAST(CAST(CASE WHEN NOT list_contains(['', 'na', 'n/a', 'nan', 'null', 'none', '?'], lower(trim("t", E' \t\n\r\f'))) THEN trim("t", E' \t\n\r\f') END AS TIMESTAMPTZ) AS TIMESTAMP)) AS "t",
  coalesce(TRY_CAST("d" AS DATE), CAST(CASE WHEN NOT list_contains(['', 'na', 'n/a', 'nan', 'null', 'none', '?'], lower(trim("d", E' \t\n\r\f'))) THEN trim("d", E' \t\n\r\f') END AS DATE)) AS "d",
  coalesce(TRY_CAST("b" AS BOOLEAN), CAST(CASE WHEN NOT list_contains(['', 'na', 'n/a', 'nan', 'null', 'none', '?'], lower(trim("b", E' \t\n\r\f'))) THEN trim("b", E' \t\n\r\f') END AS BOOLEAN)) AS "b"
FROM read_json(['t.jsonl'], format = 'auto', records = true, hive_partitioning = false, columns = {'id': 'VARCHAR', 'k': 'VARCHAR', 'x': 'VARCHAR', 's': 'VARCHAR', 't': 'VARCHAR', 'd': 'VARCHAR', 'b': 'VARCHAR'})
