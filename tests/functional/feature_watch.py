# ctest: TIMEOUT 400
"""watch: from a paste to a verified exhibit, each thing once."""
import gzip
import json
import os
import shutil
import signal
import subprocess
import urllib.parse

import harness
import peers

HARMLESS = "fn main() { println!(\"hello\"); }\n"


def leak(world, kind="v1"):
    """A torrent that is seeded on 127.0.0.2."""
    seeded = world.folder / "seeded"
    harness.write_bytes(seeded / "leak" / "mail" / "1.eml", 60_000, "mail")
    harness.write_bytes(seeded / "leak" / "list.csv", 300_000, "list")
    torrent = peers.make_torrent(world, seeded / "leak", kind)
    peer = peers.seeder(world, torrent, seeded)
    return seeded, torrent, peer


def magnet_paste(torrent, peer):
    return f"Part one is out.\n\n  {torrent.magnet()}&x.pe={urllib.parse.quote(peer.address)}\n\nspread it\n"


def settings(world, site, **more):
    return world.settings(f'[network]\nallow_net = ["127.0.0.0/8"]\n\n{site.source(**more)}')


def watch_once(world, config, **rest):
    return world.impound("watch", "--once", "--config", config, **rest)


def items_asked(site):
    return [path for path in site.requests() if "scrape_item" in path]


def test_a_paste_becomes_a_verified_exhibit(world):
    seeded, torrent, peer = leak(world)
    site = world.pastes([
        {"key": "8sUIsf34", "title": "hello world", "text": HARMLESS, "syntax": "rust"},
        {"key": "0CeaNm8Y", "title": "Part one", "user": "EMLEAKS", "text": magnet_paste(torrent, peer)}])
    world.init()
    watch_once(world, settings(world, site, case="emleaks-2017"))
    assert world.verify()["ok"] is True

    shown = world.show(torrent.v1)
    assert shown["state"] == "complete" and shown["uploaded_payload_bytes"] == 0, shown
    assert {file["path"]: file["sha256"] for file in shown["files"]} == harness.tree(seeded)

    entries = world.entries()
    by_id = {entry["id"]: entry for entry in entries}
    results = {entry["body"]["title"]: entry for entry in entries if entry["kind"] == "capture.result"}
    assert set(results) == {"hello world", "Part one"}, results
    paste = results["Part one"]
    assert paste["body"]["author"] == "EMLEAKS" and paste["body"]["outcome"] == "captured" and paste["body"]["kept"] is True
    assert paste["case"] == "emleaks-2017"

    # The way of the data, each step naming the one before.
    order = [entry for entry in entries if entry["kind"] in ("capture.attempt", "capture.result", "reference.found", "acquisition.attempt",
                                                             "acquisition.metadata", "acquisition.result")]
    from_paste = [entry["kind"] for entry in order if entry is paste or entry["id"] == paste["of"] or entries.index(entry) > entries.index(paste)
                  and not entry["kind"].startswith("capture")]
    assert from_paste == ["capture.attempt", "capture.result", "reference.found", "acquisition.attempt", "acquisition.metadata", "acquisition.result"], from_paste
    found = next(entry for entry in entries if entry["kind"] == "reference.found")
    attempt = next(entry for entry in entries if entry["kind"] == "acquisition.attempt")
    assert found["cause"] == paste["id"] and attempt["cause"] == found["id"], (found, attempt)
    assert by_id[paste["of"]]["kind"] == "capture.attempt"
    assert attempt["body"]["info_hash_v1"] == torrent.v1
    polled = [entry for entry in entries if entry["kind"] == "source.polled"]
    assert len(polled) == 1 and polled[0]["body"]["source"] == "pastebin", polled


def test_the_paste_is_in_a_warc_that_warcio_reads(world):
    harness.need("node")
    check = harness.SUPPORT / "warc_check.mjs"
    if not (harness.SUPPORT / "node_modules" / "warcio").exists():
        raise harness.Skip("npm's warcio is not installed (npm ci in tests/support)")
    text = "magnet:?xt=urn:btih:c9e15763f722f23e98a29decdfae341b98d53056 — naïve\n"
    site = world.pastes([{"key": "0CeaNm8Y", "title": "Part one", "user": "EMLEAKS", "text": text}])
    world.init()
    watch_once(world, settings(world, site, acquire="none"))
    warcs = sorted((world.vault / "warc").iterdir())
    assert len(warcs) == 1, warcs
    ended = subprocess.run(["node", check, warcs[0]], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended
    kept = gzip.decompress(warcs[0].read_bytes())
    assert f"WARC-Target-URI: {site.url}/api_scrape_item.php?i=0CeaNm8Y\r\n".encode() in kept and text.encode() in kept, kept
    captured = world.of_kind("capture.result")[0]["body"]
    assert captured["kept"] is True and captured["records"], captured
    for record in captured["records"]:
        with open(world.vault / "warc" / record["file"].split("/")[-1], "rb") as file:
            file.seek(int(record["offset"]))
            member = file.read(int(record["length"]))
        digest = harness.hashlib.sha256(member).hexdigest()
        assert digest == record["sha256"], record


def test_a_second_run_takes_nothing_twice(world):
    _, torrent, peer = leak(world)
    site = world.pastes([{"key": "0CeaNm8Y", "title": "Part one", "user": "EMLEAKS", "text": magnet_paste(torrent, peer)}])
    world.init()
    config = settings(world, site)
    watch_once(world, config)
    objects = harness.tree(world.vault / "objects")
    asked = len(items_asked(site))
    watch_once(world, config)
    assert len(items_asked(site)) == asked == 1
    # The same torrent in another paste: captured, because the paste is new, and not acquired again.
    site.post("zzTop123", "again: " + magnet_paste(torrent, peer), title="repost")
    watch_once(world, config)
    assert len(items_asked(site)) == 2
    kinds = world.kinds()
    assert kinds.count("acquisition.attempt") == kinds.count("acquisition.result") == 1, kinds
    assert harness.tree(world.vault / "objects").keys() >= objects.keys()
    assert world.verify()["ok"] is True


def test_a_worker_that_dies_with_nothing_to_do_is_told_at_once_and_of_no_torrent(world):
    seeded, torrent, peer = leak(world)
    profile = world.folder / "often.toml"
    profile.write_text(open(harness.PROFILE, encoding="utf-8").read().replace("interval = 60", "interval = 1"))
    site = world.pastes([{"key": "0CeaNm8Y", "title": "Part one", "text": magnet_paste(torrent, peer)}])
    world.init()
    running = world.start_impound("watch", "--config", settings(world, site, profile=str(profile), interval="1s"))
    harness.wait_until(lambda: "acquisition.result" in world.kinds(), 60, "the first torrent")
    worker, = harness.workers()
    os.kill(worker, signal.SIGKILL)
    harness.wait_until(lambda: "worker.ended" in world.kinds(), 30, "its end, with nothing to do")
    second = world.folder / "second"
    harness.write_bytes(second / "more" / "2.eml", 60_000, "second")
    more = peers.make_torrent(world, second / "more", "v1")
    site.post("zzTop123", magnet_paste(more, peers.seeder(world, more, second, host="127.0.0.3")), title="Part two")
    harness.wait_until(lambda: world.kinds().count("acquisition.result") == 2, 60, "the second torrent")
    assert running.stop(signal.SIGTERM) == 0, running.output()
    ended, = world.of_kind("worker.ended")
    assert ended["body"]["pid"] == worker and "active" not in ended["body"], ended
    assert [result["body"]["state"] for result in world.of_kind("acquisition.result")] == ["complete", "complete"]
    assert world.verify()["ok"] is True


def test_a_torrent_link_is_captured_and_acquired(world):
    seeded, torrent, peer = leak(world)
    tracker = peers.tracker(world, peer)
    served = world.folder / "served"
    served.mkdir()
    port = world.nginx(served)
    named = peers.make_torrent(world, seeded / "leak", "v1", trackers=[tracker])
    shutil.copy(named.path, served / "leak.torrent")
    link = f"http://127.0.0.1:{port}/leak.torrent"
    site = world.pastes([{"key": "0CeaNm8Y", "title": "Part one", "user": "EMLEAKS", "text": f"get it while it is there {link}\n"}])
    world.init()
    watch_once(world, settings(world, site))
    shown = world.show(torrent.v1)
    assert shown["state"] == "complete", shown
    kinds = world.kinds()
    assert kinds.count("capture.result") == 2, kinds
    sealed = {entry["body"]["sha256"] for entry in world.of_kind("exhibit.sealed")}
    assert harness.sha256(named.path) in sealed
    attempt = world.of_kind("acquisition.attempt")[0]
    captures = [entry["id"] for entry in world.of_kind("capture.result")]
    assert attempt["cause"] == captures[1], attempt
    assert world.verify()["ok"] is True


def test_the_service_stops_on_sigterm_with_0_and_keeps_what_it_had(world):
    _, torrent, peer = leak(world)
    site = world.pastes([{"key": "0CeaNm8Y", "title": "Part one", "user": "EMLEAKS", "text": magnet_paste(torrent, peer)}])
    world.init()
    for how in (signal.SIGTERM, signal.SIGINT):
        service = world.start_impound("watch", "--config", settings(world, site))
        harness.wait_until(lambda: "source.polled" in world.kinds() or items_asked(site), 30, "the service's first look")
        if how == signal.SIGTERM:
            harness.wait_until(lambda: "acquisition.result" in world.kinds(), 60, "the acquisition")
        else:
            harness.wait_until(lambda: world.kinds().count("agent.started") == 2, 30, "the second start")
        assert service.stop(how) == 0, service.output()
        assert world.kinds()[-1] == "agent.stopped"
        assert world.verify()["ok"] is True


def test_what_the_site_says_instead_of_a_paste_is_no_paste(world):
    site = world.pastes([{"key": "goneGone", "title": "was here", "text": "x"}])
    (site.folder / "items" / "goneGone").unlink()
    world.init()
    watch_once(world, settings(world, site), code=None)
    results = world.of_kind("capture.result")
    assert len(results) == 1 and results[0]["body"]["outcome"] != "captured", results
    assert world.verify()["ok"] is True


def test_with_the_defaults_nothing_is_acquired_and_it_says_so(world):
    _, torrent, peer = leak(world)
    site = world.pastes([{"key": "0CeaNm8Y", "title": "Part one", "user": "EMLEAKS", "text": magnet_paste(torrent, peer)},
                         {"key": "8sUIsf34", "title": "hello world", "text": HARMLESS}])
    config = world.settings(f'[network]\nallow_net = ["127.0.0.0/8"]\n[[source]]\nname = "pastebin"\n'
                            f'profile = "{harness.PROFILE}"\nbase_url = {json.dumps(site.url)}\n')
    world.init()
    done = watch_once(world, config)
    assert "nothing will be acquired" in done.err, done
    kinds = world.kinds()
    assert "acquisition.attempt" not in kinds, kinds
    kept = {entry["body"]["title"]: entry["body"]["kept"] for entry in world.of_kind("capture.result")}
    assert kept == {"Part one": True, "hello world": False}, kept
    assert world.verify()["ok"] is True


def payload(world):
    return [entry["body"] for entry in world.of_kind("exhibit.sealed") if entry["body"]["role"] == "payload"]


def test_a_seed_that_leaves_half_way_is_waited_for_and_what_was_whole_is_not_fetched_twice(world):
    seeded = world.folder / "seeded"
    for name, size in (("a.eml", 400_000), ("b.eml", 200_000), ("c.eml", 400_000)):
        harness.write_bytes(seeded / "leak" / name, size, name)
    torrent = peers.make_torrent(world, seeded / "leak", "v2")
    # It has the first 60 %, and goes when it has given them.
    held = shutil.copytree(seeded, world.folder / "held")
    (held / "leak" / "c.eml").unlink()
    host, port = "127.0.0.2", harness.free_port("127.0.0.2")
    site = world.pastes([{"key": "0CeaNm8Y", "title": "Part one", "text": f"{torrent.magnet()}&x.pe={host}:{port}"}])
    config = world.settings(f'[network]\nallow_net = ["127.0.0.0/8"]\n\n{site.source()}')

    def seed(folder, *more):
        running = world.start("seeder", [harness.PYTHON, harness.SUPPORT / "seeder.py", torrent.path, folder, "--listen", f"{host}:{port}", *more])
        running.wait_for_line('"port"')
        return peers.Peer(running, f"{host}:{port}")
    first = seed(held, "--in-part")
    world.init()
    service = world.start_impound("watch", "--config", config)
    harness.wait_until(lambda: len(payload(world)) == 2, 60, "the whole files' seals")
    first.running.stop()
    harness.wait_until(lambda: "acquisition.stalled" in world.kinds(), 60, "word that it waits")
    assert service.running() and "acquisition.result" not in world.kinds(), service.output()
    assert "waiting     leak: no peer could be found or reached; tried again in" in service.output(), service.output()
    stalled, = world.of_kind("acquisition.stalled")
    attempt, = world.of_kind("acquisition.attempt")
    assert stalled["of"] == attempt["id"] and stalled["body"]["try"] == 1 and stalled["body"]["reason"] == "no_peers", stalled
    told = world.show(torrent.v2)
    assert told["state"] == "waiting" and told["reason"] == "no_peers" and told["tries"] == 1, told
    assert told["since_utc"] == stalled["time"]["utc"] and told["next_try_utc"] == stalled["body"]["next_try_utc"], told
    job, = world.impound("status", "--json").json()["jobs"]["open"]
    assert job["waiting"] is True and job["next_try_utc"] == stalled["body"]["next_try_utc"], job
    assert f"tried again at {job['next_try_utc']}" in world.impound("status").out
    service.stop(signal.SIGKILL)

    # A run while nobody is there tries at once, ends with 1, and leaves it open.
    done = watch_once(world, config, code=1)
    assert "1 acquisition(s) found nobody yet and stay open" in done.err and "1 waiting" in done.out, done
    assert [entry["body"]["try"] for entry in world.of_kind("acquisition.stalled")] == [1, 2], world.of_kind("acquisition.stalled")
    assert "acquisition.result" not in world.kinds()

    second = seed(seeded)
    watch_once(world, config)
    result, = world.of_kind("acquisition.result")
    assert result["of"] == attempt["id"] and result["body"]["state"] == "complete" and result["body"]["files_sealed"] == 3, result
    assert len(payload(world)) == 3, "each file once"
    second.running.stop()
    assert 400_000 <= second.counts()["uploaded"] < 500_000, "the rest, and nothing of what was sealed"
    assert {file["path"]: file["sha256"] for file in world.show(torrent.v2)["files"]} == harness.tree(seeded)
    assert "next_try_utc" not in world.show(torrent.v2)
    assert world.verify()["ok"] is True


def test_a_person_who_fetches_what_a_service_left_open_hears_of_it_at_once(world):
    nobody = f"127.0.0.2:{harness.free_port('127.0.0.2')}"
    site = world.pastes([{"key": "0CeaNm8Y", "text": f"magnet:?xt=urn:btih:{40 * '1'}&x.pe={nobody}"}])
    config = world.settings(f'[network]\nallow_net = ["127.0.0.0/8"]\n\n{site.source()}')
    world.init()
    watch_once(world, config, code=1)
    assert "acquisition.stalled" in world.kinds() and "acquisition.result" not in world.kinds()
    world.impound("fetch", 40 * "1", "--peer", nobody, code=1)
    result, = world.of_kind("acquisition.result")
    assert result["body"]["reason"] == "no_peers" and world.kinds().count("acquisition.stalled") == 1, world.kinds()
    assert world.impound("status", "--json").json()["jobs"]["open"] == []
    # Without patience a source's attempt ends like a person's.
    site.post("zzTop123", f"magnet:?xt=urn:btih:{40 * '2'}&x.pe={nobody}")
    config = world.settings(f'[network]\nallow_net = ["127.0.0.0/8"]\n[torrents]\npatience = "0s"\n\n{site.source()}')
    watch_once(world, config, code=1)
    assert world.kinds().count("acquisition.stalled") == 1 and world.kinds().count("acquisition.result") == 2, world.kinds()
    assert world.verify()["ok"] is True


harness.main(globals())
