package config

import (
	"fmt"
	"strings"
)

// suggest names the known key that an unknown one most resembles, or lists the
// keys of its section where none does. Both are full names ("crypt.mode").
func suggest(unknown string, known []string) string {
	section, leaf := cutKey(unknown)
	best, bestCost := "", 1000
	var beside []string
	for _, k := range known {
		s, l := cutKey(k)
		if s == section && s != "" {
			beside = append(beside, l)
		}
		// The right name in another section, or in none, is one mistake.
		cost := min(distance(unknown, k), distance(leaf, l)+1)
		if cost < bestCost {
			best, bestCost = k, cost
		}
	}
	if bestCost <= max(2, len(leaf)/2) {
		return fmt.Sprintf("did you mean %s?", best)
	}
	if beside != nil {
		return fmt.Sprintf("%s has %s", heading(section), strings.Join(beside, ", "))
	}
	return "remove it"
}

// suggestSection does the same for a table.
func suggestSection(unknown string, known []string) string {
	if best := Nearest(unknown, known); best != "" {
		return fmt.Sprintf("did you mean %s?", heading(best))
	}
	var all []string
	for _, name := range known {
		all = append(all, heading(name))
	}
	return "there are " + strings.Join(all, ", ")
}

// heading is the line with which a section begins. Of [[watch]] there may be several.
func heading(name string) string {
	if name == "watch" {
		return "[[watch]]"
	}
	return "[" + name + "]"
}

// Nearest is the known word that a misspelled one most resembles, "" if none does.
func Nearest(word string, known []string) string {
	best, cost := "", max(2, len(word)/2)+1
	for _, k := range known {
		if d := distance(word, k); d < cost {
			best, cost = k, d
		}
	}
	return best
}

func cutKey(key string) (section, leaf string) {
	if i := strings.LastIndexByte(key, '.'); i >= 0 {
		return key[:i], key[i+1:]
	}
	return "", key
}

// distance is the number of bytes to insert, delete, replace, or swap with a
// neighbour that lead from a to b (optimal string alignment). Names longer than
// any of ours are far from all.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
