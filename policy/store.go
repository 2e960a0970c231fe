package policy

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/anji-platform/anji/civil"
)

// Store holds the packages of all regions and may be used by many goroutines. It
// is what Load read, and what Adopt put over that.
type Store struct {
	now    atomic.Pointer[tables] // replaced whole: who looks up sees one or the other
	loaded *tables                // as Load read them
	mu     sync.Mutex             // one Adopt at a time
}

// tables are packages, found by region and day. They are immutable once made. A
// class of persons has the same bit in those that a store replaces them by.
type tables struct {
	regions  map[string][]*Package // by date
	codes    []string              // sorted
	index    []regionEntry         // open addressing by numeric code
	classes  []string              // by bit
	classBit map[string]ClassSet
	warnings LoadErrors
}

// File is the text of a package, and the name that its faults are told under,
// such as 990100/2025-01-01.yaml.
type File struct {
	Name string
	Text []byte
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
	files := make([]File, 0, len(names))
	for _, n := range names {
		data, err := readBounded(fsys, n)
		if err != nil {
			return nil, err
		}
		files = append(files, File{n, data})
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

// LoadFile compiles one package from its text, with the packages of base to
// inherit from. base may be nil.
func LoadFile(name string, data []byte, base *Store) (*Store, error) {
	t := &tables{}
	if base != nil {
		b := base.now.Load()
		t.classes, t.classBit = b.classes, b.classBit
		nation := slices.DeleteFunc(slices.Clone(b.regions[nation]), func(p *Package) bool { return p.File == name })
		if len(nation) > 0 {
			t.regions = map[string][]*Package{nation[0].Region: nation}
		}
	}
	return newStore(t.with(nil, File{name, data}))
}

// nation is the region of the packages that others inherit.
const nation = "000000"

func load(files []File) (*Store, error) { return newStore((&tables{}).with(nil, files...)) }

func newStore(t *tables, err error) (*Store, error) {
	if err != nil {
		return nil, err
	}
	s := &Store{loaded: t}
	s.now.Store(t)
	return s, nil
}

// With is a store of its own that holds the packages of s, and that of the file
// as a version to follow: where it begins, the version that held until then ends
// on the day before (Package.To). Every fault is reported, as LoadErrors; two are
// that it begins with a version that s has, or holds into one.
func (s *Store) With(f File) (*Store, error) {
	t := s.now.Load()
	return newStore(t.with(t, f))
}

// Adopt makes the files the versions that follow those which Load read; what was
// adopted before and is not among them is gone. One that begins with a version
// that Load read stands for it: what was issued here counts, whatever comes with
// the next release. On an error the store stays as it was.
//
// Of the same files every process makes the same versions. As a version is
// adopted before the first day on which it holds, who settles meanwhile comes to
// the same under the packages from before and from after.
func (s *Store) Adopt(files ...File) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next, err := s.after(files)
	if err == nil {
		s.now.Store(next)
	}
	return err
}

// After is a store of its own that holds what s would hold after Adopt.
func (s *Store) After(files ...File) (*Store, error) { return newStore(s.after(files)) }

func (s *Store) after(files []File) (*tables, error) {
	base, now := *s.loaded, s.now.Load()
	// The bits of classes stay those that the cases of this process hold.
	base.classes, base.classBit = now.classes, now.classBit
	return base.with(nil, files...)
}

// with are the packages of t and of the files. If before is not nil, the versions
// of before stay, and the files come between them.
func (t *tables) with(before *tables, files ...File) (*tables, error) {
	s := &tables{regions: map[string][]*Package{}, classes: slices.Clone(t.classes), classBit: map[string]ClassSet{}, warnings: slices.Clone(t.warnings)}
	maps.Copy(s.classBit, t.classBit)
	for code, ps := range t.regions {
		s.regions[code] = slices.Clone(ps)
	}
	type work struct {
		b    *builder
		root *yamlNode
	}
	var todo []work
	var errs LoadErrors
	for _, f := range files {
		b := &builder{faults: faults{file: f.Name}, pkg: &Package{File: f.Name, text: f.Text}}
		root := b.readYAML(f.Text)
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
		if dir := path.Dir(f.Name); dir != "." && path.Base(dir) != b.pkg.Region && regionPattern.MatchString(path.Base(dir)) {
			b.node(get(root, "region"), "region is %q, but the file is in the folder %s", b.pkg.Region, dir)
		}
		todo = append(todo, work{b, root})
	}
	// Inherited packages are compiled first.
	slices.SortStableFunc(todo, func(a, b work) int {
		return strings.Compare(rank(a.b.pkg)+a.b.pkg.Region+a.b.pkg.From.String(), rank(b.b.pkg)+b.b.pkg.Region+b.b.pkg.From.String())
	})
	added := map[string]bool{}
	for _, w := range todo {
		p := w.b.pkg
		if p.Inherits != "" {
			w.b.inherit(s, w.root)
		}
		w.b.build(w.root)
		errs = append(errs, w.b.errs...)
		s.warnings = append(s.warnings, w.b.warnings...)
		if len(w.b.errs) == 0 {
			added[p.Region] = true
			s.regions[p.Region] = append(s.regions[p.Region], p)
			slices.SortStableFunc(s.regions[p.Region], byFrom)
		}
	}
	s.codes = slices.Sorted(maps.Keys(s.regions))
	for _, code := range s.codes {
		switch {
		case !added[code]:
		case before != nil:
			errs = append(errs, follow(s.regions[code], before.regions[code])...)
		default:
			s.regions[code] = supersede(s.regions[code], t.regions[code])
			errs = append(errs, datesOverlap(s.regions[code])...)
		}
	}
	s.buildIndex()
	sortFaults(s.warnings)
	if len(errs) > 0 {
		sortFaults(errs)
		return nil, errs
	}
	return s, nil
}

// byFrom puts versions in the order of their first days.
func byFrom(a, b *Package) int { return cmp.Compare(a.From, b.From) }

// follow ends the version of before that still holds when one begins that is not
// of before, and says where that is not enough.
func follow(all, before []*Package) (errs LoadErrors) {
	for i := 1; i < len(all); i++ {
		a, b := all[i-1], all[i]
		switch fresh := !slices.Contains(before, b); {
		case a.From == b.From:
			if !fresh {
				b = a
			}
			errs = append(errs, &LoadError{b.File, b.fromLine, b.fromCol, fmt.Sprintf("from %s is the first day of a version that there is; choose another day", b.From)})
		case fresh && (a.To == 0 || a.To >= b.From):
			all[i-1] = a.until(b.From.AddDays(-1))
		case !fresh && a.To >= b.From:
			errs = append(errs, &LoadError{a.File, a.toLine, a.toCol, fmt.Sprintf("to %s is not before %s, when the next version begins; leave it out, or choose an earlier day", a.To, b.From)})
		}
	}
	return errs
}

// supersede is all without those of loaded that begin with another, each ended on
// the day before one begins that is not of loaded.
func supersede(all, loaded []*Package) []*Package {
	if len(loaded) == 0 {
		return all
	}
	begins := map[civil.Date]bool{}
	for _, p := range all {
		if !slices.Contains(loaded, p) {
			begins[p.From] = true
		}
	}
	all = slices.DeleteFunc(all, func(p *Package) bool { return begins[p.From] && slices.Contains(loaded, p) })
	for i := 1; i < len(all); i++ {
		if a, b := all[i-1], all[i]; a.From < b.From && (a.To == 0 || a.To >= b.From) && begins[b.From] {
			all[i-1] = a.until(b.From.AddDays(-1))
		}
	}
	return all
}

// until is the package as one that holds until a day.
func (p *Package) until(last civil.Date) *Package {
	q := *p
	q.To = last
	return &q
}

func rank(p *Package) string {
	if p.Inherits == "" {
		return "0"
	}
	return "1"
}

func (b *builder) inherit(s *tables, root *yamlNode) {
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
	slices.SortStableFunc(ps, byFrom)
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
func (s *Store) Warnings() LoadErrors { return s.now.Load().warnings }

// Regions lists the region codes of the store, without the nation's.
func (s *Store) Regions() []string {
	var out []string
	for _, c := range s.now.Load().codes {
		if c != nation {
			out = append(out, c)
		}
	}
	return out
}

// Versions lists the packages of a region, oldest first.
func (s *Store) Versions(region string) []*Package { return s.now.Load().regions[region] }

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

func (s *tables) buildIndex() {
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
func (s *tables) lookup(region string) []*Package {
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
func (s *tables) find(region string, day civil.Date) *Package {
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
	t := s.now.Load()
	if p := t.find(region, day); p != nil {
		return p, nil
	}
	ps := t.regions[region]
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
	set, ok := s.now.Load().classBit[name]
	return set, ok
}

// Classes lists the names of all classes of persons that the store knows.
func (s *Store) Classes() []string { return slices.Clone(s.now.Load().classes) }

// ClassNames lists the names of the classes in the set.
func (s *Store) ClassNames(set ClassSet) []string {
	var out []string
	for i, c := range s.now.Load().classes {
		if set&(1<<i) != 0 {
			out = append(out, c)
		}
	}
	return out
}
