package esdbserver

import (
	"context"
	"errors"
	"io"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
)

// pendingAppend is one append of a batch call, of which not all has come.
type pendingAppend struct {
	stream string
	want   expectation
	events []proposed
	size   int
}

// batchAnswers is how many answers of a batch call may wait to be sent.
const batchAnswers = 4096

// batchEvent is what comes of a batch call: an answer, or its end.
type batchEvent struct {
	answer  *streams.BatchAppendResp
	trailer metadata.MD
	end     error
}

// BatchAppend implements the protocol: appends to any streams, carried out one behind the other as their ends come. One that is
// refused keeps none that follows it from being carried out. A client that has said that it sends no more gets one more answer, and then
// the end, whatever else there was to be answered; if there is nothing, it gets no end. So does the real one.
func (s *service) BatchAppend(call streams.Streams_BatchAppendServer) error {
	ctx, cancel := context.WithCancel(call.Context())
	events, closing := make(chan batchEvent, batchAnswers), make(chan struct{})
	defer cancel()
	go s.receiveBatch(ctx, call, events, closing) // it ends with the call
	for {
		select {
		case e := <-events:
			if e.end != nil {
				call.SetTrailer(e.trailer)
				return e.end
			}
			if err := call.Send(e.answer); err != nil {
				return err
			}
			select {
			case <-closing:
				return nil
			default:
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ends.Done():
			return status.Error(codes.Unavailable, "Server Is Not Ready")
		}
	}
}

// receiveBatch carries out what comes, until the client has sent all.
func (s *service) receiveBatch(ctx context.Context, call streams.Streams_BatchAppendServer, events chan<- batchEvent, closing chan<- struct{}) {
	md, _ := metadata.FromIncomingContext(ctx)
	stranger := s.node.options.User != "" && len(md.Get("authorization")) == 0
	pending := map[uuid.UUID]*pendingAppend{}
	var late *streams.BatchAppendResp
	tell := func(e batchEvent) {
		select {
		case events <- e:
		case <-ctx.Done():
		}
	}
	for ctx.Err() == nil {
		m, err := call.Recv()
		if errors.Is(err, io.EOF) {
			close(closing)
			return
		}
		if err != nil {
			tell(batchEvent{end: err})
			return
		}
		trailer, err := s.node.guard(ctx, "BatchAppend") // the lead may be another's by now
		if err != nil && status.Code(err) != codes.Unavailable {
			tell(batchEvent{end: err, trailer: trailer})
			return
		}
		var answer *streams.BatchAppendResp
		var fault BatchFault
		switch {
		case stranger && m.GetOptions() != nil:
			answer = batchError(codes.PermissionDenied, "AccessDenied", &shared.AccessDenied{})
		case err != nil: // as the real one says it: without a code
			answer = batchError(codes.OK, "Server Is Not Ready", &emptypb.Empty{})
		default:
			answer, fault = s.batch(pending, m)
		}
		if answer == nil {
			continue
		}
		answer.CorrelationId = m.GetCorrelationId()
		if fault == NotReadyLate {
			late = answer
			continue
		}
		tell(batchEvent{answer: answer})
		if late != nil {
			tell(batchEvent{answer: late})
			late = nil
		}
	}
}

// batch takes one message of a batch call, and returns the answer if it is an append's last.
func (s *service) batch(pending map[uuid.UUID]*pendingAppend, m *streams.BatchAppendReq) (*streams.BatchAppendResp, BatchFault) {
	id := fromUUID(m.GetCorrelationId())
	if o := m.GetOptions(); o != nil && pending[id] == nil {
		p := &pendingAppend{stream: string(o.GetStreamIdentifier().GetStreamName())}
		switch e := o.GetExpectedStreamPosition().(type) {
		case *streams.BatchAppendReq_Options_StreamPosition:
			p.want.revision = e.StreamPosition
		case *streams.BatchAppendReq_Options_NoStream:
			p.want.kind = expectNoStream
		case *streams.BatchAppendReq_Options_StreamExists:
			p.want.kind = expectExists
		default:
			p.want.kind = expectAny
		}
		pending[id] = p
	}
	p := pending[id]
	if p == nil {
		return nil, NoFault // of one that was answered
	}
	for _, e := range m.GetProposedMessages() {
		one := newProposed(e)
		if p.stream == "" || one.kind == "" || one.id == uuid.Nil {
			delete(pending, id)
			return batchError(codes.InvalidArgument, "BadRequest", &shared.BadRequest{Message: "Required Metadata Property type is missing"}), NoFault
		}
		p.events, p.size = append(p.events, one), p.size+one.sizeOnDisk()
	}
	if p.size > s.node.options.MaxAppend {
		delete(pending, id)
		return batchError(codes.InvalidArgument, "MaximumAppendSizeExceeded",
			&shared.MaximumAppendSizeExceeded{MaxAppendSize: uint32(s.node.options.MaxAppend)}), NoFault
	}
	if !m.GetIsFinal() {
		return nil, NoFault
	}
	delete(pending, id)
	fault := s.node.Faults.batchFault()
	return s.finish(p, fault), fault
}

// finish carries an append out, or lets it fail as a test says.
func (s *service) finish(p *pendingAppend, fault BatchFault) *streams.BatchAppendResp {
	if fault == NotReady || fault == NotReadyLate {
		return batchError(codes.OK, "Server Is Not Ready", &emptypb.Empty{})
	}
	w, err := s.node.Log.append(p.stream, p.want, p.events)
	var wrong *wrongVersion
	var gone *streamDeleted
	switch {
	case errors.As(err, &wrong):
		detail := &shared.WrongExpectedVersion{CurrentStreamRevisionOption: &shared.WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &emptypb.Empty{}}}
		if wrong.current != nil {
			detail.CurrentStreamRevisionOption = &shared.WrongExpectedVersion_CurrentStreamRevision{CurrentStreamRevision: *wrong.current}
		}
		return batchError(codes.AlreadyExists, "WrongExpectedVersion", detail)
	case errors.As(err, &gone):
		return batchError(codes.NotFound, "StreamDeleted",
			&shared.StreamDeleted{StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(gone.stream)}})
	case fault == TimedOutApplied:
		return batchError(codes.DeadlineExceeded, "Timeout", &shared.Timeout{})
	}
	success := &streams.BatchAppendResp_Success{
		CurrentRevisionOption: &streams.BatchAppendResp_Success_CurrentRevision{CurrentRevision: w.revision},
		PositionOption: &streams.BatchAppendResp_Success_Position{
			Position: &shared.AllStreamPosition{CommitPosition: w.at.Commit, PreparePosition: w.at.Prepare},
		},
	}
	if w.nowhere {
		success.PositionOption = &streams.BatchAppendResp_Success_NoPosition{NoPosition: &emptypb.Empty{}}
	}
	return &streams.BatchAppendResp{
		StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(p.stream)},
		Result:           &streams.BatchAppendResp_Success_{Success: success},
	}
}

func batchError(code codes.Code, message string, detail protoadapt.MessageV1) *streams.BatchAppendResp {
	st := status.New(codes.Unknown, message) // details can't be put on OK
	if with, err := st.WithDetails(detail); err == nil {
		st = with
	}
	p := st.Proto()
	p.Code = int32(code)
	return &streams.BatchAppendResp{Result: &streams.BatchAppendResp_Error{Error: p}}
}
