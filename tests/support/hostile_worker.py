#!/usr/bin/python3
"""Takes impound-swarm-worker's place beside a copy of impound, and does what the file `orders` beside it says.

    u32 LE length | CBOR map {"t": type, …}     over the socket at descriptor 3; the working folder is staging/swarm/<route>

`orders` is JSON: {"do": one of the functions below, "info": hex of an info dict, "payload": {index: hex}}. What it has
done is appended to `done` beside it, a line each, so that a test can tell that it was there."""
import hashlib
import json
import mmap
import os
import pathlib
import socket
import struct
import sys
import time

HERE = pathlib.Path(sys.argv[0]).parent
ORDERS = json.loads((HERE / "orders").read_text())
INFO = bytes.fromhex(ORDERS.get("info", ""))
PAYLOAD = {int(index): bytes.fromhex(content) for index, content in ORDERS.get("payload", {}).items()}
LINE = socket.socket(fileno=3)


def head(major, number):
    if number < 24:
        return bytes([major << 5 | number])
    for code, form in ((24, ">B"), (25, ">H"), (26, ">I"), (27, ">Q")):
        if number < 1 << 8 * struct.calcsize(form):
            return bytes([major << 5 | code]) + struct.pack(form, number)
    raise ValueError(number)


def cbor(value):
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    return head(5, len(value)) + b"".join(cbor(key) + cbor(value[key]) for key in value)


def read_cbor(data, at):
    major, small = data[at] >> 5, data[at] & 31
    at += 1
    number = small
    if small >= 24 and major != 7:
        width = 1 << (small - 24)
        number, at = int.from_bytes(data[at:at + width], "big"), at + width
    if major == 0:
        return number, at
    if major in (2, 3):
        part = data[at:at + number]
        return (part if major == 2 else part.decode()), at + number
    if major == 7:
        return small == 21, at
    found = []
    for _ in range(number * (2 if major == 5 else 1)):
        value, at = read_cbor(data, at)
        found.append(value)
    return (found if major == 4 else dict(zip(found[::2], found[1::2]))), at


def note(text):
    with open(HERE / "done", "a") as file:
        file.write(text + "\n")


def say(kind, **fields):
    body = cbor({"t": kind, **fields})
    LINE.sendall(struct.pack("<I", len(body)) + body)


def hear():
    """The next message from the agent; the end of the line ends this program."""
    def exactly(count):
        got = b""
        while len(got) < count:
            part = LINE.recv(count - len(got))
            if not part:
                sys.exit(0)
            got += part
        return got
    body = exactly(struct.unpack("<I", exactly(4))[0])
    return read_cbor(body, 0)[0]


def wait_for(kind):
    while True:
        message = hear()
        if message["t"] == kind:
            return message
        if message["t"] == "stop":
            sys.exit(0)


def hello():
    say("hello", version=5, engine="libtorrent 2.0.8.0")


def job():
    """The job that the agent gives, with its folder made."""
    given = wait_for("add")
    os.makedirs(given["folder"], exist_ok=True)
    note("job " + given["job"])
    return given


def metadata(given, info=INFO):
    say("metadata", job=given["job"], total=len(info), at=0, bytes=info)


def file_done(given, index, path, size, staged):
    say("file_done", job=given["job"], index=index, size=size, path=path.encode(), staged=staged.encode(), sha256="")


def put(given, index, content=None):
    staged = f"{index:06}"
    with open(f"{given['folder']}/{staged}", "wb") as file:
        file.write(PAYLOAD[index] if content is None else content)
    return staged


def announce_all(given, contents=None):
    """Every file of the torrent, as the orders name them."""
    for index, path in enumerate(ORDERS["paths"]):
        staged = put(given, index, contents and contents[index])
        file_done(given, index, path, len(PAYLOAD[index]), staged)


def done(given, **more):
    say("done", job=given["job"], downloaded=1, uploaded=0, read_back=0, rechecked=0, from_journal=0, **more)


def record_head(info_hash=None):
    """The first item of a swarm record: of the torrent that was asked for, or of another."""
    return cbor({"t": "head", "v": 1, "engine": b"of its own", "begun": 1, "info_hash_v1": info_hash or hashlib.sha1(INFO).digest()})


def put_record(given, content, size=None):
    """A swarm record with these bytes, and the word that it is there."""
    with open(f"{given['folder']}/record", "wb") as file:
        file.write(content)
    say("record", job=given["job"], staged=b"record", bytes=len(content) if size is None else size)


def until_told_to_stop():
    wait_for("stop")


# --- what it does wrong, one function each


def tell_the_truth():
    hello()
    given = job()
    announce_all(given)
    done(given)


def false_metadata():
    hello()
    metadata(job(), INFO.replace(b"leak", b"lies"))


def long_frame():
    hello()
    job()
    LINE.sendall(struct.pack("<I", 1 << 30))
    for _ in range(1 << 10):  # it means it: up to 1 GiB follows
        LINE.sendall(bytes(1 << 20))


def unknown_type():
    hello()
    say("payload", job=job()["job"], bytes=b"take this")


def no_hello():
    done(job())


def climbing_path():
    hello()
    given = job()
    metadata_was_given = "with_torrent" in given and given["with_torrent"]
    note(f"metadata {metadata_was_given}")
    file_done(given, 0, ORDERS["paths"][0], len(PAYLOAD[0]), "../../../../vault.toml")


def folder_that_is_a_link():
    hello()
    given = job()
    os.symlink("../../../..", given["folder"] + "/out")
    for index, path in enumerate(ORDERS["paths"]):
        file_done(given, index, path, len(PAYLOAD[index]), "out/" + ORDERS["steal"])
    done(given)


def files_that_are_links():
    hello()
    given = job()
    for index, path in enumerate(ORDERS["paths"]):
        os.symlink(HERE / "secret", f"{given['folder']}/{index:06}")
        file_done(given, index, path, len(PAYLOAD[index]), f"{index:06}")
    done(given)


def files_that_are_no_files():
    hello()
    given = job()
    os.mkfifo(given["folder"] + "/000000")
    os.mkdir(given["folder"] + "/000001")
    for index, path in enumerate(ORDERS["paths"]):
        file_done(given, index, path, len(PAYLOAD[index]), f"{index:06}")
    done(given)


def bytes_of_its_own():
    hello()
    given = job()
    announce_all(given, [b"\0" * len(content) for content in PAYLOAD.values()])
    done(given)


def pieces_of_another_torrent():
    hello()
    given = job()
    other = [bytes(reversed(content)) for content in PAYLOAD.values()]
    announce_all(given, [PAYLOAD[0], other[1]])
    done(given)


def files_of_other_names():
    hello()
    given = job()
    for index, path in enumerate(ORDERS["paths"]):
        file_done(given, index, path + "x", len(PAYLOAD[index]), put(given, index))
    done(given)


def one_file_twice():
    hello()
    given = job()
    for _ in range(2):
        file_done(given, 0, ORDERS["paths"][0], len(PAYLOAD[0]), put(given, 0))
    done(given)


def junk_as_a_part_of_a_whole_file():
    """Whichever comes first, the part's bytes are not the torrent's."""
    hello()
    given = job()
    for index, path in enumerate(ORDERS["paths"]):
        part = {"job": given["job"], "index": index, "path": path.encode(), "staged": f"junk-{index}".encode(), "layer": b""}
        with open(f"{given['folder']}/junk-{index}", "wb") as file:
            file.write(b"j" * 20_000)
        if index == 0:
            say("file_part", **part)
        file_done(given, index, path, len(PAYLOAD[index]), put(given, index))
        if index > 0:
            say("file_part", **part)
    done(given)


def done_without_files():
    hello()
    done(job())


def dies_after_one_file():
    hello()
    given = job()
    file_done(given, 0, ORDERS["paths"][0], len(PAYLOAD[0]), put(given, 0))
    os.abort()


def keeps_descriptors():
    hello()
    given = job()
    kept = []
    for index, path in enumerate(ORDERS["paths"]):
        staged = put(given, index)
        kept.append(os.open(f"{given['folder']}/{staged}", os.O_RDWR))
        file_done(given, index, path, len(PAYLOAD[index]), staged)
    mapped = mmap.mmap(kept[1], len(PAYLOAD[1]))
    os.close(kept[1])
    done(given)
    objects = [pathlib.Path("../../../objects", digest[:2], digest) for digest in (hashlib.sha256(content).hexdigest() for content in PAYLOAD.values())]
    while not all(place.exists() for place in objects):
        time.sleep(0.001)
    os.pwrite(kept[0], b"X" * 100, 0)
    mapped[0:100] = b"Y" * 100
    mapped.flush()
    note("written")
    until_told_to_stop()


def writes_all_the_time():
    hello()
    given = job()
    announce_all(given)
    kept = [os.open(f"{given['folder']}/{index:06}", os.O_RDWR) for index in PAYLOAD]
    note("written")
    done(given)
    LINE.setblocking(False)
    while True:
        for index, number in enumerate(kept):
            os.pwrite(number, b"X" * 100, 0)
            os.pwrite(number, PAYLOAD[index][:100], 0)
        try:
            if not LINE.recv(1 << 16):
                return
        except BlockingIOError:
            pass


def writes_anew_what_was_read():
    hello()
    given = job()
    for index in PAYLOAD:
        staged = put(given, index)
        say("file_reached", job=given["job"], index=index, bytes=len(PAYLOAD[index]), staged=staged.encode())
    time.sleep(1)  # the agent reads the first of them
    with open(f"{given['folder']}/{0:06}", "r+b") as file:
        file.write(b"X" * 100)
    for index, path in enumerate(ORDERS["paths"]):
        file_done(given, index, path, len(PAYLOAD[index]), f"{index:06}")
    done(given)


def keeps_a_hard_link():
    hello()
    given = job()
    for index, path in enumerate(ORDERS["paths"]):
        staged = put(given, index)
        os.link(f"{given['folder']}/{staged}", f"{given['folder']}/kept{index}")
        file_done(given, index, path, len(PAYLOAD[index]), staged)
    done(given)


def false_incident():
    hello()
    job()
    say("incident", sent_payload_bytes=4096)
    note("stays")
    while True:  # and does not end by itself
        hear()


def refused_metadata_and_gone():
    hello()
    given = job()
    metadata(given)
    note("metadata given")


def floods_with_incidents():
    hello()
    job()
    for _ in range(5_000):
        say("incident", sent_payload_bytes=0)
    until_told_to_stop()


def floods_with_false_files():
    hello()
    given = job()
    for _ in range(2_000):
        file_done(given, 1, "x", 5, "y")
    done(given)


def done_with_an_upload():
    hello()
    given = job()
    announce_all(given)
    say("done", job=given["job"], downloaded=1, uploaded=70_000, read_back=0, rechecked=0, from_journal=0)
    until_told_to_stop()


def false_disk_full():
    hello()
    say("failed", job=job()["job"], reason="disk_full", detail="x", downloaded=0, uploaded=0)
    until_told_to_stop()


def incident_at_stop():
    hello()
    job()
    note("waits")
    wait_for("stop")
    say("incident", sent_payload_bytes=16_384)


def talks_and_never_listens():
    hello()
    given = job()
    for _ in range(200_000):
        say("progress", job=given["job"], state="downloading", downloaded=1, total=2, rate=3, peers=1, seeds=1, web_seeds=0)
    done(given)


def record_that_is_one():
    hello()
    given = job()
    announce_all(given)
    put_record(given, record_head() + cbor({"t": "dht", "time": 2, "peers": 3}))
    done(given)


def record_beside_a_part():
    """The first file comes, and no more."""
    hello()
    given = job()
    file_done(given, 0, ORDERS["paths"][0], len(PAYLOAD[0]), put(given, 0))
    put_record(given, record_head() + cbor({"t": "dht", "time": 2, "peers": 3}))
    say("failed", job=given["job"], reason="no_peers", detail="", downloaded=1, uploaded=0)
    until_told_to_stop()


def record_without_a_word():
    """Written, torn at its end, and nothing said of it."""
    hello()
    given = job()
    with open(f"{given['folder']}/record", "wb") as file:
        file.write(record_head() + cbor({"t": "dht", "time": 2, "peers": 3}) + b"\xa3\x61t")
    os.abort()


def record_of_another_torrent():
    hello()
    given = job()
    announce_all(given)
    put_record(given, record_head(bytes(20)))
    done(given)


def record_that_is_none():
    hello()
    given = job()
    announce_all(given)
    put_record(given, record_head() + b"\x9f" * 1000)
    done(given)


def record_of_another_size():
    hello()
    given = job()
    announce_all(given)
    put_record(given, record_head(), 1 << 20)
    done(given)


def record_that_is_a_link():
    hello()
    given = job()
    announce_all(given)
    (HERE / "secret").write_bytes(record_head())
    os.symlink(HERE / "secret", given["folder"] + "/record")
    say("record", job=given["job"], staged=b"record", bytes=len(record_head()))
    done(given)


def record_that_is_a_pipe():
    hello()
    given = job()
    announce_all(given)
    os.mkfifo(given["folder"] + "/record")
    say("record", job=given["job"], staged=b"record", bytes=0)
    done(given)


def record_without_end():
    hello()
    given = job()
    announce_all(given)
    with open(f"{given['folder']}/record", "wb") as file:
        file.truncate(1 << 30)
    say("record", job=given["job"], staged=b"record", bytes=1 << 26)
    done(given)


def record_elsewhere():
    hello()
    given = job()
    say("record", job=given["job"], staged=b"../../../../vault.toml", bytes=1)
    done(given)


def record_twice():
    hello()
    given = job()
    put_record(given, record_head())
    put_record(given, record_head())
    done(given)


def crashes_with_one():
    """Dies whenever it is given the bad torrent; whatever else it is given it has at once, but in its first life."""
    first_life = (HERE / "done").read_text().count("start") == 1
    hello()
    while True:
        given = wait_for("add")
        known = ORDERS["torrents"].get(given["v1"].hex())
        if known is None:
            os.abort()
        if first_life:
            continue
        os.makedirs(given["folder"], exist_ok=True)
        for index, path in enumerate(known["paths"]):
            content = bytes.fromhex(known["payload"][index])
            file_done(given, index, path, len(content), put(given, index, content))
        done(given)


note("start")
globals()[ORDERS["do"]]()
