package fs

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"

	"mcfs/volume"
)

// factsPrefix begins the names of attributes in which a file tells how it stands. They are read
// and not listed, so that no program that copies files takes them along: beside a copy they would
// be wrong. Nothing is kept under such a name.
const factsPrefix = "user.mcfs."

func isFact(name string) bool { return strings.HasPrefix(name, factsPrefix) }

// Words for files that are no drafts.
const (
	stateCommitted = "committed"
	stateForeign   = "foreign" // mcfs has not encrypted it
)

// fact is the value of such an attribute of a regular file; ErrNoAttr where there is none.
func (n *node) fact(ctx context.Context, name string) ([]byte, error) {
	if n.v.Kind() != volume.File {
		return nil, volume.ErrNoAttr
	}
	state, of, err := n.v.Facts(ctx)
	if err != nil {
		return nil, err
	}
	value := ""
	switch strings.TrimPrefix(name, factsPrefix) {
	case "state":
		value = stateWord(state, of.IV != nil)
	case "etag":
		value = of.ETag
	case "key-id":
		value = of.KeyID
	case "iv":
		value = base64.StdEncoding.EncodeToString(of.IV)
	case "job":
		value = jobJSON(of.Job)
	}
	if value == "" {
		return nil, volume.ErrNoAttr
	}
	return []byte(value), nil
}

// stateWord is a draft's state as mcfs status has it.
func stateWord(s volume.State, ours bool) string {
	switch {
	case s != volume.Clean:
		return s.String()
	case !ours:
		return stateForeign
	}
	return stateCommitted
}

// jobJSON is a job of MediaConvert's; "" for none.
func jobJSON(id string) string {
	if id == "" {
		return ""
	}
	text, _ := json.Marshal(map[string]string{"id": id}) // strings always have a JSON form
	return string(text)
}
