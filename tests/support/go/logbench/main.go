// logbench is the peer of tests/bench/custody.cpp: golang.org/x/mod/sumdb/tlog doing the same work, by the same rule that
// only the entries are synced, since the tree's hashes can be worked out from them.
//
//	logbench append FOLDER ENTRIES GROUP     entries of 200 bytes to a file, one fdatasync a group, all tree hashes to another
//	logbench proofs ENTRIES PROOFS           inclusion proofs out of hashes in memory, each checked
//
// Prints: wall seconds, CPU seconds, root (base64).
package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

const entryBytes = 200

func need(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "logbench:", err)
		os.Exit(1)
	}
}

func number(text string) int64 { n, err := strconv.ParseInt(text, 10, 64); need(err); return n }

func entry(n int64) []byte {
	text := fmt.Sprintf(`{"n":%d,"fill":"`, n)
	return []byte(text + strings.Repeat("x", entryBytes-len(text)-2) + `"}`)
}

func cpu() float64 {
	var used syscall.Rusage
	need(syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return float64(used.Utime.Sec+used.Stime.Sec) + float64(used.Utime.Usec+used.Stime.Usec)/1e6
}

type memory []tlog.Hash

func (m memory) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, index := range at {
		out[i] = m[index]
	}
	return out, nil
}

func root(hashes memory, size int64) tlog.Hash {
	hash, err := tlog.TreeHash(size, hashes)
	need(err)
	return hash
}

func appendAll(folder string, count, group int64) {
	entries := make([][]byte, count)
	for n := range entries {
		entries[n] = entry(int64(n))
	}
	log, err := os.Create(filepath.Join(folder, "entries"))
	need(err)
	tree, err := os.Create(filepath.Join(folder, "hashes"))
	need(err)
	treeWriter := bufio.NewWriterSize(tree, 1<<20)
	hashes := make(memory, 0, 2*count)
	began, before := time.Now(), cpu()
	var bytes []byte
	for n := int64(0); n < count; n++ {
		bytes = append(append(bytes, byte(entryBytes>>8), byte(entryBytes&0xff)), entries[n]...)
		more, err := tlog.StoredHashes(n, entries[n], hashes)
		need(err)
		for _, hash := range more {
			_, err := treeWriter.Write(hash[:])
			need(err)
		}
		hashes = append(hashes, more...)
		if (n+1)%group == 0 || n+1 == count {
			_, err := log.Write(bytes)
			need(err)
			need(syscall.Fdatasync(int(log.Fd())))
			bytes = bytes[:0]
		}
	}
	need(treeWriter.Flush())
	fmt.Println(time.Since(began).Seconds(), cpu()-before, root(hashes, count))
}

func proofs(count, wanted int64) {
	hashes := make(memory, 0, 2*count)
	for n := int64(0); n < count; n++ {
		more, err := tlog.StoredHashes(n, entry(n), hashes)
		need(err)
		hashes = append(hashes, more...)
	}
	head := root(hashes, count)
	made := make([]tlog.RecordProof, wanted)
	began, before := time.Now(), cpu()
	for i := range made {
		proof, err := tlog.ProveRecord(count, int64(i)*7919%count, hashes)
		need(err)
		made[i] = proof
	}
	wall, used := time.Since(began).Seconds(), cpu()-before
	for i, proof := range made {
		n := int64(i) * 7919 % count
		need(tlog.CheckRecord(proof, count, head, n, tlog.RecordHash(entry(n))))
	}
	fmt.Println(wall, used, head)
}

func main() {
	switch {
	case len(os.Args) == 5 && os.Args[1] == "append":
		appendAll(os.Args[2], number(os.Args[3]), number(os.Args[4]))
	case len(os.Args) == 4 && os.Args[1] == "proofs":
		proofs(number(os.Args[2]), number(os.Args[3]))
	default:
		need(fmt.Errorf("usage: logbench append FOLDER ENTRIES GROUP | proofs ENTRIES PROOFS"))
	}
}
