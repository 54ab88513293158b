"""Selection and queue: which files of a torrent are taken, whose payload comes first, and what the log says of both."""
import json
import shutil
import signal
import subprocess

import harness
import peers


def sound(world):
    """The vault verifies, and every entry keeps to its kind's schema."""
    assert world.verify()["ok"] is True
    harness.need_module("jsonschema")
    checked = subprocess.run([harness.PYTHON, harness.SUPPORT / "schema_check.py", harness.ROOT / "config" / "schema"],
                             input=world.impound("log", "--json").out, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked


def leak(world, name="leak", size=300_000):
    seeded = world.folder / f"seeded-{name}"
    harness.write_bytes(seeded / name / "mail" / "a.eml", 50_000, name + "a")
    harness.write_bytes(seeded / name / "mail" / "b.eml", size, name + "b")
    harness.write_bytes(seeded / name / "setup.exe", 70_000, name + "c")
    return seeded


def listed(world, result):
    digest = {entry["id"]: entry["body"]["sha256"] for entry in world.of_kind("exhibit.sealed")}[result["body"]["file_list"]]
    lines = (world.vault / "objects" / digest[:2] / digest).read_text().splitlines()
    return {bytes.fromhex(line["path_hex"]).decode(): line for line in map(json.loads, lines)}


def test_files_are_selected_by_the_settings_and_the_others_listed_with_why(world):
    seeded = leak(world)
    settings = world.settings('[torrents]\ninclude = ["*.eml"]\nmax_file_bytes = 100000\n')
    for kind in ("v1", "hybrid", "v2"):
        torrent = peers.make_torrent(world, seeded / "leak", kind)
        peer = peers.seeder(world, torrent, seeded, host={"v1": "127.0.0.2", "hybrid": "127.0.0.3", "v2": "127.0.0.4"}[kind])
        if not world.vault.exists():
            world.init()
        done = world.impound("fetch", torrent.magnet(), "--peer", peer.address, "--config", settings)
        assert "complete" in done.out and "2 left out by the selection" in done.out, done
        result = world.of_kind("acquisition.result")[-1]
        assert result["body"]["files"] == 3 and result["body"]["files_sealed"] == 1 and result["body"]["files_left_out"] == 2, result
        lines = listed(world, result)
        assert lines["leak/mail/a.eml"]["sealed"] and lines["leak/mail/a.eml"]["sha256"] == harness.sha256(seeded / "leak/mail/a.eml")
        assert lines["leak/mail/b.eml"] == {**lines["leak/mail/b.eml"], "sealed": False, "left_out": "larger than torrents.max_file_bytes, 100000"}
        assert lines["leak/setup.exe"]["left_out"] == "nothing in torrents.include matches", lines
        again = world.impound("fetch", torrent.path, "--config", settings)
        assert "held already" in again.out + again.err, again
    # Without the selection the rest is wanted: what is held in part is no hindrance.
    world.impound("fetch", torrent.magnet(), "--peer", peer.address)
    assert world.of_kind("acquisition.result")[-1]["body"]["files_sealed"] == 3
    sound(world)


def test_a_magnet_selects_files(world):
    seeded = leak(world)
    torrent = peers.make_torrent(world, seeded / "leak", "v1")
    names = [bytes(path) for path in order_of(torrent)]
    peer = peers.seeder(world, torrent, seeded)
    world.init()
    world.impound("fetch", torrent.magnet() + "&so=0,2", "--peer", peer.address)
    result, = world.of_kind("acquisition.result")
    lines = listed(world, result)
    assert [lines[name.decode()]["sealed"] for name in names] == [True, False, True], lines
    assert lines[names[1].decode()]["left_out"] == "not among so=0,2", lines
    assert world.of_kind("acquisition.attempt")[0]["body"]["selection"] == {"select_only": "0,2"}
    sound(world)


def order_of(torrent):
    harness.need_module("libtorrent")
    import libtorrent
    files = libtorrent.torrent_info(str(torrent.path)).files()
    return [files.file_path(i).encode() for i in range(files.num_files()) if not files.file_flags(i) & libtorrent.file_flags_t.flag_pad_file]


def test_one_torrent_at_a_time_and_the_metadata_of_all_at_once(world):
    torrents = []
    for number, name in enumerate(("first", "second", "third")):
        seeded = leak(world, name, size=600_000)
        torrent = peers.make_torrent(world, seeded / name, "v1")
        torrents.append((torrent, peers.seeder(world, torrent, seeded, rate=400_000, host=f"127.0.0.{number + 2}"), seeded))
    world.init()
    settings = world.settings("[torrents]\nmax_active = 1\n")
    words = ["fetch", *(torrent.magnet() for torrent, _, _ in torrents), "--config", settings]
    for _, peer, _ in torrents:
        words += ["--peer", peer.address]
    running = world.start_impound(*words)
    harness.wait_until(lambda: world.kinds().count("acquisition.metadata") == 3, 60, "the metadata of all three")
    assert "acquisition.result" not in world.kinds(), "metadata comes first, also for those that wait"
    jobs = json.loads(world.impound("status", "--json").out)["jobs"]["open"]
    assert [job["waiting"] for job in jobs].count(True) == 2 and len(jobs) == 3, jobs
    assert all("max_active" in job["waits"] for job in jobs if job["waiting"]), jobs
    assert running.wait(120) == 0, running.output()
    entries = world.entries()
    order = [(entry["kind"], entry["of"]) for entry in entries if entry["kind"] in ("limit.reached", "limit.left", "acquisition.result")]
    waited = [of for kind, of in order if kind == "limit.reached"]
    assert len(waited) == 2
    left = [of for kind, of in order if kind == "limit.left"]
    assert sorted(left) == sorted(waited), order
    for of in left:  # each goes on only after another one has ended
        at = order.index(("limit.left", of))
        assert order[:at].count(("limit.reached", of)) == 1 and any(kind == "acquisition.result" for kind, _ in order[:at]), order
        assert ("acquisition.result", of) in order[at:], order
    for torrent, _, seeded in torrents:
        assert {file["path"]: file["sha256"] for file in world.show(torrent.v1)["files"]} == harness.tree(seeded)
    assert json.loads(world.impound("status", "--json").out)["jobs"]["open"] == []
    sound(world)


def test_a_small_torrent_has_its_share_beside_a_large_one_with_many_seeds(world):
    large, small = leak(world, "large", size=24_000_000), leak(world, "small", size=600_000)
    many = peers.make_torrent(world, large / "large", "v1")
    one = peers.make_torrent(world, small / "small", "v1")
    seeds = [peers.seeder(world, many, large, rate=1_000_000, host=f"127.0.0.{number}") for number in range(20, 24)]
    seeds.append(peers.seeder(world, one, small, rate=500_000, host="127.0.0.30"))
    world.init()
    words = [word for seed in seeds for word in ("--peer", seed.address)]
    world.impound("fetch", many.magnet(), one.magnet(), *words, seconds=90)
    ends = [entry["of"] for entry in world.of_kind("acquisition.result")]
    whose = {entry["body"]["info_hash_v1"]: entry["id"] for entry in world.of_kind("acquisition.attempt")}
    assert ends == [whose[one.v1], whose[many.v1]], "the one that was asked for last and has one slow seed ends first"
    assert "limit.reached" not in world.kinds()
    assert {file["path"]: file["sha256"] for file in world.show(many.v1)["files"]} == harness.tree(large)
    assert {file["path"]: file["sha256"] for file in world.show(one.v1)["files"]} == harness.tree(small)
    sound(world)


def test_one_that_waits_keeps_few_of_its_peers(world):
    """So that a queue of torrents with large swarms leaves connections to the one whose turn it is."""
    slow, crowd = leak(world, "slow", size=600_000), leak(world, "crowd")
    first, second = peers.make_torrent(world, slow / "slow", "v1"), peers.make_torrent(world, crowd / "crowd", "v1")
    seed = peers.seeder(world, first, slow, rate=40_000)
    many = peers.start(world, "seeder", "127.0.0.3", second.path, crowd, "--peers", 12)
    world.init()
    words = ["fetch", first.path, second.path, "--config", world.settings("[torrents]\nmax_active = 1\n"), "--peer", seed.address]
    for port in many.counts()["ports"]:
        words += ["--peer", f"127.0.0.3:{port}"]
    fetch = world.start_impound(*words)

    def connected():
        return len(subprocess.run(["ss", "-tnH", "state", "established", "dst 127.0.0.3"], capture_output=True, text=True, check=True).stdout.splitlines())
    harness.wait_until(lambda: connected() >= 12, 20, "all its peers")
    harness.wait_until(lambda: connected() <= 5, 20, "those that it keeps")
    assert "acquisition.result" not in world.kinds()
    assert fetch.wait(60) == 0, fetch.output()
    sound(world)


def nobodys(world, name):
    """A torrent that a dead tracker keeps from being given up at once."""
    harness.write_bytes(world.folder / f"{name}.bin", 50_000, name)
    return peers.make_torrent(world, world.folder / f"{name}.bin", "v1", trackers=[f"http://127.0.0.1:{harness.free_port('127.0.0.1')}/announce"])


def test_what_nobody_seeds_gives_its_place_to_what_somebody_does(world):
    seeded = leak(world)
    dead, torrent = nobodys(world, "dead"), peers.make_torrent(world, seeded / "leak", "v1")
    peer = peers.seeder(world, torrent, seeded)
    world.init()
    settings = world.settings('[torrents]\nmax_active = 1\nturn = "2s"\n')
    # The second time both are dead: turns in vain are added up, though none is as long as the timeout.
    for other, timeout, states in ((torrent, "7s", ["complete", "failed"]), (nobodys(world, "gone"), "3s", ["failed", "failed"])):
        world.impound("fetch", dead.path, other.path, "--peer", peer.address, "--timeout", timeout, "--allow-net", "127.0.0.1/32", "--config", settings, code=1)
        results = world.of_kind("acquisition.result")[-2:]
        assert [result["body"]["state"] for result in results] == states, results
        assert results[1]["body"]["reason"] == "deadline" and "no new byte for" in results[1]["body"]["detail"], results
    told = [(entry["kind"], entry["of"]) for entry in world.entries() if entry["kind"].startswith("limit.") and entry["body"]["limit"] == "active_torrents"]
    gave, = [entry for entry in world.of_kind("limit.reached") if entry["of"] == results[0]["of"] and "its turn comes again" in entry["body"]["doing"]]
    assert told.count(("limit.reached", gave["of"])) == told.count(("limit.left", gave["of"])) == 1, "turns are told once"
    sound(world)


def test_magnets_are_looked_up_some_at_a_time(world):
    seeded = leak(world)
    torrent = peers.make_torrent(world, seeded / "leak", "v1")
    peer = peers.seeder(world, torrent, seeded)
    world.init()
    magnets = [f"magnet:?xt=urn:btih:{40 * digit}&tr=http://127.0.0.1:{harness.free_port('127.0.0.1')}/announce" for digit in "12"]
    settings = world.settings('[torrents]\nmax_lookups = 1\nmetadata_timeout = "2s"\n')
    world.impound("fetch", *magnets, torrent.magnet(), "--peer", peer.address, "--allow-net", "127.0.0.1/32", "--config", settings, code=1)
    kinds = [entry["kind"] for entry in world.entries() if entry["kind"] in ("acquisition.metadata", "acquisition.result")]
    assert kinds == ["acquisition.result", "acquisition.result", "acquisition.metadata", "acquisition.result"], kinds
    assert [result["body"].get("reason") for result in world.of_kind("acquisition.result")] == ["no_metadata", "no_metadata", None]
    sound(world)


def test_those_that_wait_are_taken_up_by_the_next_run(world):
    torrents = []
    for number, name in enumerate(("first", "second")):
        seeded = leak(world, name, size=600_000)
        torrent = peers.make_torrent(world, seeded / name, "hybrid")
        torrents.append((torrent, peers.seeder(world, torrent, seeded, rate=100_000, host=f"127.0.0.{number + 2}"), seeded))
    world.init()
    words = ["fetch", *(torrent.path for torrent, _, _ in torrents), "--config", world.settings("[torrents]\nmax_active = 1\n")]
    for _, peer, _ in torrents:
        words += ["--peer", peer.address]
    running = world.start_impound(*words)
    harness.wait_until(lambda: "limit.reached" in world.kinds(), 60, "one that waits")
    assert running.stop(signal.SIGINT) == 130, running.output()
    # The same torrents again, with room for both.
    world.impound(*[word for word in words if word != "--config" and not str(word).endswith(".toml")])
    attempts = world.of_kind("acquisition.attempt")
    results = world.of_kind("acquisition.result")
    assert len(attempts) == len(results) == 2 and {result["body"]["state"] for result in results} == {"complete"}, results
    sound(world)


def test_room_that_is_promised_to_one_torrent_is_not_given_to_the_next(world):
    disk = world.on_small_disk("48m")
    torrents = []
    for number, name in enumerate(("first", "second")):
        seeded = leak(world, name, size=7 << 20)
        torrent = peers.make_torrent(world, seeded / name, "v1", piece_size=64 << 10)
        torrents.append((torrent, peers.seeder(world, torrent, seeded, rate=3 << 20, host=f"127.0.0.{number + 2}"), seeded))
    world.init()
    free = shutil.disk_usage(disk).free
    settings = world.settings(f"[limits]\ndisk_reserve = {free - (12 << 20)}\n")  # room for one and a half
    words = ["fetch", *(torrent.path for torrent, _, _ in torrents), "--config", settings]
    for _, peer, _ in torrents:
        words += ["--peer", peer.address]
    done = world.impound(*words, code=1)
    reached, = [entry for entry in world.of_kind("limit.reached") if entry["body"]["limit"] == "active_torrents"]
    assert "other torrents need" in reached["body"]["doing"], reached
    results = world.of_kind("acquisition.result")
    assert [result["body"].get("reason") for result in results] == [None, "disk_full"], (results, done)
    assert results[1]["body"]["downloaded_payload_bytes"] == 0, results  # judged before its first byte
    assert results[1]["of"] == reached["of"] == next(entry["of"] for entry in world.of_kind("limit.left") if "of" in entry)
    sound(world)


def limited_room(world, disk, room, more=""):
    return world.settings(f"{more}[limits]\ndisk_reserve = {shutil.disk_usage(disk).free - room}\n")


def test_room_for_what_is_still_to_come_is_not_given_away_when_the_rest_is_sealed(world):
    """A torrent of small files: each gets its room when it comes, and leaves the staging folder when it is whole."""
    disk = world.on_small_disk("64m")
    for number in range(20):
        harness.write_bytes(world.folder / "many" / "many" / f"{number:02}.eml", 700_000, f"many{number}")
    harness.write_bytes(world.folder / "one" / "one.bin", 7_000_000, "one")
    many = peers.make_torrent(world, world.folder / "many" / "many", "v1", piece_size=64 << 10)
    one = peers.make_torrent(world, world.folder / "one" / "one.bin", "v1", piece_size=64 << 10)
    words = ["fetch", many.path, one.path, "--peer", peers.seeder(world, many, world.folder / "many", rate=3 << 20).address,
             "--peer", peers.seeder(world, one, world.folder / "one", host="127.0.0.3").address]
    world.init()
    done = world.impound(*words, "--config", limited_room(world, disk, 19_000_000), code=1)
    results = world.of_kind("acquisition.result")
    assert [result["body"].get("reason") for result in results] == [None, "disk_full"], (results, done)
    assert results[1]["body"]["downloaded_payload_bytes"] == 0, results
    sound(world)


def test_a_large_file_that_has_its_room_needs_it_once(world):
    disk = world.on_small_disk("64m")
    harness.write_bytes(world.folder / "large" / "large.bin", 12_000_000, "large")
    harness.write_bytes(world.folder / "other" / "other.bin", 3_000_000, "other")
    large = peers.make_torrent(world, world.folder / "large" / "large.bin", "v1", piece_size=64 << 10)
    other = peers.make_torrent(world, world.folder / "other" / "other.bin", "v1", piece_size=64 << 10)
    slow = peers.seeder(world, large, world.folder / "large", rate=1 << 20)
    fast = peers.seeder(world, other, world.folder / "other", host="127.0.0.3")
    world.init()
    settings = limited_room(world, disk, 22_000_000, '[torrents]\nmax_active = 1\nturn = "2s"\n')
    fetch = world.start_impound("fetch", large.path, other.path, "--peer", slow.address, "--peer", fast.address, "--config", settings)
    harness.wait_until(world.under_way, 30, "the first bytes")
    slow.running.process.send_signal(signal.SIGSTOP)
    harness.wait_until(lambda: world.of_kind("acquisition.result"), 60, "the other torrent, in the turn of the large one")
    slow.running.process.send_signal(signal.SIGCONT)
    assert fetch.wait(90) == 0, fetch.output()
    assert "it still needs" not in fetch.output(), fetch.output()
    sound(world)


def test_symbolic_links_are_recorded_and_never_made(world):
    """As libtorrent makes them of a folder with links, each kind of torrent."""
    world.init()
    for number, kind in enumerate(("v1", "v2", "hybrid")):
        seeded = world.folder / f"seeded-{kind}"
        for name, size in (("sub/a.eml", 40_000), ("z.eml", 20_000)):
            harness.write_bytes(seeded / kind / name, size, kind + name)
        truth = harness.tree(seeded)
        (seeded / kind / "link").symlink_to("sub/a.eml")
        (seeded / kind / "folder").symlink_to("sub")
        torrent = peers.make_torrent(world, seeded / kind, kind, symlinks=True)
        peer = peers.seeder(world, torrent, seeded, host=f"127.0.0.{number + 2}")
        done = world.impound("fetch", torrent.magnet(), "--peer", peer.address)
        assert "complete" in done.out and "2 of 2 file(s)" in done.out and "2 symbolic link(s) are recorded" in done.err, done
        result = world.of_kind("acquisition.result")[-1]["body"]
        assert result["state"] == "complete" and result["files"] == result["files_sealed"] == result["symbolic_links"] == 2, result
        assert "files_left_out" not in result
        shown = world.show(torrent.v1 or torrent.v2)
        assert {file["path"]: file["sha256"] for file in shown["files"] if file["sealed"]} == truth, shown
        links = {file["path"]: (file["symlink"], file["left_out"], file["size"]) for file in shown["files"] if not file["sealed"]}
        why = "symbolic link: recorded, never created"
        assert links == {f"{kind}/link": ("sub/a.eml", why, 0), f"{kind}/folder": ("sub", why, 0)}, links
        again = world.impound("fetch", torrent.magnet())
        assert "held already" in again.out + again.err, again
        world.impound("checkout", torrent.v1 or torrent.v2, world.folder / f"out-{kind}")
        assert not [path for path in (world.folder / f"out-{kind}").rglob("*") if path.is_symlink()]
    assert not [path for path in world.vault.rglob("*") if path.is_symlink()]
    sound(world)


def test_selections_that_make_no_sense_are_refused(world):
    for wrong in ('include = [""]', "max_active = 0", "max_active = 1000", "max_lookups = 0", "max_lookups = 1001", 'turn = "soon"', 'exclude = "x"', 'include = ["' + "x" * 201 + '"]'):
        done = world.refused(2, "fetch", "0" * 40, "--config", world.settings(f"[torrents]\n{wrong}\n"))
        assert "torrents." + wrong.split(" ")[0] in done.err, done


harness.main(globals())
