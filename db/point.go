package db

// reach is called at named points of the path of a commit, in order: "work
// done", "before commit", "after commit". Nothing happens there but in tests,
// which end the process at one of them.
var reach = func(point string) {}

// AtPoint makes f be called at the named points of the path of every commit.
// It is for tests that kill the process there, and is set before any store is
// opened.
func AtPoint(f func(point string)) { reach = f }
