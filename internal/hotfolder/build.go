package hotfolder

import (
	"mcfs/internal/stored"
	"mcfs/internal/verdict"
	"mcfs/mediaconvert/batch"
	"mcfs/mediaconvert/document"
)

// Builder makes the documents of the jobs of a volume's files.
type Builder struct {
	Options document.Options
	Volume  string         // address
	Outputs *batch.Outputs // of all whose jobs may meet
}

// Build is the document of a version's job.
func (b Builder) Build(found stored.Version) (document.Document, error) {
	at := found.Settings.FileInput
	if found.Settings.IsLocal() {
		return document.Document{}, verdict.Errorf(verdict.LocalKey, `save it in a mount whose configuration has keys.kind = "kms"`, "%s was encrypted under a local keyring, whose keys MediaConvert cannot have", at)
	}
	o := b.Options
	o.Volumes, o.Output = []string{b.Volume}, batch.Placed(o.Output, b.Volume, at)
	d, err := document.Build([]document.Input{{Name: at, Settings: found.Settings}}, o)
	if err != nil {
		return d, err
	}
	if err := b.Outputs.Take(d); err != nil {
		return d, verdict.Errorf(verdict.SameOutput, "put {dir}, {name} or {file} into --output", "%w", err)
	}
	return d, nil
}
