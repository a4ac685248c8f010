// Package e2e holds the tests of the whole program: the real mcfs binary, a
// real mount, a real S3 server, a strict KMS, and the programs that people use.
//
// It promises that what passes here passes without any help from our own code:
// what the bucket holds is decrypted by openssl and by Node's crypto, media is
// judged by ffprobe, trees by diff. A program that is missing fails the test
// and names the package. It imports e2e/rig and the fixtures only; nothing
// imports it.
package e2e
