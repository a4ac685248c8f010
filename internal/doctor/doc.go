// Package doctor finds out whether a volume can work here, and says what to do where it cannot.
//
// Promises: a check is one line, ok, warn or FAIL, with its cure; what one fault breaks is said
// once, since what needs a check that failed is not asked; each check ends with its deadline. What
// it writes into the store is removed, whatever happens. It prints no key and no credential, and
// changes nothing but what is asked with Fix, on this machine.
//
// May import: fs, internal/human, internal/mounts, keys, store, store/s3.
package doctor
