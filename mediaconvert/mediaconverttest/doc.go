// Package mediaconverttest is a MediaConvert for tests: the part of the service's API that mcfs
// uses, spoken as JSON over HTTP on the loopback interface.
//
// It is as strict as the service is documented to be. Every request must be signed for region and
// service; a job must have known fields only, values of their enumerations, and the lengths,
// ranges and patterns of the API's model (limits.tsv: field, least, most, pattern). Every input of
// a job is fetched from S3, decrypted by what its DecryptionSettings say, and looked at by ffprobe:
// what is no film then ends in error 1010. What a right client would not send is refused, and
// remembered as a violation; violations that the test has not taken fail it. A job takes a step
// each time it is asked for, so that tests need not wait.
//
// It is a fixture. It decrypts by itself, so that a mistake of crypt does not pass unseen. A Studio
// is all of it together: S3, KMS and MediaConvert, and films that were saved there.
//
// May import: crypt, keys/kmstest, mediaconvert/wire, sidecar, store/s3/s3test.
package mediaconverttest
