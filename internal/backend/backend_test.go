package backend

import (
	"strings"
	"testing"

	"mcfs/keys"
)

// keyIn is a keeper whose key lies in a region.
type keyIn struct {
	keys.Keeper
	region string
}

func (k keyIn) Region() string { return k.region }
func (k keyIn) KeyID() string  { return "alias/media" }

// TestRegionThatNoDocumentCanName: it is refused at mount, wherever it was named, and
// not at each commit.
func TestRegionThatNoDocumentCanName(t *testing.T) {
	for region, refused := range map[string]bool{"": false, "us-west-2": false, "us-gov-west-1": false, "us-isob-east-1": true, "local": true} {
		err := checkRegion(keyIn{region: region})
		if (err != nil) != refused {
			t.Errorf("%q: %v", region, err)
		}
		if err != nil && !strings.Contains(err.Error(), "alias/media") {
			t.Errorf("%q: the error does not name the key: %v", region, err)
		}
	}
}
