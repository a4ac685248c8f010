// Package gateway shares a real mount by a real smbd with the smb.conf of deploy/samba, and
// saves into it as Macs and Windows do, by programs of Samba's own and by a client that sends
// each request as Finder does.
//
// It promises what docs/samba.md says of the gateway: nothing temporary reaches the bucket,
// every file that was saved is there with the sidecar that decrypts it, and what Samba asks
// of a file system the mount answers as a disk does.
package gateway
