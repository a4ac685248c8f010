package docs

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"
)

var (
	requestsRow = regexp.MustCompile("(?m)^\\| (`mcfs \\w+`|a save into a mount) \\| (\\d+) \\| (\\d+) \\| (\\d+) \\|$")
	costRow     = regexp.MustCompile("(?m)^\\| (`mcfs \\w+`|a save into a mount) \\| (\\d+\\.\\d\\d) \\|$")
	prices      = regexp.MustCompile(`([\d.]+) dollars for a million requests that read, ([\d.]+) for a million PUT or LIST, and ([\d.]+) for a\s+million to KMS`)
	longFile    = regexp.MustCompile(`1 TB is ([\d,]+) PUT of 8 MiB, ([\d.]+) dollars, to send, and ([\d.]+) to read`)
	bytesOf     = regexp.MustCompile(`at ([\d.]+) dollars for a GiB, ([\d.]+) a\s+month\) and to read from outside of AWS \(at ([\d.]+), ([\d.]+)\)`)
)

// TestCosts: what scaling.md says that files cost follows from the requests and prices that it names.
func TestCosts(t *testing.T) {
	page := read(t, "scaling.md")
	number := func(text string) float64 {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	price, long, stored := prices.FindStringSubmatch(page), longFile.FindStringSubmatch(page), bytesOf.FindStringSubmatch(page)
	if price == nil || long == nil || stored == nil {
		t.Fatal("the page names no prices")
	}
	const files = 100_000
	want := make(map[string]string)
	for _, row := range requestsRow.FindAllStringSubmatch(page, -1) {
		cost := 0.0
		for i := range 3 {
			cost += number(row[2+i]) * files * number(price[1+i]) / 1e6
		}
		want[row[1]] = fmt.Sprintf("%.2f", cost)
	}
	rows := costRow.FindAllStringSubmatch(page, -1)
	if len(rows) != len(want) || len(rows) != 5 {
		t.Errorf("%d rows have costs, and %d requests", len(rows), len(want))
	}
	for _, row := range rows {
		if want[row[1]] != row[2] {
			t.Errorf("%s: the page says %s dollars, and its requests cost %s", row[1], row[2], want[row[1]])
		}
	}
	const parts, gib = 119_210.0, 1e12 / (1 << 30)
	for what, c := range map[string]struct {
		said string
		cost float64
	}{
		"sending a TB": {long[2], parts * number(price[2]) / 1e6}, "reading a TB": {long[3], parts * number(price[1]) / 1e6},
		"keeping a TB": {stored[2], gib * number(stored[1])}, "a TB that leaves AWS": {stored[4], gib * number(stored[3])},
	} {
		if got := fmt.Sprintf("%.2f", c.cost); got != c.said {
			t.Errorf("%s: the page says %s dollars, and it is %s", what, c.said, got)
		}
	}
}
