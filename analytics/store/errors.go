package store

import (
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
)

// Numbers of ClickHouse's errors (ErrorCodes.cpp).
const (
	codeNoSpace       = 243
	codeUnknownUser   = 192
	codeWrongPassword = 193
	codeNeedPassword  = 194
	codeAuthFailed    = 516
	codeNoTable       = 60
	codeTimeout       = 159
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
