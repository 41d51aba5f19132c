package esdbserver

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strconv"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
)

// service is the streams of one life of a node.
type service struct {
	streams.UnimplementedStreamsServer
	node *Node
	ends context.Context
}

// refuse says an error of the log as the server does: a code, and trailers that say more.
func refuse(err error) (metadata.MD, error) {
	var gone *streamDeleted
	var wrong *wrongVersion
	switch {
	case errors.As(err, &gone):
		return metadata.Pairs("exception", "stream-deleted", "stream-name", gone.stream), status.Error(codes.FailedPrecondition, err.Error())
	case errors.As(err, &wrong):
		actual := "-1"
		if wrong.current != nil {
			actual = strconv.FormatUint(*wrong.current, 10)
		}
		return metadata.Pairs("exception", "wrong-expected-version", "stream-name", wrong.stream, "actual-version", actual),
			status.Error(codes.FailedPrecondition, err.Error())
	}
	return metadata.Pairs("exception", "unknown"), status.Error(codes.Unknown, err.Error())
}

// Append implements the protocol.
func (s *service) Append(call streams.Streams_AppendServer) error {
	first, err := call.Recv()
	if err != nil {
		return err
	}
	options := first.GetOptions()
	if options == nil {
		return status.Error(codes.InvalidArgument, "the first message must hold the options")
	}
	var want expectation
	switch e := options.ExpectedStreamRevision.(type) {
	case *streams.AppendReq_Options_Revision:
		want.revision = e.Revision
	case *streams.AppendReq_Options_NoStream:
		want.kind = expectNoStream
	case *streams.AppendReq_Options_StreamExists:
		want.kind = expectExists
	default:
		want.kind = expectAny
	}
	stream := string(options.StreamIdentifier.GetStreamName())
	var events []proposed
	size := 0
	for {
		m, err := call.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		p := newProposed(m.GetProposedMessage())
		if p.kind == "" || p.id == uuid.Nil {
			return status.Error(codes.InvalidArgument, "Required Metadata Property type is missing")
		}
		if size += p.sizeOnDisk(); size > s.node.options.MaxAppend {
			limit := strconv.Itoa(s.node.options.MaxAppend)
			call.SetTrailer(metadata.Pairs("exception", "maximum-append-size-exceeded", "maximum-append-size", limit))
			return status.Error(codes.InvalidArgument, "Maximum Append Size of "+limit+" Exceeded.")
		}
		events = append(events, p)
	}
	if stream == "" {
		return status.Error(codes.InvalidArgument, "a stream needs a name")
	}
	w, err := s.node.Log.append(stream, want, events)
	var wrong *wrongVersion
	switch {
	case errors.As(err, &wrong):
		return call.SendAndClose(wrongAnswer(wrong, options))
	case err != nil:
		trailer, err := refuse(err)
		call.SetTrailer(trailer)
		return err
	}
	success := &streams.AppendResp_Success{
		CurrentRevisionOption: &streams.AppendResp_Success_CurrentRevision{CurrentRevision: w.revision},
		PositionOption: &streams.AppendResp_Success_Position{
			Position: &streams.AppendResp_Position{CommitPosition: w.at.Commit, PreparePosition: w.at.Prepare},
		},
	}
	if w.nowhere {
		success.PositionOption = &streams.AppendResp_Success_NoPosition{NoPosition: &shared.Empty{}}
	}
	return call.SendAndClose(&streams.AppendResp{Result: &streams.AppendResp_Success_{Success: success}})
}

// message is what both ways of appending say of an event.
type message interface {
	GetId() *shared.UUID
	GetMetadata() map[string]string
	GetCustomMetadata() []byte
	GetData() []byte
}

func newProposed(m message) proposed {
	return proposed{
		id: fromUUID(m.GetId()), kind: m.GetMetadata()["type"], json: m.GetMetadata()["content-type"] == "application/json",
		data: m.GetData(), meta: m.GetCustomMetadata(),
	}
}

func wrongAnswer(w *wrongVersion, o *streams.AppendReq_Options) *streams.AppendResp {
	a := &streams.AppendResp_WrongExpectedVersion{}
	if w.current == nil {
		a.CurrentRevisionOption = &streams.AppendResp_WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &shared.Empty{}}
	} else {
		a.CurrentRevisionOption = &streams.AppendResp_WrongExpectedVersion_CurrentRevision{CurrentRevision: *w.current}
	}
	switch e := o.ExpectedStreamRevision.(type) {
	case *streams.AppendReq_Options_Revision:
		a.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedRevision{ExpectedRevision: e.Revision}
	case *streams.AppendReq_Options_NoStream:
		a.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: &shared.Empty{}}
	case *streams.AppendReq_Options_StreamExists:
		a.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedStreamExists{ExpectedStreamExists: &shared.Empty{}}
	default:
		a.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedAny{ExpectedAny: &shared.Empty{}}
	}
	return &streams.AppendResp{Result: &streams.AppendResp_WrongExpectedVersion_{WrongExpectedVersion: a}}
}

// Delete implements the protocol.
func (s *service) Delete(ctx context.Context, req *streams.DeleteReq) (*streams.DeleteResp, error) {
	o := req.GetOptions()
	want := expectation{kind: expectAny}
	switch e := o.GetExpectedStreamRevision().(type) {
	case *streams.DeleteReq_Options_Revision:
		want = expectation{revision: e.Revision}
	case *streams.DeleteReq_Options_NoStream:
		want.kind = expectNoStream
	case *streams.DeleteReq_Options_StreamExists:
		want.kind = expectExists
	}
	at, err := s.node.Log.delete(string(o.GetStreamIdentifier().GetStreamName()), want, false)
	if err != nil {
		trailer, err := refuse(err)
		_ = grpc.SetTrailer(ctx, trailer)
		return nil, err
	}
	return &streams.DeleteResp{PositionOption: &streams.DeleteResp_Position_{
		Position: &streams.DeleteResp_Position{CommitPosition: at.Commit, PreparePosition: at.Prepare},
	}}, nil
}

// Tombstone implements the protocol.
func (s *service) Tombstone(ctx context.Context, req *streams.TombstoneReq) (*streams.TombstoneResp, error) {
	o := req.GetOptions()
	want := expectation{kind: expectAny}
	switch e := o.GetExpectedStreamRevision().(type) {
	case *streams.TombstoneReq_Options_Revision:
		want = expectation{revision: e.Revision}
	case *streams.TombstoneReq_Options_NoStream:
		want.kind = expectNoStream
	case *streams.TombstoneReq_Options_StreamExists:
		want.kind = expectExists
	}
	at, err := s.node.Log.delete(string(o.GetStreamIdentifier().GetStreamName()), want, true)
	if err != nil {
		trailer, err := refuse(err)
		_ = grpc.SetTrailer(ctx, trailer)
		return nil, err
	}
	return &streams.TombstoneResp{PositionOption: &streams.TombstoneResp_Position_{
		Position: &streams.TombstoneResp_Position{CommitPosition: at.Commit, PreparePosition: at.Prepare},
	}}, nil
}

func toUUID(id uuid.UUID) *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
		MostSignificantBits:  int64(binary.BigEndian.Uint64(id[:8])),
		LeastSignificantBits: int64(binary.BigEndian.Uint64(id[8:])),
	}}}
}

func fromUUID(u *shared.UUID) (id uuid.UUID) {
	if s := u.GetStructured(); s != nil {
		binary.BigEndian.PutUint64(id[:8], uint64(s.MostSignificantBits))
		binary.BigEndian.PutUint64(id[8:], uint64(s.LeastSignificantBits))
		return id
	}
	id, _ = uuid.Parse(u.GetString_()) // one that can't be read is no id
	return id
}
