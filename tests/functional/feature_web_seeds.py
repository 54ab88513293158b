"""Web seeds: HTTP servers that a torrent or a magnet names, alone or beside peers; what they lack is told."""
import json

import harness
import peers


def dump(world):
    seeded = world.folder / "seeded"
    harness.write_bytes(seeded / "leak" / "mail box" / "письмо 1.eml", 270_001, "letter")
    harness.write_bytes(seeded / "leak" / "photos.tar", 900_000, "photos")
    harness.write_bytes(seeded / "leak" / "leak_meta.xml", 20_000, "meta")
    (seeded / "leak" / "empty.txt").write_bytes(b"")
    return seeded


def check_sealed(world, torrent, seeded):
    shown = world.show(torrent.v1 or torrent.v2)
    assert shown["state"] == "complete", shown
    assert {bytes.fromhex(file["path_hex"]).decode(): file["sha256"] for file in shown["files"]} == harness.tree(seeded), shown
    assert world.verify()["ok"] is True


def access_log(world, port):
    return (world.folder / f"nginx-{port}" / "access.log").read_text()


def test_a_torrent_that_has_a_web_seed_and_nobody_else(world):
    seeded = dump(world)
    port = world.nginx(seeded)
    url = f"http://127.0.0.1:{port}/"
    torrent = peers.make_torrent(world, seeded / "leak", "hybrid", web_seeds=[url])
    world.init()
    done = world.impound("fetch", torrent.path, "--allow-net", "127.0.0.0/8", "--no-dht", seconds=60)
    assert "complete" in done.out, done
    check_sealed(world, torrent, seeded)
    assert world.of_kind("acquisition.attempt")[0]["body"]["web_seeds"] == [url]
    result = world.of_kind("acquisition.result")[0]["body"]
    tried, = result["tried"]["web_seeds"]
    payload = sum(path.stat().st_size for path in seeded.rglob("*") if path.is_file())
    assert tried["url"] == url and tried["bytes"] >= payload and tried["pieces"] > 0 and tried["failures"] == 0 and "last" not in tried, tried
    assert result["downloaded_payload_bytes"] >= payload and result["uploaded_payload_bytes"] == 0, result
    assert len(access_log(world, port).splitlines()) == 3, access_log(world, port)


def test_a_magnets_web_seed_gives_what_its_slow_peer_does_not(world):
    seeded = dump(world)
    harness.write_bytes(seeded / "leak" / "more.tar", 4_000_000, "more")
    port = world.nginx(seeded)
    torrent = peers.make_torrent(world, seeded / "leak", "v1")
    peer = peers.seeder(world, torrent, seeded, rate=20_000)
    world.init()
    web = f"http://127.0.0.1:{port}/"
    world.impound("fetch", f"{torrent.magnet()}&ws={web}&ws={web}two/", "--peer", peer.address, "--allow-net", "127.0.0.0/8", "--no-dht", seconds=90)
    check_sealed(world, torrent, seeded)
    assert world.of_kind("acquisition.attempt")[0]["body"]["web_seeds"] == [web, f"{web}two/"]
    tried = {one["url"]: one for one in world.of_kind("acquisition.result")[0]["body"]["tried"]["web_seeds"]}
    assert tried[web]["bytes"] > 3_000_000, tried
    assert tried[f"{web}two/"]["bytes"] == 0 and "not there" in tried[f"{web}two/"]["last"], tried


def test_what_a_web_seed_lacks_or_has_otherwise_is_told_and_the_rest_is_sealed(world):
    """Archive.org makes its *_meta.xml anew whenever somebody touches an item."""
    seeded = dump(world)
    torrent = peers.make_torrent(world, seeded / "leak", "hybrid", web_seeds=[f"http://127.0.0.1:{(port := world.nginx(seeded))}/"])
    (seeded / "leak" / "leak_meta.xml").write_bytes(b"made anew")
    (seeded / "leak" / "photos.tar").unlink()
    world.init()
    done = world.impound("fetch", torrent.path, "--allow-net", "127.0.0.0/8", "--no-dht", code=1, seconds=60)
    result = world.of_kind("acquisition.result")[0]["body"]
    assert result["state"] == "partial" and result["reason"] == "no_peers", result
    for words in ("1 file differs from the torrent (leak/leak_meta.xml)", "1 file is not there (leak/photos.tar)"):
        assert words in result["detail"] and words in done.out, (words, result, done.out)
    sealed = {file["path"] for file in world.show(torrent.v1)["files"] if file["sealed"]}
    assert sealed == {"leak/mail box/письмо 1.eml", "leak/empty.txt"}, sealed
    assert access_log(world, port).count("photos.tar") == 1
    assert world.verify()["ok"] is True


def test_p5_web_seeds_that_content_names_lead_nowhere_inside(world):
    seeded = dump(world)
    port = world.nginx(seeded)
    named = [f"http://127.0.0.1:{port}/", f"http://0x7f.1:{port}/", f"http://2130706433:{port}/", f"http://[::ffff:127.0.0.1]:{port}/", f"http://localhost:{port}/"]
    torrent = peers.make_torrent(world, seeded / "leak", "v1", web_seeds=named)
    world.init()
    world.impound("fetch", torrent.path, "--no-dht", code=1, seconds=60)
    assert access_log(world, port) == ""
    assert set(world.of_kind("acquisition.attempt")[0]["body"]["addresses_refused"]) == set(named[:4])
    assert world.verify()["ok"] is True


def test_json_events_count_web_seeds(world):
    seeded = dump(world)
    harness.write_bytes(seeded / "leak" / "more.tar", 3_000_000, "more")
    port = world.nginx(seeded, more="limit_rate 700k;")
    torrent = peers.make_torrent(world, seeded / "leak", "v1", web_seeds=[f"http://127.0.0.1:{port}/"])
    world.init()
    done = world.impound("fetch", torrent.path, "--json", "--allow-net", "127.0.0.0/8", "--no-dht", seconds=60)
    progress = [event for line in done.out.splitlines() if (event := json.loads(line))["event"] == "progress"]
    assert any(event["web_seeds"] == 1 and event["rate"] > 0 for event in progress), progress


harness.main(globals())
