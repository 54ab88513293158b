"""P6: what a page holds is read by a worker without key, files or network; hostile pages cost little, and are told."""
import ctypes
import gzip
import io
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import zipfile
import zlib

import harness

HASH = "c9e15763f722f23e98a29decdfae341b98d53056"
MAGNET = f"magnet:?xt=urn:btih:{HASH}"
PAGES = harness.DATA / "pages"
READER_BYTES_MAX = 160 << 20


def settings(world, site, **more):
    profile = world.folder / "often.toml"
    profile.write_text(pathlib.Path(harness.PROFILE).read_text(encoding="utf-8").replace("interval = 60", "interval = 1").replace("pace = 1\n", "pace = 0.05\n"))
    keys = {"acquire": "none", "profile": str(profile), "interval": "1s", **more}
    assert "pace = 0.05" in profile.read_text() and "interval = 1 " in profile.read_text()
    return world.settings(f'[network]\nallow_net = ["127.0.0.0/8"]\n\n{site.source(**keys)}')


def with_reader(world, name):
    """From here on impound finds this program of the tests in its reader's place."""
    folder = world.folder / "bin"
    folder.mkdir()
    shutil.copy(harness.PROGRAM, folder / "impound")
    shutil.copy(harness.WORKER, folder)
    shutil.copy(harness.BUILD / "tests" / name, folder / "impound-reader-worker")
    harness.PROGRAM = folder / "impound"


def bomb(unit, times):
    """A gzip body that grows to times as many bytes as the unit, and is made in no time; its end is missing."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(unit) + packer.flush(zlib.Z_FULL_FLUSH)
    return bytes.fromhex("1f8b0800000000000203") + block * times


def zip_in_zip(depth):
    body = MAGNET.encode() * 1000
    for _ in range(depth):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inner.zip", body)
        body = out.getvalue()
    return body


def captured(world):
    """{key of an item: its capture.result} of those that were had."""
    entries = world.entries()
    attempts = {entry["id"]: entry["body"].get("key") for entry in entries if entry["kind"] == "capture.attempt"}
    return {attempts[entry["of"]]: entry for entry in entries if entry["kind"] == "capture.result" and entry["body"]["outcome"] == "captured"}


def refused(world):
    """{id of a capture.result: what of it was not read}"""
    return {entry["cause"]: entry["body"]["detail"] for entry in world.of_kind("input.refused")}


def check_schemas(world):
    checked = subprocess.run([harness.PYTHON, harness.SUPPORT / "schema_check.py", harness.ROOT / "config/schema"],
                             input=world.impound("log", "--json").out, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def peak_bytes(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]) << 10


def test_a_magnet_is_found_behind_every_content_coding_and_in_utf16(world):
    page = {"Content-Type": "text/html"}
    items = [{"key": "plain", "text": (PAGES / "page.html").read_bytes(), "head": page},
             {"key": "gz", "text": (PAGES / "page.html.gz").read_bytes(), "head": {**page, "Content-Encoding": "gzip"}},
             {"key": "zlib", "text": (PAGES / "page.html.zlib").read_bytes(), "head": {**page, "Content-Encoding": "deflate"}},
             {"key": "br", "text": (PAGES / "page.html.br").read_bytes(), "head": {**page, "Content-Encoding": "br"}},
             {"key": "zstd", "text": (PAGES / "page.html.zst").read_bytes(), "head": {**page, "Content-Encoding": "zstd"}},
             {"key": "twice", "text": gzip.compress((PAGES / "page.html.br").read_bytes()), "head": {**page, "Content-Encoding": "br, gzip"}},
             {"key": "utf16", "text": (PAGES / "utf16.txt").read_bytes(), "head": {"Content-Type": "text/plain"}},
             {"key": "bare16", "text": (MAGNET + " and no mark").encode("utf-16-be"), "head": {"Content-Type": "text/plain; charset=utf-8"}},
             {"key": "none", "text": "nothing here"}]
    site = world.pastes(items)
    (site.folder / "list.raw").write_bytes(gzip.compress(json.dumps(site.listed).encode("utf-16")))
    (site.folder / "heads" / "list").write_text(json.dumps({"Content-Encoding": "gzip"}))
    world.init()
    world.impound("watch", "--once", "--config", settings(world, site, keep="matched"))
    results = captured(world)
    assert set(results) == {item["key"] for item in items}, results
    found = {entry["cause"]: entry["body"] for entry in world.of_kind("reference.found")}
    for key, result in results.items():
        assert result["body"]["kept"] is (key != "none"), result
        if key == "none":
            continue
        kinds = {one["kind"]: one for one in found[result["id"]]["first"]}
        assert kinds["magnet"]["info_hash_v1"] == HASH, (key, found[result["id"]])
        assert "16" in key or kinds["torrent_url"]["canonical"] == "leak%201.torrent", (key, kinds)
    assert not refused(world) and world.verify()["ok"] is True


def test_hostile_pages_are_refused_by_name_in_bounded_memory_and_the_watch_goes_on(world):
    words = random.Random(1)
    noise = "".join(f'["{words.randrange(2):03x}",' for _ in range(100_000)).encode()
    many = "".join(f"http://x.invalid/{number}.torrent\n" for number in range(12_000))
    see = f"see {MAGNET}\n".encode()
    gz = {"Content-Encoding": "gzip"}
    items = {  # key: (body, header fields, what the refusal says, references)
        "zeros": (bomb(bytes(64 << 20), 160), gz, ("bomb", "too_large"), 0),  # 10 GiB
        "hidden": (bomb(see + bytes(32 << 20), 20), gz, ("bomb", "too_large"), 1),
        "twice": (gzip.compress(bomb(bytes(64 << 20), 160)), {"Content-Encoding": "gzip, gzip"}, ("bomb", "too_large"), 0),
        "json": (bomb(noise, 300), {**gz, "Content-Type": "application/json"}, ("coding",), 0),  # 210 MB, nested throughout
        "cut": (gzip.compress(see * 100_000)[:-20], gz, ("coding",), 10_000),
        "not": (see, gz, ("coding",), 1),
        "unknown": (see, {"Content-Encoding": "x-mine"}, ("coding",), 1),
        "deep": (see + b"<html>" + b"<div>" * 200_000, {"Content-Type": "text/html"}, ("markup",), 1),
        "many": (many, {}, ("references",), 10_000),
        "broken": (see + bytes(range(256)) * 1000, {"Content-Type": "text/plain; charset=shift_jis"}, (), 1),
        "surrogate": (("\ufeff" + MAGNET + " ").encode("utf-16-le") + b"\x00\xd8" * 1000, {"Content-Type": "text/plain"}, (), 1),
        "zip": (zip_in_zip(5), {"Content-Type": "application/zip"}, (), 0),
        "good": (see, {}, (), 1),
    }
    site = world.pastes([{"key": key, "text": body, "head": head} for key, (body, head, _, _) in items.items()])
    world.init()
    watch = world.start_impound("watch", "--config", settings(world, site, keep="matched"))
    harness.wait_until(lambda: set(captured(world)) == set(items) or not watch.running(), 150, "all of them")
    assert watch.running(), watch.output()
    reader, = harness.workers("reader")
    peaks = {"reader": peak_bytes(reader), "agent": peak_bytes(watch.process.pid)}
    print(f"peaks: reader {peaks['reader'] >> 20} MiB, agent {peaks['agent'] >> 20} MiB")
    assert peaks["reader"] < READER_BYTES_MAX and peaks["agent"] < 400 << 20, peaks
    # A list that is none, or too much of one.
    for raw, head in ((bomb(noise, 300), gz), (b"[" * 5_000_000, {}), (b"\xff\xfe[\x00", {}), (bomb(bytes(64 << 20), 160), gz)):
        before = world.kinds().count("source.changed")
        (site.folder / "heads" / "list").write_text(json.dumps(head))
        (site.folder / "list.raw").write_bytes(raw)
        harness.wait_until(lambda: world.kinds().count("source.changed") > before, 60, "word that the list cannot be read")
        assert "the list was refused" in world.of_kind("source.changed")[-1]["body"]["detail"], world.of_kind("source.changed")[-1]
        (site.folder / "list.raw").unlink()
        (site.folder / "heads" / "list").unlink()
        harness.wait_until(lambda: world.of_kind("source.changed")[-1]["body"]["state"] == "up", 60, "that it can be read again")
    assert harness.workers("reader") == [reader], "no page has ended it"
    assert peak_bytes(reader) < READER_BYTES_MAX, peak_bytes(reader)
    assert watch.stop(signal.SIGTERM) == 0, watch.output()
    told, results = refused(world), captured(world)
    found = {entry["cause"]: entry["body"]["total"] for entry in world.of_kind("reference.found")}
    for key, (_, _, names, references) in items.items():
        result = results[key]
        detail = told.get(result["id"], "")
        assert any(f"{name}: " in detail for name in names) if names else not detail, (key, detail)
        assert found.get(result["id"], 0) == references, (key, found.get(result["id"]))
        assert result["body"]["kept"] is (references > 0 or bool(names)), (key, result)
    kinds = {key: (results[key]["body"]["detected_type"], results[key]["body"].get("charset")) for key in ("zip", "good", "surrogate", "deep")}
    assert kinds == {"zip": ("application/zip", None), "good": ("text/plain", "UTF-8"), "surrogate": ("application/octet-stream", "UTF-16LE"),
                     "deep": ("text/html", "UTF-8")}, kinds
    check_schemas(world)
    assert "worker.ended" not in world.kinds() and world.verify()["ok"] is True


def test_relative_links_are_relative_to_the_base_that_a_page_names(world):
    page = '<html><head><base href="/files/sub/"></head><body><a href="../leak.torrent">one</a><a href="/two.torrent">two</a></body></html>'
    site = world.pastes([{"key": "first", "text": page, "head": {"Content-Type": "text/html"}}])
    world.init()
    world.impound("watch", "--once", "--config", settings(world, site, acquire="all"), code=None)
    asked = [entry["body"]["url"] for entry in world.of_kind("capture.attempt")][1:]
    assert asked == [f"{site.url}/files/leak.torrent", f"{site.url}/two.torrent"], asked


def test_a_page_that_needs_more_memory_than_there_is_is_refused_and_the_next_has_another_reader(world):
    site = world.pastes([{"key": "first", "text": MAGNET}])
    world.init()
    watch = world.start_impound("watch", "--config", settings(world, site, keep="matched"))
    harness.wait_until(lambda: "first" in captured(world), 60, "the first paste")
    reader, = harness.workers("reader")
    status = pathlib.Path(f"/proc/{reader}/status").read_text()
    now = int(next(line for line in status.splitlines() if line.startswith("VmSize:")).split()[1]) << 10
    resource.prlimit(reader, resource.RLIMIT_AS, (now + (1 << 20), now + (1 << 20)))
    site.post("large", "x" * 9_000_000)
    harness.wait_until(lambda: "large" in captured(world), 60, "the large paste")
    site.post("last", MAGNET)
    harness.wait_until(lambda: "last" in captured(world), 60, "the last paste")
    results = captured(world)
    assert list(refused(world).items()) == [(results["large"]["id"], "memory: reading it takes too much memory")], refused(world)
    assert results["large"]["body"]["kept"] is True and results["last"]["body"]["references"] == 1
    assert reader not in harness.workers("reader") and "worker.ended" not in world.kinds()
    assert watch.stop(signal.SIGTERM) == 0 and world.verify()["ok"] is True


def test_a_reader_that_dies_hangs_or_lies_costs_its_page_alone(world):
    see = f"see {MAGNET}\n"
    orders = {"dies": "die", "hangs": "sleep", "lies": f"lie {MAGNET}", "floods": "flood"}
    site = world.pastes([{"key": key, "text": see, "head": {"Content-Type": order}} for key, order in orders.items()] + [{"key": "good", "text": see}])
    world.init()
    with_reader(world, "hostile_reader")
    world.impound("watch", "--once", "--config", settings(world, site, keep="matched"))
    results, told = captured(world), refused(world)
    assert set(results) == {"good", *orders}, results
    found = {entry["cause"]: entry["body"] for entry in world.of_kind("reference.found")}
    assert found[results["good"]["id"]]["total"] == 1 and results["good"]["id"] not in told
    for key in orders:
        assert told[results[key]["id"]].startswith("reader: ") and results[key]["body"]["kept"] is True, (key, told)
    assert results["lies"]["id"] not in found and results["dies"]["id"] not in found
    assert found[results["floods"]["id"]]["total"] == 10_000, "what it told up to the limit was true"
    ended = [entry["body"] for entry in world.of_kind("worker.ended")]
    assert len(ended) == 4 and {body["worker"] for body in ended} == {"reader"}, ended
    check_schemas(world)
    assert world.verify()["ok"] is True


def test_a_reader_that_is_killed_between_pages_is_started_again(world):
    site = world.pastes([{"key": "first", "text": MAGNET}])
    world.init()
    watch = world.start_impound("watch", "--config", settings(world, site))
    harness.wait_until(lambda: "first" in captured(world), 60, "the first paste")
    reader, = harness.workers("reader")
    os.kill(reader, signal.SIGKILL)
    site.post("second", MAGNET)
    harness.wait_until(lambda: "second" in captured(world), 60, "the second paste")
    again, = harness.workers("reader")
    assert again != reader
    watch.stop(signal.SIGKILL)
    harness.wait_until(lambda: not harness.workers("reader"), 20, "the reader's end with the agent's")
    assert any(body["pid"] == reader for body in (entry["body"] for entry in world.of_kind("worker.ended")))


def test_a_reader_at_work_has_no_file_no_network_and_no_key(world):
    site = world.pastes([{"key": "first", "text": MAGNET}])
    world.init()
    world.env["IMPOUND_SECRET"] = "hunter2"
    watch = world.start_impound("watch", "--config", settings(world, site))
    harness.wait_until(lambda: "first" in captured(world), 60, "the first paste")
    reader, = harness.workers("reader")
    place = pathlib.Path(f"/proc/{reader}")
    assert len(list((place / "task").iterdir())) == 1
    status = dict(line.split(":\t", 1) for line in (place / "status").read_text().splitlines() if ":\t" in line)
    assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1", status
    assert {int(status[kind], 16) for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}, status
    limits = (place / "limits").read_text()
    for line in ("Max core file size        0 ", f"Max address space         {512 << 20} ", "Max file size             0 "):
        assert line in limits, limits
    assert set((place / "environ").read_bytes().strip(b"\0").split(b"\0")) == {b"PATH=/usr/bin:/bin", b"LANG=C.UTF-8"}
    opened = {link.name: os.readlink(link) for link in (place / "fd").iterdir()}
    assert set(opened) == {"0", "1", "2", "3"} and opened["0"] == opened["1"] == "/dev/null", opened
    assert opened["2"].startswith("pipe:") and opened["3"].startswith("socket:"), opened
    assert not [line for line in (place / "maps").read_text().splitlines() if str(world.folder) in line]
    assert watch.stop(signal.SIGTERM) == 0


def test_a_source_whose_reader_is_not_there_is_told_as_down(world):
    site = world.pastes([{"key": "first", "text": MAGNET}])
    world.init()
    with_reader(world, "hostile_reader")
    harness.PROGRAM.with_name("impound-reader-worker").unlink()
    done = world.impound("watch", "--once", "--config", settings(world, site), code=None)
    assert done.code == 1 and "reader" in done.err + done.out, done
    assert "reader" in world.of_kind("source.changed")[-1]["body"]["detail"]
    assert world.verify()["ok"] is True


def test_a_source_is_read_with_the_landlock_of_debian_12(world):
    site = world.pastes([{"key": "first", "text": (PAGES / "page.html.br").read_bytes(), "head": {"Content-Type": "text/html", "Content-Encoding": "br"}}])
    world.init()
    with_reader(world, "reader_of_landlock_2")
    if landlock_abi() > 0:
        world.impound("watch", "--once", "--config", settings(world, site))
        assert world.of_kind("reference.found")[0]["body"]["counts"]["magnet"] == 1 and not refused(world)


def test_without_landlock_nothing_is_read_and_impound_says_why_once(world):
    site = world.pastes([{"key": "first", "text": MAGNET}])
    world.init()
    with_reader(world, "reader_of_landlock_0")
    watch = world.start_impound("watch", "--config", settings(world, site))
    harness.wait_until(lambda: len(site.requests()) > 3, 60, "further polls")
    assert watch.stop(signal.SIGTERM) == 0, watch.output()
    assert "this kernel has no Landlock" in world.of_kind("source.changed")[-1]["body"]["detail"]
    assert "lsm=landlock" in watch.output(), watch.output()
    assert len(world.of_kind("worker.ended")) == 1, "another try would end alike"
    assert world.kinds().count("capture.attempt") == 0 and world.verify()["ok"] is True


def landlock_abi():
    """The kernel's own answer; 0 where it has none."""
    create_ruleset, version = 444, 1
    return max(ctypes.CDLL(None).syscall(create_ruleset, None, 0, version), 0)


def test_extract_is_confined_to_what_it_was_given(world):
    folder = world.folder / "texts"
    folder.mkdir()
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text(f"{name} {MAGNET}\n")
    os.chmod(folder / "a.txt", 0o600)
    os.chown(folder / "a.txt", 12345, 12345)
    pipe = world.folder / "pipe"
    os.mkfifo(pipe)
    assert landlock_abi() > 0, "extract says so where there is none"
    assert world.impound("extract", "-r", folder).out == f"{MAGNET}\n" * 2
    assert world.impound("extract", folder / "b.txt", folder / "a.txt").out == f"{MAGNET}\n" * 2
    missing = world.refused(1, "extract", folder / "none.txt")
    assert "none.txt" in missing.err, missing
    running = world.start("extract", [harness.PROGRAM, "extract", pipe])
    with open(pipe, "w") as line:  # it has opened the pipe, and enters its sandbox
        place = pathlib.Path(f"/proc/{running.process.pid}/status")
        harness.wait_until(lambda: "\nSeccomp:\t2\n" in place.read_text(), 20, "the sandbox")
        line.write(f"see {MAGNET}\n")
    assert running.wait() == 0 and running.output() == f"{MAGNET}\n", running.output()


harness.main(globals())
