#!/usr/bin/python3
"""A time-stamping authority for tests, over `openssl ts -reply`, that does what a file says.

    tsa_server.py make FOLDER [--crl-url URL] [NAME[:sha1|:sha256] …]
        A root (root.pem, root.key) and, for each NAME, a certificate, key and tsa.cnf; the ESS certificate id is made with
        SHA-256, or SHA-1. With --crl-url each certificate names that CRL distribution point, and FOLDER/ca.crl is made.
    tsa_server.py crl FOLDER [NAME …]
        FOLDER/ca.crl again, with these names revoked now (reason superseded).
    tsa_server.py serve FOLDER NAME --listen HOST:PORT
        POST anything: a reply to the query in the body. GET /ca.crl: that file. Prints "ready" once it listens.

FOLDER/NAME.behaviour, read at each request, may say instead of good:
    reject · garbage · wrong_nonce · wrong_imprint · trailing · truncated · empty · big · status N · slow SECONDS · hang_up
A line of "COUNT " before it makes that hold for so many requests, then it is good again. Each request is a line of
FOLDER/NAME.requests.log: its method, its path, its content type and what was done.
"""
import argparse
import http.server
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading

CA_CONFIG = """
[ca]
default_ca = this
[this]
database = {folder}/index.txt
serial = {folder}/serial
crlnumber = {folder}/crlnumber
new_certs_dir = {folder}
certificate = {folder}/root.pem
private_key = {folder}/root.key
default_md = sha256
default_days = 3650
default_crl_days = 3650
policy = any
unique_subject = no
[any]
commonName = supplied
organizationName = optional
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[tsa]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
{points}
[req]
distinguished_name = nobody
[nobody]
"""

TSA_CONFIG = """
[tsa]
default_tsa = this
[this]
serial = {folder}/{name}.tsaserial
crypto_device = builtin
signer_cert = {folder}/{name}.pem
signer_key = {folder}/{name}.key
certs = {folder}/root.pem
signer_digest = sha256
default_policy = 1.3.6.1.4.1.99999.1
digests = sha256, sha512
accuracy = secs:1, millisecs:500, microsecs:100
clock_precision_digits = 3
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = {ess}
"""


def openssl(*words, **more):
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, **more)


def ca_config(folder, points):
    (folder / "ca.cnf").write_text(CA_CONFIG.format(folder=folder, points=points), encoding="utf-8")


def make(folder, names, crl_url):
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    ca_config(folder, f"crlDistributionPoints = URI:{crl_url}" if crl_url else "")
    (folder / "index.txt").write_text("", encoding="utf-8")
    for counter in ("serial", "crlnumber"):
        (folder / counter).write_text("1000\n", encoding="utf-8")
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", folder / "root.key")
    openssl("req", "-x509", "-config", folder / "ca.cnf", "-extensions", "root", "-key", folder / "root.key", "-sha256", "-days", "3650",
            "-subj", f"/O=impound tests/CN=Root of {folder.name}", "-out", folder / "root.pem")
    for name in names:
        name, _, ess = name.partition(":")
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", folder / f"{name}.key")
        openssl("req", "-new", "-config", folder / "ca.cnf", "-key", folder / f"{name}.key", "-subj", f"/O=impound tests/CN=Authority {name}",
                "-out", folder / f"{name}.csr")
        openssl("ca", "-batch", "-config", folder / "ca.cnf", "-extensions", "tsa", "-in", folder / f"{name}.csr", "-notext", "-out", folder / f"{name}.pem")
        (folder / f"{name}.tsaserial").write_text("01\n", encoding="utf-8")
        (folder / f"{name}.cnf").write_text(TSA_CONFIG.format(folder=folder, name=name, ess=ess or "sha256"), encoding="utf-8")
    if crl_url:
        crl(folder, [])


def crl(folder, revoked):
    folder = folder.resolve()
    for name in revoked:
        openssl("ca", "-config", folder / "ca.cnf", "-revoke", folder / f"{name}.pem", "-crl_reason", "superseded")
    openssl("ca", "-config", folder / "ca.cnf", "-gencrl", "-out", folder / "ca.crl.pem")
    draft = folder / "ca.crl.new"
    openssl("crl", "-in", folder / "ca.crl.pem", "-outform", "DER", "-out", draft)
    os.replace(draft, folder / "ca.crl")


def answer(folder, name, query):
    """`openssl ts -reply`; one at a time, it counts its serial number in a file."""
    with tempfile.TemporaryDirectory() as place:
        asked, given = pathlib.Path(place, "q.tsq"), pathlib.Path(place, "r.tsr")
        asked.write_bytes(query)
        openssl("ts", "-reply", "-config", folder / f"{name}.cnf", "-section", "this", "-queryfile", asked, "-out", given)
        return given.read_bytes()


REJECTED = bytes.fromhex("3037303502010230 2c0c2a".replace(" ", "")) + b"Message digest algorithm is not supported." + bytes.fromhex("03020780")


def another(query, where):
    """The query with one bit changed: 'imprint' or 'nonce' of the 67 or more bytes that a client with a SHA-256 sends."""
    changed = bytearray(query)
    at = query.index(bytes.fromhex("05000420")) + 4
    changed[at if where == "imprint" else at + 32 + 3] ^= 1
    return bytes(changed)


class Authority(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "tsa"
    sys_version = ""
    folder = pathlib.Path(".")
    name = ""
    lock = threading.Lock()
    stopping = threading.Event()

    def behaviour(self):
        path = self.folder / f"{self.name}.behaviour"
        if not path.exists():
            return ["good"]
        words = path.read_text(encoding="utf-8").split()
        if words and words[0].isdigit():
            left = int(words.pop(0)) - 1
            if left < 1:
                path.unlink()
            else:
                path.write_text(" ".join([str(left), *words]), encoding="utf-8")
        return words or ["good"]

    def note(self, done):
        with open(self.folder / f"{self.name}.requests.log", "a", encoding="utf-8") as log:
            log.write(f"{self.command} {self.path} {self.headers.get('Content-Type', '-')} {done}\n")

    def do_GET(self):
        with Authority.lock:
            self.note("get")
        path = self.folder / "ca.crl"
        if self.path == "/ca.crl" and path.exists():
            self.reply(200, "application/pkix-crl", path.read_bytes())
        else:
            self.reply(404, "text/plain", b"not found\n")

    def do_POST(self):
        query = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        with Authority.lock:
            how = self.behaviour()
            self.note(" ".join(how))
        if how[0] == "slow":
            Authority.stopping.wait(float(how[1]))
        if how[0] == "hang_up":
            self.close_connection = True
            return
        if how[0] == "status":
            self.reply(int(how[1]), "text/plain", b"no\n")
            return
        with Authority.lock:
            body = self.body(how[0], query)
        self.reply(200, "application/timestamp-reply", body)

    def body(self, how, query):
        if how == "reject":
            return REJECTED
        if how == "garbage":
            return bytes(range(256)) * 4
        if how == "empty":
            return b""
        if how == "big":
            return b"\x30" * (4 << 20)
        if how in ("wrong_nonce", "wrong_imprint"):
            return answer(self.folder, self.name, another(query, how.removeprefix("wrong_")))
        good = answer(self.folder, self.name, query)
        return {"trailing": good + b"\0", "truncated": good[:-7]}.get(how, good)

    def reply(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


def serve(folder, name, listen):
    host, port = listen.rsplit(":", 1)
    Authority.folder, Authority.name = folder.resolve(), name

    def end(*_):
        Authority.stopping.set()
        sys.exit(0)
    signal.signal(signal.SIGTERM, end)
    with http.server.ThreadingHTTPServer((host, int(port)), Authority) as server:
        server.daemon_threads = True
        print("ready", flush=True)
        server.serve_forever()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    makes = commands.add_parser("make")
    makes.add_argument("--crl-url", default="")
    crls = commands.add_parser("crl")
    serves = commands.add_parser("serve")
    serves.add_argument("--listen", required=True)
    for one in (makes, crls, serves):
        one.add_argument("folder", type=pathlib.Path)
    makes.add_argument("names", nargs="*")
    crls.add_argument("names", nargs="*")
    serves.add_argument("name")
    chosen = parser.parse_args()
    if chosen.command == "make":
        make(chosen.folder, chosen.names, chosen.crl_url)
    elif chosen.command == "crl":
        crl(chosen.folder, chosen.names)
    else:
        serve(chosen.folder, chosen.name, chosen.listen)


if __name__ == "__main__":
    main()
