// Package recording records the terminal that README shows: commands of mcfs over a real mount, a real S3
// server and a stand-in for KMS, as an asciicast, and draws it as an SVG that moves.
//
// It promises that the picture has what the programs printed, nothing of this machine but that, no script,
// no other address, and can be read in the dark, in the light, and by who wants no motion.
package recording
