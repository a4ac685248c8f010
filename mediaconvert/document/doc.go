// Package document makes the document of a MediaConvert job, for one or several encrypted files:
// from their settings, and from a preset of its own, a template in a file, or a template that the
// service knows by name.
//
// It promises that a document which it makes has only fields and values that the service knows;
// that nothing of a template changes but each input's FileInput and DecryptionSettings, unless it
// was asked for; and that what could not work, or would put plaintext into the volume, is refused
// with the reason and the cure. Pure: it touches neither disk nor network.
//
// May import: mediaconvert/wire, sidecar.
package document
