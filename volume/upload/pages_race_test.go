//go:build race

package upload

const buffersAreHeap = true
