package esdbserver_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"github.com/orderledger/orderledger/test/esdbserver"
)

// Whether an append repeats another is decided as the server's CheckCommit does: by the ids at an exact revision, for ever; at any
// revision by what the leader remembers.
func TestRepeats(t *testing.T) {
	var appendAny, none, exists esdb.ExpectedRevision = esdb.Any{}, esdb.NoStream{}, esdb.StreamExists{}
	deleteStream := func(t *testing.T, _ *esdbserver.Node, c *esdb.Client) {
		if _, err := c.DeleteStream(t.Context(), "order-1", esdb.DeleteStreamOptions{ExpectedRevision: appendAny}); err != nil {
			t.Fatal(err)
		}
	}
	restart := func(_ *testing.T, n *esdbserver.Node, _ *esdb.Client) { n.Stop(); n.Restart() }
	type step func(*testing.T, *esdbserver.Node, *esdb.Client)
	to := func(stream string, want esdb.ExpectedRevision, names string) step {
		return func(t *testing.T, _ *esdbserver.Node, c *esdb.Client) {
			mustAdd(t, c, stream, want, strings.Fields(names)...)
		}
	}
	for name, c := range map[string]struct {
		before []step
		want   esdb.ExpectedRevision
		names  string
		held   string // by order-1 in the end, all that was ever written to it; "refused" when the append is
	}{
		"any, all of it":                      {[]step{to("order-1", none, "a b c")}, appendAny, "a b c", "a b c"},
		"any, a part from the middle":         {[]step{to("order-1", none, "a b c")}, appendAny, "b c", "a b c"},
		"any, in another order":               {[]step{to("order-1", none, "a b c")}, appendAny, "c a", "a b c"},
		"any, the first of it is there":       {[]step{to("order-1", none, "a")}, appendAny, "a b", "refused"},
		"any, the first of it is not there":   {[]step{to("order-1", none, "b")}, appendAny, "a b", "b a b"},
		"any, in another stream":              {[]step{to("order-2", none, "a")}, appendAny, "a", "a"},
		"any, again, another stream's id":     {[]step{to("order-2", none, "a"), to("order-1", none, "a")}, appendAny, "a", "a a"},
		"any, after a restart":                {[]step{to("order-1", none, "a"), restart}, appendAny, "a", "a a"},
		"any, deleted":                        {[]step{to("order-1", none, "a"), deleteStream}, appendAny, "a", "a"},
		"any, deleted, another":               {[]step{to("order-1", none, "a"), deleteStream}, appendAny, "b", "a b"},
		"exists, all of it":                   {[]step{to("order-1", none, "a b")}, exists, "a b", "a b"},
		"exists, deleted":                     {[]step{to("order-1", none, "a"), deleteStream}, exists, "a", "refused"},
		"exists, with metadata alone":         {[]step{to("$$order-1", none, "m")}, exists, "a", "a"},
		"exact, all of it, after a restart":   {[]step{to("order-1", none, "a b c"), restart}, esdb.Revision(0), "b c", "a b c"},
		"exact, one more than is there":       {[]step{to("order-1", none, "a b")}, none, "a b c", "refused"},
		"exact, at another place":             {[]step{to("order-1", none, "a b")}, none, "b", "refused"},
		"exact, in another stream":            {[]step{to("order-2", none, "a")}, none, "a", "a"},
		"exact, again, another stream's id":   {[]step{to("order-2", none, "a"), to("order-1", none, "a")}, none, "a", "a"},
		"no stream, deleted, the same":        {[]step{to("order-1", none, "a b"), deleteStream}, none, "a b", "a b"},
		"no stream, deleted, the first is it": {[]step{to("order-1", none, "a b"), deleteStream}, none, "a c", "refused"},
		"no stream, deleted, another":         {[]step{to("order-1", none, "a b"), deleteStream}, none, "c", "a b c"},
		"exact, deleted, the next":            {[]step{to("order-1", none, "a b"), deleteStream}, esdb.Revision(1), "c", "a b c"},
	} {
		t.Run(name, func(t *testing.T) {
			node := esdbserver.Start(t, esdbserver.Options{})
			for _, do := range c.before {
				do(t, node, dial(t, node.URL()))
			}
			before := node.Log.Events("order-1")
			w, err := add(t, dial(t, node.URL()), "order-1", c.want, strings.Fields(c.names)...)
			if c.held == "refused" {
				if err == nil || node.Log.Events("order-1") != before {
					t.Errorf("%+v, %v, want a refusal", w, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if held := strings.Fields(c.held); node.Log.Events("order-1") != len(held) {
				t.Errorf("%d events, want %v", node.Log.Events("order-1"), held)
			}
		})
	}
}

// What a leader remembers is bounded.
func TestRepeatsAreForgotten(t *testing.T) {
	node := esdbserver.Start(t, esdbserver.Options{})
	c := dial(t, node.URL())
	mustAdd(t, c, "order-1", esdb.NoStream{}, "a")
	many := strings.Repeat("x", 1000)
	for i := range 5000 {
		node.Log.Write(fmt.Sprint("other-", many, i%2), "Noise", "{}", "")
	}
	mustAdd(t, c, "order-1", esdb.Any{}, "a")
	mustAdd(t, c, "order-1", esdb.NoStream{}, "a")
	if n := node.Log.Events("order-1"); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
}
