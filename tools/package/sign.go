package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// signed has a command of the user's sign the sums, and so all that they name: it is given both files as $1
// and $2, and is to make the second.
func (r release) signed(command string) error {
	sums := filepath.Join(r.out, "SHA256SUMS")
	signature := sums + ".sig"
	if err := os.RemoveAll(signature); err != nil || command == "" {
		return err // a signature of other sums is none
	}
	c := exec.Command("sh", "-euc", command, "sign", sums, signature)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stderr, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("-sign %s: %w", command, err)
	}
	if info, err := os.Stat(signature); err != nil || info.Size() == 0 {
		return fmt.Errorf("-sign %s: it has made no %s: have it write the file that it is given as $2", command, signature)
	}
	return nil
}
