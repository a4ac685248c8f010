// Package mhl reads and writes media hash lists, the manifests in which a set of media files goes from
// hand to hand: those of the ASC (ASC MHL 2.0, urn:ASC:MHL:v2.0), and the older ones of mediahashlist.org
// (1.x), which it reads.
//
// Promises: pure, nothing but what it is given decides; a list comes from anybody, so that its size,
// depth and number of files are bounded, no entity is expanded, and no path leaves its folder; several
// hashes of a content are made in one pass over it.
//
// May import: nothing of ours.
package mhl
