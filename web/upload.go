package web

import (
	"errors"
	"io"
	"net/http"
)

// Upload reads a file of a form: its name, as the browser tells it, and what it
// holds. It is to be called before other fields are read, so that a form that is
// too large is known as such.
func (v *Visit) Upload(field string) (name string, body []byte, err error) {
	f, head, err := v.FormFile(field)
	switch {
	case errors.Is(err, http.ErrMissingFile), errors.Is(err, http.ErrNotMultipart):
		return "", nil, &Fault{field, v.Say("请选一个文件，或拍一张照片", "choose a file, or take a photograph")}
	case err != nil:
		return "", nil, err
	}
	defer f.Close()
	body, err = io.ReadAll(f)
	return head.Filename, body, err
}
