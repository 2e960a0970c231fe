// Package asset serves static files under names that hold a hash of their
// content: a changed file has a changed address, so that browsers may keep each
// for ever.
package asset

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

// Files are the static files of some pages.
type Files struct {
	address map[string]string // style.css → /static/style-0123456789abcdef.css
	content map[string][]byte // style-0123456789abcdef.css → its bytes
}

// Load reads the files of a folder that is part of the program, to be served
// below prefix, such as /static/. It panics if it cannot: that is a fault of
// the build, as for regexp.MustCompile.
func Load(files fs.FS, dir, prefix string) *Files {
	a := &Files{address: map[string]string{}, content: map[string][]byte{}}
	entries, err := fs.ReadDir(files, dir)
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		data, err := fs.ReadFile(files, path.Join(dir, e.Name()))
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(data)
		ext := path.Ext(e.Name())
		name := strings.TrimSuffix(e.Name(), ext) + "-" + hex.EncodeToString(sum[:8]) + ext
		a.address[e.Name()] = prefix + name
		a.content[name] = data
	}
	return a
}

// Address is where the file of the name is served, "" if there is none.
func (a *Files) Address(name string) string { return a.address[name] }

// Content is the content of the file of the name, nil if there is none.
func (a *Files) Content(name string) []byte { return a.content[path.Base(a.address[name])] }

// ServeHTTP answers with the file that the last part of the address names.
func (a *Files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := path.Base(r.URL.Path)
	data, ok := a.content[name]
	if !ok {
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "没有这个文件 No such file", http.StatusNotFound)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
}
