package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Encode writes a value of the SDK as JSON with indentation. What is not set is left out.
func Encode(v any, c Case) ([]byte, error) {
	if c == Either {
		return nil, fmt.Errorf("write %T: no case is chosen", v)
	}
	var compact, out bytes.Buffer
	w := writer{c: c, to: &compact}
	if err := w.value(reflect.ValueOf(v)); err != nil {
		return nil, err
	}
	if err := json.Indent(&out, compact.Bytes(), "", "  "); err != nil {
		return nil, fmt.Errorf("write %T: %w", v, err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// writer writes values of the SDK's types.
type writer struct {
	c  Case
	to *bytes.Buffer
}

func (w writer) value(v reflect.Value) error {
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil():
		return w.value(v.Elem())
	case v.Type() == timeType:
		at := v.Interface().(time.Time)
		fmt.Fprintf(w.to, "%d.%03d", at.Unix(), at.Nanosecond()/int(time.Millisecond))
		return nil
	case v.Kind() == reflect.Struct:
		return w.object(v)
	case v.Kind() == reflect.Slice:
		return w.between("[", "]", v.Len(), func(i int) error { return w.value(v.Index(i)) })
	case v.Kind() == reflect.Map:
		return w.named(v)
	}
	return w.scalar(v.Interface())
}

// object writes a struct's fields that are set, in the SDK's order.
func (w writer) object(v reflect.Value) error {
	var set []int
	for i := range v.NumField() {
		if isField(v.Type().Field(i)) && !v.Field(i).IsZero() {
			set = append(set, i)
		}
	}
	return w.between("{", "}", len(set), func(i int) error {
		return w.member(w.c.spell(v.Type().Field(set[i]).Name), v.Field(set[i]))
	})
}

// named writes a map, its names sorted.
func (w writer) named(v reflect.Value) error {
	names := v.MapKeys()
	slices.SortFunc(names, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return w.between("{", "}", len(names), func(i int) error {
		return w.member(names[i].String(), v.MapIndex(names[i]))
	})
}

func (w writer) member(name string, v reflect.Value) error {
	if err := w.scalar(name); err != nil {
		return err
	}
	w.to.WriteByte(':')
	return w.value(v)
}

// between writes n items with commas between them.
func (w writer) between(open, end string, n int, item func(i int) error) error {
	w.to.WriteString(open)
	for i := range n {
		if i > 0 {
			w.to.WriteByte(',')
		}
		if err := item(i); err != nil {
			return err
		}
	}
	w.to.WriteString(end)
	return nil
}

func (w writer) scalar(v any) error {
	enc := json.NewEncoder(w.to)
	enc.SetEscapeHTML(false) // "&" in a name stays readable
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write %T: %w", v, err)
	}
	w.to.Truncate(w.to.Len() - 1) // Encode ends a line
	return nil
}
