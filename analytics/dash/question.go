package dash

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// question is what is asked of ClickHouse: SQL of ours, and what came from outside as its parameters.
type question struct {
	span
	sql    string
	params map[string]string
}

// maxWord bounds what a filter says: ids of streams have 32 characters.
const maxWord = 64

// filters are those that every question knows, though not each heeds all.
var filters = []string{"stream", "region", "rendition", "class"}

// kinds are of visits that are listed by themselves.
var kinds = []string{"", "stalled", "left", "failed", "watching"}

// clock is how ClickHouse reads a DateTime64(9).
const clock = "2006-01-02 15:04:05.000000000"

// ask makes the question that a request is.
func ask(c *chart, q url.Values, now time.Time) (question, error) {
	s, err := spanOf(q, now, min(c.sums, maxSums))
	if err != nil {
		return question{}, err
	}
	out := question{span: s, sql: c.sql[s.rollup(c.sums)], params: map[string]string{
		"from": s.from.Format(time.DateTime), "to": s.to.Format(time.DateTime), "step": strconv.Itoa(int(s.step / time.Second)),
	}}
	for _, name := range filters {
		if out.params[name], err = word(q, name); err != nil {
			return question{}, err
		}
	}
	switch c.name {
	case "visits":
		out.params["only"] = q.Get("only")
		if !slices.Contains(kinds, q.Get("only")) {
			return question{}, fmt.Errorf("only is one of %s, or left out", strings.Join(kinds[1:], ", "))
		}
	case "visit":
		if out.params["session"], err = word(q, "session"); err != nil {
			return question{}, err
		}
		if out.params["stream"] == "" || out.params["session"] == "" {
			return question{}, errors.New("a visit is named by stream and session: give both")
		}
	case "tail":
		after := time.Unix(0, 0)
		if said := q.Get("after"); said != "" {
			if after, err = time.Parse(time.RFC3339Nano, said); err != nil || after.Year() < 1970 || after.Year() > 2200 {
				return question{}, errors.New("after is the time at which the newest report was received, as it was told")
			}
		}
		out.params["after"] = after.UTC().Format(clock)
	}
	return out, nil
}

// word reads a value that is compared with what is in a column.
func word(q url.Values, name string) (string, error) {
	said := q.Get(name)
	if len(said) > maxWord || !utf8.ValidString(said) {
		return "", fmt.Errorf("%s has at most %d characters", name, maxWord)
	}
	return said, nil
}
