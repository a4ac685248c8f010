package keys

import (
	"strings"
	"testing"
)

// FuzzARN: what comes from an object's metadata names a region, or nothing; never
// a host of its author's choice.
func FuzzARN(f *testing.F) {
	f.Add("arn:aws:kms:us-west-2:111122223333:key/1234")
	f.Add("arn:aws:kms:evil.example.com/:111122223333:key/1234")
	f.Add("arn:aws-us-gov:kms:us-gov-west-1:1:alias/a")
	f.Add("alias/a")
	f.Fuzz(func(t *testing.T, s string) {
		region := arnRegion(s)
		if region != "" && (!regionName.MatchString(region) || strings.ContainsAny(region, "./:@#?%")) {
			t.Fatalf("%q is in %q", s, region)
		}
		if isKeyARN(s) && region == "" {
			t.Fatalf("%q is a key's, of no region", s)
		}
	})
}
