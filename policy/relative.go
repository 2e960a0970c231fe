package policy

import "slices"

// Relative is what a person is to the owner of a personal account who lets them
// use it (家庭共济关系). Near relatives (近亲属) are those of 民法典 art. 1045.
type Relative uint8

// The relatives.
const (
	Spouse Relative = iota
	Parent
	Child
	Sibling
	Grandparent
	Grandchild
)

var (
	relativeNames  = []string{"spouse", "parent", "child", "sibling", "grandparent", "grandchild"}
	relativeTitles = []string{"配偶", "父母", "子女", "兄弟姐妹", "祖父母、外祖父母", "孙子女、外孙子女"}
)

// RelativeNames are the names of relatives in packages and requests.
func RelativeNames() []string { return relativeNames }

// ParseRelative finds a relative by its name.
func ParseRelative(name string) (Relative, bool) {
	i := slices.Index(relativeNames, name)
	return Relative(max(i, 0)), i >= 0
}

// String is the name.
func (r Relative) String() string { return relativeNames[r] }

// Title is the relative in Chinese.
func (r Relative) Title() string { return relativeTitles[r] }
