"""Digests of an exhibit: all three at sealing when the settings ask, else SHA-1 and MD5 while the service has nothing to do."""
import hashlib
import math
import os
import subprocess

import harness
import peers

PIECE = 16 << 10
SIZES = {"1.eml": 40_000, "2.eml": 3_000_000, "3.eml": 1, "empty.txt": 0}


def leak(world, kind="v1"):
    seeded = world.folder / "seeded"
    for name, size in SIZES.items():
        harness.write_bytes(seeded / "leak" / name, size, name)
    torrent = peers.make_torrent(world, seeded / "leak", kind, piece_size=PIECE)
    return seeded, torrent, peers.seeder(world, torrent, seeded)


def digests(path):
    data = path.read_bytes()
    return {name: hashlib.new(name, data).hexdigest() for name in ("sha256", "sha1", "md5")}


def shown(world, torrent):
    return {file["path"]: file for file in world.show(torrent.v1 or torrent.v2)["files"]}


def check_schemas(world):
    harness.need_module("jsonschema")
    checked = subprocess.run([harness.PYTHON, harness.SUPPORT / "schema_check.py", harness.ROOT / "config/schema"], input=world.impound("log", "--json").out,
                             capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout[-2000:] + checked.stderr[-2000:]


def test_all_three_digests_at_sealing_when_asked_for(world):
    seeded, torrent, peer = leak(world)
    world.init()
    world.impound("fetch", torrent.magnet(), "--peer", peer.address, "--config", world.settings('[torrents]\ndigests = ["sha256", "sha1", "md5"]\n'))
    files = shown(world, torrent)
    for name in SIZES:
        expected = digests(seeded / "leak" / name)
        assert {key: files[f"leak/{name}"][key] for key in expected} == expected, files
    assert all({"sha1", "md5"} <= entry["body"].keys() for entry in world.of_kind("exhibit.sealed")), "the agent's own files, too"
    check_schemas(world)
    assert world.verify()["ok"] is True


def test_an_exhibit_says_where_in_the_torrent_it_lay(world):
    for kind in ("v1", "v2"):
        world.vault = world.folder / kind
        world.env["IMPOUND_VAULT"] = str(world.vault)
        seeded, torrent, peer = leak(world, kind)
        world.init()
        world.impound("fetch", torrent.path, "--peer", peer.address)
        sealed = {entry["body"]["origin"]["path"]: entry["body"] for entry in world.of_kind("exhibit.sealed") if entry["body"]["role"] == "payload"}
        assert len(sealed) == len(SIZES)
        at = 0
        for path, body in sorted(sealed.items(), key=lambda one: one[1]["origin"]["index"]):
            size = SIZES[path.removeprefix("leak/")]
            assert body["size"] == size and bytes.fromhex(body["origin"]["path_hex"]).decode() == path, body
            assert "media_type" not in body and body["arrival_sha256"] == body["sha256"], body  # the agent's own pass against the torrent
            assert body["origin"].get("pieces") == ({"first": at // PIECE, "last": (at + size - 1) // PIECE} if size else None), body
            at += size if kind == "v1" else math.ceil(size / PIECE) * PIECE
        check_schemas(world)


def test_a_torrent_over_http_carries_the_type_its_server_claimed(world):
    _, torrent, peer = leak(world)
    served = world.folder / "served"
    served.mkdir()
    (served / "dump.torrent").write_bytes(torrent.path.read_bytes())
    port = world.nginx(served)
    world.init()
    world.impound("fetch", f"http://127.0.0.1:{port}/dump.torrent", "--peer", peer.address, "--allow-net", f"127.0.0.1/32:{port}")
    exhibit = next(entry for entry in world.of_kind("exhibit.sealed") if entry["body"]["role"] == "torrent")
    capture = world.of_kind("capture.result")[0]
    assert exhibit["body"]["media_type"] == "application/x-bittorrent" == capture["body"]["media_type"], exhibit
    assert exhibit["body"]["origin"]["type"] == "http" and exhibit["body"]["origin"]["capture"] == capture["id"], exhibit
    check_schemas(world)


def idle(world):
    """A service with a source and nothing to do."""
    site = world.pastes([])
    return world.start_impound("watch", "--config", world.settings(site.source(acquire="none")))


def test_the_others_follow_while_the_service_has_nothing_to_do(world):
    seeded, torrent, peer = leak(world)
    world.init()
    world.impound("fetch", torrent.magnet(), "--peer", peer.address)
    assert "sha1" not in shown(world, torrent)["leak/2.eml"]
    wanted = {entry["id"] for entry in world.of_kind("exhibit.sealed") if entry["body"]["role"] in ("payload", "info_dict")}
    assert len(wanted) == len(SIZES) + 1
    service = idle(world)
    harness.wait_until(lambda: {entry["of"] for entry in world.of_kind("exhibit.digested")} == wanted, 60, "the idle-time pass")
    assert service.stop() == 0, service.output()
    files = shown(world, torrent)
    for name in SIZES:
        expected = digests(seeded / "leak" / name)
        assert {key: files[f"leak/{name}"][key] for key in expected} == expected, files
    object_shown = world.impound("show", files["leak/1.eml"]["sha256"], "--json").json()
    assert object_shown["md5"] == files["leak/1.eml"]["md5"], object_shown
    # Once is enough: the next run finds nothing to do.
    service = idle(world)
    harness.wait_until(lambda: world.kinds().count("source.polled") >= 1 and world.kinds().count("agent.started") == 3, 30, "the second service")
    assert service.stop() == 0
    assert len(world.of_kind("exhibit.digested")) == len(wanted)
    check_schemas(world)
    assert world.verify()["ok"] is True


def test_bytes_that_changed_at_rest_are_told_and_get_no_digests(world):
    seeded, torrent, peer = leak(world)
    world.init()
    world.impound("fetch", torrent.magnet(), "--peer", peer.address)
    altered = harness.sha256(seeded / "leak" / "2.eml")
    path = world.vault / "objects" / altered[:2] / altered
    with harness.byte_changed(path, 1_500_000):
        service = idle(world)
        harness.wait_until(lambda: world.of_kind("incident.raised") and len(world.of_kind("exhibit.digested")) == len(SIZES), 60, "the idle-time pass")
        assert service.stop() == 0, service.output()
        incident = world.of_kind("incident.raised")
        assert len(incident) == 1 and incident[0]["body"]["where"] == f"objects/{altered[:2]}/{altered}", incident
        assert all(entry["body"]["sha256"] != altered for entry in world.of_kind("exhibit.digested"))
    # A run that finds the bytes whole again brings it in.
    service = idle(world)
    harness.wait_until(lambda: any(entry["body"]["sha256"] == altered for entry in world.of_kind("exhibit.digested")), 60, "the next pass")
    assert service.stop() == 0
    assert len(world.of_kind("incident.raised")) == 1
    check_schemas(world)


def test_a_pass_stops_at_once_when_the_command_ends(world):
    """A file far too large for the time that is left: the service ends all the same, and the next run begins it anew."""
    big = world.folder / "big"
    with open(big, "wb") as file:
        file.truncate(512 << 20)
    world.init()
    if os.statvfs(world.folder).f_bavail * os.statvfs(world.folder).f_frsize < 2 << 30:
        raise harness.Skip("no room for a large file")
    world.impound("import", big, "--case", "big", "--source", "a test", seconds=120)
    service = idle(world)
    reading = lambda: any("/objects/" in os.readlink(f"/proc/{service.process.pid}/fd/{name}") for name in os.listdir(f"/proc/{service.process.pid}/fd")
                          if os.path.islink(f"/proc/{service.process.pid}/fd/{name}"))
    harness.wait_until(reading, 30, "the object to be read")
    assert service.stop(seconds=5) == 0
    assert "exhibit.digested" not in world.kinds()
    assert world.kinds()[-1] == "agent.stopped"


harness.main(globals())
