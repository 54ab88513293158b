# ctest: TIMEOUT 300
"""WARC files that a laboratory trusts: what went over the wire, byte for byte, with every digest right, by checkers of others."""
import base64
import gzip
import hashlib
import json
import pathlib
import ssl
import subprocess

import harness
import warc_records

CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
ITEM = "/api_scrape_item.php?i="


class Authority:
    """A CA that only this test trusts: it takes the place of the machine's own, in the test's mount namespace."""

    def __init__(self, world):
        harness.need("openssl")
        if not pathlib.Path(CA_BUNDLE).exists():
            raise harness.Skip("ca-certificates is not installed")
        self.folder = world.folder / "ca"
        self.folder.mkdir()
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
        self.run("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=own authority",
                 "-addext", "basicConstraints=critical,CA:true", "-addext", "keyUsage=critical,keyCertSign")
        self.run("req", *curve, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1")
        (self.folder / "server.ext").write_text("subjectAltName=IP:127.0.0.1\n")
        self.run("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2", "-extfile", "server.ext", "-out", "server.pem")
        self.chain, self.key = self.folder / "chain.pem", self.folder / "server.key"
        self.chain.write_text((self.folder / "server.pem").read_text() + (self.folder / "ca.pem").read_text())
        subprocess.run(["mount", "--bind", self.folder / "ca.pem", CA_BUNDLE], check=True)

    def run(self, *words):
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)

    def digests(self):
        """SHA-256 of each certificate as DER, the server's own first."""
        parts = self.chain.read_text().split("-----END CERTIFICATE-----\n")[:-1]
        return [hashlib.sha256(ssl.PEM_cert_to_DER_cert(part + "-----END CERTIFICATE-----\n")).hexdigest() for part in parts]


class OddSite:
    """odd_server.py, listing what it has as Pastebin does."""

    def __init__(self, world, answers, tls=None):
        self.folder = world.folder / f"odd-{len(world.started)}"
        (self.folder / "answers").mkdir(parents=True)
        self.port = harness.free_port()
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        for path, answer in answers.items():
            self.say(path, answer)
        keys = [path.removeprefix(ITEM) for path in answers if path.startswith(ITEM)]
        listed = [{"key": key, "date": "1493990000", "title": f"title of {key}", "user": "EMLEAKS"} for key in keys]
        self.say("/api_scraping.php?limit=100", ok(json.dumps(listed).encode(), "application/json"))
        words = [harness.PYTHON, harness.SUPPORT / "odd_server.py", "--listen", f"127.0.0.1:{self.port}", self.folder]
        self.server = world.start("odd", words + (["--tls", tls.chain, tls.key] if tls else []))
        self.server.wait_for_line("ready")

    def say(self, path, answer):
        (self.folder / "answers" / path.replace("/", "!")).write_bytes(answer)

    def exchanges(self):
        lines = [json.loads(line) for line in (self.folder / "exchanges.jsonl").read_text().splitlines()]
        return {line["path"]: (base64.b64decode(line["request"]), base64.b64decode(line["sent"])) for line in lines}


def ok(body, kind="text/plain; charset=utf-8", *more, length=None):
    lines = ["HTTP/1.1 200 OK", f"Content-Type: {kind}", *more, f"Content-Length: {len(body) if length is None else length}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def chunked(pieces):
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n" + body


def moved(to):
    return f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 5\r\n\r\nmoved".encode()


def watch(world, url, capture="", **rest):
    config = world.settings('[network]\nallow_net = ["127.0.0.0/8"]\n\n[[source]]\nname = "s"\n'
                            f'profile = "{harness.PROFILE}"\nbase_url = "{url}"\ninterval = "1m"\nacquire = "none"\nkeep = "all"\n[capture]\n{capture}\n')
    return world.impound("watch", "--once", "--config", config, **rest)


def checked_by_warcio(world):
    harness.need("node")
    if not (harness.SUPPORT / "node_modules" / "warcio").exists():
        raise harness.Skip("npm's warcio is not installed (npm ci in tests/support)")
    files = sorted((world.vault / "warc").iterdir())
    ended = subprocess.run(["node", harness.SUPPORT / "warc_check.mjs", *files], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended


def check_schema(world):
    harness.need_module("jsonschema")
    checked = subprocess.run([harness.PYTHON, harness.SUPPORT / "schema_check.py", harness.ROOT / "config" / "schema"],
                             input=world.impound("log", "--json").out, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked


def of_path(records, kind, url):
    found, = [record for record in records if record.type == kind and record.uri == url]
    return found


def test_each_exchange_is_kept_byte_for_byte_with_how_it_came(world):
    authority = Authority(world)
    text = ("a page of some words, " * 400).encode()
    site = OddSite(world, {
        ITEM + "plain": ok(text), ITEM + "empty": ok(b""), ITEM + "gzip": ok(gzip.compress(text), "text/plain", "Content-Encoding: gzip"),
        ITEM + "chunked": chunked([text[:1000], text[1000:1001], text[1001:]]), ITEM + "short": ok(text, length=len(text) + 100),
        ITEM + "long": ok(text, length=len(text) - 100), ITEM + "reset": ok(text, length=len(text) * 2),
        ITEM + "moved": moved("/first"), "/first": moved("/second?a=b"), "/second?a=b": ok(b"at last")}, authority)
    (site.folder / "answers" / (ITEM + "reset.reset").replace("/", "!")).touch()
    world.init()
    watch(world, site.url, code=None)
    check_schema(world)
    assert world.verify()["ok"] is True
    (name, records), = warc_records.check_named(world.vault, world.entries()).items()
    checked_by_warcio(world)

    exchanges = site.exchanges()
    exchanges.pop("/api_scraping.php?limit=100")  # lists are not kept
    responses = [record for record in records if record.type == "response"]
    assert {record.uri for record in responses} == {site.url + path for path in exchanges}
    for path, (request, sent) in exchanges.items():
        kept = of_path(records, "response", site.url + path)
        assert of_path(records, "request", site.url + path).block == request, path
        said = of_path(records, "metadata", site.url + path).json()
        if path == ITEM + "reset":
            assert sent.startswith(kept.block) and b"\r\n\r\n" in kept.block, kept.block
        elif path == ITEM + "long":
            assert kept.block == sent[:-100], len(kept.block)  # behind its length nothing belongs to it
        else:
            assert kept.block == sent, path
        assert kept.all("WARC-Truncated") == (["disconnect"] if path in (ITEM + "short", ITEM + "reset") else []), (path, kept.headers)
        body = text if path == ITEM + "chunked" else kept.head_and_body()[1]
        assert said["body_sha256"] == hashlib.sha256(body).hexdigest() and said["body_bytes"] == len(body), (path, said)
        assert (kept.get("WARC-Payload-Digest") is None) == (path == ITEM + "chunked"), path

    # Of the very connection: the suite by its IANA name, and the chain, once in the file.
    chain, = [record for record in records if record.type == "resource"]
    assert chain.get("Content-Type") == "application/pem-certificate-chain" and chain.block.decode() == authority.chain.read_text()
    name_of_digest = base64.urlsafe_b64encode(hashlib.sha256(chain.block).digest()).decode().rstrip("=")
    assert chain.uri == f"ni:///sha-256;{name_of_digest}", chain.uri
    for record in records:
        if record.type in ("request", "response"):
            assert record.all("WARC-Protocol") == ["http/1.1", "tls/1.3"], record.headers
            assert record.get("WARC-Cipher-Suite").startswith("TLS_") and record.get("WARC-IP-Address") == "127.0.0.1", record.headers
        if record.type == "metadata":
            tls = record.json()["tls"]
            assert tls["chain"] == chain.uri and tls["certificates"] == authority.digests() and tls["protocol"] == "TLSv1.3", tls
            response, = [one for one in responses if one.uri == record.uri]
            assert record.all("WARC-Concurrent-To") == [f"<{response.id}>"] and record.get("WARC-Date") == response.get("WARC-Date")
    for entry in world.of_kind("capture.result"):
        assert entry["body"]["tls"]["certificates"] == authority.digests() and entry["body"]["http_version"] == "1.1", entry
    # No word of who or what it was is in a WARC file beyond what the server itself said.
    assert not any(b"title of" in record.block or b"EMLEAKS" in record.block for record in records)

    info = dict(line.split(": ", 1) for line in records[0].block.decode().splitlines())
    assert info["software"].startswith("impound/") and info["format"] == "WARC File Format 1.1" and "conformsTo" in info, info
    assert info["isPartOf"] == "test.example/custody" and info["hostname"] and "h2" in info["description"], info
    assert "operator" not in info and records[0].get("WARC-Filename") == name.removeprefix("warc/"), info


def test_an_nginx_with_an_older_suite_is_captured_and_the_operator_named(world):
    authority = Authority(world)
    served = world.folder / "served"
    served.mkdir()
    (served / "api_scraping.php").write_text(json.dumps([{"key": "one", "date": "1493990000", "title": "t"}]))
    harness.write_bytes(served / "api_scrape_item.php", 300_000, "page")
    port = harness.free_port()
    world.nginx(served, more=f"listen 127.0.0.1:{port} ssl; ssl_certificate {authority.chain}; ssl_certificate_key {authority.key}; "
                             "ssl_protocols TLSv1.2; ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256;")
    world.init()
    world.env["IMPOUND_OPERATOR"] = "Laboratory 3"
    watch(world, f"https://127.0.0.1:{port}")
    watch(world, f"https://127.0.0.1:{port}")  # seen: taken once
    (_, records), = warc_records.check_named(world.vault, world.entries()).items()
    checked_by_warcio(world)
    response, = [record for record in records if record.type == "response"]
    assert response.head_and_body()[1] == (served / "api_scrape_item.php").read_bytes()
    assert response.all("WARC-Protocol") == ["http/1.1", "tls/1.2"], response.headers
    assert response.get("WARC-Cipher-Suite") == "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", response.headers
    assert "operator: Laboratory 3\r\n" in records[0].block.decode(), records[0].block
    assert world.verify()["ok"] is True


def tls_site(world, authority, more=""):
    """nginx with one item by TLS; its port."""
    served = world.folder / "served"
    served.mkdir()
    (served / "api_scraping.php").write_text(json.dumps([{"key": "one", "date": "1493990000", "title": "t"}]))
    harness.write_bytes(served / "api_scrape_item.php", 20_000, "page")
    port = harness.free_port()
    world.nginx(served, more=f"listen 127.0.0.1:{port} ssl{more}; ssl_certificate {authority.chain}; ssl_certificate_key {authority.key};")
    return f"https://127.0.0.1:{port}", (served / "api_scrape_item.php").read_bytes()


def test_a_server_that_is_not_trusted_is_captured_where_the_settings_say_so(world):
    authority = Authority(world)
    url, page = tls_site(world, authority)
    subprocess.run(["umount", CA_BUNDLE], check=True)  # and now nobody vouches for it
    world.init()
    watch(world, url, code=1)
    assert not world.of_kind("capture.result")
    watch(world, url, capture='tls = "record"')
    check_schema(world)
    result, = world.of_kind("capture.result")
    assert result["body"]["outcome"] == "captured" and "certificate" in result["body"]["tls"]["problem"], result
    assert result["body"]["tls"]["certificates"] == authority.digests(), result
    (_, records), = warc_records.check_named(world.vault, world.entries()).items()
    said, = [record.json() for record in records if record.type == "metadata"]
    assert said["tls"]["problem"] == result["body"]["tls"]["problem"], said
    assert of_path(records, "response", result["body"]["url"]).head_and_body()[1] == page
    assert world.verify()["ok"] is True


def test_http_2_is_captured_as_a_reconstruction_that_says_so(world):
    authority = Authority(world)
    url, page = tls_site(world, authority, " http2")
    world.init()
    watch(world, url, capture="http2 = true")
    check_schema(world)
    checked_by_warcio(world)
    result, = world.of_kind("capture.result")
    assert result["body"]["http_version"] == "2" and "problem" not in result["body"]["tls"], result
    (_, records), = warc_records.check_named(world.vault, world.entries()).items()
    response, = [record for record in records if record.type == "response"]
    assert response.all("WARC-Protocol")[0] == "h2" and response.head_and_body()[1] == page, response.headers
    said, = [record.json() for record in records if record.type == "metadata"]
    assert "HTTP/2" in said["reconstructed"] and said["body_sha256"] == hashlib.sha256(page).hexdigest(), said
    assert world.verify()["ok"] is True


def test_a_file_that_a_crash_left_closed_without_its_entry_gets_it_once(world):
    site = OddSite(world, {ITEM + "one": ok(b"one page")})
    world.init()
    watch(world, site.url)
    file, = (world.vault / "warc").iterdir()
    before = file.read_bytes()
    file.chmod(0o400)
    assert world.verify()["ok"] is True
    site.say("/api_scraping.php?limit=100", ok(b'[{"key":"two","date":"1493990000","title":"t"}]', "application/json"))
    site.say(ITEM + "two", ok(b"another page"))
    for _ in range(2):
        watch(world, site.url)
    closed, = world.of_kind("warc.closed")
    assert closed["body"] == {"file": f"warc/{file.name}", "sha256": hashlib.sha256(before).hexdigest(), "bytes": len(before), "records": 4}, closed
    assert file.read_bytes() == before
    files = warc_records.check_named(world.vault, world.entries())
    assert len(files) == 2, files.keys()
    check_schema(world)
    assert world.verify()["ok"] is True
    # A mode that was lost: nothing is written into a file that is closed, and the start takes it away again.
    file.chmod(0o600)
    watch(world, site.url)
    assert file.stat().st_mode & 0o777 == 0o400 and file.read_bytes() == before
    for offset in (len(before) // 2, len(before) - 1):
        with harness.byte_changed(file, offset):
            problem, = world.verify_fails()
            assert problem["what"] == "altered" and problem["where"].startswith(f"warc/{file.name}"), problem
    file.chmod(0o600)
    file.write_bytes(before + b"x")
    file.chmod(0o400)
    problem, = world.verify_fails()
    assert problem["what"] == "added", problem


harness.main(globals())
