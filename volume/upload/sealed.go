package upload

import (
	"mcfs/crypt"
	"mcfs/sidecar"
)

// Object is the metadata that the object is born with.
func (u *Upload) Object() sidecar.Object { return u.object }

// Sealed describes the object that is about to be made: all of Result but ETag
// and Modified. It may be called from Ready until Finish returns: by then
// every part has been encrypted, and its keys are not wiped yet.
func (u *Upload) Sealed() Result {
	u.e.mu.Lock()
	runs := make([]crypt.Partial, len(u.parts))
	for i, p := range u.parts {
		runs[i] = p.sums.mac
	}
	u.e.mu.Unlock()
	h := u.integrity.Hasher()
	var body crypt.Partial
	for _, r := range runs {
		body = h.Join(body, r)
	}
	return Result{
		Plain:    u.plan.size,
		Cipher:   u.mode.CipherSize(u.plan.size),
		MAC:      u.integrity.MAC(body, u.plan.size),
		Requests: int(u.requests.Load()),
	}
}
