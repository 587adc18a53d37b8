package sim

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/shoalcast/shoal/swarm"
)

// Tune sets one field of a tuning by its name, to try an alternative.
func Tune(t *swarm.Tuning, name, value string) error {
	field := reflect.ValueOf(t).Elem().FieldByNameFunc(func(s string) bool { return strings.EqualFold(s, name) })
	if !field.IsValid() {
		var names []string
		for f := range reflect.TypeFor[swarm.Tuning]().Fields() {
			names = append(names, f.Name)
		}
		return fmt.Errorf("nothing is tuned by %q: %s", name, strings.Join(names, ", "))
	}
	var err error
	switch field.Interface().(type) {
	case bool:
		var v bool
		v, err = strconv.ParseBool(value)
		field.SetBool(v)
	case time.Duration:
		var v time.Duration
		v, err = time.ParseDuration(value)
		field.SetInt(int64(v))
	case int, int64:
		var v int64
		v, err = strconv.ParseInt(value, 10, 64)
		field.SetInt(v)
	case float64:
		var v float64
		v, err = strconv.ParseFloat(value, 64)
		field.SetFloat(v)
	}
	if err != nil {
		return fmt.Errorf("tune %s to %q: %w", name, value, err)
	}
	return nil
}
