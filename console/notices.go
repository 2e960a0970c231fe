package console

import (
	"context"
	"time"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/notice"
	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/web"
)

func (h *handler) noticeRoutes() []web.Route {
	admin := []signin.Role{signin.Admin}
	return []web.Route{
		{Pattern: "GET /console/notices", For: admin, Do: h.notices},
		{Pattern: "POST /console/notices", For: admin, Do: h.setNotice, Again: h.notices},
		{Pattern: "POST /console/notices/{notice}/end", For: admin, Do: h.endNotice, Again: h.notices},
	}
}

// localTime is how a form writes a moment, in the time of China.
const localTime = "2006-01-02T15:04"

var china = time.FixedZone("CST", 8*60*60)

type noticesData struct {
	All         []notice.Notice
	Now         time.Time
	From, Until string
	Most        int
}

func (h *handler) notices(v *web.Visit) error {
	now := h.Clock()
	d := noticesData{Now: now, From: now.In(china).Format(localTime), Until: now.In(china).Add(2 * time.Hour).Format(localTime), Most: notice.MaxText}
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		d.All, err = h.Notices.List(ctx, tx)
		return err
	}); err != nil {
		return err
	}
	return v.Show("notices.html", "维护公告", d)
}

func moment(v *web.Visit, field string) (time.Time, error) {
	t, err := time.ParseInLocation(localTime, v.Value(field), china)
	if err != nil {
		return t, &web.Fault{Field: field, Want: "「" + v.Value(field) + "」不是时间，应为年月日和时分"}
	}
	return t, nil
}

func (h *handler) setNotice(v *web.Visit) error {
	from, err := moment(v, "from")
	if err != nil {
		return err
	}
	until, err := moment(v, "until")
	if err != nil {
		return err
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		return h.Notices.Set(ctx, tx, v.Value("text"), from, until, v.Who.Actor())
	}); err != nil {
		return err
	}
	return v.Done("/console/notices", "已保存，到时间会显示在所有页面上。")
}

func (h *handler) endNotice(v *web.Visit) error {
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		return h.Notices.End(ctx, tx, v.PathValue("notice"), v.Who.Actor())
	}); err != nil {
		return err
	}
	return v.Done("/console/notices", "已撤下。")
}
