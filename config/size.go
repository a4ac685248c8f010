package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ByteSize is a number of bytes.
type ByteSize int64

var errSize = errors.New(`give a size like "8MiB", "20GiB" or "500MB", or a plain number of bytes`)

// units from the largest; IEC's are powers of 1024, SI's of 1000.
var units = []struct {
	name   string
	factor ByteSize
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1},
}

// ParseByteSize reads a whole number with a unit (TiB, GiB, MiB, KiB, TB, GB,
// MB, kB, KB, B), a space between them or not; without a unit it counts bytes.
func ParseByteSize(s string) (ByteSize, error) {
	factor := ByteSize(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(s, u.name); ok {
			s, factor = strings.TrimSuffix(rest, " "), u.factor
			break
		}
	}
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, errSize
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || ByteSize(n) > math.MaxInt64/factor {
		return 0, errors.New("that is more than any disk holds")
	}
	return ByteSize(n) * factor, nil
}

// String is the shortest spelling that ParseByteSize reads back exactly.
func (b ByteSize) String() string {
	for _, u := range units {
		if b > 0 && b%u.factor == 0 {
			return fmt.Sprintf("%d%s", int64(b/u.factor), u.name)
		}
	}
	return strconv.FormatInt(int64(b), 10)
}
