package natsstore

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/orderledger/orderledger/domain/eventstore/natsstore/natstest"
)

// Each setting that endangers the log is refused by its name, with what to do; and what to do is true: the server lets the
// setting be changed to what it must be exactly where the refusal says how.
func TestConnectRefusesWhatEndangersTheLog(t *testing.T) {
	js := manager(t, natstest.Start(t).URL)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "other", Subjects: []string{"other.*"}}); err != nil {
		t.Fatal(err)
	}
	want := wanted(layout{ledger: "shop", categories: DefaultCategories}, 1)
	for setting, spoil := range map[string]func(*jetstream.StreamConfig){
		"subjects":             func(c *jetstream.StreamConfig) { c.Subjects = append(c.Subjects[1:], "shop.foreign") },
		"storage":              func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage },
		"retention":            func(c *jetstream.StreamConfig) { c.Retention = jetstream.InterestPolicy },
		"discard":              func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld },
		"max_msgs":             func(c *jetstream.StreamConfig) { c.MaxMsgs = 5 },
		"max_bytes":            func(c *jetstream.StreamConfig) { c.MaxBytes = 1 << 20 },
		"max_age":              func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour },
		"max_msgs_per_subject": func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 7 },
		"max_msg_size":         func(c *jetstream.StreamConfig) { c.MaxMsgSize = 1000 },
		"max_consumers":        func(c *jetstream.StreamConfig) { c.MaxConsumers = 1 },
		"consumer_limits":      func(c *jetstream.StreamConfig) { c.ConsumerLimits.InactiveThreshold = time.Second },
		"deny_delete":          func(c *jetstream.StreamConfig) { c.DenyDelete = false },
		"deny_purge":           func(c *jetstream.StreamConfig) { c.DenyPurge = false },
		"allow_direct":         func(c *jetstream.StreamConfig) { c.AllowDirect = false },
		"allow_atomic":         func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false },
		"allow_rollup_hdrs":    func(c *jetstream.StreamConfig) { c.AllowRollup, c.DenyPurge = true, false },
		"allow_msg_ttl":        func(c *jetstream.StreamConfig) { c.AllowMsgTTL = true },
		"allow_msg_counter":    func(c *jetstream.StreamConfig) { c.AllowMsgCounter, c.Discard = true, jetstream.DiscardOld },
		"allow_msg_schedules":  func(c *jetstream.StreamConfig) { c.AllowMsgSchedules, c.Discard = true, jetstream.DiscardOld },
		"persist_mode": func(c *jetstream.StreamConfig) {
			c.PersistMode, c.AllowAtomicPublish = jetstream.AsyncPersistMode, false
		},
		"sealed":    nil, // a stream can't begin sealed
		"no_ack":    func(c *jetstream.StreamConfig) { c.NoAck = true },
		"first_seq": func(c *jetstream.StreamConfig) { c.FirstSeq = 10 },
		"mirror": func(c *jetstream.StreamConfig) {
			c.Subjects, c.AllowAtomicPublish, c.Mirror = nil, false, &jetstream.StreamSource{Name: "other"}
		},
		"sources":                 func(c *jetstream.StreamConfig) { c.Sources = []*jetstream.StreamSource{{Name: "other"}} },
		"discard_new_per_subject": func(c *jetstream.StreamConfig) { c.DiscardNewPerSubject, c.MaxMsgsPerSubject = true, 5 },
		"subject_delete_marker_ttl": func(c *jetstream.StreamConfig) {
			c.SubjectDeleteMarkerTTL, c.AllowRollup, c.DenyPurge = time.Hour, true, false
		},
		"subject_transform": func(c *jetstream.StreamConfig) {
			c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: "shop.order.*", Destination: "shop.access.{{wildcard(1)}}"}
		},
		"republish": func(c *jetstream.StreamConfig) {
			c.RePublish = &jetstream.RePublish{Source: "shop.order.*", Destination: "copied.{{wildcard(1)}}"}
		},
	} {
		t.Run(setting, func(t *testing.T) {
			spoiled := want
			spoiled.Subjects = slices.Clone(want.Subjects)
			if spoil == nil {
				createAndSeal(t, js, spoiled)
			} else {
				spoil(&spoiled)
				if _, err := js.CreateStream(t.Context(), spoiled); err != nil {
					t.Fatal(err)
				}
			}
			defer func() {
				if err := js.DeleteStream(t.Context(), "shop"); err != nil {
					t.Error(err)
				}
			}()
			refusal := refused(t, js.Conn().ConnectedUrl(), 0)
			if !strings.Contains(refusal, "\n  "+setting+" is ") {
				t.Fatalf("the refusal does not name it: %s", refusal)
			}
			t.Log(refusal)
			if slices.Contains([]string{"consumer_limits", "sources", "first_seq"}, setting) {
				return // what the server would take, but the tool has no flag for; the last would be without effect
			}
			_, err := js.UpdateStream(t.Context(), want)
			if can, says := err == nil, strings.Contains(refusal, "nats stream edit shop --"); can != says {
				t.Errorf("the server's answer to the change: %v; and the refusal: %s", err, refusal)
			}
		})
	}
}

// All that differs is said at once, and nothing else.
func TestConnectNamesEveryDifference(t *testing.T) {
	t.Parallel()
	cl := natstest.NewCluster(t, natstest.ClusterConfig{Servers: 3})
	js := manager(t, cl.URL)
	c := wanted(layout{ledger: "shop", categories: []string{"order", "foreign"}}, 1)
	c.DenyPurge, c.MaxAge, c.MaxMsgs, c.Compression = false, time.Hour, 1000, jetstream.S2Compression
	c.Metadata, c.Placement = map[string]string{"owner": "ops"}, &jetstream.Placement{Cluster: "test"}
	for ctx := soon(t); ; { // until the cluster has a leader
		limited, cancel := context.WithTimeout(ctx, askPatience)
		_, err := js.CreateStream(limited, c)
		cancel()
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	subjects := strings.Join(slices.Sorted(slices.Values(layout{ledger: "shop", categories: DefaultCategories}.subjects())), ",")
	if got, want := refused(t, cl.URL, 3), `the stream shop is not as a ledger's must be, in 5 of its settings:
  subjects is shop.foreign.*,shop.order.*, must be `+subjects+`
  replicas is 1, must be 3
  max_msgs is 1000, must be -1
  max_age is 1h0m0s, must be 0s
  deny_purge is false, must be true
If that is right, change it: nats stream edit shop --subjects=`+subjects+` --replicas=3 --max-msgs=-1 --max-age=0s --deny-purge`; got != want {
		t.Errorf("refused with:\n%s\nwant:\n%s", got, want)
	}
}

// The log's replicas are what was asked for when it was made; later, asking for others is refused, and asking for none takes
// what there is.
func TestReplicasAreNotChangedBySurprise(t *testing.T) {
	t.Parallel()
	cl := natstest.NewCluster(t, natstest.ClusterConfig{Servers: 3})
	mustClose(t, connectRig(t, ExternalConfig{URL: cl.URL, Ledger: "shop", Replicas: 3}))
	for _, wrong := range []int{1, 5} {
		if got := refused(t, cl.URL, wrong); !strings.Contains(got, "replicas is 3, must be") {
			t.Errorf("%d replicas: %s", wrong, got)
		}
	}
	s := connectRig(t, ExternalConfig{URL: cl.URL, Ledger: "shop"})
	defer mustClose(t, s)
	st, err := s.Status(t.Context())
	if err != nil || !strings.Contains(st.Note, "2 of 3 servers") {
		t.Errorf("status: %+v, %v", st, err)
	}
}

func TestServerVersions(t *testing.T) {
	for version, fits := range map[string]bool{
		"2.12.0": true, "2.12.0-RC.1": true, "2.15.2": true, "3.0.0": true, "2.11.9": false, "1.99.0": false, "": false, "dev": false,
	} {
		if atLeast(version, 2, 12) != fits {
			t.Errorf("%q fits: %v", version, !fits)
		}
	}
}

func TestServerURLs(t *testing.T) {
	for list, want := range map[string][2]string{
		"nats://a":                        {"nats://a:4222", "nats://a:4222"},
		"nats://a,b,c:7":                  {"nats://a:4222,nats://b:4222,nats://c:7", "nats://a:4222,nats://b:4222,nats://c:7"},
		"nats://a:4222, nats://b:4222":    {"nats://a:4222,nats://b:4222", "nats://a:4222,nats://b:4222"},
		"tls://me:secret@a,b":             {"tls://me:secret@a:4222,tls://me:secret@b:4222", "tls://a:4222,tls://b:4222"},
		"nats://token@a/,nats://you:no@b": {"nats://token@a:4222/,nats://you:no@b:4222", "nats://a:4222/,nats://b:4222"},
		"nats://[::1],[::2]:5":            {"nats://[::1]:4222,nats://[::2]:5", "nats://[::1]:4222,nats://[::2]:5"},
	} {
		all, shown, err := ServerURLs(list)
		if err != nil || all != want[0] || shown != want[1] {
			t.Errorf("%s: %s and %s, %v; want %v", list, all, shown, err, want)
		}
	}
	for _, bad := range []string{"", "a,b", "nats://", "nats://a,", "nats://a,,b", "http://a", "nats://a,tls://b", "nats://a/shop", "nats://me:secret@a:port"} {
		if all, _, err := ServerURLs(bad); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %s, %v", bad, all, err)
		}
	}
}

func manager(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(visit(t, url))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func createAndSeal(t *testing.T, js jetstream.JetStream, c jetstream.StreamConfig) {
	t.Helper()
	if _, err := js.CreateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	c.Sealed = true
	if _, err := js.UpdateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

// refused connects and returns why that is refused.
func refused(t *testing.T, url string, replicas int) string {
	t.Helper()
	s, err := Connect(t.Context(), ExternalConfig{URL: url, Ledger: "shop", Replicas: replicas})
	if err == nil {
		mustClose(t, s)
		t.Fatal("connected")
	}
	return err.Error()
}
