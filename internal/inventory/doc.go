// Package inventory reads S3 Inventory: the manifest.json of one, and the keys in the files that it names.
//
// Promises: pure; what it reads comes from a bucket, so that the size of the manifest, its files and
// each line are bounded, and an archive that grows without end is read line by line; a key comes as the
// bucket has it; versions that are not the latest, and markers of deletion, are left out.
//
// May import: nothing of ours.
package inventory
