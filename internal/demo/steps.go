package demo

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"

	"mcfs/keys"
	"mcfs/sidecar"
)

// show runs the demonstration, step by step.
func (d *demo) show() error {
	for _, step := range []func() error{d.write, d.look, d.decrypt, d.readCold} {
		if err := step(); err != nil {
			return err
		}
	}
	d.headline("End both mounts; each waits until everything is stored")
	if err := d.unmount("mnt"); err != nil {
		return err
	}
	return d.unmount("mnt2")
}

func (d *demo) file() string   { return d.path("mnt", demoName) }
func (d *demo) object() string { return d.path("data", "mcfs", "store", demoName) }

// write mounts, and saves a video.
func (d *demo) write() error {
	d.headline("Mount a volume: objects in a folder, data keys under a local keyring")
	if err := d.mount("mnt", "state"); err != nil {
		return err
	}
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		d.headline("Save a file into it (ffmpeg is not installed: random bytes instead of a video)")
		content := make([]byte, 3<<20)
		rand.Read(content) // never fails
		if err := os.WriteFile(d.file(), content, 0o644); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
		return nil
	}
	d.headline("Let ffmpeg write a video straight into it")
	d.say("$ ffmpeg -f lavfi -i testsrc2=duration=3:size=640x360 %s", d.file())
	_, err := d.output("ffmpeg", "-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=duration=3:size=640x360", d.file())
	return err
}

// look shows what there is now.
func (d *demo) look() error {
	d.headline("The directory shows the file and its settings, as large as a program expects")
	d.say("$ ls -l %s", d.path("mnt"))
	list, err := d.output("ls", "-l", d.path("mnt"))
	if err != nil {
		return err
	}
	d.say("%s", list)
	d.headline("The settings are what a MediaConvert job takes as an input")
	d.say("$ mcfs settings %s", d.file())
	text, err := d.output(d.self, "settings", d.file())
	if err != nil {
		return err
	}
	d.say("%s", text)
	d.headline("What is stored has the same length and is unreadable")
	plain, err := head(d.file(), 16)
	if err != nil {
		return err
	}
	cipher, err := head(d.object(), 16)
	if err != nil {
		return err
	}
	d.say("the file       % x", plain)
	d.say("what is stored % x", cipher)
	if bytes.Equal(plain, cipher) {
		return fmt.Errorf("demo: the store holds plaintext")
	}
	return nil
}

// decrypt lets openssl decrypt the stored object with what the settings say.
func (d *demo) decrypt() error {
	d.headline("Unwrap the data key of the settings, and let openssl decrypt the stored object")
	text, err := d.output(d.self, "settings", d.file())
	if err != nil {
		return err
	}
	settings, err := sidecar.Parse(text)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	ring, err := keys.OpenLocal(d.path("data", "mcfs", "keyring"))
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	key, err := ring.Unwrap(d.ctx, settings.Key, ring.KeyID())
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer clear(key)
	d.say("$ openssl enc -d -aes-256-ctr -K … -iv %x -in %s", settings.IV, d.object())
	d.say("(openssl takes the key as an argument, which other programs on this machine can")
	d.say("see: for the key of a demonstration that is good enough, for yours it is not)")
	plain, err := d.output("openssl", "enc", "-d", "-aes-256-ctr", "-K", hex.EncodeToString(key), "-iv", hex.EncodeToString(settings.IV), "-in", d.object())
	if err != nil {
		return err
	}
	read, err := os.ReadFile(d.file())
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return d.compare("openssl's output", plain, "the file in the mount", read)
}

// readCold reads the file back through a mount with a spool of its own.
func (d *demo) readCold() error {
	d.headline("Read it back through a second mount, which has seen none of it")
	if err := d.mount("mnt2", "state2"); err != nil {
		return err
	}
	first, err := os.ReadFile(d.file())
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	second, err := os.ReadFile(d.path("mnt2", demoName))
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return d.compare("the second mount", second, "the first mount", first)
}

// compare fails unless both are the same.
func (d *demo) compare(whatA string, a []byte, whatB string, b []byte) error {
	d.say("%-21s %d bytes, SHA-256 %.16x…", whatA, len(a), sha256.Sum256(a))
	d.say("%-21s %d bytes, SHA-256 %.16x…", whatB, len(b), sha256.Sum256(b))
	if len(a) == 0 || !bytes.Equal(a, b) {
		return fmt.Errorf("demo: %s and %s differ", whatA, whatB)
	}
	d.say("the same")
	return nil
}
