package file

import (
	"reflect"
	"testing"
	"time"
)

// TestDraftsKeepWhatTheySay: whatever is set of a draft outlives its lock,
// and one that says nothing goes.
func TestDraftsKeepWhatTheySay(t *testing.T) {
	kind := reflect.TypeFor[draft]()
	for i := range kind.NumField() {
		d := new(draft)
		if !d.empty() {
			t.Fatal("a new draft says something")
		}
		n := Content{draft: d}
		n.Lock()
		// openers count only as long as opening is there.
		f := reflect.NewAt(kind.Field(i).Type, reflect.ValueOf(d).Elem().Field(i).Addr().UnsafePointer()).Elem()
		fill(f)
		n.Unlock()
		if name := kind.Field(i).Name; (n.draft == nil) != (name == "openers") {
			t.Errorf("%s: kept %v", name, n.draft != nil)
		}
		*d = draft{} // the next may get it from the pool
	}
}

// fill sets something that is not the zero value.
func fill(f reflect.Value) {
	switch f.Interface().(type) {
	case time.Time:
		f.Set(reflect.ValueOf(time.Unix(1, 0)))
		return
	}
	switch f.Kind() {
	case reflect.Bool:
		f.SetBool(true)
	case reflect.Int, reflect.Int64:
		f.SetInt(1)
	case reflect.Uint8, reflect.Uint64:
		f.SetUint(1)
	case reflect.String:
		f.SetString("x")
	case reflect.Slice:
		f.Set(reflect.MakeSlice(f.Type(), 1, 1))
	case reflect.Chan:
		f.Set(reflect.MakeChan(f.Type(), 0))
	case reflect.Pointer:
		f.Set(reflect.New(f.Type().Elem()))
	case reflect.Interface:
		f.Set(reflect.ValueOf(ErrIO))
	case reflect.Array:
		f.Index(0).SetUint(1)
	case reflect.Struct:
		fill(f.Field(0))
	}
}
