package dash

import (
	"embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed sql/*.sql
var texts embed.FS

// rollup is a table of sums, and of how long each is.
type rollup struct {
	table string
	of    time.Duration
}

// rollups are what there is, the finest first.
var rollups = []rollup{{"rollup_10s", fine}, {"rollup_1m", time.Minute}, {"rollup_10m", 10 * time.Minute}, {"rollup_1h", time.Hour}}

// chart is one that can be asked for, with its SQL for each roll-up.
type chart struct {
	name string
	sums int // that it may read
	sql  map[rollup]string
}

const (
	// maxSums bounds how many sums of each kind of visit are read for a chart, which is what it costs: with distributions among them.
	maxSums = 150
	// maxCounts is the bound where the most viewers are looked for, in sums that are short.
	maxCounts = 1500
)

// sources says which file has a chart's SQL, and what {by} in it is.
var sources = map[string]struct{ file, by string }{
	"viewers": {}, "delay": {}, "offload": {}, "stalls": {}, "startup": {}, "sources": {}, "saved": {}, "exits": {}, "way": {}, "late": {},
	"summary": {}, "servers": {}, "values": {}, "visits": {}, "visit": {}, "tail": {},
	"by-stream": {"breakdown", "stream"}, "by-region": {"breakdown", "region"}, "by-rendition": {"breakdown", "rendition"},
	"by-class": {"breakdown", "class"}, "by-consent": {"breakdown", "consent"},
}

// parts are what SQL texts have in common, by the name that stands for each in braces. ClickHouse's own braces have a colon.
var parts = []string{
	"{visits}", strings.Replace(text("_visits"), "{of}\n", "", 1),
	"{worst visits}", strings.Replace(text("_visits"), "{of}", "PREWHERE visit IN ("+text("_worst")+")", 1),
	"{badness}", "rebuffering_ratio DESC, stall_count DESC, startup_ms = 0 DESC, wanted_s DESC, visit",
	"{range}", `t >= {from:DateTime('UTC')} AND t < {to:DateTime('UTC')}`,
	"{time}", `toDateTime(intDiv(toUInt32(t), {step:UInt32}) * {step:UInt32}, 'UTC') AS time`,
	"{covered}", `least({step:UInt32}, dateDiff('second', time, {to:DateTime('UTC')})) AS covered`,
	"{filters}", `({stream:String} = '' OR stream = {stream:String}) AND ({region:String} = '' OR region = {region:String}) AND ({rendition:String} = '' OR rendition = {rendition:String}) AND ({class:String} = '' OR class = {class:String})`,
	"{watching}", `reporter IN ('page', 'watch')`,
	"{serving}", `reporter IN ('seed', 'edge')`,
	"{names}", `(SELECT stream, argMax(name, known) AS name FROM streams GROUP BY stream)`,
	"{price}", `(SELECT argMax(value, set_at) FROM settings WHERE name = 'egress_price_per_gb')`,
}

// charts are all, by name.
var charts = func() map[string]*chart {
	all := map[string]*chart{}
	for name, from := range sources {
		c := &chart{name: name, sums: maxSums, sql: map[rollup]string{}}
		switch name {
		case "viewers":
			c.sums = maxCounts
		case "way":
			c.sums = maxSums / 2 // it has six distributions
		}
		for i, r := range rollups {
			sql := text(name)
			if from.file != "" {
				sql = text(from.file)
			}
			for range 3 { // parts have parts, which have parts
				sql = strings.NewReplacer(parts...).Replace(sql)
			}
			c.sql[r] = strings.NewReplacer("{whole}", whole(i), "{rollup}", r.table, "{base}", strconv.Itoa(int(r.of/time.Second)), "{by}", from.by).Replace(sql)
		}
		all[name] = c
	}
	return all
}()

// whole is what has the sums of a range that is not divided: a roll-up where the range begins and ends, and between them the next
// coarser one, which has less to read.
func whole(i int) string {
	if i == len(rollups)-1 {
		return rollups[i].table
	}
	const shared = `t >= {from:DateTime('UTC')} AND t < {to:DateTime('UTC')}`
	of := int(rollups[i+1].of / time.Second)
	inside := fmt.Sprintf(`t >= toDateTime(intDiv(toUnixTimestamp({from:DateTime('UTC')}) + %d, %d) * %d, 'UTC') AND t < toDateTime(intDiv(toUnixTimestamp({to:DateTime('UTC')}), %d) * %d, 'UTC')`, of-1, of, of, of, of)
	return fmt.Sprintf("(SELECT * FROM %s WHERE %s AND %s UNION ALL SELECT * FROM %s WHERE %s AND NOT (%s))", rollups[i+1].table, shared, inside, rollups[i].table, shared, inside)
}

func text(name string) string {
	b, _ := texts.ReadFile("sql/" + name + ".sql") // of one that is not there, no chart's test passes
	return string(b)
}

// Names are those of all charts, sorted.
func Names() []string { return slices.Sorted(maps.Keys(charts)) }
