package dash

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// answer is what a chart shows.
type answer struct {
	name string
	question
	columns []string
	rows    [][]any
}

// formatOf returns what writes an answer as it is wanted.
func formatOf(q url.Values) (func(http.ResponseWriter, *answer), error) {
	switch q.Get("format") {
	case "", "json":
		return asJSON, nil
	case "csv":
		return asCSV, nil
	}
	return nil, errors.New("format is json or csv")
}

func asJSON(w http.ResponseWriter, a *answer) {
	// Lists, if empty ones: ClickHouse names the columns of an answer with its first rows.
	columns, rows := append([]string{}, a.columns...), append([][]any{}, a.rows...)
	writeJSON(w, http.StatusOK, map[string]any{
		"columns": columns, "rows": rows, "from": a.from.Unix(), "to": a.to.Unix(), "step": int(a.step.Seconds()),
	})
}

func asCSV(w http.ResponseWriter, a *answer) {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="shoal-`+a.name+`-`+a.from.Format("20060102T1504")+`.csv"`)
	if len(a.columns) == 0 {
		return
	}
	out := csv.NewWriter(w)
	_ = out.Write(a.columns) // whoever asked may have left
	line := make([]string, len(a.columns))
	for _, row := range a.rows {
		for i, v := range row {
			line[i] = cell(v)
		}
		_ = out.Write(line)
	}
	out.Flush()
}

// cell is a value as spreadsheets read it.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		// Words come from viewers' devices, and spreadsheets run what begins like this.
		if strings.ContainsAny(first(v), "=+-@\t\r") {
			return "'" + v
		}
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	b, _ := json.Marshal(v) // numbers, yes and no, lists of these: what Query gives
	return string(b)
}

func first(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return s[:n]
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // whoever asked may have left
}

// fail answers with a sentence.
func fail(w http.ResponseWriter, status int, sentence string) {
	writeJSON(w, status, map[string]string{"error": sentence})
}

// sentence is an error as a person reads it.
func sentence(err error) string {
	s := err.Error()
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:] + "."
}
