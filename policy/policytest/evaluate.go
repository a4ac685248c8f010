package policytest

import (
	"slices"
	"strings"

	"mcfs/policy"
)

// Allows reports whether the document allows an action on a resource, in a request of which the
// condition keys say that.
func Allows(d policy.Document, action, resource string, keys map[string]string) bool {
	return slices.ContainsFunc(d.Statement, func(s policy.Statement) bool {
		return slices.Contains(s.Action, action) &&
			slices.ContainsFunc(s.Resource, func(pattern string) bool { return matches(pattern, resource) }) &&
			holds(s, keys)
	})
}

// holds reports whether all conditions of a statement hold.
func holds(s policy.Statement, keys map[string]string) bool {
	for operator, pairs := range s.Condition {
		for name, want := range pairs {
			got, there := keys[name]
			switch operator {
			case "StringLikeIfExists":
				there = !there || matches(want, got)
			case "StringEquals", "ForAnyValue:StringEquals", "ForAllValues:StringEquals":
				there = there && got == want
			case "ArnLike":
				there = there && matches(want, got)
			default:
				there = false
			}
			if !there {
				return false
			}
		}
	}
	return true
}

// matches reports whether IAM's pattern covers a text: "*" stands for any text, "${*}" for itself.
func matches(pattern, text string) bool {
	if pattern == "" {
		return text == ""
	}
	switch {
	case strings.HasPrefix(pattern, "${") && len(pattern) > 3 && pattern[3] == '}':
		return text != "" && text[0] == pattern[2] && matches(pattern[4:], text[1:])
	case pattern[0] == '*':
		for i := range len(text) + 1 {
			if matches(pattern[1:], text[i:]) {
				return true
			}
		}
		return false
	case pattern[0] == '?':
		return text != "" && matches(pattern[1:], text[1:])
	}
	return text != "" && text[0] == pattern[0] && matches(pattern[1:], text[1:])
}
