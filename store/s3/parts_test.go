package s3_test

import (
	"strings"
	"testing"

	"mcfs/store"
	"mcfs/store/s3/s3test"
	"mcfs/store/storetest"
)

// TestSmallParts: a server decides how small a part may be, and where one is too small,
// the error says what to set.
func TestSmallParts(t *testing.T) {
	try := func(o ...s3test.Option) error {
		s := s3test.Start(t, o...).Open(t, "p/")
		up, err := s.Begin(t.Context(), "k", store.Attributes{})
		if err != nil {
			t.Fatal(err)
		}
		var parts []store.Part
		for i := range 2 {
			part, err := s.PutPart(t.Context(), up, i+1, storetest.BodyOf(storetest.Random(32<<10, uint64(i))))
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, part)
		}
		_, err = s.Complete(t.Context(), up, parts, store.Condition{})
		return err
	}
	if err := try(s3test.WithMinPart(32 << 10)); err != nil {
		t.Error(err)
	}
	if err := try(); err == nil || !strings.Contains(err.Error(), "upload.part_size") {
		t.Errorf("parts that are too small: %v", err)
	}
}
