package demo

import "github.com/anji-platform/anji/signin"

// OperatorPassword is that of all operators of made-up data.
const OperatorPassword = "anji-demo-2025"

// Operators are those who work with made-up data: one for each role, and two
// where one must not see to both sides of a thing.
var Operators = []signin.Operator{
	{Name: "shouli", Title: "王受理", Roles: []signin.Role{signin.Intake}, Region: "990100"},
	{Name: "quxian", Title: "何区县受理", Roles: []signin.Role{signin.Intake}, Region: "990101"},
	{Name: "chushen", Title: "李初审", Roles: []signin.Role{signin.Review}, Region: "990100"},
	{Name: "chushen2", Title: "何初审", Roles: []signin.Role{signin.Review}, Region: "990100"},
	{Name: "fuhe", Title: "赵复核", Roles: []signin.Role{signin.Recheck}, Region: "990100"},
	{Name: "caiwu", Title: "钱财务", Roles: []signin.Role{signin.Finance}, Region: "990100"},
	{Name: "caiwu2", Title: "孙财务", Roles: []signin.Role{signin.Finance}, Region: "990100"},
	{Name: "jihe", Title: "周稽核", Roles: []signin.Role{signin.Inspector}, Region: "990100"},
	{Name: "jihe2", Title: "许稽核", Roles: []signin.Role{signin.Inspector}, Region: "990100"},
	{Name: "guanli", Title: "吴管理", Roles: []signin.Role{signin.Admin}},
	{Name: "guanli2", Title: "郑管理", Roles: []signin.Role{signin.Admin}},
	{Name: "zhidu", Title: "冯只读", Roles: []signin.Role{signin.Viewer}},
	{Name: "danwei", Title: "陈人事", Roles: []signin.Role{signin.Employer}, Region: Employer.Region, Of: Employer.Code},
	{Name: "yaodian", Title: "示例大药房收银", Roles: []signin.Role{signin.Counter}, Region: "990100", Of: "P99010000401"},
	{Name: "zhensuo", Title: "社区卫生服务中心收费", Roles: []signin.Role{signin.Counter}, Region: "990100", Of: "H99010000301"},
}
