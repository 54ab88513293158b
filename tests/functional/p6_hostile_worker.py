"""P6: a swarm worker that was taken over: whatever it says and does, nothing false is sealed and the agent stays up.

Another program stands beside a copy of impound under the worker's name (tests/support/hostile_worker.py)."""
import hashlib
import json
import os
import shutil
import signal
import subprocess
import time

import harness

PIECE = 16384
FILES = {"leak/a.csv": 40_000, "leak/b.csv": 30_000}


def bencode(value):
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


class Torrent:
    """A v1 torrent of two files that share a piece."""

    def __init__(self, world, sizes=FILES, name="hostile"):
        self.payload = [harness.write_bytes(world.folder / name / path, size, name + path).read_bytes() for path, size in sizes.items()]
        self.paths = list(sizes)
        whole = b"".join(self.payload)
        files = [{b"length": size, b"path": [path.split("/", 1)[1].encode()]} for path, size in sizes.items()]
        pieces = b"".join(hashlib.sha1(whole[at:at + PIECE]).digest() for at in range(0, len(whole), PIECE))
        self.info = bencode({b"files": files, b"name": b"leak", b"piece length": PIECE, b"pieces": pieces})
        self.hash = hashlib.sha1(self.info).hexdigest()
        self.magnet = f"magnet:?xt=urn:btih:{self.hash}"
        self.path = world.folder / f"{name}.torrent"
        self.path.write_bytes(b"d4:info" + self.info + b"e")


def replace_worker(world, torrent, what, **orders):
    """From here on the world's impound is a copy with the other worker beside it."""
    place = world.folder / "taken-over"
    place.mkdir(exist_ok=True)
    shutil.copy(harness.BUILD / "impound", place / "impound")
    shutil.copy(harness.SUPPORT / "hostile_worker.py", place / "impound-swarm-worker")
    (place / "impound-swarm-worker").chmod(0o755)
    (place / "orders").write_text(json.dumps({"do": what, "info": torrent.info.hex(), "paths": torrent.paths,
                                              "payload": {index: content.hex() for index, content in enumerate(torrent.payload)}, **orders}))
    harness.PROGRAM = place / "impound"
    return place


def starts(place):
    return (place / "done").read_text().split("\n").count("start")


def sealed(world):
    """{path in the torrent: its object's SHA-256} of all payload in the vault."""
    return {entry["body"]["origin"]["path"]: entry["body"]["sha256"] for entry in world.of_kind("exhibit.sealed") if entry["body"]["role"] == "payload"}


def result_of(world):
    results = world.of_kind("acquisition.result")
    assert len(results) == 1, results
    return results[0]["body"]


def nothing_false(world, torrent):
    """Whatever is sealed as payload is the torrent's; what is in objects/ has its name and its entry; the log is whole."""
    truth = {path: hashlib.sha256(content).hexdigest() for path, content in zip(torrent.paths, torrent.payload)}
    for path, digest in sealed(world).items():
        assert truth.get(path) == digest, (path, digest)
    known = {entry["body"]["sha256"] for entry in world.of_kind("exhibit.sealed")}
    for place, digest in harness.tree(world.vault / "objects").items():
        assert place.endswith(digest) and digest in known, place
    assert world.kinds()[-1] == "agent.stopped", world.kinds()
    harness.need_module("jsonschema")
    checked = subprocess.run([harness.PYTHON, harness.SUPPORT / "schema_check.py", harness.ROOT / "config" / "schema"],
                             input=world.impound("log", "--json").out, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked
    assert world.verify()["ok"] is True


def given_up_after_three_deaths(world, what, by_magnet, why):
    """The worker is ended each time, and the torrent given up after three lone deaths."""
    torrent = Torrent(world)
    world.init()
    place = replace_worker(world, torrent, what)
    world.refused(1, "fetch", torrent.magnet if by_magnet else torrent.path)
    assert starts(place) == 3, (place / "done").read_text()
    deaths = world.of_kind("worker.ended")
    attempt = world.of_kind("acquisition.attempt")[0]["id"]
    assert len(deaths) == 3, deaths
    for death in deaths:
        assert death["body"]["active"] == [attempt] and death["body"]["active_jobs"] == 1, death
        assert why in death["body"]["status"], death
    result = result_of(world)
    assert result["state"] == "failed" and result["reason"] == "worker_ended", result
    assert sealed(world) == {}
    nothing_false(world, torrent)


def refused_file_by_file(world, what, files_sealed, **orders):
    """The worker says that it is done; what it says of its files is refused and told, and the result is not "complete"."""
    torrent = Torrent(world)
    world.init()
    place = replace_worker(world, torrent, what, **orders)
    world.refused(1, "fetch", torrent.path)
    assert starts(place) == 1
    result = result_of(world)
    assert result["state"] == ("partial" if files_sealed else "failed") and result["files_sealed"] == files_sealed, result
    assert result["reason"] and result["detail"], result
    nothing_false(world, torrent)
    return torrent, result


def incidents(world):
    return [entry["body"] for entry in world.of_kind("incident.raised")]


def test_beside_the_copy_of_impound_another_worker_is_heard_and_one_that_tells_the_truth_believed(world):
    torrent = Torrent(world)
    world.init()
    replace_worker(world, torrent, "tell_the_truth")
    world.impound("fetch", torrent.path)
    assert result_of(world)["state"] == "complete" and len(sealed(world)) == 2
    nothing_false(world, torrent)


def swarm_records(world):
    return [entry for entry in world.of_kind("exhibit.sealed") if entry["body"]["role"] == "swarm_record"]


def refused_record(world, what, why):
    """The payload is as good as ever; the result says why there is no swarm record."""
    torrent = Torrent(world)
    world.init()
    place = replace_worker(world, torrent, what)
    world.impound("fetch", torrent.path)
    result = result_of(world)
    assert starts(place) == 1 and result["state"] == "complete" and "reason" not in result, result
    assert "swarm_record" not in result and "the swarm record is refused" in result["detail"] and why in result["detail"], result
    assert not swarm_records(world)
    nothing_false(world, torrent)


def test_a_swarm_record_of_another_torrent_is_refused(world):
    refused_record(world, "record_of_another_torrent", "another torrent")


def test_a_swarm_record_that_is_none_is_refused(world):
    refused_record(world, "record_that_is_none", "malformed")


def test_a_swarm_record_of_another_size_is_refused(world):
    refused_record(world, "record_of_another_size", "another size")


def test_a_swarm_record_that_is_a_link_is_refused(world):
    refused_record(world, "record_that_is_a_link", "no plain file")


def test_a_swarm_record_that_is_a_pipe_is_refused(world):
    refused_record(world, "record_that_is_a_pipe", "no plain file")


def test_a_swarm_record_without_end_is_refused(world):
    refused_record(world, "record_without_end", "")


def test_a_worker_that_names_a_swarm_record_elsewhere_is_ended(world):
    given_up_after_three_deaths(world, "record_elsewhere", False, "swarm record")


def test_a_worker_that_tells_of_a_swarm_record_twice_is_ended(world):
    given_up_after_three_deaths(world, "record_twice", False, "swarm record twice")


def test_what_a_worker_that_died_left_of_its_swarm_record_is_sealed_up_to_the_last_whole_item(world):
    given_up_after_three_deaths(world, "record_without_a_word", False, "")
    exhibit, = swarm_records(world)
    assert result_of(world)["swarm_record"] == exhibit["id"] and "refused" not in result_of(world)["detail"], result_of(world)
    assert [item["t"] for item in world.impound("show", exhibit["id"], "--json").json_lines()] == ["head", "dht"]


def killed_as_it_appears(fetch, path):
    """Ends the agent the moment this object is there: between it and the result lie the entry's sync and a few more."""
    until = time.monotonic() + 60
    while fetch.running() and time.monotonic() < until:
        if os.path.exists(path):
            fetch.process.send_signal(signal.SIGKILL)
            break
    fetch.wait()


def sealed_once(world, what, workers):
    """The agent is ended between the record's seal and the result; the run that goes on names that exhibit, and makes none."""
    world.init()
    for number in range(20):
        torrent = Torrent(world, {f"leak/{name}{number}": 20_000 + number for name in "ab"}, f"torrent-{number}")
        place = replace_worker(world, torrent, what)
        (place / "done").unlink(missing_ok=True)
        head = b"\xa5\x61t\x64head\x61v\x01\x66engine\x4aof its own\x65begun\x01\x6cinfo_hash_v1\x54" + bytes.fromhex(torrent.hash)
        digest = hashlib.sha256(head + b"\xa3\x61t\x63dht\x64time\x02\x65peers\x03").hexdigest()
        killed_as_it_appears(world.start_impound("fetch", torrent.path), world.vault / "objects" / digest[:2] / digest)
        cut_off = torrent.hash not in {entry["body"].get("info_hash_v1") for entry in world.of_kind("acquisition.result")}
        world.impound("fetch", torrent.path, code=None)
        if cut_off:  # else the second run began anew, and its record is another exhibit
            exhibit, = [entry for entry in swarm_records(world) if entry["body"]["sha256"] == digest]
            result, = [entry for entry in world.of_kind("acquisition.result") if entry["body"].get("info_hash_v1") == torrent.hash]
            assert result["body"]["swarm_record"] == exhibit["id"] and starts(place) == workers, result
            assert world.verify()["ok"] is True
            return
    raise AssertionError("never cut off between the record and the result")


def test_a_record_that_is_sealed_already_is_named_by_the_run_that_lacks_the_result_alone(world):
    sealed_once(world, "record_that_is_one", 1)


def test_a_record_that_is_sealed_already_is_not_sealed_again_when_a_worker_tells_of_it_once_more(world):
    sealed_once(world, "record_beside_a_part", 2)


def test_a_file_that_was_left_out_is_not_sealed_though_its_bytes_are_right(world):
    torrent = Torrent(world)
    world.init()
    replace_worker(world, torrent, "tell_the_truth")
    left = torrent.paths[1]
    done = world.impound("fetch", torrent.path, "--config", world.settings(f'[torrents]\nexclude = ["{left}"]\n'), code=None)
    assert left not in sealed(world) and torrent.paths[0] in sealed(world), (sealed(world), done)
    assert result_of(world)["files_left_out"] == 1, result_of(world)
    nothing_false(world, torrent)


def test_metadata_that_is_not_the_info_hash_s_ends_it(world):
    given_up_after_three_deaths(world, "false_metadata", True, "does not hash to the info-hash")


def test_a_frame_of_one_gib_ends_it(world):
    given_up_after_three_deaths(world, "long_frame", False, "longer than a frame may be")


def test_a_message_of_an_unknown_type_ends_it(world):
    given_up_after_three_deaths(world, "unknown_type", False, "unknown type")


def test_no_hello_ends_it(world):
    given_up_after_three_deaths(world, "no_hello", False, "no hello first")


def test_a_path_that_climbs_ends_it_and_moves_nothing(world):
    given_up_after_three_deaths(world, "climbing_path", False, "not plain and relative")
    assert (world.vault / "vault.toml").exists()


def test_a_folder_that_is_a_link_leads_nowhere(world):
    size = None
    world.init()
    size = (world.vault / "vault.toml").stat().st_size
    torrent = Torrent(world, {"leak/a.csv": size, "leak/b.csv": 30_000})
    before = harness.sha256(world.vault / "vault.toml")
    replace_worker(world, torrent, "folder_that_is_a_link", steal="vault.toml")
    world.refused(1, "fetch", torrent.path)
    assert harness.sha256(world.vault / "vault.toml") == before
    assert sealed(world) == {} and result_of(world)["state"] == "failed", result_of(world)
    assert incidents(world), world.kinds()
    nothing_false(world, torrent)


def test_links_to_files_outside_are_not_followed(world):
    secret = world.folder / "taken-over" / "secret"
    secret.parent.mkdir()
    harness.write_bytes(secret, 40_000, "secret")
    refused_file_by_file(world, "files_that_are_links", 0)
    assert secret.exists() and len(incidents(world)) == 2


def test_pipes_and_folders_are_no_files(world):
    refused_file_by_file(world, "files_that_are_no_files", 0)
    assert len(incidents(world)) == 2


def test_bytes_of_its_own_making_are_not_sealed(world):
    refused_file_by_file(world, "bytes_of_its_own", 0)
    assert incidents(world)


def test_pieces_of_another_torrent_are_not_sealed(world):
    refused_file_by_file(world, "pieces_of_another_torrent", 0)  # the file that is right shares a piece with the false one
    assert incidents(world)


def test_files_under_other_names_are_not_sealed(world):
    refused_file_by_file(world, "files_of_other_names", 0)
    assert len(incidents(world)) == 2


def test_junk_is_no_part_of_a_file_that_came_whole(world):
    torrent = Torrent(world)
    world.init()
    replace_worker(world, torrent, "junk_as_a_part_of_a_whole_file")
    world.impound("fetch", torrent.path, code=None)
    junk = hashlib.sha256(b"j" * 20_000).hexdigest()
    assert junk not in json.dumps(world.of_kind("exhibit.sealed")), world.of_kind("exhibit.sealed")
    assert "files_in_part" not in result_of(world), result_of(world)
    nothing_false(world, torrent)


def test_done_without_any_file_is_not_complete(world):
    refused_file_by_file(world, "done_without_files", 0)


def test_done_without_metadata_is_not_complete(world):
    torrent = Torrent(world)
    world.init()
    replace_worker(world, torrent, "done_without_files")
    world.refused(1, "fetch", torrent.magnet)
    assert result_of(world)["state"] == "failed" and result_of(world)["reason"], result_of(world)
    nothing_false(world, torrent)


def test_metadata_only_without_metadata_is_a_failure(world):
    torrent = Torrent(world)
    world.init()
    replace_worker(world, torrent, "done_without_files")
    world.refused(1, "fetch", torrent.magnet, "--metadata-only")
    assert result_of(world)["state"] == "failed" and result_of(world)["reason"], result_of(world)
    nothing_false(world, torrent)


def test_what_a_worker_handed_over_before_it_died_for_good_is_kept(world):
    torrent = Torrent(world)
    world.init()
    place = replace_worker(world, torrent, "dies_after_one_file")
    world.refused(1, "fetch", torrent.path)
    assert starts(place) == 3 and len(world.of_kind("worker.ended")) == 3
    result = result_of(world)
    assert (result["state"], result["reason"], result["files_sealed"]) == ("partial", "worker_ended", 1), result
    kept = [entry["body"] for entry in world.of_kind("exhibit.sealed") if entry["body"]["role"] == "payload"]
    assert kept[0]["origin"]["pieces_unchecked"] == 1, kept  # the one it shares with the file that is not there
    assert kept[0]["arrival_sha256"] == kept[0]["sha256"], kept
    nothing_false(world, torrent)


def test_a_kept_descriptor_or_mapping_does_not_change_a_sealed_object(world):
    torrent = Torrent(world)
    world.init()
    place = replace_worker(world, torrent, "keeps_descriptors")
    world.impound("fetch", torrent.path)
    assert result_of(world)["state"] == "complete", result_of(world)
    harness.wait_until(lambda: "written" in (place / "done").read_text(), 20, "the worker to write into what it kept")
    nothing_false(world, torrent)
    assert len(sealed(world)) == 2


def test_a_file_that_is_written_all_the_time_is_sealed_right_or_not_at_all(world):
    torrent = Torrent(world)
    world.init()
    place = replace_worker(world, torrent, "writes_all_the_time")
    ended = world.impound("fetch", torrent.path, code=None)
    assert ended.code in (0, 1) and "written" in (place / "done").read_text(), ended
    assert (result_of(world)["state"] == "complete") == (len(sealed(world)) == 2)
    nothing_false(world, torrent)


def test_a_file_that_was_read_while_it_came_is_held_to_what_was_read(world):
    refused_file_by_file(world, "writes_anew_what_was_read", 1)
    changed, = incidents(world)
    assert "a.csv: " in changed["detail"] and "the bytes are not those that arrived" in changed["detail"], changed


def test_a_file_with_another_name_is_not_sealed(world):
    refused_file_by_file(world, "keeps_a_hard_link", 0)
    assert all("hard link" in one["detail"] for one in incidents(world)) and len(incidents(world)) == 2


def test_a_false_incident_stops_its_jobs_and_the_worker(world):
    torrent = Torrent(world)
    world.init()
    place = replace_worker(world, torrent, "false_incident")
    world.refused(1, "fetch", torrent.path)
    assert starts(place) == 1 and incidents(world)[0]["sent_payload_bytes"] == 4096, incidents(world)
    assert result_of(world)["state"] == "failed"
    nothing_false(world, torrent)


def test_no_flood_of_a_worker_fills_the_log(world):
    for number, what in enumerate(("floods_with_incidents", "floods_with_false_files")):
        torrent = Torrent(world, name=what)
        if number == 0:
            world.init()
        replace_worker(world, torrent, what)
        before = len(incidents(world))
        world.impound("fetch", torrent.path, code=1)
        assert 1 <= len(incidents(world)) - before <= 20, what
    assert "1981 more" in incidents(world)[-1]["detail"], incidents(world)[-1]


def test_an_upload_is_an_incident_however_it_is_said(world):
    torrent = Torrent(world)
    world.init()
    place = replace_worker(world, torrent, "incident_at_stop")
    fetch = world.start_impound("fetch", torrent.path)
    harness.wait_until(lambda: "waits" in (place / "done").read_text() if (place / "done").exists() else False, 30, "the job")
    assert fetch.stop(signal.SIGINT) == 130, fetch.output()
    assert [one["sent_payload_bytes"] for one in incidents(world)] == [16_384]
    replace_worker(world, torrent, "done_with_an_upload")
    world.refused(1, "fetch", torrent.path)
    assert [one["sent_payload_bytes"] for one in incidents(world)] == [16_384, 70_000]
    assert result_of(world)["state"] != "complete", result_of(world)


def test_a_disk_that_has_room_is_not_full_because_a_worker_says_so(world):
    torrent = Torrent(world)
    world.init()
    replace_worker(world, torrent, "false_disk_full")
    world.refused(1, "fetch", torrent.path, "--config", world.settings("[limits]\ndisk_reserve = 0\n"))
    assert result_of(world)["reason"] == "disk_full" and not world.of_kind("limit.reached")


def test_metadata_that_the_limits_refuse_stays_refused_when_the_worker_dies_with_it(world):
    torrent = Torrent(world)
    world.init()
    place = replace_worker(world, torrent, "refused_metadata_and_gone")
    config = world.settings("[torrents]\nmax_bytes = 1000\n")
    world.refused(1, "fetch", torrent.magnet, "--config", config)
    assert starts(place) == 1
    assert result_of(world)["reason"] == "refused_limits", result_of(world)
    nothing_false(world, torrent)


def test_a_flood_of_progress_is_read_to_its_end(world):
    torrent = Torrent(world)
    world.init()
    replace_worker(world, torrent, "talks_and_never_listens")
    world.refused(1, "fetch", torrent.path)
    assert result_of(world)["state"] == "failed"
    nothing_false(world, torrent)


def test_a_torrent_that_crashes_the_worker_is_given_up_and_those_beside_it_complete(world):
    good = [Torrent(world, name=f"good{number}") for number in range(3)]
    bad = Torrent(world, name="bad")
    world.init()
    place = replace_worker(world, bad, "crashes_with_one", torrents={
        one.hash: {"paths": one.paths, "payload": [content.hex() for content in one.payload]} for one in good})
    ended = world.impound("fetch", *[one.path for one in good], bad.path, code=1)
    assert "come back one at a time" in ended.err, ended
    attempts = {entry["body"]["info_hash_v1"]: entry["id"] for entry in world.of_kind("acquisition.attempt")}
    active = [death["body"]["active"] for death in world.of_kind("worker.ended")]
    assert sorted(active[0]) == sorted(attempts.values()) and active[1:] == [[attempts[bad.hash]]] * 3, active
    results = {entry["body"]["info_hash_v1"]: entry["body"] for entry in world.of_kind("acquisition.result")}
    assert all(results[one.hash]["state"] == "complete" for one in good), results
    assert results[bad.hash]["state"] == "failed" and results[bad.hash]["reason"] == "worker_ended", results
    assert world.verify()["ok"] is True


harness.main(globals())
