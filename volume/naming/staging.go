package naming

import "regexp"

// stagingGlob is how local_only names the folders of which IsStaging is true, to take them away.
const stagingGlob = ".unison.*.unison.tmp"

// stagingName is what unison calls the copy of a folder until it is whole: no other name of a
// folder is a guess, for people choose those.
var stagingName = regexp.MustCompile(`(?s)^\.unison\..+\.[0-9a-f]{32}\.unison\.tmp$`)

// IsStaging reports whether a folder of that name is one that its program fills, and then renames.
func (r *Rules) IsStaging(folder string) bool {
	return r.staging && stagingName.MatchString(folder)
}
