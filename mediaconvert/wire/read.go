package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxSize is the longest document in bytes that is read.
const MaxSize = 4 << 20

// FieldError is a refusal that names the field by its path, as Settings.Inputs[0].FileInput.
type FieldError struct {
	Path string
	Why  string
}

func (e *FieldError) Error() string { return e.Path + ": " + e.Why }

// Decode reads a document into a value of the SDK, into being a pointer to a struct.
func Decode(data []byte, into any, c Case) error { return DecodeAt("", data, into, c) }

// DecodeAt is Decode for a part of a document. path is where that part lies.
func DecodeAt(path string, data []byte, into any, c Case) error {
	if len(data) > MaxSize {
		return &FieldError{orDocument(path), fmt.Sprintf("%d bytes are too many (at most %d)", len(data), MaxSize)}
	}
	if !utf8.Valid(data) {
		return &FieldError{orDocument(path), "not UTF-8"}
	}
	r := reader{c}
	return r.value(path, data, reflect.ValueOf(into).Elem())
}

// Member is a field of an object as it was written.
type Member struct {
	Name  string
	Value json.RawMessage
}

// Members splits an object into its members, in their order. A name that comes twice is refused.
func Members(path string, data []byte) ([]Member, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	dec := json.NewDecoder(bytes.NewReader(data))
	tok, err := dec.Token()
	if err != nil {
		return nil, notJSON(path, err)
	}
	if tok != json.Delim('{') {
		return nil, &FieldError{orDocument(path), "not an object; give { … }"}
	}
	var members []Member
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, notJSON(path, err)
		}
		m := Member{Name: name.(string)} // within an object every other token is a name
		if err := dec.Decode(&m.Value); err != nil {
			return nil, notJSON(path, err)
		}
		members = append(members, m)
	}
	if _, err := dec.Token(); err != nil {
		return nil, notJSON(path, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, &FieldError{orDocument(path), "something follows the object; remove it"}
	}
	return members, twice(path, members)
}

// twice refuses a name that is given twice, in either case.
func twice(path string, members []Member) error {
	seen := make(map[string]bool)
	for _, m := range members {
		name := m.Name
		if f := Either.Field(name); f != "" {
			name = f
		}
		if seen[name] {
			return &FieldError{Below(path, clip(m.Name)), "given twice; keep one"}
		}
		seen[name] = true
	}
	return nil
}

// Below is the path of a member of what lies at path.
func Below(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func orDocument(path string) string {
	if path == "" {
		return "document"
	}
	return path
}

// notJSON says plainly what the decoder calls EOF.
func notJSON(path string, err error) error {
	why := err.Error()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		why = "it ends too early"
	}
	return &FieldError{orDocument(path), "not JSON: " + why}
}

// reader reads values of the SDK's types.
type reader struct{ c Case }

var timeType = reflect.TypeFor[time.Time]()

// value reads one value. What is null is left as it is, as the service does.
func (r reader) value(path string, data json.RawMessage, v reflect.Value) error {
	if string(bytes.TrimSpace(data)) == "null" {
		return nil
	}
	switch {
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return r.value(path, data, v.Elem())
	case v.Type() == timeType:
		return readTime(path, data, v)
	case v.Kind() == reflect.Struct:
		return r.object(path, data, v)
	case v.Kind() == reflect.Slice:
		return r.list(path, data, v)
	case v.Kind() == reflect.Map:
		return r.named(path, data, v)
	}
	return readScalar(path, data, v)
}

// object reads a struct, and refuses a field that it does not have.
func (r reader) object(path string, data []byte, v reflect.Value) error {
	members, err := Members(path, data)
	if err != nil {
		return err
	}
	for _, m := range members {
		f, ok := v.Type().FieldByName(r.c.Field(m.Name))
		if !ok || !isField(f) {
			return r.Unknown(path, m.Name, Fields(v.Type()))
		}
		if err := r.value(Below(path, r.spell(f.Name)), m.Value, v.FieldByIndex(f.Index)); err != nil {
			return err
		}
	}
	return nil
}

func (r reader) spell(field string) string { return r.c.spell(field) }

// Unknown is the refusal of a field that is none of names.
func (r reader) Unknown(path, name string, names []string) error {
	why := "MediaConvert knows no such field here"
	if near := nearest(name, names); near != "" {
		why += "; did you mean " + r.spell(near) + "?"
	}
	return &FieldError{Below(path, clip(name)), why}
}

// Unknown is the refusal of a field that is none of names.
func Unknown(path, name string, names []string) error {
	return reader{Either}.Unknown(path, name, names)
}

func (r reader) list(path string, data []byte, v reflect.Value) error {
	var items []json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil {
		return &FieldError{orDocument(path), "not a list; give [ … ]"}
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, item := range items {
		at := path + "[" + strconv.Itoa(i) + "]"
		if string(item) == "null" {
			return &FieldError{at, "null; leave it out"}
		}
		if err := r.value(at, item, v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

// named reads a map, whose names are the user's own.
func (r reader) named(path string, data []byte, v reflect.Value) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	members := make(map[string]json.RawMessage)
	if err := dec.Decode(&members); err != nil || members == nil {
		return &FieldError{orDocument(path), "not an object; give { … }"}
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(members)))
	for name, item := range members {
		at := path + "[" + strconv.Quote(clip(name)) + "]"
		if string(item) == "null" {
			return &FieldError{at, "null; leave it out"}
		}
		value := reflect.New(v.Type().Elem()).Elem()
		if err := r.value(at, item, value); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(name), value)
	}
	return nil
}

func readScalar(path string, data []byte, v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		return readText(path, data, v)
	case reflect.Bool:
		var b bool
		if json.Unmarshal(data, &b) != nil {
			return &FieldError{path, "not a truth value; give true or false"}
		}
		v.SetBool(b)
	case reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(string(data), 10, v.Type().Bits())
		if err != nil {
			return &FieldError{path, clip(string(data)) + " is no whole number that fits; give one without quotes"}
		}
		v.SetInt(n)
	case reflect.Float64:
		var f float64
		if json.Unmarshal(data, &f) != nil {
			return &FieldError{path, "not a number; give one without quotes"}
		}
		v.SetFloat(f)
	default:
		return &FieldError{path, "this program cannot read a " + v.Type().String()}
	}
	return nil
}

// readText reads a string. That of an enumeration must be one of its values.
func readText(path string, data []byte, v reflect.Value) error {
	var s string
	if json.Unmarshal(data, &s) != nil {
		return &FieldError{path, "not a text; put it in quotes"}
	}
	if values := Values(v.Type()); values != nil && !slices.Contains(values, s) {
		why := fmt.Sprintf("%q is none of its values: %s", clip(s), strings.Join(values, ", "))
		if len(values) > 12 {
			why = fmt.Sprintf("%q is none of its %d values", clip(s), len(values))
			if near := nearest(s, values); near != "" {
				why += "; did you mean " + near + "?"
			}
		}
		return &FieldError{path, why}
	}
	v.SetString(s)
	return nil
}

// Values are those of an enumeration of the SDK; nil for any other type.
func Values(t reflect.Type) []string {
	m, ok := t.MethodByName("Values")
	if t.Kind() != reflect.String || !ok {
		return nil
	}
	list := m.Func.Call([]reflect.Value{reflect.Zero(t)})[0]
	values := make([]string, list.Len())
	for i := range values {
		values[i] = list.Index(i).String()
	}
	return values
}

// readTime reads a point in time: seconds since 1970, as the service writes it, or RFC 3339, as
// the command line tool does.
func readTime(path string, data []byte, v reflect.Value) error {
	var seconds float64
	if json.Unmarshal(data, &seconds) == nil && math.Abs(seconds) < 1<<40 {
		v.Set(reflect.ValueOf(time.Unix(0, int64(seconds*1000)*int64(time.Millisecond)).UTC()))
		return nil
	}
	var at time.Time
	if json.Unmarshal(data, &at) != nil {
		return &FieldError{path, "not a time; give seconds since 1970 or 2006-01-02T15:04:05Z"}
	}
	v.Set(reflect.ValueOf(at))
	return nil
}

// clip keeps what a stranger wrote from flooding an error message.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
