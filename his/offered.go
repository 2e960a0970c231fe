package his

import (
	"bytes"
	"maps"
	"slices"
)

// Offered are the numbers of the transactions that this server does, in order.
func (s *Server) Offered() []string {
	var numbers []string
	for _, t := range s.spec.Transactions {
		if s.offered[base(t.Number)].do != nil {
			numbers = append(numbers, t.Number)
		}
	}
	return numbers
}

// Offered are the numbers of the transactions that every server does, in order.
func Offered() []string { return slices.Sorted(maps.Keys(offered)) }

// Check reads a message as a hospital would send it and says, in Chinese, what
// is wrong with its JSON, its envelope and its fields, or what would be
// repaired. It asks nothing of the store.
func (s *Server) Check(message []byte) (warnings []string, err error) {
	body, file, err := s.receive(bytes.NewReader(message), 0)
	defer file.release()
	if err != nil {
		return nil, err
	}
	m, err := s.open(body, "")
	if err != nil {
		return nil, err
	}
	m.file = file
	r, err := s.request(m)
	if err != nil {
		return nil, err
	}
	return r.warnings, nil
}

// AnswersFile says that a good answer is a file and no reply (文件流).
func (t *Transaction) AnswersFile() bool { return base(t.Number) == "9102" }
