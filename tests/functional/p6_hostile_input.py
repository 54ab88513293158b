"""P6: whatever a torrent or a paste holds, it costs this one acquisition at most; the agent goes on and says why."""
import hashlib
import json

import harness
import peers


def bencode(value):
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


def torrent_with_trackers(path, trackers):
    payload = b"x" * 1000
    info = {b"length": len(payload), b"name": b"leak", b"piece length": 16384, b"pieces": hashlib.sha1(payload).digest()}
    path.write_bytes(bencode({b"announce-list": [[tracker] for tracker in trackers], b"info": info}))
    return path


def test_a_torrent_with_thousands_of_bytes_of_trackers_ends_with_its_own_result(world):
    world.init()
    long = [b"http://tracker%d.invalid/%s" % (number, b"a" * 1500) for number in range(60)]
    short = [b"http://tracker%d.invalid/announce" % number for number in range(50)]
    for name, trackers in (("long", long), ("many", short + [url + b"%d" % number for number, url in enumerate(long * 14)])):
        torrent = torrent_with_trackers(world.folder / f"{name}.torrent", trackers)
        world.refused(1, "fetch", torrent, "--timeout", "2s")
    kinds = world.kinds()
    assert kinds.count("acquisition.attempt") == kinds.count("acquisition.result") == 2, kinds
    assert world.verify()["ok"] is True


def test_a_hostile_torrent_named_by_a_paste_does_not_stop_the_watch(world):
    seeded = world.folder / "seeded"
    file = harness.write_bytes(seeded / "leak", 200_000, "leak")
    good = peers.make_torrent(world, file, "v1")
    seeder = peers.seeder(world, good, seeded)
    archive = world.folder / "archive"
    archive.mkdir()
    torrent_with_trackers(archive / "bad.torrent", [b"http://tracker%d.invalid/%s" % (number, b"a" * 1500) for number in range(60)])
    (archive / "none.torrent").write_bytes(b"d4:infod")
    served = world.nginx(archive)
    links = "\n".join(f"http://127.0.0.1:{served}/{name}.torrent" for name in ("bad", "none", "gone"))
    site = world.pastes([{"key": "bad1", "text": links}, {"key": "good1", "text": f"{good.magnet()}&x.pe={seeder.address}"}])
    world.init()
    settings = '[network]\nallow_net = ["127.0.0.0/8"]\n[torrents]\ntimeout = "2s"\nmetadata_timeout = "10s"\npatience = "0s"\n' + site.source()
    world.impound("watch", "--once", "--config", world.settings(settings), code=None)
    states = sorted(entry["body"]["state"] for entry in world.of_kind("acquisition.result"))
    assert states == ["complete", "failed"], states
    assert [entry["body"]["what"] for entry in world.of_kind("input.refused")] == ["torrent"]
    assert world.kinds()[-1] == "agent.stopped"
    assert world.verify()["ok"] is True


def test_links_that_lead_elsewhere_are_kept_as_they_stand_in_the_torrent(world):
    secret = world.folder / "secret"
    secret.write_text("not to be touched")
    outside = [part.encode() for part in str(secret).split("/")]  # "" in front: an absolute path
    targets = [outside, [b".."] * 12 + [b"etc", b"passwd"], [b"self-3"], [b"self-2"], [b"l\xe9tat\x00\x1b[2J\n"], [b"."], [b"x" * 5000]]
    links = [([b"self-%d" % number], target) for number, target in enumerate(targets)]
    seeded, torrent, contents = peers.torrent_of_raw_names(world, [b"leak"], [([b"sub", b"a.eml"], 40_000), ([b"self-0x"], 20_000)], links)
    peer = peers.seeder(world, torrent, seeded)
    world.init()
    before = secret.stat()
    world.impound("fetch", torrent.path, "--peer", peer.address)
    shown = world.show(torrent.v1)
    assert shown["state"] == "complete", shown
    assert {bytes.fromhex(file["path_hex"]): file["sha256"] for file in shown["files"] if file["sealed"]} == contents
    recorded = {file["path"]: bytes.fromhex(file["symlink_hex"]) for file in shown["files"] if not file["sealed"]}
    assert recorded == {f"leak/self-{number}": b"/".join(target) for number, target in enumerate(targets)}, recorded
    printed, texts = world.impound("show", torrent.v1).out, "".join(file["symlink"] for file in shown["files"] if not file["sealed"])
    assert printed.count("symbolic link, never created") == len(targets) and not set("\x00\x1b") & set(printed + texts) and "\n" not in texts, printed
    after = secret.stat()
    assert (before.st_mtime_ns, before.st_ino, before.st_nlink) == (after.st_mtime_ns, after.st_ino, after.st_nlink)
    assert not [path for path in world.vault.rglob("*") if path.is_symlink()] and world.verify()["ok"] is True


def test_the_corpus_of_torrents_good_and_bad_writes_nothing_outside_staging(world):
    """All of them through the real worker: the bad ones are refused before the vault is opened, the others have their result each."""
    corpus = harness.DATA / "torrents"
    table = json.loads((corpus / "expected.json").read_text())
    world.init()
    config = world.settings("[limits]\ndisk_reserve = 0\n")
    taken = []
    for name, expected in sorted(table.items()):
        looked_at = world.impound("fetch", corpus / name, "--metadata-only", "--config", config, code=None)
        assert looked_at.code in (0, 1, 2), looked_at
        assert expected["good"] or looked_at.code != 0, looked_at
        if looked_at.code == 0:
            taken.append(name)
    assert len(taken) >= 45, len(taken)
    outside = set(world.folder.iterdir())
    before = set((world.vault / "objects").rglob("*"))
    world.impound("fetch", *[corpus / name for name in taken], "--timeout", "2s", "--config", config, code=1, seconds=200)
    assert set(world.folder.iterdir()) == outside
    assert not [path for path in world.folder.rglob("*") if path.is_symlink()]
    assert [path for path in (world.vault / "staging" / "swarm").rglob("*") if path.name != "direct"] == []
    results = [entry["body"] for entry in world.of_kind("acquisition.result")]
    assert len(world.of_kind("acquisition.attempt")) == len(results)
    assert not [body for body in results if body["bytes_sealed"]], "there was nobody to have payload from: empty files are all there is"
    new = set((world.vault / "objects").rglob("*")) - before
    named = {entry["body"]["sha256"] for entry in world.of_kind("exhibit.sealed")}
    assert all(path.is_dir() or path.name in named for path in new)
    assert world.verify()["ok"] is True


harness.main(globals())
