package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/orderledger/orderledger/commands/client"
	"github.com/orderledger/orderledger/domain"
)

// Limits of an import.
const (
	maxLine  = client.MaxImportBytes         // bytes of one order
	maxBatch = client.MaxImportBytes - 1<<10 // bytes of one request
	fileName = "FILE.jsonl"                  // in the help
)

func (c *cli) importOrders() *cobra.Command {
	return &cobra.Command{
		Use:   "import " + fileName,
		Short: "Place orders in bulk, one JSON object a line (- reads standard input)",
		Long: "Place orders in bulk, one JSON object a line (- reads standard input). Every bad line is named with its number and reason,\n" +
			"the good ones go in; running it again places nothing twice. Exit 1 when a line was bad.",
		Args: args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.client()
			if err != nil {
				return err
			}
			in, size, err := c.open(args[0])
			if err != nil {
				return err
			}
			im := &importer{cli: c, client: cl}
			bar := c.progress("import", size, decor.CountersKibiByte("% .1f / % .1f"))
			err = im.run(cmd.Context(), bar.reader(in))
			bar.stop()
			return errors.Join(err, in.Close(), im.report(err == nil))
		},
	}
}

// importer sends orders in batches and counts what became of them.
type importer struct {
	cli    *cli
	client *client.Client

	batch   bytes.Buffer
	numbers []int // of the batch's lines in the file

	placed, exists, rejected int
}

func (im *importer) run(ctx context.Context, in io.Reader) error {
	lines := bufio.NewReaderSize(in, 1<<16)
	for number := 1; ; number++ {
		line, tooLong, err := readLine(lines)
		if number == 1 {
			line = bytes.TrimPrefix(line, byteOrderMark)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if tooLong {
			im.bad(number, fmt.Sprintf("is longer than %d bytes", maxLine))
		} else if e := im.take(ctx, number, bytes.TrimSpace(line)); e != nil {
			return e
		}
		if err != nil {
			return im.flush(ctx)
		}
	}
}

// byteOrderMark is what some programs put before the first line of UTF-8.
var byteOrderMark = []byte("\ufeff")

// readLine reads to the end of a line. One that is too long is read past and not kept.
func readLine(r *bufio.Reader) (line []byte, tooLong bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > maxLine {
			line, tooLong = nil, true
		}
		if !tooLong {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, tooLong, err
		}
	}
}

// take looks at a line here, so that what is plainly bad is not sent, and puts it into the batch.
func (im *importer) take(ctx context.Context, number int, line []byte) error {
	if len(line) == 0 {
		return nil
	}
	var order domain.Intake
	err := domain.DecodeJSON(line, &order)
	if err == nil {
		err = order.Check()
	}
	if err == nil && len(line)+1 > maxBatch {
		err = fmt.Errorf("is longer than %d bytes", maxBatch)
	}
	if err != nil {
		im.bad(number, reason(err))
		return nil
	}
	if im.batch.Len()+len(line)+1 > maxBatch || len(im.numbers) == client.MaxImportLines {
		if err := im.flush(ctx); err != nil {
			return err
		}
	}
	im.batch.Write(line)
	im.batch.WriteByte('\n')
	im.numbers = append(im.numbers, number)
	return nil
}

// flush sends the batch.
func (im *importer) flush(ctx context.Context) error {
	if len(im.numbers) == 0 {
		return nil
	}
	r, err := im.client.Import(ctx, bytes.Clone(im.batch.Bytes()))
	if err != nil {
		return fmt.Errorf("lines %d to %d: %w", im.numbers[0], im.numbers[len(im.numbers)-1], err)
	}
	if len(r.Results) != len(im.numbers) {
		return fmt.Errorf("the server answered %d of %d lines", len(r.Results), len(im.numbers))
	}
	for i, line := range r.Results {
		switch line.Status {
		case "placed":
			im.placed++
		case "exists":
			im.exists++
		default:
			im.bad(im.numbers[i], reason(&domain.Rejection{Code: domain.Code(line.Code), Message: line.Message, Violations: line.Errors}))
		}
	}
	im.batch.Reset()
	im.numbers = im.numbers[:0]
	return nil
}

// bad names a line that did not go in.
func (im *importer) bad(number int, why string) {
	im.rejected++
	fmt.Fprintf(im.cli.err, "line %d: %s\n", number, why)
}

// reason is why a line is bad, on one line.
func reason(err error) string {
	var r *domain.Rejection
	if !errors.As(err, &r) || len(r.Violations) == 0 {
		return err.Error()
	}
	why := string(r.Code) + ":"
	for i, v := range r.Violations {
		if i > 0 {
			why += ";"
		}
		why += " " + v.Field + " " + v.Message
	}
	return why
}

// report prints the summary; a bad line fails the command.
func (im *importer) report(complete bool) error {
	if !complete {
		im.cli.note("stopped after %d placed, %d there before, %d rejected; run it again to go on", im.placed, im.exists, im.rejected)
		return nil
	}
	item := map[string]int{"placed": im.placed, "exists": im.exists, "rejected": im.rejected}
	l := listing{columns: []string{"PLACED", "EXISTS", "REJECTED"}, one: true}
	l.add(item, fmt.Sprint(im.placed), fmt.Sprint(im.exists), fmt.Sprint(im.rejected))
	if err := im.cli.print(l); err != nil {
		return err
	}
	if im.rejected > 0 {
		return errSaid
	}
	return nil
}

// open opens a file, or standard input for "-"; size is zero when it is not known.
func (c *cli) open(name string) (in io.ReadCloser, size int64, err error) {
	if name == "-" {
		return io.NopCloser(c.in), 0, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		size = info.Size()
	}
	return f, size, nil
}

// readFile reads a whole file, or standard input for "-", that may be so many bytes long.
func (c *cli) readFile(name string, limit int64) ([]byte, error) {
	in, _, err := c.open(name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err = errors.Join(err, in.Close()); err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s is longer than %d bytes", name, limit)
	}
	return b, nil
}

// progress is a bar on standard error: only on a terminal, and not with -q. The zero progress shows nothing.
type progress struct {
	all *mpb.Progress
	bar *mpb.Bar
}

func (c *cli) progress(name string, size int64, counters decor.Decorator) progress {
	if c.quiet || size == 0 || !isTerminal(c.err) {
		return progress{}
	}
	all := mpb.New(mpb.WithOutput(c.err), mpb.WithWidth(60))
	bar := all.AddBar(size,
		mpb.PrependDecorators(decor.Name(name+" "), counters),
		mpb.AppendDecorators(decor.Percentage()))
	return progress{all: all, bar: bar}
}

func (p progress) reader(r io.Reader) io.Reader {
	if p.bar == nil {
		return r
	}
	return p.bar.ProxyReader(r)
}

// to moves the bar.
func (p progress) to(done int64) {
	if p.bar != nil {
		p.bar.SetCurrent(done)
	}
}

func (p progress) stop() {
	if p.bar != nil {
		p.bar.Abort(false) // ends it where it is, when not all was read
		p.all.Wait()
	}
}
