package config

import (
	"fmt"
	"reflect"
	"slices"
)

// Change is a key that has another value.
type Change struct {
	Key      string
	Old, New string // as errors spell them
	Live     bool   // a mount can take it over
}

// live are the keys that a mount takes over while it runs.
var live = []string{
	"log.level", "upload.rate_limit",
	"store.profile", "store.role_arn", "store.role_external_id", "store.role_session_name", "store.mfa_serial", "store.mfa_command",
}

// Compare lists what is otherwise in next, in the order of the sections. What commands alone read,
// the section [job], is not among it.
func (c Config) Compare(next Config) []Change {
	var list []Change
	before, names := fieldsOf(reflect.ValueOf(c))
	after, _ := fieldsOf(reflect.ValueOf(next))
	for _, section := range names {
		switch {
		case section == "job":
		case before[section].Kind() == reflect.Slice:
			if !reflect.DeepEqual(before[section].Interface(), after[section].Interface()) {
				list = append(list, Change{Key: section, Old: fmt.Sprint(before[section].Len()), New: fmt.Sprint(after[section].Len())})
			}
		default:
			list = append(list, compareSection(section, before[section], after[section])...)
		}
	}
	return list
}

func compareSection(section string, before, after reflect.Value) []Change {
	var list []Change
	old, names := fieldsOf(before)
	now, _ := fieldsOf(after)
	for _, name := range names {
		a, b := old[name].Interface(), now[name].Interface()
		if reflect.DeepEqual(a, b) {
			continue
		}
		key := section + "." + name
		list = append(list, Change{Key: key, Old: spelled(a), New: spelled(b), Live: slices.Contains(live, key)})
	}
	return list
}

// spelled is a value in one line.
func spelled(v any) string {
	if reflect.ValueOf(v).Kind() == reflect.String {
		return fmt.Sprintf("%q", clip(fmt.Sprint(v)))
	}
	return oneLine(fmt.Sprint(v))
}

// TakeLive takes over what a mount can take over while it runs.
func (c *Config) TakeLive(next Config) {
	c.Log.Level, c.Upload.RateLimit, c.Store.Access = next.Log.Level, next.Upload.RateLimit, next.Store.Access
}
