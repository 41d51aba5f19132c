package client

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/orderledger/orderledger/domain"
	"github.com/orderledger/orderledger/domain/eventstore"
)

// LineResult is what came of one line of an import.
type LineResult struct {
	Line    int                `json:"line"` // its number, from 1
	OrderID string             `json:"order_id"`
	Status  string             `json:"status"`  // placed, exists or rejected
	Code    string             `json:"code"`    // why it was rejected
	Message string             `json:"message"` // what to do, for a person
	Errors  []domain.Violation `json:"errors"`
}

// ImportResult is what came of an import. Empty lines have no result.
type ImportResult struct {
	Results  []LineResult        `json:"results"`
	Position eventstore.Position `json:"position"`
}

// Limits of one import request; ImportAll keeps to them by itself.
const (
	MaxImportLines = 1000
	MaxImportBytes = 1 << 20
)

// Import places orders in bulk: one JSON object a line, at most MaxImportLines and MaxImportBytes.
func (c *Client) Import(ctx context.Context, lines []byte, opts ...Option) (ImportResult, error) {
	r, err := c.command("/v1/imports", lines, opts)
	if err != nil {
		return ImportResult{}, err
	}
	r.header.Set("Content-Type", "application/x-ndjson")
	var out ImportResult
	_, _, err = c.send(ctx, r, &out)
	return out, err
}

// ImportAll imports lines of any number in requests of a bounded size, one after another, and yields what came of each
// request; the line numbers are those of the whole. A line that is too long for a request is yielded as rejected. It stops at
// the first error: importing the same again places nothing twice.
func (c *Client) ImportAll(ctx context.Context, from io.Reader) iter.Seq2[ImportResult, error] {
	return func(yield func(ImportResult, error) bool) {
		in := bufio.NewReaderSize(from, MaxImportBytes)
		b := batch{}
		for {
			line, err := in.ReadSlice('\n')
			if err == bufio.ErrBufferFull { // ReadSlice returns it bare
				if err = skipLine(in); err == nil || err == io.EOF {
					b.refuse(b.read + 1)
				}
				line = nil
			} else if len(line) > 0 {
				if b.full(line) && !c.flush(ctx, &b, yield) {
					return
				}
				b.add(line)
			}
			if err != nil && err != io.EOF {
				yield(ImportResult{}, fmt.Errorf("line %d: %w", b.read+1, err))
				return
			}
			if err == io.EOF {
				c.flush(ctx, &b, yield)
				return
			}
		}
	}
}

func skipLine(in *bufio.Reader) error {
	for {
		if _, err := in.ReadSlice('\n'); err != bufio.ErrBufferFull {
			return err
		}
	}
}

// batch gathers lines for one request.
type batch struct {
	read    int // lines of the whole so far
	body    bytes.Buffer
	numbers []int        // of the lines in body
	refused []LineResult // too long for any request
}

func (b *batch) full(line []byte) bool {
	return len(b.numbers) == MaxImportLines || b.body.Len()+len(line)+1 > MaxImportBytes
}

func (b *batch) add(line []byte) {
	b.read++
	if line = bytes.TrimSpace(line); len(line) == 0 {
		return
	}
	b.body.Write(line)
	b.body.WriteByte('\n')
	b.numbers = append(b.numbers, b.read)
}

func (b *batch) refuse(number int) {
	b.read = number
	b.refused = append(b.refused, LineResult{
		Line: number, Status: "rejected", Code: "too_large", Message: fmt.Sprintf("The line is longer than %d bytes.", MaxImportBytes),
	})
}

// flush sends what was gathered and says whether to go on.
func (c *Client) flush(ctx context.Context, b *batch, yield func(ImportResult, error) bool) bool {
	out := ImportResult{Results: b.refused}
	if len(b.numbers) > 0 {
		sent, err := c.Import(ctx, bytes.Clone(b.body.Bytes()))
		if err != nil {
			yield(ImportResult{}, fmt.Errorf("lines %d to %d: %w", b.numbers[0], b.read, err))
			return false
		}
		for _, r := range sent.Results {
			if r.Line >= 1 && r.Line <= len(b.numbers) {
				r.Line = b.numbers[r.Line-1]
			}
			out.Results = append(out.Results, r)
		}
		out.Position = sent.Position
	}
	b.body.Reset()
	b.numbers, b.refused = nil, nil
	return len(out.Results) == 0 || yield(out, nil)
}
