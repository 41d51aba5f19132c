package esdbserver

import (
	"errors"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
)

// Read implements the protocol: of a stream or of $all, in both directions, once or as a subscription.
func (s *service) Read(req *streams.ReadReq, out streams.Streams_ReadServer) error {
	o := req.GetOptions()
	f, err := newFilter(o.GetFilter())
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	r := &reading{service: s, options: o, filter: f, out: out}
	switch {
	case o.GetSubscription() != nil && o.GetAll() != nil:
		err = r.followAll()
	case o.GetSubscription() != nil:
		err = r.followStream()
	case o.GetAll() != nil:
		err = r.all()
	default:
		err = r.stream()
	}
	var gone *streamDeleted
	if errors.As(err, &gone) {
		trailer, err := refuse(err)
		out.SetTrailer(trailer)
		return err
	}
	return err
}

// reading is one read under way.
type reading struct {
	*service
	options *streams.ReadReq_Options
	filter  *filter
	out     streams.Streams_ReadServer
}

func (r *reading) forwards() bool {
	return r.options.GetReadDirection() == streams.ReadReq_Options_Forwards
}

// stream reads the events of one stream.
func (r *reading) stream() error {
	o := r.options.GetStream()
	name := string(o.GetStreamIdentifier().GetStreamName())
	all, found, err := r.node.Log.visible(name)
	if err != nil {
		return err
	}
	if !found {
		return r.out.Send(&streams.ReadResp{Content: &streams.ReadResp_StreamNotFound_{
			StreamNotFound: &streams.ReadResp_StreamNotFound{StreamIdentifier: o.GetStreamIdentifier()},
		}})
	}
	from := uint64(0)
	switch at := o.GetRevisionOption().(type) {
	case *streams.ReadReq_Options_StreamOptions_Revision:
		from = at.Revision
	case *streams.ReadReq_Options_StreamOptions_End:
		from = math.MaxUint64
	}
	all = slices.DeleteFunc(all, func(e *record) bool {
		return (r.forwards() && e.revision < from) || (!r.forwards() && e.revision > from)
	})
	if !r.forwards() {
		slices.Reverse(all)
	}
	for _, e := range all[:min(uint64(len(all)), r.options.GetCount())] {
		if err := r.event(e); err != nil {
			return err
		}
	}
	return nil
}

// event sends one event; of a link that is to be resolved, the event that it points to.
func (r *reading) event(e *record) error {
	m := &streams.ReadResp_ReadEvent{
		Event: recorded(e), Position: &streams.ReadResp_ReadEvent_CommitPosition{CommitPosition: e.at.Commit},
	}
	if r.options.GetResolveLinks() && e.kind == "$>" {
		m.Link, m.Event = m.Event, nil
		if to := r.node.Log.resolve(e); to != nil {
			m.Event = recorded(to)
		}
	}
	return r.out.Send(&streams.ReadResp{Content: &streams.ReadResp_Event{Event: m}})
}

func recorded(e *record) *streams.ReadResp_ReadEvent_RecordedEvent {
	content := "application/octet-stream"
	if e.json {
		content = "application/json"
	}
	return &streams.ReadResp_ReadEvent_RecordedEvent{
		Id: toUUID(e.id), StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(e.stream)}, StreamRevision: e.revision,
		PreparePosition: e.at.Prepare, CommitPosition: e.at.Commit, Data: e.data, CustomMetadata: e.meta,
		Metadata: map[string]string{
			"type": e.kind, "content-type": content, "created": strconv.FormatInt(e.created.UnixNano()/100, 10),
		},
	}
}

// start is how many records of the log lie before the place that a read of $all begins at.
func (r *reading) start() (int, error) {
	switch at := r.options.GetAll().GetAllOption().(type) {
	case *streams.ReadReq_Options_AllOptions_Position:
		p := Position{Commit: at.Position.GetCommitPosition(), Prepare: at.Position.GetPreparePosition()}
		if p.Commit < p.Prepare {
			return 0, status.Error(codes.InvalidArgument, "The commit position cannot be less than the prepare position")
		}
		n, err := r.node.Log.find(p)
		switch {
		case err == nil:
			return n, nil
		case strings.HasPrefix(r.node.options.Version, "22."):
			return 0, status.Error(codes.Unknown, "Unexpected ReadAllResult: Error")
		}
		return 0, status.Error(codes.InvalidArgument, "Trying to read from an invalid position.")
	case *streams.ReadReq_Options_AllOptions_End:
		return r.node.Log.length(), nil
	}
	return 0, nil
}

// all reads $all: forwards from a place, itself included; backwards from before it.
func (r *reading) all() error {
	n, err := r.start()
	if err != nil {
		return err
	}
	for left := r.options.GetCount(); left > 0; {
		from := n
		if !r.forwards() {
			from = max(0, n-pageSize)
		}
		records, _ := r.node.Log.page(from, pageSize)
		if !r.forwards() {
			records = records[:min(n-from, len(records))]
			slices.Reverse(records)
		}
		if len(records) == 0 {
			return nil
		}
		n = from
		if r.forwards() {
			n += len(records)
		}
		for _, e := range records {
			if e.gone || !r.filter.takes(e) {
				continue
			}
			if err := r.event(e); err != nil {
				return err
			}
			if left--; left == 0 {
				return nil
			}
		}
	}
	return nil
}

// pageSize is how many records are looked at at once.
const pageSize = 500

// filter says which events of $all a subscription gives.
type filter struct {
	byType   bool
	prefixes []string
	regex    *regexp.Regexp
	every    int // events that are passed over, after which a checkpoint is sent
}

func newFilter(o *streams.ReadReq_Options_FilterOptions) (*filter, error) {
	if o == nil {
		return nil, nil
	}
	f := &filter{byType: o.GetEventType() != nil}
	expression := o.GetStreamIdentifier()
	if f.byType {
		expression = o.GetEventType()
	}
	f.prefixes = expression.GetPrefix()
	if expression.GetRegex() != "" {
		var err error
		if f.regex, err = regexp.Compile(expression.GetRegex()); err != nil {
			return nil, err
		}
	}
	if o.GetCheckpointIntervalMultiplier() == 0 {
		return nil, errors.New("the checkpoint interval multiplier must be greater than zero")
	}
	window := o.GetMax()
	if o.GetCount() != nil {
		window = 32
	}
	f.every = int(window) * int(o.GetCheckpointIntervalMultiplier())
	return f, nil
}

func (f *filter) takes(e *record) bool {
	if f == nil {
		return true
	}
	name := e.stream
	if f.byType {
		name = e.kind
	}
	if f.regex != nil {
		return f.regex.MatchString(name)
	}
	return slices.ContainsFunc(f.prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

func (r *reading) confirm() error {
	return r.out.Send(&streams.ReadResp{Content: &streams.ReadResp_Confirmation{
		Confirmation: &streams.ReadResp_SubscriptionConfirmation{SubscriptionId: uuid.NewString()},
	}})
}

func (r *reading) caughtUp() error {
	return r.out.Send(&streams.ReadResp{Content: &streams.ReadResp_CaughtUp_{CaughtUp: &streams.ReadResp_CaughtUp{}}})
}

func (r *reading) checkpoint(p Position) error {
	return r.out.Send(&streams.ReadResp{Content: &streams.ReadResp_Checkpoint_{
		Checkpoint: &streams.ReadResp_Checkpoint{CommitPosition: p.Commit, PreparePosition: p.Prepare},
	}})
}

// ended waits until there is more, and says when there will be none: the caller left, or the node stops.
func (r *reading) ended(grown <-chan struct{}) error {
	select {
	case <-grown:
		return nil
	case <-r.out.Context().Done():
		return r.out.Context().Err()
	case <-r.ends.Done():
		return status.Error(codes.Unavailable, "Server Is Not Ready")
	}
}

// followAll gives the events of $all behind a place, and then those that come.
func (r *reading) followAll() error {
	n, err := r.start()
	if err != nil {
		return err
	}
	if at := r.options.GetAll().GetPosition(); at != nil { // the event there is not given
		from := Position{Commit: at.GetCommitPosition(), Prepare: at.GetPreparePosition()}
		if here, _ := r.node.Log.page(n, 1); len(here) > 0 && here[0].at == from {
			n++
		}
	}
	if err := r.confirm(); err != nil {
		return err
	}
	passed, live := 0, false
	for {
		records, grown := r.node.Log.page(n, pageSize)
		n += len(records)
		for _, e := range records {
			passed++
			if !e.gone && r.filter.takes(e) && !r.node.Faults.missed() {
				if err := r.event(e); err != nil {
					return err
				}
			}
			if r.filter != nil && passed >= r.filter.every {
				passed = 0
				if err := r.checkpoint(e.at); err != nil {
					return err
				}
			}
		}
		if len(records) > 0 {
			continue
		}
		if !live {
			live = true
			if err := r.caughtUp(); err != nil {
				return err
			}
		}
		if err := r.ended(grown); err != nil {
			return err
		}
	}
}

// followStream gives the events of a stream behind a revision, and then those that come.
func (r *reading) followStream() error {
	o := r.options.GetStream()
	name := string(o.GetStreamIdentifier().GetStreamName())
	next := uint64(0)
	switch at := o.GetRevisionOption().(type) {
	case *streams.ReadReq_Options_StreamOptions_Revision:
		next = at.Revision + 1
	case *streams.ReadReq_Options_StreamOptions_End:
		next = uint64(r.node.Log.Events(name))
	}
	if err := r.confirm(); err != nil {
		return err
	}
	live := false
	for {
		_, grown := r.node.Log.page(0, 0)
		all, _, err := r.node.Log.visible(name)
		if err != nil {
			return err
		}
		for _, e := range all {
			if e.revision >= next {
				next = e.revision + 1
				if err := r.event(e); err != nil {
					return err
				}
			}
		}
		if !live {
			live = true
			if err := r.caughtUp(); err != nil {
				return err
			}
		}
		if err := r.ended(grown); err != nil {
			return err
		}
	}
}
