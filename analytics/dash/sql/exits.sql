-- Visits by when they began, and those that left before there was a picture.
SELECT
    toDateTime(intDiv(toUnixTimestamp(began), {step:UInt32}) * {step:UInt32}, 'UTC') AS time,
    count() AS begun,
    countIf(gone) AS left_before_start,
    countIf(gone) / count() AS part
FROM ({visits})
WHERE began >= {from:DateTime('UTC')} AND began < {to:DateTime('UTC')}
GROUP BY time
ORDER BY time
