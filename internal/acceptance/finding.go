package acceptance

import (
	"errors"

	"mcfs/internal/doctor"
)

// Finding is an outcome as the doctor tells it. A form that the configuration does not use may be
// one that AWS does not decrypt.
func (o Outcome) Finding(own Form) doctor.Finding {
	f := doctor.Finding{Check: "transcode", Verdict: doctor.OK, What: o.Form.String() + ": decrypted by job " + o.Job}
	if o.Decrypted {
		return f
	}
	f.What = o.Form.String() + ": " + o.Why.Error()
	switch {
	case !errors.As(o.Why, new(*Failed)):
		f.Verdict, f.Cure = doctor.Fail, "it was not tried: do what the message says, and run it again"
	case o.Form == own:
		f.Verdict, f.Cure = doctor.Fail, "choose another form, which was decrypted: crypt.mode, crypt.iv_bytes, keys.bits"
	default:
		f.Verdict, f.Cure = doctor.Warn, "do not choose this form; docs/compatibility.md asks for what you have seen"
	}
	return f
}
