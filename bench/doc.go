// Bench measures mcfs and its peers at the same work, against the same servers,
// in the same run and in turn, and writes what came out beside the targets.
//
//	go run ./bench                        everything, as make bench does
//	go run ./bench -only 'read|fio'       some rows
//	go run ./bench -scale 0.01            a trial in two minutes, to the terminal
//
// It needs Linux, FUSE, and the peers: s3fs, rclone, gocryptfs, fio, openssl,
// ffmpeg, rsync. What is missing or fails becomes a line that says so. It
// leaves nothing behind, also when it is interrupted: every daemon is ended,
// every mount is taken away, and its one temporary directory is removed.
package main
