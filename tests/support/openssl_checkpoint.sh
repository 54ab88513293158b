#!/bin/sh
# openssl_checkpoint.sh CHECKPOINT VKEY: checks the Ed25519 signature of a signed note with openssl and coreutils alone.
# Prints "OK <name>" and ends with 0, or "FAIL <why>" and 1. The vkey reads <name>+<8 hex digits>+<base64(01 || key)>.
set -eu

fail() { echo "FAIL $*"; exit 1; }
[ $# -eq 2 ] || fail "usage: openssl_checkpoint.sh CHECKPOINT VKEY"
checkpoint=$1
name=$(printf %s "$2" | cut -d+ -f1)
id=$(printf %s "$2" | cut -d+ -f2)
key=$(printf %s "$2" | cut -d+ -f3-)   # base64 holds '+' itself

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The key id is SHA-256(name || 0x0A || 01 || key)[:4].
printf %s "$key" | base64 -d >"$work/typed" 2>/dev/null || fail "the vkey is not base64"
[ "$(stat -c %s "$work/typed")" = 33 ] || fail "the vkey is not 33 bytes"
[ "$(head -c 1 "$work/typed" | od -An -tx1 | tr -d ' \n')" = 01 ] || fail "the vkey is not Ed25519"
{ printf '%s\n' "$name"; cat "$work/typed"; } | sha256sum | cut -c1-8 >"$work/id"
[ "$(cat "$work/id")" = "$id" ] || fail "the id of the vkey does not fit"

# SubjectPublicKeyInfo of RFC 8410: a fixed head, then the 32 bytes.
{ printf '\060\052\060\005\006\003\053\145\160\003\041\000'; tail -c 32 "$work/typed"; } >"$work/key.der"

# The text ends at the last blank line; its newline is signed, the blank line is not.
blank=$(grep -n '^$' "$checkpoint" | tail -n 1 | cut -d: -f1)
[ -n "$blank" ] || fail "no blank line"
head -n "$((blank - 1))" "$checkpoint" >"$work/text"
[ "$(head -n 1 "$work/text")" = "$name" ] || fail "the checkpoint is not of $name"

tail -n "+$((blank + 1))" "$checkpoint" | grep -F "— $name " | cut -d' ' -f3 >"$work/lines" || fail "not signed by $name"
found=0
while read -r line; do
  printf %s "$line" | base64 -d >"$work/signature" 2>/dev/null || fail "a signature is not base64"
  [ "$(head -c 4 "$work/signature" | od -An -tx1 | tr -d ' \n')" = "$id" ] || continue
  tail -c +5 "$work/signature" >"$work/raw"
  openssl pkeyutl -verify -pubin -keyform DER -inkey "$work/key.der" -rawin -in "$work/text" -sigfile "$work/raw" \
    >/dev/null 2>&1 || fail "the signature does not verify"
  found=1
done <"$work/lines"
[ "$found" = 1 ] || fail "not signed by this key of $name"
echo "OK $name"
