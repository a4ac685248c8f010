// Package wire reads and writes the JSON of MediaConvert's API as the types of the AWS SDK.
// Names may be spelled as the command line tool spells them (FileInput) or as the service does
// (fileInput).
//
// It promises that what it reads has no field that the service does not know, none twice, and no
// value that an enumeration lacks, and that each refusal names the field's path; and that what it
// writes reads back as the same value. Pure: it touches neither disk nor network. The SDK's types
// tell the names; nothing is listed here.
//
// May import: nothing of ours.
package wire
