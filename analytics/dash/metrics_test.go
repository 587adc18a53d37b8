package dash_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestEveryMetricIsExplainedAndWhereItIsSaidToBe(t *testing.T) {
	text, err := os.ReadFile("../../docs/METRICS.md")
	check(t, err)
	_, reader := stores(t)
	_, rows, err := reader.Query(t.Context(), `SELECT table || '.' || name FROM system.columns WHERE database = currentDatabase() AND table IN ('metrics_1m', 'visits', 'piece_way_1m', 'lateness_1m')`, nil)
	check(t, err)
	var there []string
	for _, row := range rows {
		there = append(there, row[0].(string))
	}
	told := map[string]bool{}
	for _, m := range regexp.MustCompile("`((?:metrics_1m|visits|piece_way_1m|lateness_1m)\\.\\w+)`").FindAllStringSubmatch(string(text), -1) {
		told[m[1]] = true
		if !slices.Contains(there, m[1]) {
			t.Errorf("docs/METRICS.md says that there is %s", m[1])
		}
	}
	_, words, _ := strings.Cut(string(text), "## What they are told by")
	dimension := func(column string) bool {
		return regexp.MustCompile(`(?m)^\|[^|]*\b` + column[strings.Index(column, ".")+1:] + `\b[^|]*\|`).MatchString(words)
	}
	for _, column := range there {
		if !told[column] && !dimension(column) {
			t.Errorf("docs/METRICS.md does not say what %s is", column)
		}
	}
	if len(told) < 40 {
		t.Errorf("only %d columns are told of", len(told))
	}
}
