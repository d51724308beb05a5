package sqliteengine

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
)

// row is a row as the driver reads it. The values that were read stay valid when it is overwritten.
type row []driver.Value

// Scan is that of sql.Rows, without reflection, for the types that the store scans to.
func (r row) Scan(dest ...any) error {
	if len(dest) != len(r) {
		return fmt.Errorf("%d columns are scanned into %d values", len(r), len(dest))
	}
	for i, value := range r {
		if err := scan(dest[i], value); err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	return nil
}

func scan(dest any, value driver.Value) error {
	var ok bool
	switch dest := dest.(type) {
	case *string:
		*dest, ok = value.(string)
	case *int64:
		*dest, ok = value.(int64)
	case *int32:
		var n int64
		n, ok = value.(int64)
		*dest = int32(n)
		ok = ok && int64(*dest) == n
	case *int:
		var n int64
		n, ok = value.(int64)
		*dest = int(n)
		ok = ok && int64(*dest) == n
	case *any:
		*dest, ok = value, true
	case sql.Scanner:
		return dest.Scan(value)
	}
	if !ok {
		return fmt.Errorf("a %T does not fit a %T", value, dest)
	}
	return nil
}

// toValue returns an argument in the driver's form.
func toValue(arg any) (driver.Value, error) {
	switch arg := arg.(type) {
	case string, int64, nil:
		return arg, nil
	case int:
		return int64(arg), nil
	case int32:
		return int64(arg), nil
	case *int64:
		if arg == nil {
			return nil, nil
		}
		return *arg, nil
	}
	return driver.DefaultParameterConverter.ConvertValue(arg)
}
