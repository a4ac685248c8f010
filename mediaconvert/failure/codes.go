package failure

// Entry is what is documented of an error's code.
type Entry struct{ Meaning, Cure string }

const (
	roleCure = "check that the job names the right role, that the role trusts mediaconvert.amazonaws.com, and that it may read the inputs and write the outputs"
	httpCure = "mcfs keeps inputs in S3: an input of the template is read over the web; check its address"
	support  = "try once more, and ask AWS Support if it happens again"
)

// entries are the codes of
// https://docs.aws.amazon.com/mediaconvert/latest/ug/mediaconvert_error_codes.html.
var entries = map[int32]Entry{
	1010: {"an input could not be opened", "check that its format is one that MediaConvert takes, and that the file plays"},
	1020: {"an input was opened, but has no video", "leave video out of the outputs, or check the input"},
	1021: {"an input was opened, but has no audio", "leave audio out of the outputs (--no-audio), or check the input"},
	1030: {"codec or container of an input is not supported", "convert the input first, or check that its name and content belong together"},
	1040: {"settings of the job do not go together, or not with the input", "correct the template by what the message says"},
	1041: {"settings of the job do not go with accelerated transcoding", "use --acceleration off"},
	1042: {"the job is too small for accelerated transcoding", "use --acceleration off, or preferred"},
	1050: {"the service ran out of disk space", "make fewer outputs in one job, or shorter ones"},
	1056: {"an input or output could not be opened", "check the addresses, and that the role may read and write them"},
	1060: {"a clip begins or ends at a timecode that the input does not have", "set the input's TimecodeSource and the job's TimecodeConfig to ZEROBASED, or correct the clip"},
	1075: {"an input could not be taken apart", "check that its format is one that MediaConvert takes, and that the file plays"},
	1076: {"an input could not be read to its end", "check that the file is whole, and plays to its end"},
	1080: {"the settings of an MXF output are wrong", "correct the template by what the message says"},
	1091: {"an output could not be encrypted", "check the DRM settings, and that the role may call the API Gateway of the key provider"},
	1092: {"audio of an input could not be decoded", "check that the input's audio plays, or convert it first"},
	1401: {"S3 denied access to an object or bucket", roleCure + "; a bucket policy may deny it too"},
	1404: {"an object or bucket does not exist", "check that the file was not renamed or removed while the job waited, and the address of the output"},
	1432: {"the role lacks a permission, or something else is wrong with it", roleCure},
	1433: {"the role does not exist", "correct --role"},
	1434: {"MediaConvert could not take on the role", roleCure},
	1507: {"the service ran out of disk space", "make fewer outputs in one job, or shorter ones"},
	1515: {"the role lacks a permission, or its policy cannot be read", roleCure},
	1517: {"AWS lists it beside the errors of the role; its message says what is wrong", roleCure},
	1550: {"accelerated transcoding failed", "use --acceleration off; " + support},
	1999: {"the service failed, and does not say why", support},
	3400: {"an HLS input is not as MediaConvert needs it", "make one file of it first, with ffmpeg for instance"},
	3401: {"an input's web server asks for a password", httpCure},
	3403: {"an input's web server denied access", httpCure},
	3404: {"an input's web server does not have it", httpCure},
	3408: {"an input could not be fetched over the web", httpCure},
	3450: {"an input's web server failed", httpCure},
	3451: {"an input's web server could not be reached", httpCure},
	3457: {"the account's input policy forbids where an input lies", "have the policy changed (`aws mediaconvert get-policy`), or move the input"},
	3999: {"an input could not be fetched over the web, and the service does not say why", httpCure},
}

// Of is what is documented of a code.
func Of(code int32) (Entry, bool) {
	e, ok := entries[code]
	return e, ok
}

// unparsed are the codes of an input that was fetched and could not be made sense of, of which
// wrong decryption is the likeliest cause.
var unparsed = map[int32]bool{1010: true, 1020: true, 1030: true, 1075: true, 1076: true}
