// logcheck LOGDIR VKEY_FILE judges a custody log with golang.org/x/mod/sumdb alone, sharing no code with impound: the
// checkpoint's signature (note), the tree recomputed from the entry bundles (tlog), and every tile byte for byte.
// Prints "OK <n> entries, root <base64>" and ends with 0, or "FAIL <why>" and 1.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go build -o logcheck tests/support/go/logcheck/main.go
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8 // 256 hashes a tile

func fail(format string, args ...interface{}) {
	fmt.Printf("FAIL "+format+"\n", args...)
	os.Exit(1)
}

// stored keeps every hash of the tree in the order of tlog.StoredHashIndex.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index < 0 || index >= int64(len(s)) {
			return nil, fmt.Errorf("hash %d is not stored", index)
		}
		out[i] = s[index]
	}
	return out, nil
}

// number is C2SP's spelling of a tile's index: x001/x234/067.
func number(n int64) string {
	text := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		text = fmt.Sprintf("x%03d/%s", n%1000, text)
	}
	return text
}

func tilePath(level string, n int64, width int) string {
	path := "tile/" + level + "/" + number(n)
	if width != 1<<height {
		path += fmt.Sprintf(".p/%d", width)
	}
	return path
}

func checkpoint(dir, vkeyFile string) (size int64, root tlog.Hash) {
	vkey, err := os.ReadFile(vkeyFile)
	if err != nil {
		fail("%v", err)
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(vkey)))
	if err != nil {
		fail("vkey: %v", err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		fail("%v", err)
	}
	opened, err := note.Open(raw, note.VerifierList(verifier))
	if err != nil {
		fail("checkpoint: %v", err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] != verifier.Name() {
		fail("checkpoint: not the three lines of %s", verifier.Name())
	}
	size, err = strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		fail("checkpoint: size %q", lines[1])
	}
	hash, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(hash) != tlog.HashSize {
		fail("checkpoint: root %q", lines[2])
	}
	copy(root[:], hash)
	return size, root
}

// keptLeaf is the leaf hash of an erased entry, from its level 0 tile: the root tells whether it is the right one.
func keptLeaf(dir string, bundle, position int64, width int) (leaf tlog.Hash) {
	path := tilePath("0", bundle, width)
	tile, err := os.ReadFile(filepath.Join(dir, path))
	if err != nil || len(tile) != width*tlog.HashSize {
		fail("%s: no hash of an erased entry: %v", path, err)
	}
	copy(leaf[:], tile[position*tlog.HashSize:])
	return leaf
}

// readBundles hashes every entry and returns all hashes of the tree.
func readBundles(dir string, size int64, seen map[string]bool, erased *int) stored {
	var hashes stored
	for first := int64(0); first < size; first += 1 << height {
		width := 1 << height
		if size-first < int64(width) {
			width = int(size - first)
		}
		path := tilePath("entries", first>>height, width)
		seen[path] = true
		bundle, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			fail("%v", err)
		}
		for i := int64(0); i < int64(width); i++ {
			if len(bundle) < 2 || len(bundle)-2 < int(binary.BigEndian.Uint16(bundle)) {
				fail("%s: ends within entry %d", path, first+i)
			}
			length := int(binary.BigEndian.Uint16(bundle))
			leaf := tlog.RecordHash(bundle[2 : 2+length])
			if length == 0 { // erased: its bytes are gone, the tile kept its hash
				leaf = keptLeaf(dir, first>>height, i, width)
				*erased++
			}
			more, err := tlog.StoredHashesForRecordHash(first+i, leaf, hashes)
			if err != nil {
				fail("%s: entry %d: %v", path, first+i, err)
			}
			hashes = append(hashes, more...)
			bundle = bundle[2+length:]
		}
		if len(bundle) != 0 {
			fail("%s: %d bytes too many", path, len(bundle))
		}
	}
	return hashes
}

func checkTiles(dir string, size int64, hashes stored, seen map[string]bool) {
	for _, tile := range tlog.NewTiles(height, 0, size) {
		// NewTiles lists an unfinished tile at every width that it had on the way: only the last one belongs to this size.
		hashesAtLevel := size >> uint(height*tile.L)
		if width := hashesAtLevel - tile.N<<height; tile.W != 1<<height && int64(tile.W) != width {
			continue
		}
		want, err := tlog.ReadTileData(tile, hashes)
		if err != nil {
			fail("tile %v: %v", tile, err)
		}
		path := tilePath(strconv.Itoa(tile.L), tile.N, tile.W)
		seen[path] = true
		have, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			fail("%v", err)
		}
		if !bytes.Equal(have, want) {
			fail("%s: not what the entries hash to", path)
		}
	}
}

func checkNothingElse(dir string, seen map[string]bool) {
	err := filepath.Walk(filepath.Join(dir, "tile"), func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		if err == nil && !seen[relative] {
			fail("%s: belongs to no log of this size", relative)
		}
		return err
	})
	if err != nil {
		fail("%v", err)
	}
}

func main() {
	if len(os.Args) != 3 {
		fail("usage: logcheck LOGDIR VKEY_FILE")
	}
	dir := os.Args[1]
	size, root := checkpoint(dir, os.Args[2])
	seen := map[string]bool{}
	erased := 0
	hashes := readBundles(dir, size, seen, &erased)
	computed, err := tlog.TreeHash(size, hashes)
	if err != nil {
		fail("%v", err)
	}
	if computed != root {
		fail("the entries hash to %v, the checkpoint says %v", computed, root)
	}
	checkTiles(dir, size, hashes, seen)
	checkNothingElse(dir, seen)
	fmt.Printf("OK %d entries, root %v\n", size, root)
	if erased > 0 {
		fmt.Printf("%d of them erased: each must be named by an entry.erased\n", erased)
	}
}
