SELECT visit
FROM ({visits})
WHERE {only:String} = ''
    OR {only:String} = 'stalled' AND stall_count > 0
    OR {only:String} = 'left' AND gone
    OR {only:String} = 'failed' AND state = 'failed'
    OR {only:String} = 'watching' AND NOT over
ORDER BY {badness}
LIMIT 200
