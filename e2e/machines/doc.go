// Package machines tests two and more machines on one volume: daemons of their
// own, with spools of their own, on one bucket and prefix. What one saves the
// others see in time and whole (P8); where two save one name, nothing that was
// saved is lost, and each sidecar tells the truth (P3). It tests, too, what
// happens while the server is slow, frozen or gone (P7).
package machines
