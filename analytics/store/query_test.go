package store_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/shoalcast/shoal/analytics/chdb/chdbtest"
	"github.com/shoalcast/shoal/analytics/store"
)

func TestAnswersHaveWhatJSONHas(t *testing.T) {
	s := opened(t)
	columns, rows, err := s.Query(t.Context(), `SELECT toUInt8(7) AS small, toUInt64(9007199254740993) AS large, toInt64(-5) AS negative, 0.5 AS half, nan AS none, 1 / 0 AS endless,
		CAST(NULL, 'Nullable(Float64)') AS missing, toLowCardinality('word') AS word, true AS yes, toDateTime('2026-11-28 10:02:13', 'UTC') AS moment,
		toDateTime64('2026-11-28 10:02:13.456', 3, 'UTC') AS exact, ['a', 'b'] AS list, toDate('2026-11-28') AS day`, nil)
	check(t, err)
	if len(columns) != 13 || columns[0] != "small" || columns[12] != "day" {
		t.Errorf("the columns are %v", columns)
	}
	want := "[7 9.007199254740992e+15 -5 0.5 <nil> <nil> <nil> word true 2026-11-28T10:02:13Z 2026-11-28T10:02:13.456Z [a b] 2026-11-28T00:00:00Z]"
	if got := fmt.Sprint(rows[0]); got != want {
		t.Errorf("the row is\n%s\nwant\n%s", got, want)
	}
}

func TestParametersAreValuesWhateverTheySay(t *testing.T) {
	s := opened(t)
	for _, value := range []string{``, `' OR 1=1 --`, `{x:String}`, `\N`, `NULL`, `a\'b`, "tab\tline\nzero\x00return\r", `"`, "`", `%`, "ü"} {
		_, rows, err := s.Query(t.Context(), `SELECT {x:String} AS x, {x:String} = {y:String}`, map[string]string{"x": value, "y": "y"})
		check(t, err)
		if rows[0][0] != value || rows[0][1] != uint64(0) {
			t.Errorf("%q comes back as %q", value, rows[0])
		}
	}
}

func TestAQuestionThatAsksForTooMuchIsRefused(t *testing.T) {
	s := opened(t)
	_, rows, err := s.Query(t.Context(), `SELECT number FROM numbers(10000)`, nil)
	check(t, err)
	if len(rows) != store.MaxRows {
		t.Errorf("%d rows came", len(rows))
	}
	if _, _, err := s.Query(t.Context(), `SELECT number FROM numbers(10001)`, nil); !errors.Is(err, store.ErrSlow) {
		t.Errorf("one more is answered %v", err)
	}
}

func TestAQuestionWithoutAnAnswerSaysWhy(t *testing.T) {
	empty, err := store.Open(store.Options{DSN: chdbtest.Database(t)})
	check(t, err)
	defer empty.Close()
	check(t, empty.CreateDatabase(t.Context()))
	if _, _, err := empty.Query(t.Context(), `SELECT count() FROM reports`, nil); !errors.Is(err, store.ErrUnready) {
		t.Errorf("without the schema it is %v", err)
	}
	gone, err := store.Open(store.Options{DSN: "http://127.0.0.1:1/shoal"})
	check(t, err)
	defer gone.Close()
	if _, _, err := gone.Query(t.Context(), `SELECT 1`, nil); !errors.Is(err, store.ErrAway) {
		t.Errorf("without a server it is %v", err)
	}
}
