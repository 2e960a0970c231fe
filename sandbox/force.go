package sandbox

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/anji-platform/anji/his"
)

// kinds are the forced answers that can be chosen.
var kinds = []struct {
	Code  string
	Kind  his.Forcing
	Title string
	Done  bool   // the work is done nevertheless
	Try   string // what it tries
}{
	{"lost", his.ForceLost, "应答丢失", true, "业务已办理，连接断开，没有应答。应以原 msgid 原样重发，取得首次应答；或以 2601 冲正。"},
	{"timeout", his.ForceTimeout, "超时", false, "业务没有办理，一直不应答，直到对方放弃或到等待时间。应以原 msgid 重发。"},
	{"late", his.ForceLate, "迟到的应答", true, "业务已办理，到等待时间才应答。已放弃等待的，应以原 msgid 重发。"},
	{"refusal", his.ForceRefusal, "拒绝", false, "业务没有办理，infcode 为 -1，err_msg 为所填的文字。应把 err_msg 显示给经办人。"},
	{"500", his.ForceError, "HTTP 500", false, "业务没有办理，不是 JSON。应以原 msgid 重发。"},
	{"503", his.ForceUnavailable, "HTTP 503", false, "业务没有办理，不是 JSON。应稍候，以原 msgid 重发。"},
	{"malformed", his.ForceMalformed, "应答不是合法的 JSON", true, "业务已办理，应答读不出来。应以原 msgid 重发。"},
	{"truncated", his.ForceTruncated, "应答只有一半", true, "业务已办理，应答传到一半断开。应以原 msgid 重发。"},
}

func kindTitle(k his.Forcing) string {
	for _, x := range kinds {
		if x.Kind == k {
			return x.Title
		}
	}
	return ""
}

// kindDone reports whether the work is done in spite of what was forced.
func kindDone(k his.Forcing) bool {
	for _, x := range kinds {
		if x.Kind == k {
			return x.Done
		}
	}
	return true
}

// An arm is a forced answer that waits for its messages.
type arm struct {
	ID       int64
	Number   string // 交易编号, "" for any
	Provider string // 机构编号, "" for any
	Forced   his.Forced
	Left     int // for how many messages
}

// Bounds of the arms.
const (
	maxArms    = 50
	maxCount   = 100
	maxMessage = 200 // characters of err_msg
)

// arms are the forced answers that wait; the first that fits a message is used.
type arms struct {
	mu   sync.Mutex
	all  []arm
	last int64
}

var errManyArms = fmt.Errorf("已设置 %d 个，请先解除一些", maxArms)

func (a *arms) add(x arm) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.all) >= maxArms {
		return errManyArms
	}
	a.last++
	x.ID = a.last
	a.all = append(a.all, x)
	return nil
}

func (a *arms) remove(id int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.all {
		if a.all[i].ID == id {
			a.all = append(a.all[:i], a.all[i+1:]...)
			return
		}
	}
}

func (a *arms) list() []arm {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]arm(nil), a.all...)
}

func (a *arms) take(number, provider string) his.Forced {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.all {
		x := &a.all[i]
		if x.Number != "" && x.Number != number || x.Provider != "" && x.Provider != provider {
			continue
		}
		forced := x.Forced
		if x.Left--; x.Left == 0 {
			a.all = append(a.all[:i], a.all[i+1:]...)
		}
		return forced
	}
	return his.Forced{}
}

// parseArm reads the form of an arm. Its errors are for people.
func parseArm(spec *his.Spec, value func(string) string) (arm, error) {
	x := arm{Number: strings.TrimSpace(value("number")), Provider: strings.TrimSpace(value("provider"))}
	if x.Number != "" && spec.Transaction(x.Number) == nil {
		return x, fmt.Errorf("没有交易 %s", short(x.Number))
	}
	if len(x.Provider) > 30 {
		return x, errors.New("机构编号最多 30 个字符")
	}
	for _, k := range kinds {
		if k.Code == value("kind") {
			x.Forced.Kind = k.Kind
		}
	}
	if x.Forced.Kind == his.NotForced {
		return x, errors.New("请选择一种应答")
	}
	var err error
	if x.Left, err = number(value("count"), "次数", 1, maxCount); err != nil {
		return x, err
	}
	switch x.Forced.Kind {
	case his.ForceTimeout, his.ForceLate:
		seconds, err := number(value("seconds"), "等待秒数", 1, int(his.MaxForcedWait/time.Second))
		if err != nil {
			return x, err
		}
		x.Forced.Wait = time.Duration(seconds) * time.Second
	case his.ForceRefusal:
		x.Forced.Message = strings.TrimSpace(value("message"))
		if n := utf8.RuneCountInString(x.Forced.Message); n == 0 || n >= maxMessage {
			return x, fmt.Errorf("err_msg 应为 1 至 %d 个字", maxMessage-1)
		}
	}
	return x, nil
}

// number reads a whole number within bounds.
func number(s, name string, least, most int) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s“%s”：应为 %d 至 %d 的整数", name, short(s), least, most)
	}
	return n, nil
}

// short is the beginning of a text that is quoted.
func short(s string) string {
	if utf8.RuneCountInString(s) > 20 {
		return string([]rune(s)[:20]) + "…"
	}
	return s
}
