package sidecar

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxXattrName is XATTR_NAME_MAX of Linux in bytes; macOS allows 127.
const maxXattrName = 255

var errXattr = errors.New(KeyXattr + ": malformed")

// encodeXattr is base64 of, in the order of the names' bytes, for each: the
// length of its name, the name, the length of its value, the value; lengths as
// unsigned varints (encoding/binary). One set of attributes has one encoding.
func encodeXattr(x map[string][]byte) (string, error) {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(x)) {
		if name == "" || len(name) > maxXattrName || strings.ContainsRune(name, 0) {
			return "", fmt.Errorf("%s: %q is no name of an attribute", KeyXattr, clip(name))
		}
		b = binary.AppendUvarint(b, uint64(len(name)))
		b = append(b, name...)
		b = binary.AppendUvarint(b, uint64(len(x[name])))
		b = append(b, x[name]...)
	}
	return base64.StdEncoding.EncodeToString(b), nil
}

// decodeXattr refuses everything that encodeXattr would not have written. The
// values do not share memory with one another.
func decodeXattr(s string) (map[string][]byte, error) {
	b, err := decodeBase64(KeyXattr, s)
	if err != nil {
		return nil, err
	}
	if len(b) == 0 {
		return nil, errXattr
	}
	x, last := make(map[string][]byte), ""
	for len(b) > 0 {
		var name, value []byte
		if name, b, err = cutField(b); err != nil {
			return nil, err
		}
		if value, b, err = cutField(b); err != nil {
			return nil, err
		}
		n := string(name)
		if n <= last || len(n) > maxXattrName || strings.ContainsRune(n, 0) { // "" is never above last
			return nil, errXattr
		}
		x[n], last = slices.Clone(value), n
	}
	return x, nil
}

// cutField takes a varint and as many bytes off the front of b.
func cutField(b []byte) (field, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, errXattr
	}
	if len(binary.AppendUvarint(nil, n)) != size { // a longer spelling of the same number
		return nil, nil, errXattr
	}
	b = b[size:]
	return b[:n:n], b[n:], nil
}
