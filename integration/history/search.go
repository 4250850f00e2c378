package history

import (
	"fmt"
	"math"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

// infinity is when an open operation returns for the search.
const infinity = math.MaxInt64

// part is the operations that one search looks at.
type part struct {
	name  string
	model porcupine.Model
	ops   []porcupine.Operation
}

// strict are the operations that the strict models judge, prepared for a search:
// unanswered reads, certain failures and weaker levels are gone; operations of
// unknown outcome are open, unless somebody has read what they wrote.
func strict(ops []Operation) []Operation {
	first := map[string]*Seen{}
	until := map[string]int64{}
	for i := range ops {
		for _, s := range ops[i].observations() {
			if at, ok := until[s.Tag]; !ok || ops[i].Return < at {
				until[s.Tag], first[s.Tag] = ops[i].Return, &s
			}
		}
	}
	var out []Operation
	for _, o := range ops {
		if o.Outcome == Nothing || o.Reads() && (o.Level != Linearizable || o.Outcome == Unknown) {
			continue
		}
		if o.Outcome == Unknown {
			o.Return = Open
			if seen := first[o.Tag]; o.Verb == Put && seen != nil {
				o.Return, o.Seen = max(until[o.Tag], o.Call), seen
			}
		}
		out = append(out, o)
	}
	return out
}

// byKey cuts operations into one part a key, without listings.
func byKey(ops []Operation) []part {
	return cut(ops, func(o *Operation) string {
		if o.Verb == List {
			return ""
		}
		return o.Key
	}, func(string, []Operation) (porcupine.Model, error) { return registerModel, nil })
}

// byPrefix cuts operations into one part a prefix that was listed.
func byPrefix(ops []Operation) ([]part, error) {
	listed := map[string]bool{}
	for i := range ops {
		if ops[i].Verb == List {
			listed[ops[i].Key] = true
		}
	}
	var failed error
	parts := cut(ops, func(o *Operation) string {
		prefix := o.Key
		if o.Verb != List {
			prefix = PrefixOf(o.Key)
		}
		if !listed[prefix] {
			return ""
		}
		return prefix
	}, func(_ string, ops []Operation) (porcupine.Model, error) {
		keys, err := keysOf(ops)
		failed = firstError(failed, err)
		return shelfModel(keys), nil
	})
	return parts, failed
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func cut(ops []Operation, name func(*Operation) string, model func(string, []Operation) (porcupine.Model, error)) []part {
	groups := map[string][]Operation{}
	for i := range ops {
		if n := name(&ops[i]); n != "" {
			groups[n] = append(groups[n], ops[i])
		}
	}
	var parts []part
	for n, group := range groups {
		m, _ := model(n, group)
		p := part{name: n, model: m}
		for i := range group {
			p.ops = append(p.ops, searched(&group[i]))
		}
		parts = append(parts, p)
	}
	sort.Slice(parts, func(i, j int) bool { return parts[i].name < parts[j].name })
	return parts
}

// searched is an operation as the search takes it. An open one has a client of
// its own, because its client goes on before it returns.
func searched(o *Operation) porcupine.Operation {
	p := porcupine.Operation{ClientId: o.Client, Input: o, Output: o, Call: o.Call, Return: o.Return}
	if o.Outcome == Unknown {
		p.ClientId = 1_000_000 + o.ID
	}
	if o.Return == Open {
		p.Return = infinity
	}
	return p
}

var registerModel = porcupine.Model{
	Init: func() any { return register{} },
	Step: func(s, in, _ any) (bool, any) {
		after, ok := s.(register).step(in.(*Operation))
		return ok, after
	},
	DescribeOperation: describe,
	DescribeState:     func(s any) string { return s.(register).String() },
}

func shelfModel(keys []string) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return shelf{} },
		Step: func(s, in, _ any) (bool, any) {
			after, ok := s.(shelf).step(keys, in.(*Operation))
			return ok, after
		},
		DescribeOperation: describe,
		DescribeState: func(s any) string {
			text := ""
			for i, k := range keys {
				text += fmt.Sprintf("%s: %s; ", k, s.(shelf)[i])
			}
			return text
		},
	}
}

func describe(in, _ any) string { return in.(*Operation).String() }

// String is one line about the operation.
func (o *Operation) String() string {
	text := fmt.Sprintf("#%d client %d: %s %s", o.ID, o.Client, o.Verb, o.Key)
	if o.Condition != Always {
		text += " " + string(o.Condition)
	}
	if o.Condition == IfVersion {
		text += " " + o.If.String()
	}
	if o.Verb == Put {
		text += " " + o.Tag
	}
	text += ": " + string(o.Outcome)
	if o.Seen != nil {
		text += fmt.Sprintf(" %s at %s", o.Seen.Tag, o.Seen.Version)
	}
	for _, s := range o.Listed {
		text += fmt.Sprintf(" [%s %s at %s]", s.Key, s.Tag, s.Version)
	}
	return text
}

// search looks for an order of the part, for at most limit.
func (p *part) search(limit time.Duration) (porcupine.CheckResult, porcupine.LinearizationInfo) {
	return porcupine.CheckOperationsVerbose(p.model, p.ops, limit)
}
