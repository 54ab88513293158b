"""Reads a .warc.gz with Python's zlib alone, sharing no code with impound, and holds every digest in it against the bytes."""
import hashlib
import json
import zlib


class Record:
    """One gzip member: where it lies, its digest, its headers as (name, value) in their order, its block."""

    def __init__(self, offset, member, headers, block):
        self.offset, self.length, self.sha256 = offset, len(member), hashlib.sha256(member).hexdigest()
        self.headers, self.block = headers, block

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name):
        values = self.all(name)
        assert len(values) <= 1, (name, values)
        return values[0] if values else None

    @property
    def type(self):
        return self.get("WARC-Type")

    @property
    def id(self):
        return self.get("WARC-Record-ID").strip("<>")

    @property
    def uri(self):
        return self.get("WARC-Target-URI")

    def json(self):
        return json.loads(self.block)

    def head_and_body(self):
        head, end, body = self.block.partition(b"\r\n\r\n")
        return head + end, body


def digest(block):
    return "sha256:" + hashlib.sha256(block).hexdigest()


def members(data):
    """(offset, bytes, inflated) of each gzip member; ValueError for a byte that is in none."""
    at = 0
    while at < len(data):
        inflater = zlib.decompressobj(31)
        inflated = inflater.decompress(data[at:]) + inflater.flush()
        if not inflater.eof:
            raise ValueError(f"the member at {at} is cut off")
        length = len(data) - at - len(inflater.unused_data)
        yield at, data[at:at + length], inflated
        at += length


def read(path):
    """Every record of the file; an AssertionError names what does not hold."""
    data = path.read_bytes()
    found = []
    for offset, member, inflated in members(data):
        head, end, rest = inflated.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        assert end and lines[0] == "WARC/1.1", (offset, lines[0])
        headers = [tuple(line.split(": ", 1)) for line in lines[1:]]
        record = Record(offset, member, headers, rest[:-4])
        assert rest[-4:] == b"\r\n\r\n" and int(record.get("Content-Length")) == len(record.block), (offset, "its length")
        assert record.get("WARC-Block-Digest") == digest(record.block), (offset, "its block")
        payload = record.get("WARC-Payload-Digest")
        http = (record.get("Content-Type") or "").startswith("application/http")
        if payload:
            assert payload == digest(record.head_and_body()[1] if http else record.block), (offset, "its payload")
        found.append(record)
    assert found and found[0].type == "warcinfo", "no warcinfo before all others"
    assert sum(record.type == "warcinfo" for record in found) == 1, "two of them"
    ids = [record.id for record in found]
    assert len(set(ids)) == len(ids), "an id twice"
    known = set(ids)
    for record in found:
        for other in record.all("WARC-Concurrent-To"):
            assert other.strip("<>") in known, (record.offset, "it goes with a record of another file")
    return found


def check_named(vault, entries):
    """{file: records}; every byte of every WARC file must be in a record that exactly one capture.result names, and each named there."""
    places = {}
    for entry in entries:
        if entry["kind"] == "capture.result":
            for place in entry["body"].get("records", []):
                places.setdefault(place["file"], []).append(place)
    files = {f"warc/{path.name}": read(path) for path in sorted((vault / "warc").iterdir())}
    assert set(files) == set(places), (set(files), set(places))
    for name, records in files.items():
        said = sorted(((p["offset"], p["length"], p["sha256"], p["record_id"], p["type"]) for p in places[name]))
        assert said == [(r.offset, r.length, r.sha256, r.id, r.type) for r in records], name
    return files
