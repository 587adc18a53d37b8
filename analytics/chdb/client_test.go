package chdb

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

func TestClickhouseGoPingsAndKnowsTheVersion(t *testing.T) {
	c := client(t, engine(t), Owner, "default")
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	v, err := c.ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if v.Version.Major < 25 || v.Timezone.String() != "UTC" {
		t.Errorf("it says to be %v", v)
	}
}

// row is one of every kind of column that analytics has.
type row struct {
	Seq     uint64
	At      time.Time
	Country string
	Lanes   []uint8
	Bytes   map[string]uint64
	Source  string
	Delay   float32
	Session string
	Err     *string
	OK      bool
}

const rowColumns = `Seq UInt64, At DateTime64(3, 'UTC'), Country LowCardinality(String), Lanes Array(UInt8), Bytes Map(LowCardinality(String), UInt64),
	Source Enum8('peer' = 1, 'seed' = 2, 'origin' = 3), Delay Float32, Session UUID, Err Nullable(String), OK Bool`

func makeRows(n int) []row {
	text := "it's\tbroken\n\\"
	out := make([]row, n)
	for i := range out {
		out[i] = row{
			Seq: uint64(i) << 40, At: time.UnixMilli(1_790_000_000_000 + int64(i)).UTC(), Country: fmt.Sprint("c", i%7), Lanes: []uint8{1, uint8(i)},
			Bytes: map[string]uint64{"up": uint64(i), "down": 1 << 60}, Source: []string{"peer", "seed", "origin"}[i%3], Delay: float32(i) / 3,
			Session: fmt.Sprintf("0b2ffcd7-0000-4000-8000-%012x", i), OK: i%2 == 0,
		}
		if i%2 == 0 {
			out[i].Err = &text
		}
	}
	return out
}

func (r row) values() []any {
	return []any{r.Seq, r.At, r.Country, r.Lanes, r.Bytes, r.Source, r.Delay, r.Session, r.Err, r.OK}
}

func insertRows(ctx context.Context, c driver.Conn, table string, rows []row) error {
	b, err := c.PrepareBatch(ctx, "INSERT INTO "+table)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := b.Append(r.values()...); err != nil {
			return err
		}
	}
	return b.Send()
}

func readRows(ctx context.Context, c driver.Conn, table string) ([]row, error) {
	rows, err := c.Query(ctx, "SELECT * FROM "+table+" ORDER BY Seq")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []row
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.Seq, &r.At, &r.Country, &r.Lanes, &r.Bytes, &r.Source, &r.Delay, &r.Session, &r.Err, &r.OK); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

func TestABatchOfEveryTypeComesBackAsItWent(t *testing.T) {
	e := engine(t)
	db := database(t, e)
	for _, method := range []clickhouse.CompressionMethod{clickhouse.CompressionNone, clickhouse.CompressionLZ4, clickhouse.CompressionZSTD, clickhouse.CompressionGZIP, clickhouse.CompressionDeflate} {
		t.Run(method.String(), func(t *testing.T) {
			o, err := clickhouse.ParseDSN(e.DSN(Owner, db))
			if err != nil {
				t.Fatal(err)
			}
			o.Compression = &clickhouse.Compression{Method: method, Level: 3}
			c, err := clickhouse.Open(o)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.Exec(t.Context(), "CREATE OR REPLACE TABLE rows ("+rowColumns+") ENGINE = MergeTree ORDER BY Seq"); err != nil {
				t.Fatal(err)
			}
			want := makeRows(5000)
			if err := insertRows(t.Context(), c, "rows", want); err != nil {
				t.Fatal(err)
			}
			got, err := readRows(t.Context(), c, "rows")
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%d rows came back, %d went, or some are others", len(got), len(want))
			}
		})
	}
}

func TestParametersAreValuesAndNeverSQL(t *testing.T) {
	c := client(t, engine(t), Owner, "default")
	evil := "x'); DROP DATABASE default; -- \\'\t\n{y:String}"
	ctx := clickhouse.Context(t.Context(), clickhouse.WithParameters(clickhouse.Parameters{"n": "41", "s": "plain"}))
	var n uint64
	var s string
	if err := c.QueryRow(ctx, "SELECT {n:UInt64} + 1, {s:String}").Scan(&n, &s); err != nil || n != 42 || s != "plain" {
		t.Errorf("got %d, %q, %v", n, s, err)
	}
	if err := c.QueryRow(t.Context(), "SELECT {s:String}", clickhouse.Named("s", evil)).Scan(&s); err != nil || s != evil {
		t.Errorf("got %q, %v", s, err)
	}
	if err := c.QueryRow(t.Context(), "SELECT ?", evil).Scan(&s); err != nil || s != evil {
		t.Errorf("bound by the client: got %q, %v", s, err)
	}
}

func TestErrorsHaveTheServersCodes(t *testing.T) {
	c := client(t, engine(t), Owner, "default")
	for sql, want := range map[string]int32{
		"SELEC 1":                                     62,
		"SELECT * FROM nowhere":                       60,
		"SELECT * FROM no_db.t":                       81,
		"SELECT nothing":                              47,
		"SELECT 1 SETTINGS no_such = 1":               115,
		"SELECT throwIf(1)":                           395,
		"CREATE TABLE t (a Nonsense) ENGINE = Memory": 50,
	} {
		err := c.Exec(t.Context(), sql)
		var e *clickhouse.Exception
		if !errors.As(err, &e) || e.Code != want {
			t.Errorf("%s: got %v, want code %d", sql, err, want)
		}
	}
}

func TestAnErrorInTheMidstOfAnAnswerReachesTheClient(t *testing.T) {
	c := client(t, engine(t), Owner, "default")
	rows, err := c.Query(t.Context(), "SELECT number, throwIf(number = 3000000) FROM numbers(4000000) SETTINGS max_block_size = 10000, max_threads = 1")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
	}
	var e *clickhouse.Exception
	if !errors.As(rows.Err(), &e) || e.Code != 395 {
		t.Errorf("after %d rows: got %v, want code 395", n, rows.Err())
	}
	if n == 0 {
		t.Error("nothing came before the error: it is none in the midst")
	}
}

func TestAStatementIsCancelledWithItsContext(t *testing.T) {
	e := engine(t)
	c := client(t, e, Owner, "default")
	for _, sql := range []string{
		"SELECT sum(number) FROM numbers(1000000000000)", // no row before its end
		"SELECT number FROM numbers(1000000000000)",      // rows all the time
		"INSERT INTO FUNCTION null('n UInt64') SELECT number FROM numbers(1000000000000)",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"log_comment": "cancel me"}))
		ended := make(chan error, 1)
		go func() {
			rows, err := c.Query(ctx, sql)
			if err == nil {
				for rows.Next() {
				}
				err = errors.Join(rows.Err(), rows.Close())
			}
			ended <- err
		}()
		await(t, func() bool { return running(t, c, "cancel me") == 1 })
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: the client got %v", sql, err)
		}
		await(t, func() bool { return running(t, c, "cancel me") == 0 })
	}
}

func running(t *testing.T, c driver.Conn, comment string) (n uint64) {
	t.Helper()
	if err := c.QueryRow(t.Context(), "SELECT count() FROM system.processes WHERE Settings['log_comment'] = ?", comment).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// await asks again and again until ok, for a minute at most.
func await(t testing.TB, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(deadline) {
			t.Fatal("it did not come to be in a minute")
		}
	}
}

func TestSettingsOfOneStatementAreNotTheNextOnes(t *testing.T) {
	e := engine(t)
	c := client(t, e, Owner, "default")
	setting := func(ctx context.Context) (v uint64) {
		t.Helper()
		if err := c.QueryRow(ctx, "SELECT toUInt64(getSetting('max_block_size'))").Scan(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	with := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"max_block_size": 1234, "log_comment": `it's \ "so"`}))
	if v := setting(with); v != 1234 {
		t.Errorf("a setting was %d", v)
	}
	if v := setting(t.Context()); v == 1234 {
		t.Error("it stayed")
	}
	if err := c.Exec(t.Context(), "SET max_block_size = 77"); err != nil {
		t.Fatal(err)
	}
	if v := setting(t.Context()); v == 77 {
		t.Error("SET stayed, though there are no sessions")
	}
	err := c.Exec(clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"no_such_setting": 1})), "SELECT 1")
	var ex *clickhouse.Exception
	if !errors.As(err, &ex) || ex.Code != 115 {
		t.Errorf("an unknown setting: %v", err)
	}
}
