package policy

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
)

// Document is a policy.
type Document struct {
	Version   string
	Statement []Statement
}

// Statement allows actions.
type Statement struct {
	Sid       string
	Effect    string
	Principal map[string]string `json:",omitempty"` // of the policy of a role or a key
	Action    []string
	Resource  []string                     `json:",omitempty"`
	Condition map[string]map[string]string `json:",omitempty"` // operator, key, value
}

const version = "2012-10-17"

func document(s ...Statement) Document {
	for i := range s {
		s[i].Effect = "Allow"
	}
	return Document{Version: version, Statement: s}
}

// JSON is the document as IAM takes it.
func (d Document) JSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(d)
	return b.Bytes(), err
}

// Actions are those that the document allows, sorted.
func (d Document) Actions() []string {
	var all []string
	for _, s := range d.Statement {
		all = append(all, s.Action...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
