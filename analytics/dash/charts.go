package dash

import (
	"embed"
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

// rollups are what there is.
var rollups = []rollup{{"rollup_10s", fine}, {"rollup_1m", coarse}}

// chart is one that can be asked for, with its SQL for each roll-up.
type chart struct {
	name string
	sql  map[rollup]string
}

// sources says which file has a chart's SQL, and what {by} in it is.
var sources = map[string]struct{ file, by string }{
	"viewers": {}, "delay": {}, "offload": {}, "stalls": {}, "startup": {}, "sources": {}, "saved": {}, "exits": {}, "way": {}, "late": {},
	"summary": {}, "servers": {}, "values": {}, "visits": {}, "visit": {}, "tail": {},
	"by-stream": {"breakdown", "stream"}, "by-region": {"breakdown", "region"}, "by-rendition": {"breakdown", "rendition"},
	"by-class": {"breakdown", "class"}, "by-consent": {"breakdown", "consent"},
}

// parts are what SQL texts have in common, by the name that stands for each in braces. ClickHouse's own braces have a colon.
var parts = []string{
	"{visits}", strings.TrimSpace(text("_visits")),
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
		c := &chart{name: name, sql: map[rollup]string{}}
		for _, r := range rollups {
			sql := text(name)
			if from.file != "" {
				sql = text(from.file)
			}
			// Parts have parts.
			sql = strings.NewReplacer(parts...).Replace(sql)
			sql = strings.NewReplacer(parts...).Replace(sql)
			c.sql[r] = strings.NewReplacer("{rollup}", r.table, "{base}", strconv.Itoa(int(r.of/time.Second)), "{by}", from.by).Replace(sql)
		}
		all[name] = c
	}
	return all
}()

func text(name string) string {
	b, _ := texts.ReadFile("sql/" + name + ".sql") // of one that is not there, no chart's test passes
	return string(b)
}

// Names are those of all charts, sorted.
func Names() []string { return slices.Sorted(maps.Keys(charts)) }
