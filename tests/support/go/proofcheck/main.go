// proofcheck PROOF VKEY_FILE judges one .tlog-proof with golang.org/x/mod/sumdb alone, sharing no code with impound:
// the checkpoint's signature (note) and the way from the entry to its root (tlog). Prints the entry and ends with 0, or
// "FAIL <why>" and 1.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run tests/support/go/proofcheck/main.go PROOF VKEY_FILE
package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func fail(format string, args ...interface{}) {
	fmt.Printf("FAIL "+format+"\n", args...)
	os.Exit(1)
}

func need(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func decoded(text string) []byte {
	bytes, err := base64.StdEncoding.Strict().DecodeString(text)
	need(err)
	return bytes
}

func hash(text string) (h tlog.Hash) {
	if copy(h[:], decoded(text)) != tlog.HashSize {
		fail("no hash: %q", text)
	}
	return h
}

func main() {
	if len(os.Args) != 3 {
		fail("usage: proofcheck PROOF VKEY_FILE")
	}
	proof, err := os.ReadFile(os.Args[1])
	need(err)
	vkey, err := os.ReadFile(os.Args[2])
	need(err)
	verifier, err := note.NewVerifier(strings.TrimSpace(string(vkey)))
	need(err)

	parts := strings.SplitN(string(proof), "\n\n", 2)
	head := strings.Split(parts[0], "\n")
	if len(parts) != 2 || len(head) < 3 || head[0] != "c2sp.org/tlog-proof@v1" ||
		!strings.HasPrefix(head[1], "extra ") || !strings.HasPrefix(head[2], "index ") {
		fail("not a proof")
	}
	entry := decoded(head[1][len("extra "):])
	index, err := strconv.ParseInt(head[2][len("index "):], 10, 64)
	need(err)
	var path tlog.RecordProof
	for _, line := range head[3:] {
		path = append(path, hash(line))
	}

	signed, err := note.Open([]byte(parts[1]), note.VerifierList(verifier))
	need(err)
	lines := strings.Split(signed.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		fail("no checkpoint of %s", verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	need(err)
	need(tlog.CheckRecord(path, size, hash(lines[2]), index, tlog.RecordHash(entry)))
	fmt.Printf("%s\n", entry)
}
