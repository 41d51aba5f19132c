package natsstore

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// wanted is what the ledger's stream must be: everything is kept, nothing can be taken out, and nothing is accepted that
// can't be kept. An event exists from the moment that the server has it in its file.
func wanted(l layout, replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:               l.ledger,
		Description:        "orderledger: the log; append only",
		Subjects:           l.subjects(),
		Retention:          jetstream.LimitsPolicy,
		Discard:            jetstream.DiscardNew,
		Storage:            jetstream.FileStorage,
		Replicas:           replicas,
		MaxConsumers:       -1,
		MaxMsgs:            -1,
		MaxBytes:           -1,
		MaxMsgsPerSubject:  -1,
		MaxMsgSize:         -1,
		DenyDelete:         true,
		DenyPurge:          true,
		AllowDirect:        true,
		AllowAtomicPublish: true,
	}
}

// difference is a setting of a stream that endangers the log.
type difference struct {
	setting       string
	found, wanted any
	edit          string // the flags of `nats stream edit` that put it right; empty when none do
}

// mismatchError refuses a stream that is not as a ledger's must be. It says all that is wrong at once, and what to do.
type mismatchError struct {
	stream      string
	differences []difference
}

func (e *mismatchError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the stream %s is not as a ledger's must be, in %d of its settings:", e.stream, len(e.differences))
	var flags []string
	final := false
	for _, d := range e.differences {
		fmt.Fprintf(&b, "\n  %s is %s, must be %s", d.setting, show(d.found), show(d.wanted))
		if d.edit == "" {
			b.WriteString("; nats stream edit can't change that")
			final = true
			continue
		}
		flags = append(flags, d.edit)
	}
	switch {
	case final:
		b.WriteString("\nUse another --ledger; or, if nothing in the stream is needed, delete it, and the program makes it anew")
	default:
		fmt.Fprintf(&b, "\nIf that is right, change it: nats stream edit %s %s", e.stream, strings.Join(flags, " "))
	}
	return b.String()
}

// show is a setting's value for people: what is not there is nothing.
func show(v any) string {
	switch v := v.(type) {
	case []string:
		if len(v) > 0 {
			return strings.Join(v, ",")
		}
	case *jetstream.StreamSource:
		if v != nil {
			return "of " + v.Name
		}
	case []*jetstream.StreamSource:
		names := make([]string, len(v))
		for i, s := range v {
			names[i] = s.Name
		}
		if len(names) > 0 {
			return strings.Join(names, ",")
		}
	case *jetstream.SubjectTransformConfig:
		if v != nil {
			return fmt.Sprintf("%q to %q", v.Source, v.Destination)
		}
	case *jetstream.RePublish:
		if v != nil {
			return fmt.Sprintf("%q to %q", v.Source, v.Destination)
		}
	case jetstream.StreamConsumerLimits:
		if v != (jetstream.StreamConsumerLimits{}) {
			return fmt.Sprintf("inactive_threshold %s, max_ack_pending %d", v.InactiveThreshold, v.MaxAckPending)
		}
	case json.Marshaler: // a name
		if name, err := v.MarshalJSON(); err == nil {
			return strings.Trim(string(name), `"`)
		}
	default:
		return fmt.Sprint(v)
	}
	return "none"
}

// differences names every setting of a stream that endangers the log. What is not here is the operator's: where it is placed,
// whether it is compressed, what is written beside it.
func differences(got, want jetstream.StreamConfig) []difference {
	var diffs []difference
	slices.Sort(got.Subjects)
	slices.Sort(want.Subjects)
	for _, d := range []difference{
		{"subjects", got.Subjects, want.Subjects, "--subjects=" + strings.Join(want.Subjects, ",")},
		{"replicas", got.Replicas, want.Replicas, fmt.Sprintf("--replicas=%d", want.Replicas)},
		{"storage", got.Storage, want.Storage, ""},
		{"retention", got.Retention, want.Retention, editRetention(got)},
		{"discard", got.Discard, want.Discard, "--discard=new"},
		{"discard_new_per_subject", got.DiscardNewPerSubject, want.DiscardNewPerSubject, "--no-discard-per-subject"},
		{"max_msgs", got.MaxMsgs, want.MaxMsgs, "--max-msgs=-1"},
		{"max_bytes", got.MaxBytes, want.MaxBytes, "--max-bytes=-1"},
		{"max_age", got.MaxAge, want.MaxAge, "--max-age=0s"},
		{"max_msgs_per_subject", got.MaxMsgsPerSubject, want.MaxMsgsPerSubject, "--max-msgs-per-subject=-1"},
		{"max_msg_size", got.MaxMsgSize, want.MaxMsgSize, "--max-msg-size=-1"},
		{"max_consumers", got.MaxConsumers, want.MaxConsumers, "--max-consumers=0"},
		{"consumer_limits", got.ConsumerLimits, want.ConsumerLimits, ""},
		{"deny_delete", got.DenyDelete, want.DenyDelete, "--deny-delete"},
		{"deny_purge", got.DenyPurge, want.DenyPurge, "--deny-purge"},
		{"allow_direct", got.AllowDirect, want.AllowDirect, "--allow-direct"},
		{"allow_atomic", got.AllowAtomicPublish, want.AllowAtomicPublish, "--allow-batch"},
		{"allow_rollup_hdrs", got.AllowRollup, want.AllowRollup, "--no-allow-rollup"},
		{"allow_msg_ttl", got.AllowMsgTTL, want.AllowMsgTTL, ""},
		{"subject_delete_marker_ttl", got.SubjectDeleteMarkerTTL, want.SubjectDeleteMarkerTTL, "--subject-del-markers-ttl=0s"},
		{"allow_msg_counter", got.AllowMsgCounter, want.AllowMsgCounter, ""},
		{"allow_msg_schedules", got.AllowMsgSchedules, want.AllowMsgSchedules, ""},
		{"persist_mode", got.PersistMode, want.PersistMode, ""},
		{"sealed", got.Sealed, want.Sealed, ""},
		{"no_ack", got.NoAck, want.NoAck, "--ack"},
		{"first_seq", max(got.FirstSeq, 1), max(want.FirstSeq, 1), ""},
		{"mirror", got.Mirror, want.Mirror, "--no-mirror"},
		{"sources", got.Sources, want.Sources, ""},
		{"subject_transform", got.SubjectTransform, want.SubjectTransform, "--no-transform"},
		{"republish", got.RePublish, want.RePublish, "--no-republish"},
	} {
		if !reflect.DeepEqual(d.found, d.wanted) && show(d.found) != show(d.wanted) {
			diffs = append(diffs, d)
		}
	}
	return diffs
}

// editRetention is how the retention is put right: the server does not let a work queue become anything else.
func editRetention(got jetstream.StreamConfig) string {
	if got.Retention == jetstream.WorkQueuePolicy {
		return ""
	}
	return "--retention=limits"
}
