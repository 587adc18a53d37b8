package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/shoalcast/shoal/analytics/chdb"
	"github.com/shoalcast/shoal/analytics/dash"
	"github.com/shoalcast/shoal/analytics/store"
)

const (
	dashViewers  = 2_900  // at a time
	dashTicks    = 17_280 // of 5 s: a day
	dashChunk    = 70     // ticks that are inserted at once
	dashRows     = dashViewers * dashTicks
	dashAsked    = 40 // times
	dashAnswered = 200 * time.Millisecond
)

// dayOfReports are made-up reports in the order of time: visits of 200 reports, in 20 streams, 4 regions and 4 classes of browser.
const dayOfReports = `INSERT INTO reports (received, seq, at, day, stream, session, n, reporter, event, state, rendition, region, class, consent,
	bitrate_kbps, measured_kbps, buffer_ms, delay_ms, start_ms, slack_ms, least_slack_ms, interval_ms, wanted_ms, played_ms, dry_ms, stalls,
	peer_bytes, seed_bytes, edge_bytes, origin_bytes, given_bytes, verified, late, peers, here50_ms, here95_ms,
	neighbour_id, neighbour_kind, neighbour_rtt_ms, neighbour_kbps, neighbour_late)
WITH %d AS viewers, intDiv(number, viewers) AS tick, number %% viewers AS viewer,
	viewer + viewers * intDiv(tick + viewer, 200) AS s, (tick + viewer) %% 200 AS k, sipHash64(s) AS h, sipHash64(number) AS j,
	toDateTime64(%d, 3, 'UTC') + toIntervalMillisecond(tick * 5000 + viewer %% 5000) AS moment
SELECT moment, number, moment, toDate(moment - toIntervalSecond(k * 5)), repeat(char(97 + h %% 20), 32), 'session' || leftPad(toString(s), 14, '0'), k, 'page', 't', if(j %% 200 = 0, 'stalled', 'playing'), 'v0',
	['local', 'eu-west', 'us-east', 'ap-south'][1 + bitShiftRight(h, 8) %% 4], ['chrome-desktop', 'firefox-desktop', 'safari-phone', 'chrome-phone'][1 + bitShiftRight(h, 16) %% 4], 'share',
	904, 8000 + j %% 3000, 200 + j %% 200, 550 + j %% 300, if(k = 0, 400 + j %% 900, 0), 100 + j %% 200, 20 + j %% 80, 5000, 5000, 5000 - if(j %% 200 = 0, 400, 0), if(j %% 200 = 0, 400, 0), j %% 200 = 0,
	450000 + j %% 90000, 40000 + j %% 9000, 20000, j %% 5000, 390000, 25, j %% 3, 5, 60 + j %% 40, 150 + j %% 60,
	['1a2b3c4d', lower(hex(toUInt32(h %% 16)))], ['peer', 'seed'], [12, 31], [820, 70], [0, j %% 4]
FROM numbers(%d, %d)`

// benchDash measures the dashboard's questions over a day of reports.
func benchDash(ctx context.Context, r *report, o options) error {
	dir := o.keep
	if dir == "" {
		made, err := os.MkdirTemp("", "shoal-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(made)
		dir = made
	}
	e, stop, err := startEngine(ctx, filepath.Join(dir, "clickhouse"))
	if err != nil {
		return err
	}
	defer func() { _ = stop() }()
	s, err := store.Open(store.Options{DSN: e.DSN(chdb.Owner, "dash")})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := errors.Join(s.CreateDatabase(ctx), s.Migrate(ctx)); err != nil {
		return err
	}
	if err := makeDay(ctx, r, s); err != nil {
		return err
	}
	fmt.Println("  waiting until the engine has merged them")
	for merges := uint64(1); merges > 0; {
		if err := errors.Join(pause(ctx, time.Second), s.Ask(ctx, "SELECT count() FROM system.merges", &merges)); err != nil {
			return err
		}
	}
	var stream, session string
	if err := s.Ask(ctx, "SELECT stream FROM reports WHERE n = 150 LIMIT 1", &stream); err != nil {
		return err
	}
	if err := s.Ask(ctx, "SELECT session FROM reports WHERE n = 150 AND stream = '"+stream+"' LIMIT 1", &session); err != nil {
		return err
	}
	reader, err := store.Open(store.Options{DSN: e.DSN(chdb.Reader, "dash")})
	if err != nil {
		return err
	}
	defer reader.Close()
	const token = "a-token-of-twenty-six-chars"
	api := httptest.NewServer(dash.New(dash.Options{Reader: reader, Token: token, Status: func() (bool, string) { return true, "" }}))
	defer api.Close()
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	client := &http.Client{Jar: jar}
	login, err := http.NewRequestWithContext(ctx, http.MethodPost, api.URL+dash.Path+"login", strings.NewReader(`{"token":"`+token+`"}`))
	if err != nil {
		return err
	}
	login.Header.Set("Content-Type", "application/json")
	if err := answered(client, login); err != nil {
		return err
	}
	var all []time.Duration
	for _, name := range dash.Names() {
		for _, span := range []string{"1h", "24h"} {
			q := url.Values{"range": {span}, "session": {session}}
			if name == "visit" {
				q.Set("stream", stream)
			}
			var took []time.Duration
			for range dashAsked {
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, api.URL+dash.Path+"chart/"+name+"?"+q.Encode(), nil)
				if err != nil {
					return err
				}
				began := time.Now()
				if err := answered(client, req); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				took = append(took, time.Since(began))
			}
			worst := quantile(took, 0.95)
			fmt.Printf("  %-14s %-4s p95 %4d ms\n", name, span, worst.Milliseconds())
			all = append(all, worst)
		}
	}
	slowest := quantile(all, 1)
	r.add(fmt.Sprintf("the dashboard's questions over %d million reports: slowest p95", dashRows/1_000_000), fmt.Sprintf("%d ms", slowest.Milliseconds()),
		"≤ "+dashAnswered.String(), slowest <= dashAnswered)
	return nil
}

// makeDay makes what is not there yet of a day that ends now.
func makeDay(ctx context.Context, r *report, s *store.Store) error {
	var have uint64
	if err := s.Ask(ctx, "SELECT count() FROM reports", &have); err != nil {
		return err
	}
	if have == dashRows {
		fmt.Printf("  asking %d million reports that are there\n", dashRows/1_000_000)
		return nil
	}
	if have > 0 {
		return fmt.Errorf("there are %d reports of another run: remove them", have)
	}
	began := time.Now()
	from := began.Add(-24 * time.Hour).Unix()
	for tick := 0; tick < dashTicks; tick += dashChunk {
		ticks := min(dashChunk, dashTicks-tick)
		if err := s.Do(ctx, fmt.Sprintf(dayOfReports, dashViewers, from, tick*dashViewers, ticks*dashViewers)); err != nil {
			return err
		}
		if n := (tick + ticks) * dashViewers; n/5_000_000 != tick*dashViewers/5_000_000 {
			fmt.Printf("  %d of %d million reports, %.0f a second\n", n/1_000_000, dashRows/1_000_000, float64(n)/time.Since(began).Seconds())
		}
	}
	r.note("made up, with all views", fmt.Sprintf("%.0f reports/s", dashRows/time.Since(began).Seconds()))
	return nil
}

func answered(c *http.Client, req *http.Request) error {
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		var why struct{ Error string }
		_ = json.NewDecoder(res.Body).Decode(&why)
		return fmt.Errorf("%s: %s", res.Status, why.Error)
	}
	return nil
}
