-- column
`x`

-- literal number
1e-1

-- literal tiny
5e-324

-- literal huge
(-1.7976931348623157e308)

-- literal integer
CAST(9223372036854775807 AS BIGINT)

-- literal smallest integer
CAST(-9223372036854775808 AS BIGINT)

-- literal true
TRUE

-- literal missing
CAST(NULL AS DOUBLE)

-- literal infinity
CAST('Infinity' AS DOUBLE)

-- literal NaN is missing
CAST('NaN' AS DOUBLE)

-- literal text with quotes
'it''s "so" \\ \u000a\u0009 %s \u00241 ?'

-- literal text with NUL
'a\u0000b'

-- literal text beyond the BMP
'😀é'

-- literal time
CAST('2024-02-29T12:00:00.5Z' AS TIMESTAMP)

-- literal time in microseconds
timestamp_micros(-1)

-- literal date
CAST(CAST('2024-02-29' AS TIMESTAMP) AS DATE)

-- add
(`x` + 2e0)

-- add integers
(`id` + CAST(2 AS BIGINT))

-- add integer and number
(CAST(`id` AS DOUBLE) + 5e-1)

-- add missing
(`x` + CAST(NULL AS DOUBLE))

-- sub
(3e-1 - 1e-1)

-- mul
(1e-1 * 3e0)

-- div
(CAST(`id` AS DOUBLE) / nullif(3e0, 0e0))

-- div by zero
(`x` / nullif(0e0, 0e0))

-- div zero by zero
(0e0 / nullif(CAST(`id` AS DOUBLE), 0e0))

-- neg
(-`x`)

-- abs
abs((-2.5e0))

-- ln
CASE WHEN (1e0 > 0e0) THEN ln(1e0) ELSE CAST(NULL AS DOUBLE) END

-- ln of zero
CASE WHEN (0e0 > 0e0) THEN ln(0e0) ELSE CAST(NULL AS DOUBLE) END

-- ln of negative
CASE WHEN ((-1e0) > 0e0) THEN ln((-1e0)) ELSE CAST(NULL AS DOUBLE) END

-- ln of missing
CASE WHEN (CAST(NULL AS DOUBLE) > 0e0) THEN ln(CAST(NULL AS DOUBLE)) ELSE CAST(NULL AS DOUBLE) END

-- exp
exp(0e0)

-- sqrt
CASE WHEN (2e0 >= 0e0) THEN sqrt(2e0) ELSE CAST(NULL AS DOUBLE) END

-- sqrt of negative
CASE WHEN ((-1e0) >= 0e0) THEN sqrt((-1e0)) ELSE CAST(NULL AS DOUBLE) END

-- floor
(rint((-1.5e0)) - CAST(CAST(rint((-1.5e0)) > (-1.5e0) AS INT) AS DOUBLE))

-- least
CASE WHEN ((NOT (`x` IS NULL)) AND (NOT (CAST(`id` AS DOUBLE) IS NULL))) THEN least(`x`, 1e0, CAST(`id` AS DOUBLE)) ELSE CAST(NULL AS DOUBLE) END

-- least with missing
CAST(NULL AS DOUBLE)

-- greatest
CASE WHEN ((NOT (`id` IS NULL))) THEN greatest(`id`, CAST(7 AS BIGINT)) ELSE CAST(NULL AS BIGINT) END

-- greatest with missing
CASE WHEN ((NOT (nullif(`x`, 1.5e0) IS NULL))) THEN greatest(nullif(`x`, 1.5e0), 1e0) ELSE CAST(NULL AS DOUBLE) END

-- int_div
((CAST(7 AS BIGINT) - (((CAST(7 AS BIGINT) % CAST(2 AS BIGINT)) + CAST(2 AS BIGINT)) % CAST(2 AS BIGINT))) div CAST(2 AS BIGINT))

-- int_div floors
((CAST(-7 AS BIGINT) - (((CAST(-7 AS BIGINT) % CAST(2 AS BIGINT)) + CAST(2 AS BIGINT)) % CAST(2 AS BIGINT))) div CAST(2 AS BIGINT))

-- int_mod
(((CAST(7 AS BIGINT) % CAST(3 AS BIGINT)) + CAST(3 AS BIGINT)) % CAST(3 AS BIGINT))

-- int_mod is never negative
(((CAST(-7 AS BIGINT) % CAST(3 AS BIGINT)) + CAST(3 AS BIGINT)) % CAST(3 AS BIGINT))

-- int_div beyond 2^53
((CAST(9007199254740995 AS BIGINT) - (((CAST(9007199254740995 AS BIGINT) % CAST(2 AS BIGINT)) + CAST(2 AS BIGINT)) % CAST(2 AS BIGINT))) div CAST(2 AS BIGINT))

-- eq
(CAST(`id` AS DOUBLE) = 1e0)

-- eq with missing
(`x` = CAST(NULL AS DOUBLE))

-- eq NaN
(CAST('NaN' AS DOUBLE) = CAST('NaN' AS DOUBLE))

-- ne
(`k` <> 'A')

-- lt by UTF-8 bytes
('Z' < 'a')

-- lt beyond the BMP
('�' < '😀')

-- le
(1e0 <= 1e0)

-- gt NaN above infinity
(CAST('NaN' AS DOUBLE) > CAST('Infinity' AS DOUBLE))

-- ge
(CAST(1 AS BIGINT) >= CAST(2 AS BIGINT))

-- and
(TRUE AND TRUE AND FALSE)

-- and with missing
(FALSE AND CAST(NULL AS BOOLEAN))

-- or with missing
(TRUE OR CAST(NULL AS BOOLEAN))

-- not missing
(NOT CAST(NULL AS BOOLEAN))

-- is_null
(CAST(NULL AS DOUBLE) IS NULL)

-- is_null of NaN
(CAST('NaN' AS DOUBLE) IS NULL)

-- is_missing number
((CAST('NaN' AS DOUBLE) IS NULL) OR isnan(CAST('NaN' AS DOUBLE)))

-- is_missing NULL
(CAST(NULL AS DOUBLE) IS NULL)

-- is_missing no
(`x` IS NULL)

-- is_missing text
(('' IS NULL) OR ('' = ''))

-- is_missing blank is not
(' ' IS NULL)

-- is_missing integer
(`id` IS NULL)

-- is_nan
coalesce(isnan(CAST('NaN' AS DOUBLE)), FALSE)

-- is_nan of missing
coalesce(isnan(CAST(NULL AS DOUBLE)), FALSE)

-- coalesce
coalesce(CAST(NULL AS DOUBLE), `x`)

-- coalesce widens
coalesce(CAST(NULL AS DOUBLE), 5e-1)

-- nullif
nullif(`k`, 'a')

-- nullif keeps
nullif(`k`, 'b')

-- concat
(`k` || '-' || `s`)

-- concat with missing
(`k` || CAST(NULL AS STRING))

-- lower is ASCII
translate('ABÉZ', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')

-- trim
btrim(' \u0009\u000d\u000a\u000c a b \u000a', ' \t\n\r\u000C')

-- substr in code points
substr('é😀xyz', CAST(CAST(2 AS BIGINT) AS INT), CAST(CAST(2 AS BIGINT) AS INT))

-- substr past the end
substr('ab', CAST(CAST(2 AS BIGINT) AS INT), CAST(CAST(9 AS BIGINT) AS INT))

-- md5
md5('0|millrace-1')

-- matches
('abc123' RLIKE '[0-9]{3}\\z')

-- matches not
('abc' RLIKE '\\Ab')

-- epoch_us of a date
unix_micros(timestamp_micros(unix_date(CAST(CAST('0001-01-01' AS TIMESTAMP) AS DATE)) * 86400000000L))

-- epoch_us
unix_micros(CAST('1969-12-31T23:59:59.999999Z' AS TIMESTAMP))

-- case
CASE WHEN (`x` > 1e0) THEN 'big' ELSE 'small' END

-- case of missing goes on
CASE WHEN CAST(NULL AS BOOLEAN) THEN 1e0 ELSE 2e0 END

-- case of nothing
'else'

-- cast number to integer floors
CAST((rint(if((-1.5e0) >= 9223372036854775808e0, CAST('NaN' AS DOUBLE), (-1.5e0))) - CAST(CAST(rint(if((-1.5e0) >= 9223372036854775808e0, CAST('NaN' AS DOUBLE), (-1.5e0))) > if((-1.5e0) >= 9223372036854775808e0, CAST('NaN' AS DOUBLE), (-1.5e0)) AS INT) AS DOUBLE)) AS BIGINT)

-- cast integer to number
CAST(`id` AS DOUBLE)

-- cast boolean to number
CAST(TRUE AS DOUBLE)

-- cast text to number
CAST(CASE WHEN '1e3' RLIKE '\\A[ \\t\\n\\x0B\\f\\r]*([+-]?(([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?|(?i:inf|infinity))|(?i:nan))[ \\t\\n\\x0B\\f\\r]*\\z' THEN '1e3' ELSE '1e3' || ' is no number' END AS DOUBLE)

-- cast text to number, lenient
try_cast(CASE WHEN 'one' RLIKE '\\A[ \\t\\n\\x0B\\f\\r]*([+-]?(([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?|(?i:inf|infinity))|(?i:nan))[ \\t\\n\\x0B\\f\\r]*\\z' THEN 'one' END AS DOUBLE)

-- cast text to integer, lenient
try_cast(round(try_cast(CASE WHEN 'x1' RLIKE '\\A[ \\t\\n\\x0B\\f\\r]*[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?[ \\t\\n\\x0B\\f\\r]*\\z' THEN 'x1' END AS DECIMAL(38, 18)), 0) AS BIGINT)

-- cast text to time with zone
CAST(CASE WHEN '2024-01-01T02:00:00+02:00' RLIKE '\\A[0-9]{4,6}-[0-9]{1,2}-[0-9]{1,2}([T ][0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}(\\.[0-9]*)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?)?\\z' THEN '2024-01-01T02:00:00+02:00' ELSE '2024-01-01T02:00:00+02:00' || ' is no timestamp' END AS TIMESTAMP)

-- cast text to time without zone
CAST(CASE WHEN '2024-01-01 00:00:00' RLIKE '\\A[0-9]{4,6}-[0-9]{1,2}-[0-9]{1,2}([T ][0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}(\\.[0-9]*)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?)?\\z' THEN '2024-01-01 00:00:00' ELSE '2024-01-01 00:00:00' || ' is no timestamp' END AS TIMESTAMP)

-- cast text to time, lenient
try_cast(CASE WHEN 'noon' RLIKE '\\A[0-9]{4,6}-[0-9]{1,2}-[0-9]{1,2}([T ][0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}(\\.[0-9]*)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?)?\\z' THEN 'noon' END AS TIMESTAMP)

-- cast text to date
CAST(CASE WHEN '2024-01-01' RLIKE '\\A[ \\t\\n\\x0B\\f\\r]*[0-9]{4,6}-[0-9]{1,2}-[0-9]{1,2}(?![0-9])' THEN regexp_extract('2024-01-01', '[0-9]{4,6}-[0-9]{1,2}-[0-9]{1,2}', 0) ELSE '2024-01-01' || ' is no date' END AS DATE)

-- cast date to time
timestamp_micros(unix_date(CAST(CAST('1582-10-10' AS TIMESTAMP) AS DATE)) * 86400000000L)

-- cast time to text
CAST(CAST('1969-12-31T23:59:59.5Z' AS TIMESTAMP) AS STRING)

-- cast time to date
CAST(CAST('2024-01-01T23:59:59Z' AS TIMESTAMP) AS DATE)

-- cast whole number to text
CASE WHEN abs(3e0) < 1e15 AND 3e0 = rint(3e0) THEN CAST(CAST(3e0 AS BIGINT) AS STRING) WHEN isnan(3e0) THEN 'nan' WHEN abs(3e0) = CAST('Infinity' AS DOUBLE) THEN if(3e0 > 0e0, 'inf', '-inf') WHEN abs(3e0) >= 1e-4 AND abs(3e0) < 1e16 THEN regexp_replace(rtrim('0', CAST(CAST(3e0 AS DECIMAL(38, 21)) AS STRING)), '[.]$', '.0') ELSE regexp_replace(split_part(CAST(3e0 AS STRING), 'E', 1), '[.]0$', '') || 'e' || if(CAST(split_part(CAST(3e0 AS STRING), 'E', 2) AS INT) < 0, '-', '+') || lpad(CAST(abs(CAST(split_part(CAST(3e0 AS STRING), 'E', 2) AS INT)) AS STRING), greatest(2, length(CAST(abs(CAST(split_part(CAST(3e0 AS STRING), 'E', 2) AS INT)) AS STRING))), '0') END

-- cast number to text
CASE WHEN abs((-2.5e-1)) < 1e15 AND (-2.5e-1) = rint((-2.5e-1)) THEN CAST(CAST((-2.5e-1) AS BIGINT) AS STRING) WHEN isnan((-2.5e-1)) THEN 'nan' WHEN abs((-2.5e-1)) = CAST('Infinity' AS DOUBLE) THEN if((-2.5e-1) > 0e0, 'inf', '-inf') WHEN abs((-2.5e-1)) >= 1e-4 AND abs((-2.5e-1)) < 1e16 THEN regexp_replace(rtrim('0', CAST(CAST((-2.5e-1) AS DECIMAL(38, 21)) AS STRING)), '[.]$', '.0') ELSE regexp_replace(split_part(CAST((-2.5e-1) AS STRING), 'E', 1), '[.]0$', '') || 'e' || if(CAST(split_part(CAST((-2.5e-1) AS STRING), 'E', 2) AS INT) < 0, '-', '+') || lpad(CAST(abs(CAST(split_part(CAST((-2.5e-1) AS STRING), 'E', 2) AS INT)) AS STRING), greatest(2, length(CAST(abs(CAST(split_part(CAST((-2.5e-1) AS STRING), 'E', 2) AS INT)) AS STRING))), '0') END

-- cast negative zero to text
CASE WHEN abs(CAST('-0' AS DOUBLE)) < 1e15 AND CAST('-0' AS DOUBLE) = rint(CAST('-0' AS DOUBLE)) THEN CAST(CAST(CAST('-0' AS DOUBLE) AS BIGINT) AS STRING) WHEN isnan(CAST('-0' AS DOUBLE)) THEN 'nan' WHEN abs(CAST('-0' AS DOUBLE)) = CAST('Infinity' AS DOUBLE) THEN if(CAST('-0' AS DOUBLE) > 0e0, 'inf', '-inf') WHEN abs(CAST('-0' AS DOUBLE)) >= 1e-4 AND abs(CAST('-0' AS DOUBLE)) < 1e16 THEN regexp_replace(rtrim('0', CAST(CAST(CAST('-0' AS DOUBLE) AS DECIMAL(38, 21)) AS STRING)), '[.]$', '.0') ELSE regexp_replace(split_part(CAST(CAST('-0' AS DOUBLE) AS STRING), 'E', 1), '[.]0$', '') || 'e' || if(CAST(split_part(CAST(CAST('-0' AS DOUBLE) AS STRING), 'E', 2) AS INT) < 0, '-', '+') || lpad(CAST(abs(CAST(split_part(CAST(CAST('-0' AS DOUBLE) AS STRING), 'E', 2) AS INT)) AS STRING), greatest(2, length(CAST(abs(CAST(split_part(CAST(CAST('-0' AS DOUBLE) AS STRING), 'E', 2) AS INT)) AS STRING))), '0') END

-- cast integer to text
CAST(CAST(-9223372036854775808 AS BIGINT) AS STRING)

-- cast boolean to text
CAST(FALSE AS STRING)

-- cast date to text
CAST(CAST(CAST('2024-02-29' AS TIMESTAMP) AS DATE) AS STRING)

-- cast to float32
CAST(1e-1 AS FLOAT)

-- cast too large to float32
CAST((-1e300) AS FLOAT)

-- cast largest to float32
CAST(3.4028234663852886e38 AS FLOAT)

-- cast just above rounds to the largest
CAST(3.4028235e38 AS FLOAT)

-- cast missing to float32
CAST(CAST(NULL AS DOUBLE) AS FLOAT)

-- position
CAST(nullif(array_position(array('b', 'a', 'it''s'), `k`), 0) - 1 AS BIGINT)

-- position of what is not there
CAST(nullif(array_position(array('b', 'a'), `s`), 0) - 1 AS BIGINT)

-- position of missing
CAST(nullif(array_position(array('a'), CAST(NULL AS STRING)), 0) - 1 AS BIGINT)

-- position of nothing
CAST(NULL AS BIGINT)

-- position of many
get(from_json('[{"w1":1,"w2":2,"w15":15,"w16":16,"w34":34},{"w4":4,"w13":13,"w38":38},{"w21":21,"w36":36},{"w5":5,"w6":6,"w12":12,"w18":18},{"w3":3,"w29":29,"w35":35},{"w7":7,"w11":11,"w25":25,"w33":33},{"w0":0,"w14":14,"w17":17},{"w10":10,"w19":19,"w24":24,"w26":26,"w27":27},{"w8":8,"w9":9,"w20":20,"w22":22,"w23":23,"w28":28,"w37":37},{"w30":30,"w31":31,"w32":32,"w39":39}]', 'array<map<string,bigint>>'), CAST(crc32('w39') % 10 AS INT))['w39']

-- in
(`k` IN ('b', 'a'))

-- in of many integers
(`id` IN (CAST(0 AS BIGINT), CAST(1 AS BIGINT), CAST(2 AS BIGINT), CAST(3 AS BIGINT), CAST(4 AS BIGINT), CAST(5 AS BIGINT), CAST(6 AS BIGINT), CAST(7 AS BIGINT), CAST(8 AS BIGINT), CAST(9 AS BIGINT), CAST(10 AS BIGINT), CAST(11 AS BIGINT), CAST(12 AS BIGINT), CAST(13 AS BIGINT), CAST(14 AS BIGINT), CAST(15 AS BIGINT), CAST(16 AS BIGINT), CAST(17 AS BIGINT), CAST(18 AS BIGINT), CAST(19 AS BIGINT), CAST(20 AS BIGINT), CAST(21 AS BIGINT), CAST(22 AS BIGINT), CAST(23 AS BIGINT), CAST(24 AS BIGINT), CAST(25 AS BIGINT), CAST(26 AS BIGINT), CAST(27 AS BIGINT), CAST(28 AS BIGINT), CAST(29 AS BIGINT), CAST(30 AS BIGINT), CAST(31 AS BIGINT), CAST(32 AS BIGINT), CAST(33 AS BIGINT), CAST(34 AS BIGINT), CAST(35 AS BIGINT), CAST(36 AS BIGINT), CAST(37 AS BIGINT), CAST(38 AS BIGINT), CAST(39 AS BIGINT)))

-- in of many whole numbers, a fraction
(`x` IN (0e0, 1e0, 2e0, 3e0, 4e0, 5e0, 6e0, 7e0, 8e0, 9e0, 1e1, 1.1e1, 1.2e1, 1.3e1, 1.4e1, 1.5e1, 1.6e1, 1.7e1, 1.8e1, 1.9e1, 2e1, 2.1e1, 2.2e1, 2.3e1, 2.4e1, 2.5e1, 2.6e1, 2.7e1, 2.8e1, 2.9e1, 3e1, 3.1e1, 3.2e1, 3.3e1, 3.4e1, 3.5e1, 3.6e1, 3.7e1, 3.8e1, 3.9e1))

-- in of many whole numbers, one of them
(2e0 IN (0e0, 1e0, 2e0, 3e0, 4e0, 5e0, 6e0, 7e0, 8e0, 9e0, 1e1, 1.1e1, 1.2e1, 1.3e1, 1.4e1, 1.5e1, 1.6e1, 1.7e1, 1.8e1, 1.9e1, 2e1, 2.1e1, 2.2e1, 2.3e1, 2.4e1, 2.5e1, 2.6e1, 2.7e1, 2.8e1, 2.9e1, 3e1, 3.1e1, 3.2e1, 3.3e1, 3.4e1, 3.5e1, 3.6e1, 3.7e1, 3.8e1, 3.9e1))

-- in of many numbers
(`x` IN (0e0, 1e0, 2e0, 3e0, 4e0, 5e0, 6e0, 7e0, 8e0, 9e0, 1e1, 1.1e1, 1.2e1, 1.3e1, 1.4e1, 1.5e1, 1.6e1, 1.7e1, 1.8e1, 1.9e1, 2e1, 2.1e1, 2.2e1, 2.3e1, 2.4e1, 2.5e1, 2.6e1, 2.7e1, 2.8e1, 2.9e1, 3e1, 3.1e1, 3.2e1, 3.3e1, 3.4e1, 3.5e1, 3.6e1, 3.7e1, 3.8e1, 3.9e1, 1.5e0))

-- in of many times
(CAST('2024-01-01T00:00:00Z' AS TIMESTAMP) IN (timestamp_micros(1704067200000000), timestamp_micros(1704153600000000), timestamp_micros(1704240000000000), timestamp_micros(1704326400000000), timestamp_micros(1704412800000000), timestamp_micros(1704499200000000), timestamp_micros(1704585600000000), timestamp_micros(1704672000000000), timestamp_micros(1704758400000000), timestamp_micros(1704844800000000), timestamp_micros(1704931200000000), timestamp_micros(1705017600000000), timestamp_micros(1705104000000000), timestamp_micros(1705190400000000), timestamp_micros(1705276800000000), timestamp_micros(1705363200000000), timestamp_micros(1705449600000000), timestamp_micros(1705536000000000), timestamp_micros(1705622400000000), timestamp_micros(1705708800000000), timestamp_micros(1705795200000000), timestamp_micros(1705881600000000), timestamp_micros(1705968000000000), timestamp_micros(1706054400000000), timestamp_micros(1706140800000000), timestamp_micros(1706227200000000), timestamp_micros(1706313600000000), timestamp_micros(1706400000000000), timestamp_micros(1706486400000000), timestamp_micros(1706572800000000), timestamp_micros(1706659200000000), timestamp_micros(1706745600000000), timestamp_micros(1706832000000000), timestamp_micros(1706918400000000), timestamp_micros(1707004800000000), timestamp_micros(1707091200000000), timestamp_micros(1707177600000000), timestamp_micros(1707264000000000), timestamp_micros(1707350400000000), timestamp_micros(1707436800000000)))

-- not in many times
(CAST('2024-01-01T00:00:01Z' AS TIMESTAMP) IN (timestamp_micros(1704067200000000), timestamp_micros(1704153600000000), timestamp_micros(1704240000000000), timestamp_micros(1704326400000000), timestamp_micros(1704412800000000), timestamp_micros(1704499200000000), timestamp_micros(1704585600000000), timestamp_micros(1704672000000000), timestamp_micros(1704758400000000), timestamp_micros(1704844800000000), timestamp_micros(1704931200000000), timestamp_micros(1705017600000000), timestamp_micros(1705104000000000), timestamp_micros(1705190400000000), timestamp_micros(1705276800000000), timestamp_micros(1705363200000000), timestamp_micros(1705449600000000), timestamp_micros(1705536000000000), timestamp_micros(1705622400000000), timestamp_micros(1705708800000000), timestamp_micros(1705795200000000), timestamp_micros(1705881600000000), timestamp_micros(1705968000000000), timestamp_micros(1706054400000000), timestamp_micros(1706140800000000), timestamp_micros(1706227200000000), timestamp_micros(1706313600000000), timestamp_micros(1706400000000000), timestamp_micros(1706486400000000), timestamp_micros(1706572800000000), timestamp_micros(1706659200000000), timestamp_micros(1706745600000000), timestamp_micros(1706832000000000), timestamp_micros(1706918400000000), timestamp_micros(1707004800000000), timestamp_micros(1707091200000000), timestamp_micros(1707177600000000), timestamp_micros(1707264000000000), timestamp_micros(1707350400000000), timestamp_micros(1707436800000000)))

-- in not
(`k` IN ('b'))

-- in nothing
FALSE

-- in missing
(CAST(NULL AS STRING) IN ('b'))

-- in many
('w17' IN ('w0', 'w1', 'w2', 'w3', 'w4', 'w5', 'w6', 'w7', 'w8', 'w9', 'w10', 'w11', 'w12', 'w13', 'w14', 'w15', 'w16', 'w17', 'w18', 'w19', 'w20', 'w21', 'w22', 'w23', 'w24', 'w25', 'w26', 'w27', 'w28', 'w29', 'w30', 'w31', 'w32', 'w33', 'w34', 'w35', 'w36', 'w37', 'w38', 'w39'))

-- in many, not
('v' IN ('w0', 'w1', 'w2', 'w3', 'w4', 'w5', 'w6', 'w7', 'w8', 'w9', 'w10', 'w11', 'w12', 'w13', 'w14', 'w15', 'w16', 'w17', 'w18', 'w19', 'w20', 'w21', 'w22', 'w23', 'w24', 'w25', 'w26', 'w27', 'w28', 'w29', 'w30', 'w31', 'w32', 'w33', 'w34', 'w35', 'w36', 'w37', 'w38', 'w39'))

-- in many, missing
(CAST(NULL AS STRING) IN ('w0', 'w1', 'w2', 'w3', 'w4', 'w5', 'w6', 'w7', 'w8', 'w9', 'w10', 'w11', 'w12', 'w13', 'w14', 'w15', 'w16', 'w17', 'w18', 'w19', 'w20', 'w21', 'w22', 'w23', 'w24', 'w25', 'w26', 'w27', 'w28', 'w29', 'w30', 'w31', 'w32', 'w33', 'w34', 'w35', 'w36', 'w37', 'w38', 'w39'))

-- in integers
(`id` IN (CAST(3 AS BIGINT), CAST(1 AS BIGINT)))

-- in numbers
(`x` IN (1.5e0, 2e0))
