-- column
"x"

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
'it''s "so" \ 
	 %s $1 ?'

-- literal text with NUL
('a' || chr(0) || 'b')

-- literal text beyond the BMP
'😀é'

-- literal time
CAST(CAST(CAST('2024-02-29T12:00:00.5Z' AS TIMESTAMPTZ) AS TIMESTAMP) AS TIMESTAMP)

-- literal time in microseconds
CAST(make_timestamp(-1) AS TIMESTAMP)

-- literal date
CAST(CAST(CAST('2024-02-29' AS TIMESTAMPTZ) AS TIMESTAMP) AS DATE)

-- add
("x" + 2e0)

-- add integers
("id" + CAST(2 AS BIGINT))

-- add integer and number
(CAST("id" AS DOUBLE) + 5e-1)

-- add missing
("x" + CAST(NULL AS DOUBLE))

-- sub
(3e-1 - 1e-1)

-- mul
(1e-1 * 3e0)

-- div
(CAST("id" AS DOUBLE) / nullif(3e0, 0e0))

-- div by zero
("x" / nullif(0e0, 0e0))

-- div zero by zero
(0e0 / nullif(CAST("id" AS DOUBLE), 0e0))

-- neg
(-"x")

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
floor((-1.5e0))

-- least
CASE WHEN ((NOT ("x" IS NULL)) AND (NOT (CAST("id" AS DOUBLE) IS NULL))) THEN least("x", 1e0, CAST("id" AS DOUBLE)) ELSE CAST(NULL AS DOUBLE) END

-- least with missing
CAST(NULL AS DOUBLE)

-- greatest
CASE WHEN ((NOT ("id" IS NULL))) THEN greatest("id", CAST(7 AS BIGINT)) ELSE CAST(NULL AS BIGINT) END

-- greatest with missing
CASE WHEN ((NOT (nullif("x", 1.5e0) IS NULL))) THEN greatest(nullif("x", 1.5e0), 1e0) ELSE CAST(NULL AS DOUBLE) END

-- int_div
((CAST(7 AS BIGINT) - (((CAST(7 AS BIGINT) % CAST(2 AS BIGINT)) + CAST(2 AS BIGINT)) % CAST(2 AS BIGINT))) // CAST(2 AS BIGINT))

-- int_div floors
((CAST(-7 AS BIGINT) - (((CAST(-7 AS BIGINT) % CAST(2 AS BIGINT)) + CAST(2 AS BIGINT)) % CAST(2 AS BIGINT))) // CAST(2 AS BIGINT))

-- int_mod
(((CAST(7 AS BIGINT) % CAST(3 AS BIGINT)) + CAST(3 AS BIGINT)) % CAST(3 AS BIGINT))

-- int_mod is never negative
(((CAST(-7 AS BIGINT) % CAST(3 AS BIGINT)) + CAST(3 AS BIGINT)) % CAST(3 AS BIGINT))

-- int_div beyond 2^53
((CAST(9007199254740995 AS BIGINT) - (((CAST(9007199254740995 AS BIGINT) % CAST(2 AS BIGINT)) + CAST(2 AS BIGINT)) % CAST(2 AS BIGINT))) // CAST(2 AS BIGINT))

-- eq
(CAST("id" AS DOUBLE) = 1e0)

-- eq with missing
("x" = CAST(NULL AS DOUBLE))

-- eq NaN
(CAST('NaN' AS DOUBLE) = CAST('NaN' AS DOUBLE))

-- ne
("k" <> 'A')

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
("x" IS NULL)

-- is_missing text
(('' IS NULL) OR ('' = ''))

-- is_missing blank is not
(' ' IS NULL)

-- is_missing integer
("id" IS NULL)

-- is_nan
coalesce(isnan(CAST('NaN' AS DOUBLE)), FALSE)

-- is_nan of missing
coalesce(isnan(CAST(NULL AS DOUBLE)), FALSE)

-- coalesce
coalesce(CAST(NULL AS DOUBLE), "x")

-- coalesce widens
coalesce(CAST(NULL AS DOUBLE), 5e-1)

-- nullif
nullif("k", 'a')

-- nullif keeps
nullif("k", 'b')

-- concat
("k" || '-' || "s")

-- concat with missing
("k" || CAST(NULL AS VARCHAR))

-- lower is ASCII
translate('ABÉZ', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')

-- trim
trim(' 	
 a b 
', E' \t\n\r\f')

-- substr in code points
substr('é😀xyz', CAST(2 AS BIGINT), CAST(2 AS BIGINT))

-- substr past the end
substr('ab', CAST(2 AS BIGINT), CAST(9 AS BIGINT))

-- md5
md5('0|millrace-1')

-- matches
regexp_matches('abc123', '[0-9]{3}$')

-- matches not
regexp_matches('abc', '^b')

-- epoch_us of a date
epoch_us(CAST(CAST(CAST(CAST('0001-01-01' AS TIMESTAMPTZ) AS TIMESTAMP) AS DATE) AS TIMESTAMP))

-- epoch_us
epoch_us(CAST(CAST(CAST('1969-12-31T23:59:59.999999Z' AS TIMESTAMPTZ) AS TIMESTAMP) AS TIMESTAMP))

-- case
CASE WHEN ("x" > 1e0) THEN 'big' ELSE 'small' END

-- case of missing goes on
CASE WHEN CAST(NULL AS BOOLEAN) THEN 1e0 ELSE 2e0 END

-- case of nothing
'else'

-- cast number to integer floors
CAST(floor((-1.5e0)) AS BIGINT)

-- cast integer to number
CAST("id" AS DOUBLE)

-- cast boolean to number
CAST(TRUE AS DOUBLE)

-- cast text to number
CAST('1e3' AS DOUBLE)

-- cast text to number, lenient
TRY_CAST('one' AS DOUBLE)

-- cast text to integer, lenient
TRY_CAST('x1' AS BIGINT)

-- cast text to time with zone
CAST(CAST('2024-01-01T02:00:00+02:00' AS TIMESTAMPTZ) AS TIMESTAMP)

-- cast text to time without zone
CAST(CAST('2024-01-01 00:00:00' AS TIMESTAMPTZ) AS TIMESTAMP)

-- cast text to time, lenient
CAST(TRY_CAST('noon' AS TIMESTAMPTZ) AS TIMESTAMP)

-- cast text to date
CAST('2024-01-01' AS DATE)

-- cast date to time
CAST(CAST(CAST(CAST('1582-10-10' AS TIMESTAMPTZ) AS TIMESTAMP) AS DATE) AS TIMESTAMP)

-- cast time to text
CAST(CAST(CAST(CAST('1969-12-31T23:59:59.5Z' AS TIMESTAMPTZ) AS TIMESTAMP) AS TIMESTAMP) AS VARCHAR)

-- cast time to date
CAST(CAST(CAST(CAST('2024-01-01T23:59:59Z' AS TIMESTAMPTZ) AS TIMESTAMP) AS TIMESTAMP) AS DATE)

-- cast whole number to text
CASE WHEN abs(3e0) < 1e15 AND 3e0 = floor(3e0) THEN CAST(CAST(3e0 AS BIGINT) AS VARCHAR) ELSE CAST(3e0 AS VARCHAR) END

-- cast number to text
CASE WHEN abs((-2.5e-1)) < 1e15 AND (-2.5e-1) = floor((-2.5e-1)) THEN CAST(CAST((-2.5e-1) AS BIGINT) AS VARCHAR) ELSE CAST((-2.5e-1) AS VARCHAR) END

-- cast negative zero to text
CASE WHEN abs(CAST('-0' AS DOUBLE)) < 1e15 AND CAST('-0' AS DOUBLE) = floor(CAST('-0' AS DOUBLE)) THEN CAST(CAST(CAST('-0' AS DOUBLE) AS BIGINT) AS VARCHAR) ELSE CAST(CAST('-0' AS DOUBLE) AS VARCHAR) END

-- cast integer to text
CAST(CAST(-9223372036854775808 AS BIGINT) AS VARCHAR)

-- cast boolean to text
CAST(FALSE AS VARCHAR)

-- cast date to text
CAST(CAST(CAST(CAST('2024-02-29' AS TIMESTAMPTZ) AS TIMESTAMP) AS DATE) AS VARCHAR)

-- cast to float32
CAST(CASE WHEN abs(1e-1) >= 3.4028235677973362e38 THEN 1e-1 * CAST('Infinity' AS DOUBLE) ELSE 1e-1 END AS FLOAT)

-- cast too large to float32
CAST(CASE WHEN abs((-1e300)) >= 3.4028235677973362e38 THEN (-1e300) * CAST('Infinity' AS DOUBLE) ELSE (-1e300) END AS FLOAT)

-- cast largest to float32
CAST(CASE WHEN abs(3.4028234663852886e38) >= 3.4028235677973362e38 THEN 3.4028234663852886e38 * CAST('Infinity' AS DOUBLE) ELSE 3.4028234663852886e38 END AS FLOAT)

-- cast just above rounds to the largest
CAST(CASE WHEN abs(3.4028235e38) >= 3.4028235677973362e38 THEN 3.4028235e38 * CAST('Infinity' AS DOUBLE) ELSE 3.4028235e38 END AS FLOAT)

-- cast missing to float32
CAST(CASE WHEN abs(CAST(NULL AS DOUBLE)) >= 3.4028235677973362e38 THEN CAST(NULL AS DOUBLE) * CAST('Infinity' AS DOUBLE) ELSE CAST(NULL AS DOUBLE) END AS FLOAT)

-- position
CAST(enum_code(TRY_CAST("k" AS ENUM('b', 'a', 'it''s'))) AS BIGINT)

-- position of what is not there
CAST(enum_code(TRY_CAST("s" AS ENUM('b', 'a'))) AS BIGINT)

-- position of missing
CAST(enum_code(TRY_CAST(CAST(NULL AS VARCHAR) AS ENUM('a'))) AS BIGINT)

-- position of nothing
CAST(NULL AS BIGINT)

-- position of many
CAST(enum_code(TRY_CAST('w39' AS ENUM('w0', 'w1', 'w2', 'w3', 'w4', 'w5', 'w6', 'w7', 'w8', 'w9', 'w10', 'w11', 'w12', 'w13', 'w14', 'w15', 'w16', 'w17', 'w18', 'w19', 'w20', 'w21', 'w22', 'w23', 'w24', 'w25', 'w26', 'w27', 'w28', 'w29', 'w30', 'w31', 'w32', 'w33', 'w34', 'w35', 'w36', 'w37', 'w38', 'w39'))) AS BIGINT)

-- in
list_contains(['b', 'a'], "k")

-- in of many integers
CASE WHEN ("id" IS NULL) THEN CAST(NULL AS BOOLEAN) ELSE (NOT (CAST(enum_code(TRY_CAST(CAST("id" AS VARCHAR) AS ENUM('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12', '13', '14', '15', '16', '17', '18', '19', '20', '21', '22', '23', '24', '25', '26', '27', '28', '29', '30', '31', '32', '33', '34', '35', '36', '37', '38', '39'))) AS BIGINT) IS NULL)) END

-- in of many whole numbers, a fraction
CASE WHEN ("x" IS NULL) THEN CAST(NULL AS BOOLEAN) ELSE (NOT (CAST(enum_code(TRY_CAST(CASE WHEN abs("x") < 1e15 AND "x" = floor("x") THEN CAST(CAST("x" AS BIGINT) AS VARCHAR) ELSE CAST("x" AS VARCHAR) END AS ENUM('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12', '13', '14', '15', '16', '17', '18', '19', '20', '21', '22', '23', '24', '25', '26', '27', '28', '29', '30', '31', '32', '33', '34', '35', '36', '37', '38', '39'))) AS BIGINT) IS NULL)) END

-- in of many whole numbers, one of them
CASE WHEN (2e0 IS NULL) THEN CAST(NULL AS BOOLEAN) ELSE (NOT (CAST(enum_code(TRY_CAST(CASE WHEN abs(2e0) < 1e15 AND 2e0 = floor(2e0) THEN CAST(CAST(2e0 AS BIGINT) AS VARCHAR) ELSE CAST(2e0 AS VARCHAR) END AS ENUM('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12', '13', '14', '15', '16', '17', '18', '19', '20', '21', '22', '23', '24', '25', '26', '27', '28', '29', '30', '31', '32', '33', '34', '35', '36', '37', '38', '39'))) AS BIGINT) IS NULL)) END

-- in of many numbers
list_contains([0e0, 1e0, 2e0, 3e0, 4e0, 5e0, 6e0, 7e0, 8e0, 9e0, 1e1, 1.1e1, 1.2e1, 1.3e1, 1.4e1, 1.5e1, 1.6e1, 1.7e1, 1.8e1, 1.9e1, 2e1, 2.1e1, 2.2e1, 2.3e1, 2.4e1, 2.5e1, 2.6e1, 2.7e1, 2.8e1, 2.9e1, 3e1, 3.1e1, 3.2e1, 3.3e1, 3.4e1, 3.5e1, 3.6e1, 3.7e1, 3.8e1, 3.9e1, 1.5e0], "x")

-- in of many times
list_contains([CAST(make_timestamp(1704067200000000) AS TIMESTAMP), CAST(make_timestamp(1704153600000000) AS TIMESTAMP), CAST(make_timestamp(1704240000000000) AS TIMESTAMP), CAST(make_timestamp(1704326400000000) AS TIMESTAMP), CAST(make_timestamp(1704412800000000) AS TIMESTAMP), CAST(make_timestamp(1704499200000000) AS TIMESTAMP), CAST(make_timestamp(1704585600000000) AS TIMESTAMP), CAST(make_timestamp(1704672000000000) AS TIMESTAMP), CAST(make_timestamp(1704758400000000) AS TIMESTAMP), CAST(make_timestamp(1704844800000000) AS TIMESTAMP), CAST(make_timestamp(1704931200000000) AS TIMESTAMP), CAST(make_timestamp(1705017600000000) AS TIMESTAMP), CAST(make_timestamp(1705104000000000) AS TIMESTAMP), CAST(make_timestamp(1705190400000000) AS TIMESTAMP), CAST(make_timestamp(1705276800000000) AS TIMESTAMP), CAST(make_timestamp(1705363200000000) AS TIMESTAMP), CAST(make_timestamp(1705449600000000) AS TIMESTAMP), CAST(make_timestamp(1705536000000000) AS TIMESTAMP), CAST(make_timestamp(1705622400000000) AS TIMESTAMP), CAST(make_timestamp(1705708800000000) AS TIMESTAMP), CAST(make_timestamp(1705795200000000) AS TIMESTAMP), CAST(make_timestamp(1705881600000000) AS TIMESTAMP), CAST(make_timestamp(1705968000000000) AS TIMESTAMP), CAST(make_timestamp(1706054400000000) AS TIMESTAMP), CAST(make_timestamp(1706140800000000) AS TIMESTAMP), CAST(make_timestamp(1706227200000000) AS TIMESTAMP), CAST(make_timestamp(1706313600000000) AS TIMESTAMP), CAST(make_timestamp(1706400000000000) AS TIMESTAMP), CAST(make_timestamp(1706486400000000) AS TIMESTAMP), CAST(make_timestamp(1706572800000000) AS TIMESTAMP), CAST(make_timestamp(1706659200000000) AS TIMESTAMP), CAST(make_timestamp(1706745600000000) AS TIMESTAMP), CAST(make_timestamp(1706832000000000) AS TIMESTAMP), CAST(make_timestamp(1706918400000000) AS TIMESTAMP), CAST(make_timestamp(1707004800000000) AS TIMESTAMP), CAST(make_timestamp(1707091200000000) AS TIMESTAMP), CAST(make_timestamp(1707177600000000) AS TIMESTAMP), CAST(make_timestamp(1707264000000000) AS TIMESTAMP), CAST(make_timestamp(1707350400000000) AS TIMESTAMP), CAST(make_timestamp(1707436800000000) AS TIMESTAMP)], CAST(CAST(CAST('2024-01-01T00:00:00Z' AS TIMESTAMPTZ) AS TIMESTAMP) AS TIMESTAMP))

-- not in many times
list_contains([CAST(make_timestamp(1704067200000000) AS TIMESTAMP), CAST(make_timestamp(1704153600000000) AS TIMESTAMP), CAST(make_timestamp(1704240000000000) AS TIMESTAMP), CAST(make_timestamp(1704326400000000) AS TIMESTAMP), CAST(make_timestamp(1704412800000000) AS TIMESTAMP), CAST(make_timestamp(1704499200000000) AS TIMESTAMP), CAST(make_timestamp(1704585600000000) AS TIMESTAMP), CAST(make_timestamp(1704672000000000) AS TIMESTAMP), CAST(make_timestamp(1704758400000000) AS TIMESTAMP), CAST(make_timestamp(1704844800000000) AS TIMESTAMP), CAST(make_timestamp(1704931200000000) AS TIMESTAMP), CAST(make_timestamp(1705017600000000) AS TIMESTAMP), CAST(make_timestamp(1705104000000000) AS TIMESTAMP), CAST(make_timestamp(1705190400000000) AS TIMESTAMP), CAST(make_timestamp(1705276800000000) AS TIMESTAMP), CAST(make_timestamp(1705363200000000) AS TIMESTAMP), CAST(make_timestamp(1705449600000000) AS TIMESTAMP), CAST(make_timestamp(1705536000000000) AS TIMESTAMP), CAST(make_timestamp(1705622400000000) AS TIMESTAMP), CAST(make_timestamp(1705708800000000) AS TIMESTAMP), CAST(make_timestamp(1705795200000000) AS TIMESTAMP), CAST(make_timestamp(1705881600000000) AS TIMESTAMP), CAST(make_timestamp(1705968000000000) AS TIMESTAMP), CAST(make_timestamp(1706054400000000) AS TIMESTAMP), CAST(make_timestamp(1706140800000000) AS TIMESTAMP), CAST(make_timestamp(1706227200000000) AS TIMESTAMP), CAST(make_timestamp(1706313600000000) AS TIMESTAMP), CAST(make_timestamp(1706400000000000) AS TIMESTAMP), CAST(make_timestamp(1706486400000000) AS TIMESTAMP), CAST(make_timestamp(1706572800000000) AS TIMESTAMP), CAST(make_timestamp(1706659200000000) AS TIMESTAMP), CAST(make_timestamp(1706745600000000) AS TIMESTAMP), CAST(make_timestamp(1706832000000000) AS TIMESTAMP), CAST(make_timestamp(1706918400000000) AS TIMESTAMP), CAST(make_timestamp(1707004800000000) AS TIMESTAMP), CAST(make_timestamp(1707091200000000) AS TIMESTAMP), CAST(make_timestamp(1707177600000000) AS TIMESTAMP), CAST(make_timestamp(1707264000000000) AS TIMESTAMP), CAST(make_timestamp(1707350400000000) AS TIMESTAMP), CAST(make_timestamp(1707436800000000) AS TIMESTAMP)], CAST(CAST(CAST('2024-01-01T00:00:01Z' AS TIMESTAMPTZ) AS TIMESTAMP) AS TIMESTAMP))

-- in not
list_contains(['b'], "k")

-- in nothing
FALSE

-- in missing
list_contains(['b'], CAST(NULL AS VARCHAR))

-- in many
CASE WHEN ('w17' IS NULL) THEN CAST(NULL AS BOOLEAN) ELSE (NOT (CAST(enum_code(TRY_CAST('w17' AS ENUM('w0', 'w1', 'w2', 'w3', 'w4', 'w5', 'w6', 'w7', 'w8', 'w9', 'w10', 'w11', 'w12', 'w13', 'w14', 'w15', 'w16', 'w17', 'w18', 'w19', 'w20', 'w21', 'w22', 'w23', 'w24', 'w25', 'w26', 'w27', 'w28', 'w29', 'w30', 'w31', 'w32', 'w33', 'w34', 'w35', 'w36', 'w37', 'w38', 'w39'))) AS BIGINT) IS NULL)) END

-- in many, not
CASE WHEN ('v' IS NULL) THEN CAST(NULL AS BOOLEAN) ELSE (NOT (CAST(enum_code(TRY_CAST('v' AS ENUM('w0', 'w1', 'w2', 'w3', 'w4', 'w5', 'w6', 'w7', 'w8', 'w9', 'w10', 'w11', 'w12', 'w13', 'w14', 'w15', 'w16', 'w17', 'w18', 'w19', 'w20', 'w21', 'w22', 'w23', 'w24', 'w25', 'w26', 'w27', 'w28', 'w29', 'w30', 'w31', 'w32', 'w33', 'w34', 'w35', 'w36', 'w37', 'w38', 'w39'))) AS BIGINT) IS NULL)) END

-- in many, missing
CASE WHEN (CAST(NULL AS VARCHAR) IS NULL) THEN CAST(NULL AS BOOLEAN) ELSE (NOT (CAST(enum_code(TRY_CAST(CAST(NULL AS VARCHAR) AS ENUM('w0', 'w1', 'w2', 'w3', 'w4', 'w5', 'w6', 'w7', 'w8', 'w9', 'w10', 'w11', 'w12', 'w13', 'w14', 'w15', 'w16', 'w17', 'w18', 'w19', 'w20', 'w21', 'w22', 'w23', 'w24', 'w25', 'w26', 'w27', 'w28', 'w29', 'w30', 'w31', 'w32', 'w33', 'w34', 'w35', 'w36', 'w37', 'w38', 'w39'))) AS BIGINT) IS NULL)) END

-- in integers
list_contains([CAST(3 AS BIGINT), CAST(1 AS BIGINT)], "id")

-- in numbers
list_contains([1.5e0, 2e0], "x")
