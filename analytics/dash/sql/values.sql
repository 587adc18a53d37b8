-- What there is to choose from in the range.
SELECT kind, value, name, reports
FROM (
    SELECT 'stream' AS kind, toString(r.stream) AS value, any(s.name) AS name, sum(r.reports) AS reports
    FROM {whole} AS r LEFT JOIN {names} AS s ON s.stream = r.stream
    WHERE {range} GROUP BY value
    UNION ALL
    SELECT 'region', toString(region), '', sum(r.reports) FROM {whole} AS r WHERE {range} AND {watching} AND region != '' GROUP BY region
    UNION ALL
    SELECT 'rendition', toString(rendition), '', sum(r.reports) FROM {whole} AS r WHERE {range} AND {watching} AND rendition != '' GROUP BY rendition
    UNION ALL
    SELECT 'class', toString(class), '', sum(r.reports) FROM {whole} AS r WHERE {range} AND {watching} AND class != '' GROUP BY class
)
ORDER BY kind, reports DESC, value
LIMIT 100 BY kind
