package reference

import (
	"fmt"

	"cel.dev/cel-go/cel"
	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"

	"github.com/anji-platform/anji/policy"
)

// facts are the case's facts by name, as both engines take them.
func facts(c *policy.Case) map[string]any {
	care := c.CareRegion
	if care == "" {
		care = c.Region
	}
	return map[string]any{
		"scheme": c.Scheme.String(), "retired": c.Retired, "level": c.Level.String(), "visit": c.Visit.String(), "cause": c.Cause.String(),
		"designated": !c.Undesignated, "insured": c.Insured.String(), "classes": []string{}, "nth": int64(max(c.Nth, 1)),
		"home": c.Region, "care": care, "filing": c.Filing.String(), "balance": int64(c.Account),
		"ytd_basic": int64(c.YearToDate[policy.AccBasicFund]), "ytd_cat_base": int64(c.YearToDate[policy.AccCatastrophicBase]),
		"ytd_aid": int64(c.YearToDate[policy.AccAssistanceFund]),
	}
}

// Evaluator computes one compiled rule over named values.
type Evaluator func(map[string]any) (any, error)

// Engine holds the compiled rules.
type Engine struct{ line, stay []named }

type named struct {
	name string
	eval Evaluator
}

// NewCEL compiles the rules with cel-go.
func NewCEL() (*Engine, error) {
	opts := []cel.EnvOption{}
	for _, n := range []string{"scheme", "level", "visit", "cause", "insured", "home", "care", "filing", "klass"} {
		opts = append(opts, cel.Variable(n, cel.StringType))
	}
	for _, n := range []string{"retired", "designated", "refused", "poor"} {
		opts = append(opts, cel.Variable(n, cel.BoolType))
	}
	for _, n := range []string{"nth", "balance", "ytd_basic", "ytd_cat_base", "ytd_aid", "amount", "ceiling", "first_pay", "total", "in_scope"} {
		opts = append(opts, cel.Variable(n, cel.IntType))
	}
	opts = append(opts, cel.Variable("classes", cel.ListType(cel.StringType)))
	for _, rules := range [][]Rule{LineRules, StayRules} {
		for _, r := range rules {
			if r.Name != "refused" && r.Name != "poor" {
				opts = append(opts, cel.Variable(r.Name, cel.IntType))
			}
		}
	}
	env, err := cel.NewEnv(opts...)
	if err != nil {
		return nil, err
	}
	return build(func(r Rule) (Evaluator, error) {
		ast, issues := env.Compile(r.CEL)
		if issues.Err() != nil {
			return nil, issues.Err()
		}
		program, err := env.Program(ast, cel.EvalOptions(cel.OptOptimize))
		if err != nil {
			return nil, err
		}
		return func(vars map[string]any) (any, error) {
			v, _, err := program.Eval(vars)
			if err != nil {
				return nil, err
			}
			return v.Value(), nil
		}, nil
	})
}

// NewExpr compiles the rules with expr.
func NewExpr(c *policy.Case) (*Engine, error) {
	env := facts(c)
	for _, n := range []string{"amount", "ceiling", "first_pay", "total", "in_scope"} {
		env[n] = int64(0)
	}
	env["klass"] = ""
	for _, rules := range [][]Rule{LineRules, StayRules} {
		for _, r := range rules {
			env[r.Name] = int64(0)
		}
	}
	env["refused"], env["poor"] = false, false
	div := expr.Function("div", func(p ...any) (any, error) { return toInt(p[0]) / toInt(p[1]), nil }, func(int64, int64) int64 { return 0 }, func(int64, int) int64 { return 0 })
	return build(func(r Rule) (Evaluator, error) {
		program, err := expr.Compile(r.expr(), expr.Env(env), div)
		if err != nil {
			return nil, err
		}
		var machine vm.VM
		return func(vars map[string]any) (any, error) { return machine.Run(program, vars) }, nil
	})
}

func build(compile func(Rule) (Evaluator, error)) (*Engine, error) {
	e := &Engine{}
	for _, x := range []struct {
		rules []Rule
		into  *[]named
	}{{LineRules, &e.line}, {StayRules, &e.stay}} {
		for _, r := range x.rules {
			eval, err := compile(r)
			if err != nil {
				return nil, fmt.Errorf("rule %s: %w", r.Name, err)
			}
			*x.into = append(*x.into, named{r.Name, eval})
		}
	}
	return e, nil
}

func toInt(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case int:
		return int64(v)
	}
	return 0
}

// Settle evaluates every rule and returns all values by name.
func (e *Engine) Settle(c *policy.Case) (map[string]any, error) {
	vars := facts(c)
	var total, scope int64
	for i := range c.Lines {
		l := &c.Lines[i]
		vars["klass"], vars["amount"] = l.Class.String(), int64(l.Amount)
		vars["ceiling"], vars["first_pay"] = int64(l.Ceiling), int64(l.FirstPay)
		if err := evaluate(e.line, vars); err != nil {
			return nil, err
		}
		total += int64(l.Amount)
		scope += toInt(vars["scope"])
	}
	vars["total"], vars["in_scope"] = total, scope
	return vars, evaluate(e.stay, vars)
}

func evaluate(rules []named, vars map[string]any) error {
	for i := range rules {
		v, err := rules[i].eval(vars)
		if err != nil {
			return fmt.Errorf("rule %s: %w", rules[i].name, err)
		}
		if n, ok := v.(int); ok {
			v = int64(n)
		}
		vars[rules[i].name] = v
	}
	return nil
}
