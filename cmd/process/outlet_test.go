package process

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestOutletWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, writer := io.Pipe()
		var told []uint64
		o := NewOutlet(writer, func(lost uint64) { told = append(told, lost) })
		line := []byte(strings.Repeat("x", 1023) + "\n")
		const lines = 3 * maxBacklog / 1024
		began := time.Now()
		for range lines {
			if n, err := o.Write(line); n != len(line) || err != nil {
				t.Fatalf("wrote %d, %v", n, err)
			}
		}
		synctest.Wait()
		if took := time.Since(began); took != 0 {
			t.Errorf("writing took %v", took)
		}
		lost := o.lost.Load()
		if lost == 0 || lost > lines-maxBacklog/1024 {
			t.Errorf("%d of %d lines lost, want those that found no room", lost, lines)
		}
		// Once there is a reader, it gets whole lines, and the loss is told of.
		var read bytes.Buffer
		ended := make(chan struct{})
		go func() { defer close(ended); _, _ = io.Copy(&read, reader) }()
		o.Close()
		_ = writer.Close()
		<-ended
		if n := uint64(bytes.Count(read.Bytes(), line)); n+lost != lines || read.Len() != int(n)*len(line) {
			t.Errorf("read %d lines in %d octets, %d were lost, want %d together", n, read.Len(), lost, lines)
		}
		if len(told) != 1 || told[0] != lost {
			t.Errorf("told of %v lost lines, want %d once", told, lost)
		}
	})
}

func TestOutletEndsWithoutItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, writer := io.Pipe()
		o := NewOutlet(writer, func(uint64) {})
		_, _ = io.WriteString(o, "last words\n")
		began := time.Now()
		o.Close()
		if took := time.Since(began); took != lastWords {
			t.Errorf("the end took %v, want %v", took, lastWords)
		}
		_, _ = io.WriteString(o, "too late\n")
		_ = reader.Close()
	})
}

func TestOutletThatIsBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, writer := io.Pipe()
		_ = reader.CloseWithError(errors.New("gone"))
		var o *Outlet
		o = NewOutlet(writer, func(uint64) { _, _ = io.WriteString(o, "lines were lost\n") })
		for range 3 {
			_, _ = io.WriteString(o, "a\nb\n")
			synctest.Wait() // for ever, if a loss made another
		}
		if n := o.lost.Load(); n != 6 {
			t.Errorf("%d lines lost, want 6", n)
		}
		o.Close()
	})
}
