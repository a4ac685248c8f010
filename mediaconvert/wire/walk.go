package wire

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Texts calls visit with the path and the text of every string that is set below v, but for those
// of enumerations. It ends with the first error.
func Texts(v any, visit func(path, text string) error) error {
	return texts("", reflect.ValueOf(v), visit)
}

func texts(path string, v reflect.Value, visit func(path, text string) error) error {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return texts(path, v.Elem(), visit)
	case reflect.String:
		if Values(v.Type()) != nil {
			return nil
		}
		return visit(path, v.String())
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !isField(f) || f.Type == timeType {
				continue
			}
			if err := texts(Below(path, f.Name), v.Field(i), visit); err != nil {
				return err
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if err := texts(path+"["+strconv.Itoa(i)+"]", v.Index(i), visit); err != nil {
				return err
			}
		}
	case reflect.Map:
		names := v.MapKeys()
		slices.SortFunc(names, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, name := range names {
			if err := texts(path+"["+strconv.Quote(name.String())+"]", v.MapIndex(name), visit); err != nil {
				return err
			}
		}
	}
	return nil
}
