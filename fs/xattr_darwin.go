package fs

// keptAttr says whether the volume keeps attributes of this name; macOS has no namespaces.
func keptAttr(string) bool { return true }
