"""What was cut off goes on: the file list of a fetch taken up again, a capture that was interrupted, metadata beside an open attempt."""
import gzip
import json
import shutil
import signal
import socket
import subprocess

import harness
import peers


def slow_torrent(world, rate=150_000):
    """Two files of which the first is whole long before the second, from a slow seed."""
    seeded = world.folder / "seeded"
    harness.write_bytes(seeded / "leak" / "a.eml", 100_000, "a")
    harness.write_bytes(seeded / "leak" / "b.eml", 500_000, "b")
    torrent = peers.make_torrent(world, seeded / "leak", "v1", piece_size=16 << 10)
    return seeded, torrent, peers.seeder(world, torrent, seeded, rate=rate)


def interrupted(world, words, when, what):
    fetch = world.start_impound(*words)
    harness.wait_until(when, 30, what)
    assert fetch.stop(signal.SIGINT) == 130, fetch.output()
    assert world.verify()["ok"] is True


def cut_off_fetch(world):
    seeded, torrent, peer = slow_torrent(world)
    world.init()
    words = ["fetch", torrent.magnet(), "--peer", peer.address]
    interrupted(world, words, world.under_way, "the download")
    return seeded, torrent, words


def test_the_file_list_of_a_fetch_that_was_taken_up_is_whole(world):
    seeded, torrent, words = cut_off_fetch(world)
    world.impound(*words)
    result = world.of_kind("acquisition.result")
    assert len(result) == 1 and result[0]["body"]["state"] == "complete", result
    exhibits = {entry["id"]: entry["body"]["sha256"] for entry in world.of_kind("exhibit.sealed")}
    digest = exhibits[result[0]["body"]["file_list"]]
    listed = [json.loads(line) for line in (world.vault / "objects" / digest[:2] / digest).read_text().splitlines()]
    assert {bytes.fromhex(line["path_hex"]).decode(): line["sha256"] for line in listed} == harness.tree(seeded), listed


def test_who_is_asked_when_an_attempt_goes_on_is_in_the_log_first(world):
    seeded, torrent, peer = slow_torrent(world)
    world.init()
    nobody = f"127.0.0.3:{harness.free_port('127.0.0.3')}"
    words = ["fetch", torrent.magnet() + "&tr=http://tracker.example/announce", "--peer", nobody, "--config", world.settings("[torrents]\ndht = \"off\"\n")]
    interrupted(world, words, lambda: "acquisition.attempt" in world.kinds(), "the attempt")
    attempt, = world.of_kind("acquisition.attempt")
    words[1] = torrent.magnet() + "&tr=http://tracker.example/announce&tr=http://10.0.0.1/announce"
    world.impound(*words, "--peer", peer.address)
    resumed, = world.of_kind("acquisition.resumed")
    assert resumed["of"] == attempt["id"] and resumed["by"], resumed
    assert world.kinds().index("acquisition.resumed") < world.kinds().index("acquisition.metadata"), world.kinds()
    refused = ["http://10.0.0.1/announce"]
    assert resumed["body"] == {"route": "direct", "staged_bytes": 0, "trackers": refused, "peers": [peer.address], "addresses_refused": refused}, resumed
    assert world.of_kind("acquisition.result")[0]["body"]["state"] == "complete" and world.verify()["ok"] is True


def test_a_file_that_an_earlier_run_left_whole_is_kept_though_the_seed_is_gone(world):
    seeded, torrent, peer = slow_torrent(world, rate=50_000)
    world.init()
    truth = set(harness.tree(seeded).values())
    words = ["fetch", torrent.path, "--peer", peer.address]
    fetch = world.start_impound(*words)
    harness.wait_until(world.under_way, 30, "the download")
    # The worker goes on by itself, and nobody seals what it has; then both end.
    fetch.process.send_signal(signal.SIGSTOP)
    staged = world.vault / "staging" / "swarm"
    harness.wait_until(lambda: any(harness.sha256(file) in truth for file in staged.rglob("*") if file.is_file()), 60, "the first whole file")
    fetch.stop(signal.SIGKILL)
    assert not payload(world), "nothing was sealed"
    peer.running.stop()
    world.impound(*words, "--timeout", "3s", code=1)
    result, = world.of_kind("acquisition.result")
    assert result["body"]["state"] == "partial" and result["body"]["files_sealed"] == 1, result


def payload(world):
    return [entry["body"] for entry in world.of_kind("exhibit.sealed") if entry["body"]["role"] == "payload"]


def test_a_file_that_is_whole_is_sealed_while_the_rest_comes_and_never_asked_for_again(world):
    for kind in ("v1", "v2"):
        seeded = world.folder / f"seeded-{kind}"
        # The files share pieces in v1: the first is judged with the beginning of the second, which is not whole then.
        for name, size in (("a.eml", 600_000), ("b.eml", 30_001), ("c.eml", 600_000)):
            harness.write_bytes(seeded / kind / name, size, kind + name)
        torrent = peers.make_torrent(world, seeded / kind, kind, piece_size=16 << 10)
        peer = peers.seeder(world, torrent, seeded, rate=120_000, host="127.0.0.2" if kind == "v1" else "127.0.0.3")
        if kind == "v1":
            world.init()
        before, ended = len(payload(world)), world.kinds().count("acquisition.result")
        fetch = world.start_impound("fetch", torrent.magnet(), "--peer", peer.address)
        harness.wait_until(lambda: len(payload(world)) - before >= 1, 60, "the first file's seal")
        assert world.kinds().count("acquisition.result") == ended and fetch.running(), "the rest still comes"
        fetch.stop(signal.SIGKILL)
        early = payload(world)[before:]
        assert early[0]["origin"]["index"] == 0 and "pieces_unchecked" not in early[0]["origin"], early
        peer = peers.seeder(world, torrent, seeded, host="127.0.0.4" if kind == "v1" else "127.0.0.5")  # in no hurry was the other
        world.impound("fetch", torrent.magnet(), "--peer", peer.address)
        result = world.of_kind("acquisition.result")[-1]["body"]
        assert result["state"] == "complete" and result["files_sealed"] == 3, result
        assert result["downloaded_payload_bytes"] < 700_000, "what is in the vault was downloaded again"
        assert len(payload(world)) - before == 3, "each file once"
        assert {file["path"]: file["sha256"] for file in world.show(torrent.v1 or torrent.v2)["files"]} == harness.tree(seeded)
    assert world.verify()["ok"] is True


def test_what_is_given_up_keeps_its_whole_files_and_the_verified_part_of_the_others(world):
    given_up(world, "hybrid", lambda torrent: torrent.path)


def test_what_is_given_up_keeps_parts_of_v2_alone_by_hashes_that_came_from_peers(world):
    given_up(world, "v2", lambda torrent: torrent.magnet())


def given_up(world, kind, target):
    seeded = world.folder / "seeded"
    for name, size in (("a.eml", 200_000), ("b.eml", 700_000)):
        harness.write_bytes(seeded / "leak" / name, size, name)
    torrent = peers.make_torrent(world, seeded / "leak", kind, piece_size=16 << 10)
    # The only seed has the whole of one file and the first half of the other.
    held = shutil.copytree(seeded, world.folder / "held")
    with open(held / "leak" / "b.eml", "r+b") as file:
        file.truncate(350_000)
    peer = peers.seeder(world, torrent, held, in_part=True)
    world.init()
    fetch = world.start_impound("fetch", target(torrent), "--peer", peer.address, "--timeout", "4s")
    assert fetch.wait(60) == 1, fetch.output()
    result, = world.of_kind("acquisition.result")
    assert result["body"]["state"] == "partial" and result["body"]["files_sealed"] == 1 and result["body"]["files_in_part"] == 1, result
    lines = {line["path"].rsplit("/", 1)[1]: line for line in world.show(torrent.v1 or torrent.v2)["files"]}
    whole, = [name for name, line in lines.items() if line["sealed"]]
    name, = [name for name, line in lines.items() if not line["sealed"]]
    part, content = lines[name]["part"], (seeded / "leak" / name).read_bytes()
    kept = (world.vault / "objects" / part["sha256"][:2] / part["sha256"]).read_bytes()
    assert 0 < part["verified_bytes"] == sum(to - at for at, to in part["verified"]) < len(content), part
    for at, to in part["verified"]:
        assert kept[at:to] == content[at:to]
    assert next(entry for entry in world.of_kind("exhibit.sealed") if entry["id"] == part["exhibit"])["body"]["role"] == "payload_part"
    assert whole and world.verify()["ok"] is True
    # It is no more than a part: the whole is fetched when it can be had.
    again = peers.seeder(world, torrent, seeded, host="127.0.0.3")
    world.impound("fetch", target(torrent), "--peer", again.address)
    assert {file["path"]: file["sha256"] for file in world.show(torrent.v1 or torrent.v2)["files"]} == harness.tree(seeded)


def test_what_an_earlier_run_left_waits_for_room_and_is_not_lost(world):
    disk = world.on_small_disk("48m")
    seeded, torrent, peer = slow_torrent(world)
    world.init()
    words = ["fetch", torrent.magnet(), "--peer", peer.address, "--config", world.settings("[limits]\ndisk_reserve = 8388608\n")]
    interrupted(world, words, world.under_way, "the download")
    (disk / "of others").write_bytes(bytes(shutil.disk_usage(disk).free - (8 << 20)))
    fetch = world.start_impound(*words)
    fetch.wait_for_line("it still needs")
    waits, = harness.wait_until(lambda: [entry for entry in world.of_kind("limit.reached") if entry["body"]["limit"] == "active_torrents"], 10, "that in the log")
    assert "acquisition.result" not in world.kinds()
    (disk / "of others").unlink()
    assert fetch.wait(60) == 0, fetch.output()
    result, = world.of_kind("acquisition.result")
    assert result["body"]["state"] == "complete" and result["of"] == waits["of"] and result["body"]["downloaded_payload_bytes"] < 600_000, result
    assert [entry["of"] for entry in world.of_kind("limit.left") if "of" in entry] == [waits["of"]]
    assert world.verify()["ok"] is True


def test_a_timeout_ends_what_waits_for_room(world):
    *_, words = cut_off_fetch(world)
    reserve = 2 * shutil.disk_usage(world.vault).free
    world.impound(*words, "--timeout", "3s", "--config", world.settings(f"[limits]\ndisk_reserve = {reserve}\n"), code=1, seconds=40)
    result, = world.of_kind("acquisition.result")
    assert result["body"]["reason"] == "disk_full" and "it still needs" in result["body"]["detail"], result


def test_what_made_an_attempt_go_on_is_named(world):
    """A person's attempt that was cut off is named by a paste later."""
    _, torrent, words = cut_off_fetch(world)
    site = world.pastes([{"key": "0CeaNm8Y", "text": f"{torrent.magnet()}&x.pe={words[-1]}&tr=http://127.0.0.6:9/announce"}])
    agent = world.start_impound("watch", "--config", world.settings('[network]\nallow_net = ["127.0.0.0/8"]\n' + site.source()))
    harness.wait_until(lambda: world.of_kind("acquisition.result"), 60, "an end")
    assert agent.stop() == 0, agent.output()
    resumed, = world.of_kind("acquisition.resumed")
    assert resumed["cause"] == world.of_kind("reference.found")[0]["id"] and resumed["body"]["trackers"] == ["http://127.0.0.6:9/announce"], resumed


def test_ctrl_c_during_a_capture_ends_with_130_and_the_next_run_takes_it(world):
    seeded, torrent, peer = slow_torrent(world, rate=0)
    served = world.folder / "served"
    served.mkdir()
    (served / "dump.torrent").write_bytes(torrent.path.read_bytes())
    (served / "quick").symlink_to(".")
    port = world.nginx(served, more="location /dump.torrent { limit_rate 40; }")
    world.init()
    rest = ["--peer", peer.address, "--allow-net", f"127.0.0.1/32:{port}"]
    interrupted(world, ["fetch", f"http://127.0.0.1:{port}/dump.torrent", *rest],
                lambda: "capture.attempt" in world.kinds(), "the capture")
    cut = world.of_kind("capture.result")
    assert all(entry["body"]["outcome"] != "captured" for entry in cut), cut
    world.impound("fetch", f"http://127.0.0.1:{port}/quick/dump.torrent", *rest)
    assert {file["path"]: file["sha256"] for file in world.show(torrent.v1)["files"]} == harness.tree(seeded)
    attempts = [entry["id"] for entry in world.of_kind("capture.attempt")]
    results = [entry["of"] for entry in world.of_kind("capture.result")]
    assert sorted(attempts) == sorted(results) and len(attempts) == 2, "each attempt has one result"
    assert world.verify()["ok"] is True


def test_a_body_cut_by_ctrl_c_is_kept_as_a_part(world):
    served = world.folder / "served"
    served.mkdir()
    harness.write_bytes(served / "dump.torrent", 100_000, "never whole")
    port = world.nginx(served, more="location /dump.torrent { limit_rate 2000; }")
    world.init()
    fetch = world.start_impound("fetch", f"http://127.0.0.1:{port}/dump.torrent", "--allow-net", f"127.0.0.1/32:{port}")
    harness.wait_until(lambda: "capture.attempt" in world.kinds() and sent_by(port), 30, "the first bytes")
    assert fetch.stop(signal.SIGINT) == 130, fetch.output()
    cut, = world.of_kind("capture.result")
    assert cut["body"]["outcome"] == "failed" and cut["body"]["kept"] is True and cut["body"]["status"] == 200, cut
    assert 0 < cut["body"]["body_bytes"] < 100_000 and cut["body"]["truncated"] == "unspecified", cut
    warc = b"".join(gzip.decompress(file.read_bytes()) for file in (world.vault / "warc").iterdir())
    assert warc.count(b"\r\nWARC-Truncated: unspecified\r\n") == 1, warc[:4000]
    assert world.verify()["ok"] is True


def silent_peer():
    """Takes a connection and never says a word; it lives as long as the test keeps it."""
    class Silent(socket.socket):
        address = property(lambda self: f"127.0.0.1:{self.getsockname()[1]}")
    silent = Silent()
    silent.bind(("127.0.0.1", 0))
    silent.listen()
    return silent


def sent_by(port):
    """Whether the server has sent part of a body: its socket's counter, for nothing else tells."""
    told = subprocess.run(["ss", "-tniH", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
    return any(int(word.split(":")[1]) > 2000 for word in told.split() if word.startswith("bytes_acked:"))


def test_metadata_only_beside_an_open_attempt_without_metadata_leaves_it_open(world):
    seeded, torrent, peer = slow_torrent(world, rate=0)
    world.init()
    deaf = silent_peer()
    interrupted(world, ["fetch", torrent.v1, "--peer", deaf.address], lambda: "acquisition.attempt" in world.kinds(), "the attempt")
    first = world.of_kind("acquisition.attempt")[0]["id"]
    world.impound("fetch", torrent.v1, "--peer", peer.address, "--metadata-only")
    results = world.of_kind("acquisition.result")
    assert len(results) == 1 and results[0]["of"] != first and results[0]["body"]["state"] == "metadata_only", results
    done = world.impound("fetch", torrent.v1, "--peer", peer.address)
    assert "going on with an acquisition of an earlier run" in done.err, done
    assert [entry["of"] for entry in world.of_kind("acquisition.result")] == [results[0]["of"], first]
    assert {file["path"]: file["sha256"] for file in world.show(torrent.v1)["files"]} == harness.tree(seeded)
    assert world.verify()["ok"] is True


def test_a_whole_torrent_ends_what_only_its_metadata_was_wanted_for(world):
    seeded, torrent, peer = slow_torrent(world, rate=0)
    world.init()
    deaf = silent_peer()
    for more, attempts in ((), 1), (("--metadata-only",), 2), (("--metadata-only",), 2):
        interrupted(world, ["fetch", torrent.v1, "--peer", deaf.address, *more],
                    lambda: world.kinds().count("agent.started") == world.kinds().count("agent.stopped") + 1
                    and world.kinds().count("acquisition.attempt") == attempts, "the attempt")
    world.impound("fetch", torrent.v1, "--peer", peer.address)
    attempts = [entry["id"] for entry in world.of_kind("acquisition.attempt")]
    results = {entry["of"]: entry["body"] for entry in world.of_kind("acquisition.result")}
    assert len(attempts) == 2 and set(results) == set(attempts), (attempts, results)
    assert results[attempts[0]]["state"] == "complete" and results[attempts[1]]["reason"] == "cancelled", results
    assert world.impound("status", "--json").json()["jobs"]["open"] == []
    assert world.verify()["ok"] is True


def test_metadata_only_beside_an_open_attempt_leaves_it_open(world):
    seeded, torrent, words = cut_off_fetch(world)
    world.impound(*words, "--metadata-only")
    assert not [entry for entry in world.of_kind("acquisition.result") if entry["body"]["state"] == "complete"]
    first = world.of_kind("acquisition.attempt")[0]["id"]
    assert first not in [entry.get("of") for entry in world.of_kind("acquisition.result")], "the open attempt was ended"
    world.impound(*words)
    assert {file["path"]: file["sha256"] for file in world.show(torrent.v1)["files"]} == harness.tree(seeded)
    assert world.verify()["ok"] is True


harness.main(globals())
