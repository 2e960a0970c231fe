package abstract

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

// newborn is until which day of age a child is one (新生儿期).
const newborn = 28

// Weights of newborns, in 0.01 g, beyond which a number is not one of grams.
const (
	lightest = 100_00
	heaviest = 9999_00
)

// check holds an abstract against its settlement and itself. What contradicts
// is an *Error; what is only doubtful is said in Chinese.
func (s *Service) check(ctx context.Context, tx *db.Tx, a *Abstract, st *settlement.Settlement) (doubts []string, err error) {
	c := &checker{a: a, st: st, now: s.now()}
	c.stay = st.Visit.Kind == policy.Inpatient || st.Visit.Kind == policy.Maternity || st.Visit.Kind == policy.DaySurgery
	for _, check := range []func() error{c.kind, c.days, c.newborn, c.diagnoses, c.operations, c.intensive, c.course, c.blood} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return c.doubts, c.codes(ctx, tx)
}

type checker struct {
	a      *Abstract
	st     *settlement.Settlement
	now    time.Time
	stay   bool
	doubts []string
}

func (c *checker) doubt(format string, args ...any) {
	c.doubts = append(c.doubts, fmt.Sprintf(format, args...))
}

func dayOf(t time.Time) civil.Date { return civil.Of(t.In(zone)) }

// kind refuses care that has no abstract.
func (c *checker) kind() error {
	k := c.st.Visit.Kind
	if c.stay {
		return nil
	}
	if k != policy.Chronic && k != policy.Special {
		return &Error{"settlement", c.a.Settlement, "这笔结算是" + k.Title() + "；结算清单用于住院和门诊慢特病"}
	}
	switch visited := dayOf(c.st.Visit.Begun); {
	case c.a.Special.Visited == 0:
		c.doubt("门诊慢特病的清单应填写门诊慢特病就诊日期")
	case c.a.Special.Visited != visited:
		return &Error{"special.visited", c.a.Special.Visited.String(), "与就诊登记的 " + visited.String() + " 不一致"}
	}
	return nil
}

// days compares the days with those of the visit and the settlement.
func (c *checker) days() error {
	a, v := c.a, c.st.Visit
	if a.Declared.After(c.now) {
		return &Error{"declared", stamp(a.Declared), "晚于现在 " + stamp(c.now)}
	}
	if a.From > a.To {
		return &Error{"to", a.To.String(), "早于结算开始日期 " + a.From.String()}
	}
	begun := dayOf(v.Begun)
	if a.From < begun {
		return &Error{"from", a.From.String(), "早于就诊开始的 " + begun.String()}
	}
	if settled := c.st.Case.Date; c.stay && a.To != settled {
		return &Error{"to", a.To.String(), "与结算的日期 " + settled.String() + " 不一致"}
	}
	if !c.stay {
		return nil
	}
	in, out := a.Admission.At, a.Discharge.At
	switch {
	case in.IsZero():
		return &Error{"admission.at", "", "住院的清单须填写入院时间"}
	case dayOf(in) != begun:
		return &Error{"admission.at", stamp(in), "与入院登记的 " + begun.String() + " 不是同一天"}
	case out.IsZero() && !v.Ended.IsZero():
		return &Error{"discharge.at", "", "已办理出院，须填写出院时间"}
	case out.IsZero():
		return nil // a settlement in the middle of the stay
	case out.Before(in):
		return &Error{"discharge.at", stamp(out), "早于入院时间 " + stamp(in)}
	case out.After(c.now):
		return &Error{"discharge.at", stamp(out), "晚于现在 " + stamp(c.now)}
	case !v.Ended.IsZero() && dayOf(out) != dayOf(v.Ended):
		return &Error{"discharge.at", stamp(out), "与出院登记的 " + dayOf(v.Ended).String() + " 不是同一天"}
	}
	return nil
}

// newborn checks what may only be said of newborns.
func (c *checker) newborn() error {
	a := c.a
	n := a.Newborn
	for _, w := range []struct {
		field  string
		weight int64
	}{{"newborn.birth_weight", n.BirthWeight}, {"newborn.weight", n.Weight}} {
		if w.weight >= 0 && (w.weight < lightest || w.weight > heaviest) {
			return &Error{w.field, grams(w.weight), "应为 100 至 9999 克"}
		}
	}
	age := dayOf(c.st.Visit.Begun).DaysSince(c.st.Person.Birth)
	young := age <= newborn
	switch {
	case !young && n.Weight >= 0:
		return &Error{"newborn.weight", grams(n.Weight), "患者入院时 " + strconv.Itoa(age) + " 天，不是新生儿（28 天以内），不应填写新生儿入院体重"}
	case !young && n.AgeDays > newborn:
		return &Error{"newborn.age_days", strconv.Itoa(n.AgeDays), "只填写 28 天以内的新生儿"}
	case n.AgeDays >= 0 && n.AgeDays != age && (young || n.AgeDays > 0):
		return &Error{"newborn.age_days", strconv.Itoa(n.AgeDays), "与出生日期不符：入院时 " + strconv.Itoa(age) + " 天"}
	}
	if young && c.stay {
		if n.Weight < 0 {
			c.doubt("新生儿（%d 天）的清单应填写新生儿入院体重", age)
		}
		if n.BirthWeight < 0 {
			c.doubt("新生儿（%d 天）的清单应填写新生儿出生体重", age)
		}
	}
	return nil
}

func grams(w int64) string { return fmt.Sprintf("%d.%02d", w/100, w%100) }

// diagnoses checks that there is one main diagnosis of each medicine.
func (c *checker) diagnoses() error {
	var western, disease int
	seen := map[string]int{}
	for i, d := range c.a.Diagnoses {
		if d.Main {
			switch d.Kind {
			case Unspecified, Western:
				western++
			case ChineseDisease:
				disease++
			}
		}
		key := d.Kind + " " + d.Code.Code
		if first, twice := seen[key]; twice {
			return &Error{fmt.Sprintf("diagnoses[%d].code", i+1), d.Code.Code, "与第 " + strconv.Itoa(first) + " 条诊断重复"}
		}
		seen[key] = i + 1
	}
	switch {
	case len(c.a.Diagnoses) == 0 && !c.stay:
		return nil
	case western != 1:
		return &Error{"diagnoses.main", strconv.Itoa(western), "西医诊断须有且只有一个主诊断（主诊断标志为 1），现有 " + strconv.Itoa(western) + " 个"}
	case disease > 1:
		return &Error{"diagnoses.main", strconv.Itoa(disease), "中医主病只能有一个，现有 " + strconv.Itoa(disease) + " 个"}
	}
	return nil
}

// within checks that a span is in order and inside the stay.
func (c *checker) within(field, title string, from, to time.Time) error {
	if !from.IsZero() && !to.IsZero() && to.Before(from) {
		return &Error{field, stamp(to), title + "的结束早于开始 " + stamp(from)}
	}
	if !c.stay {
		return nil
	}
	for _, t := range []time.Time{from, to} {
		if t.IsZero() {
			continue
		}
		if in := c.a.Admission.At; dayOf(t) < dayOf(in) {
			return &Error{field, stamp(t), title + "早于入院日 " + dayOf(in).String()}
		}
		if out := c.a.Discharge.At; !out.IsZero() && dayOf(t) > dayOf(out) {
			return &Error{field, stamp(t), title + "晚于出院日 " + dayOf(out).String()}
		}
	}
	return nil
}

func (c *checker) operations() error {
	main := 0
	for i, o := range c.a.Operations {
		field := fmt.Sprintf("operations[%d]", i+1)
		if o.Kind == MainOperation {
			main++
		}
		if err := c.within(field+".begun", "手术操作时间", o.Begun, o.Ended); err != nil {
			return err
		}
		if err := c.within(field+".anaesthesia_begun", "麻醉时间", o.AnaesthesiaBegun, o.Waking); err != nil {
			return err
		}
		if o.Anaesthesia != "" && o.Anaesthetist == "" {
			c.doubt("第 %d 条手术操作有麻醉方式，没有麻醉医师代码", i+1)
		}
	}
	if main > 1 {
		return &Error{"operations.main", strconv.Itoa(main), "主要手术操作只能有一个，现有 " + strconv.Itoa(main) + " 个"}
	}
	if main == 0 && len(c.a.Operations) > 0 {
		c.doubt("手术操作 %d 条，没有一条是主要手术操作（类别 %s）", len(c.a.Operations), MainOperation)
	}
	return nil
}

func (c *checker) intensive() error {
	stays := slices.Clone(c.a.Intensive)
	for i, s := range stays {
		field := fmt.Sprintf("intensive[%d].out", i+1)
		if !s.Out.After(s.In) {
			return &Error{field, stamp(s.Out), "重症监护退出时间应晚于进入时间 " + stamp(s.In)}
		}
		if err := c.within(field, "重症监护时间", s.In, s.Out); err != nil {
			return err
		}
		if minutes := int64(s.Out.Sub(s.In) / time.Minute); s.Minutes >= 0 && s.Minutes/60 != minutes/60 {
			c.doubt("第 %d 条重症监护合计时长 %s 与进出时间相差的 %s 不符", i+1, duration(s.Minutes), duration(minutes))
		}
	}
	slices.SortFunc(stays, func(a, b Intensive) int { return a.In.Compare(b.In) })
	for i := 1; i < len(stays); i++ {
		if stays[i].In.Before(stays[i-1].Out) {
			return &Error{"intensive.in", stamp(stays[i].In), "与 " + stamp(stays[i-1].In) + " 进入的重症监护时间重叠"}
		}
	}
	return nil
}

func duration(minutes int64) string {
	return fmt.Sprintf("%d 天 %d 小时 %d 分钟", minutes/1440, minutes/60%24, minutes%60)
}

// course checks what may not be longer than the stay.
func (c *checker) course() error {
	a := c.a
	switch {
	case a.Discharge.Purpose != "" && a.Discharge.Planned == "":
		c.doubt("有出院31天内再住院的目的，没有计划标志")
	case strings.ContainsAny(a.Discharge.Way, "23") && a.Discharge.Receiver == (Code{}):
		c.doubt("离院方式为转院或转社区，应填写拟接收机构")
	}
	if !c.stay || a.Discharge.At.IsZero() {
		return nil
	}
	days := int64(dayOf(a.Discharge.At).DaysSince(dayOf(a.Admission.At))) + 1
	var nursed int64
	for _, n := range a.Course.Nursing {
		nursed += n
	}
	if nursed > days*10 {
		return &Error{"course.nursing", fmt.Sprintf("%d.%d", nursed/10, nursed%10), "各级护理天数之和超过住院的 " + strconv.FormatInt(days, 10) + " 天"}
	}
	if v := a.Course.Ventilated; v > days*1440 {
		return &Error{"course.ventilated", duration(v), "呼吸机使用时长超过住院的 " + strconv.FormatInt(days, 10) + " 天"}
	}
	return nil
}

func (c *checker) blood() error {
	for i, b := range c.a.Blood {
		field := fmt.Sprintf("blood[%d]", i+1)
		switch {
		case b.Amount <= 0:
			return &Error{field + ".amount", strconv.FormatInt(b.Amount, 10), "输血量应大于 0"}
		case b.Kind == "":
			return &Error{field + ".kind", "", "须填写输血品种"}
		case b.Unit == "":
			return &Error{field + ".unit", "", "须填写输血计量单位"}
		}
	}
	return nil
}

// codes doubts codes that the national lists do not hold. A list that was never
// published doubts nothing.
func (c *checker) codes(ctx context.Context, tx *db.Tx) error {
	look := func(list catalogue.List, what string, codes []Code) error {
		version, err := catalogue.Latest(ctx, tx, list)
		if err != nil || version == 0 {
			return err
		}
		for _, code := range codes {
			_, ok, err := catalogue.FindEntry(ctx, tx, list, code.Code)
			if err != nil {
				return err
			}
			if !ok {
				c.doubt("%s“%s”不在国家发布的目录内", what, code.Code)
			}
		}
		return nil
	}
	kinds := map[string][]Code{}
	for _, d := range c.a.Diagnoses {
		kinds[d.Kind] = append(kinds[d.Kind], d.Code)
	}
	operations := slices.Clone(c.a.Special.Procedures)
	for _, o := range c.a.Operations {
		operations = append(operations, o.Code)
	}
	for _, x := range []struct {
		list  catalogue.List
		what  string
		codes []Code
	}{
		{catalogue.Diseases, "诊断代码", kinds[Western]}, {catalogue.TCMDiseases, "中医主病代码", kinds[ChineseDisease]},
		{catalogue.TCMSyndromes, "中医主证代码", kinds[ChineseSyndrome]}, {catalogue.Operations, "手术操作代码", operations},
	} {
		if err := look(x.list, x.what, x.codes); err != nil {
			return err
		}
	}
	return nil
}
