package mediaconverttest

import (
	_ "embed"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"mcfs/mediaconvert/wire"
)

// limit is what the API's model says of a field: of a number its range, of a text or a list its
// length, of a text its pattern.
type limit struct {
	least, most *int64
	pattern     *regexp.Regexp
}

//go:embed limits.tsv
var limitsTable string

// limits are the limits by type and field; those of a list's items end with [].
var limits = readLimits()

func readLimits() map[string]limit {
	number := func(s string) *int64 {
		if s == "" {
			return nil
		}
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			panic(err) // the table is compiled in
		}
		return &n
	}
	table := make(map[string]limit)
	for line := range strings.Lines(limitsTable) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		l := limit{least: number(cells[1]), most: number(cells[2])}
		if cells[3] != "" {
			l.pattern = regexp.MustCompile(cells[3])
		}
		table[cells[0]] = l
	}
	return table
}

// checkLimits checks every field that is set below v.
func checkLimits(path string, v reflect.Value) error {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return checkLimits(path, v.Elem())
	case reflect.Struct:
		for _, name := range wire.Fields(v.Type()) {
			at, f := wire.Below(path, name), v.FieldByName(name)
			if f.IsZero() {
				continue
			}
			if err := checkField(at, v.Type().Name()+"."+name, f); err != nil {
				return err
			}
			if err := checkLimits(at, f); err != nil {
				return err
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if err := checkLimits(fmt.Sprintf("%s[%d]", path, i), v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		for _, name := range v.MapKeys() {
			if err := checkLimits(fmt.Sprintf("%s[%q]", path, name.String()), v.MapIndex(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkField checks one field, and the items of a list.
func checkField(path, key string, v reflect.Value) error {
	if err := limits[key].check(path, v); err != nil {
		return err
	}
	if item, ok := limits[key+"[]"]; ok {
		for i := range v.Len() {
			if err := item.check(fmt.Sprintf("%s[%d]", path, i), v.Index(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l limit) check(path string, v reflect.Value) error {
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	measure, what := int64(0), "length"
	switch v.Kind() {
	case reflect.String:
		measure = int64(utf8.RuneCountInString(v.String()))
		if l.pattern != nil && !l.pattern.MatchString(v.String()) {
			return fmt.Errorf("%s: must match pattern %s", path, l.pattern)
		}
	case reflect.Slice, reflect.Map:
		measure = int64(v.Len())
	case reflect.Int32, reflect.Int64:
		measure, what = v.Int(), "value"
	case reflect.Float64:
		if f := v.Float(); l.least != nil && f < float64(*l.least) || l.most != nil && f > float64(*l.most) {
			return fmt.Errorf("%s: value %v is out of range", path, f)
		}
		return nil
	default:
		return nil
	}
	if l.least != nil && measure < *l.least || l.most != nil && measure > *l.most {
		return fmt.Errorf("%s: %s %d is out of range", path, what, measure)
	}
	return nil
}
