package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/anji-platform/anji/civil"
)

// Store holds the packages of all regions. It is immutable after Load and may
// be used by many goroutines.
type Store struct {
	regions  map[string][]*Package // by date
	codes    []string              // sorted
	index    []regionEntry         // open addressing by numeric code
	classes  []string              // by bit
	classBit map[string]ClassSet
	warnings LoadErrors
}

// InputError says what is wrong with a case: which field, what it holds, and
// what is allowed.
type InputError struct {
	Field string // as the calculator contract names it, e.g. lines[2].amount
	Value string
	Want  string // in Chinese
}

func (e *InputError) Error() string {
	if e.Value == "" {
		return e.Field + "：" + e.Want
	}
	return fmt.Sprintf("%s 为 %q：%s", e.Field, e.Value, e.Want)
}

// Load reads every package in fsys: the files REGION/*.yaml. It reports every
// error of every file, as LoadErrors with file, line and column.
func Load(fsys fs.FS) (*Store, error) {
	names, err := fs.Glob(fsys, "*/*.yaml")
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("no package found: a package is a file REGION/FROM.yaml, such as 990100/2025-01-01.yaml")
	}
	files := make([]file, 0, len(names))
	for _, n := range names {
		data, err := readBounded(fsys, n)
		if err != nil {
			return nil, err
		}
		files = append(files, file{n, data})
	}
	return load(files)
}

func readBounded(fsys fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, LoadErrors{{File: name, Line: 1, Col: 1, Message: fmt.Sprintf("the file is %d bytes long; at most %d are allowed", info.Size(), maxFile)}}
	}
	return fs.ReadFile(fsys, name)
}

type file struct {
	name string
	data []byte
}

// LoadFile compiles one package from its text, with the packages of base to
// inherit from. base may be nil.
func LoadFile(name string, data []byte, base *Store) (*Store, error) {
	var files []file
	if base != nil {
		for _, code := range base.codes {
			for _, p := range base.regions[code] {
				if strings.HasPrefix(code, "000000") && p.File != name {
					files = append(files, file{p.File, p.text})
				}
			}
		}
	}
	return load(append(files, file{name, data}))
}

func load(files []file) (*Store, error) {
	s := &Store{regions: map[string][]*Package{}, classBit: map[string]ClassSet{}}
	type work struct {
		b    *builder
		root *yamlNode
	}
	var todo []work
	var errs LoadErrors
	for _, f := range files {
		b := &builder{faults: faults{file: f.name}, pkg: &Package{File: f.name, text: f.data}}
		root := b.readYAML(f.data)
		if root == nil || !b.check(root, packageShape, "package") {
			errs = append(errs, b.errs...)
			continue
		}
		b.allowed = map[string]ClassSet{}
		for _, c := range b.header(root) {
			if s.classBit[c] == 0 {
				if len(s.classes) == 60 {
					b.node(root, "the packages name more than 60 classes of persons")
					break
				}
				s.classBit[c] = 1 << len(s.classes)
				s.classes = append(s.classes, c)
			}
			b.allowed[c] = s.classBit[c]
			b.pkg.classes |= s.classBit[c]
		}
		if dir := path.Dir(f.name); dir != "." && path.Base(dir) != b.pkg.Region && regionPattern.MatchString(path.Base(dir)) {
			b.node(get(root, "region"), "region is %q, but the file is in the folder %s", b.pkg.Region, dir)
		}
		todo = append(todo, work{b, root})
	}
	// Inherited packages are compiled first.
	slices.SortStableFunc(todo, func(a, b work) int {
		return strings.Compare(rank(a.b.pkg)+a.b.pkg.Region+a.b.pkg.From.String(), rank(b.b.pkg)+b.b.pkg.Region+b.b.pkg.From.String())
	})
	for _, w := range todo {
		p := w.b.pkg
		if p.Inherits != "" {
			w.b.inherit(s, w.root)
		}
		w.b.build(w.root)
		errs = append(errs, w.b.errs...)
		s.warnings = append(s.warnings, w.b.warnings...)
		if len(w.b.errs) == 0 {
			s.regions[p.Region] = append(s.regions[p.Region], p)
		}
	}
	for code, ps := range s.regions {
		s.codes = append(s.codes, code)
		errs = append(errs, datesOverlap(ps)...)
	}
	slices.Sort(s.codes)
	s.buildIndex()
	sortFaults(s.warnings)
	if len(errs) > 0 {
		sortFaults(errs)
		return nil, errs
	}
	return s, nil
}

func rank(p *Package) string {
	if p.Inherits == "" {
		return "0"
	}
	return "1"
}

func (b *builder) inherit(s *Store, root *yamlNode) {
	n := get(root, "inherits")
	base := s.find(b.pkg.Inherits, b.pkg.From)
	switch {
	case base == nil:
		b.node(n, "inherits %s: there is no package of that region that holds on %s", show(n), b.pkg.From)
	case base.Inherits != "":
		b.node(n, "inherits %s, which inherits itself; only one level is allowed", show(n))
	default:
		b.pkg.base = base
		for i, c := range s.classes {
			if base.classes&(1<<i) != 0 {
				b.allowed[c] = 1 << i
			}
		}
	}
}

func datesOverlap(ps []*Package) (errs LoadErrors) {
	slices.SortStableFunc(ps, func(a, b *Package) int { return int(a.From) - int(b.From) })
	for i := 1; i < len(ps); i++ {
		a, b := ps[i-1], ps[i]
		if a.From == b.From || a.To != 0 && a.To >= b.From {
			errs = append(errs, &LoadError{b.File, b.fromLine, b.fromCol,
				fmt.Sprintf("from %s overlaps %s, which holds from %s to %s", b.From, a.File, a.From, orOpen(a.To))})
		}
	}
	return errs
}

func orOpen(d civil.Date) string {
	if d == 0 {
		return "the next version"
	}
	return d.String()
}

// Warnings are the faults that do not keep packages from loading: what is
// declared and never used.
func (s *Store) Warnings() LoadErrors { return s.warnings }

// Regions lists the region codes of the store, without the nation's.
func (s *Store) Regions() []string {
	var out []string
	for _, c := range s.codes {
		if c != "000000" {
			out = append(out, c)
		}
	}
	return out
}

// Versions lists the packages of a region, oldest first.
func (s *Store) Versions(region string) []*Package { return s.regions[region] }

// regionEntry is a slot of the store's index.
type regionEntry struct {
	code     uint32
	packages []*Package
}

// codeOf reads six digits; other texts give a number no region has.
func codeOf(region string) uint32 {
	if len(region) != 6 {
		return ^uint32(0)
	}
	n := uint32(0)
	for i := range 6 {
		n = n*10 + uint32(region[i]-'0')
	}
	return n
}

func (s *Store) buildIndex() {
	size := 16
	for size < 4*len(s.regions) {
		size *= 2
	}
	s.index = make([]regionEntry, size)
	for _, code := range s.codes {
		n := codeOf(code)
		i := int(n*2654435761>>16) & (size - 1)
		for s.index[i].packages != nil {
			i = (i + 1) & (size - 1)
		}
		s.index[i] = regionEntry{n, s.regions[code]}
	}
}

// lookup returns the packages of a region, oldest first.
func (s *Store) lookup(region string) []*Package {
	if len(s.index) == 0 {
		return s.regions[region] // while loading
	}
	n := codeOf(region)
	for i := int(n * 2654435761 >> 16); ; i++ {
		e := &s.index[i&(len(s.index)-1)]
		if e.packages == nil {
			return nil
		}
		if e.code == n && e.packages[0].Region == region {
			return e.packages
		}
	}
}

// find returns the package of the region that holds on the day, or nil.
func (s *Store) find(region string, day civil.Date) *Package {
	ps := s.lookup(region)
	for i := len(ps) - 1; i >= 0; i-- {
		if p := ps[i]; p.From <= day {
			if p.To != 0 && p.To < day {
				return nil
			}
			return p
		}
	}
	return nil
}

// At returns the package of the region that holds on the day, or an
// *InputError.
func (s *Store) At(region string, day civil.Date) (*Package, error) {
	if p := s.find(region, day); p != nil {
		return p, nil
	}
	ps := s.regions[region]
	if len(ps) == 0 {
		return nil, &InputError{Field: "region", Value: region, Want: "没有这个统筹区的政策包；现有 " + strings.Join(s.Regions(), "、")}
	}
	var spans []string
	for _, p := range ps {
		to := "今"
		if p.To != 0 {
			to = p.To.String()
		}
		spans = append(spans, p.From.String()+" 至 "+to)
	}
	return nil, &InputError{Field: "date", Value: day.String(), Want: region + " 在这一天没有政策包；现有 " + strings.Join(spans, "、")}
}

// packageOf returns the package that decides the case.
func (s *Store) packageOf(c *Case) (*Package, error) {
	p, err := s.At(c.Region, c.Date)
	if err == nil && p.rulesByStart && c.Admitted != 0 && c.Admitted != c.Date {
		return s.At(c.Region, c.Admitted)
	}
	return p, err
}

// Class returns the set of the one class of persons with that name, and
// whether the store knows it.
func (s *Store) Class(name string) (ClassSet, bool) {
	set, ok := s.classBit[name]
	return set, ok
}

// Classes lists the names of all classes of persons that the store knows.
func (s *Store) Classes() []string { return slices.Clone(s.classes) }

// ClassNames lists the names of the classes in the set.
func (s *Store) ClassNames(set ClassSet) []string {
	var out []string
	for i, c := range s.classes {
		if set&(1<<i) != 0 {
			out = append(out, c)
		}
	}
	return out
}
