package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// What a person can do something about.
var (
	// ErrRefused is of a wrong user or password.
	ErrRefused = errors.New("ClickHouse refuses the user or the password: look at --clickhouse")
	// ErrFull is of a server without room on its disk.
	ErrFull = errors.New("ClickHouse has no room left on its disk: make some, or lower --analytics-retention")
	// ErrNewer is of a schema that a newer build made.
	ErrNewer = errors.New("the schema in ClickHouse is of a newer shoal: run that one, or give this one a database of its own")
	// ErrSlow is of a question that takes more time, memory or rows than one may.
	ErrSlow = errors.New("ClickHouse was not done in time: ask for less")
	// ErrBusy is of a ClickHouse that has too much to do.
	ErrBusy = errors.New("ClickHouse has too many questions to answer: ask again in a moment")
	// ErrUnready is of a database without the schema.
	ErrUnready = errors.New("the tables are not in ClickHouse yet: shoal makes them when it has reached it")
	// ErrAway is of a ClickHouse that does not answer.
	ErrAway = errors.New("ClickHouse does not answer: see that it runs, and that --clickhouse is its address")
)

// Numbers of ClickHouse's errors (ErrorCodes.cpp).
const (
	codeNoSpace       = 243
	codeUnknownUser   = 192
	codeWrongPassword = 193
	codeNeedPassword  = 194
	codeAuthFailed    = 516
	codeNoTable       = 60
	codeNoDatabase    = 81
	codeTimeout       = 159
	codeTooSlow       = 160
	codeTooManyRows   = 158
	codeTooLarge      = 396
	codeMemory        = 241
	codeTooMany       = 202
)

// explain adds to an error what it means to whoever runs this.
func explain(err error) error {
	var e *clickhouse.Exception
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case codeUnknownUser, codeWrongPassword, codeNeedPassword, codeAuthFailed:
		return fmt.Errorf("%w (%w)", ErrRefused, err)
	case codeNoSpace:
		return fmt.Errorf("%w (%w)", ErrFull, err)
	}
	return err
}

// unanswered is explain for a question that only reads.
func unanswered(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	var e *clickhouse.Exception
	if !errors.As(err, &e) {
		return fmt.Errorf("%w (%w)", ErrAway, err)
	}
	kind := map[int32]error{
		codeTimeout: ErrSlow, codeTooSlow: ErrSlow, codeTooManyRows: ErrSlow, codeTooLarge: ErrSlow, codeMemory: ErrSlow,
		codeTooMany: ErrBusy, codeNoTable: ErrUnready, codeNoDatabase: ErrUnready,
	}[e.Code]
	if kind == nil {
		return explain(err)
	}
	return fmt.Errorf("%w (%w)", kind, err)
}
