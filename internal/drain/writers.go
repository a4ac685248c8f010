package drain

import (
	"fmt"
	"strings"

	"mcfs/internal/human"
	"mcfs/volume"
)

// InUse returns the error of a mount that cannot end while files are open for writing;
// nil if none is.
func InUse(list []volume.Writer) error {
	if len(list) == 0 {
		return nil
	}
	return fmt.Errorf("in use by %s: close it, or wait for that with --wait; --now cuts it off", Writers(list))
}

// CutOff returns the error of a mount that has ended while files were open for writing.
func CutOff(list []volume.Writer) error {
	return fmt.Errorf("cut off while it was being written by %s: what was written is in the spool and not uploaded; save it again in the next mount, or have it committed as it is with mcfs sync and its path", Writers(list))
}

// Writers returns in one line which programs write which files.
func Writers(list []volume.Writer) string {
	const most = 5
	var names []string
	for _, w := range list[:min(most, len(list))] {
		names = append(names, human.Quoted(w.String()))
	}
	if more := len(list) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
