"""What goes wrong is told in at most 4 lines with the right exit code, and the vault is unharmed."""
import contextlib
import os
import signal
import subprocess

import harness
import peers

HASH = "c9e15763f722f23e98a29decdfae341b98d53056"


def unharmed(world):
    assert world.verify()["ok"] is True


def test_targets_that_make_no_sense(world):
    world.init()
    size = len(world.entries())
    for target in ("magnet:?xt=urn:btih:nonsense", "magnet:?dn=nothing", "magnet:", "magnet:?xt=urn:btih:" + "z" * 40, HASH[:39], HASH + "0",
                   "magnet:?xt=urn:btih:" + HASH[:38], "no such thing", "ftp://example.org/x.torrent", ""):
        world.refused(2, "fetch", target)
    assert len(world.entries()) == size, "judged before the vault is opened"
    unharmed(world)


def test_a_truncated_torrent_file(world):
    seeded = world.folder / "seeded"
    file = harness.write_bytes(seeded / "leak", 500_000, "leak")
    whole = peers.make_torrent(world, file, "v1").path.read_bytes()
    world.init()
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        cut = world.folder / "cut.torrent"
        cut.write_bytes(whole[:size])
        world.refused(2, "fetch", cut)
    unharmed(world)


def test_flags_and_words_that_do_not_exist(world):
    world.init()
    for words in (["fetch", HASH, "--frobnicate"], ["frobnicate"], ["fetch"], [], ["fetch", HASH, "--peer", "nowhere"],
                  ["fetch", HASH, "--timeout", "soon"], ["fetch", HASH, "--case", "No Case"], ["fetch", HASH, "--allow-net", "300.1.1.1/8"],
                  ["fetch", HASH, "--config", "/nonexistent.toml"], ["watch", "--for", "ever"], ["log", "--kind", "no.kind"],
                  ["log", "--since", "yesterday"], ["show", "nothing"], ["init"], ["verify", "--vkey", "garbage"]):
        world.refused(2, *words)
    unharmed(world)


def test_settings_that_are_wrong(world):
    world.init()
    for text in ("[vault", "[network]\nallow_nets = []\n", '[torrents]\nmetadata_timeout = "soon"\n', "[nothing]\na = 1\n",
                 '[[source]]\nname = "x"\n', '[[source]]\nname = "x"\nprofile = "no-such-site"\nbase_url = "http://127.0.0.1:1"\n'):
        world.refused(2, "watch", "--once", "--config", world.settings(text))
    unharmed(world)


def test_no_vault(world):
    for words in (["fetch", HASH], ["log"], ["status"], ["show", HASH], ["verify"], ["watch", "--once", "--config", world.settings(
            f'[[source]]\nname = "p"\nprofile = "{harness.PROFILE}"\nbase_url = "http://127.0.0.1:1"\n')]):
        done = world.refused(2, *words)
        assert "impound init" in done.err, done
    assert not world.vault.exists()


def test_init_twice_and_into_a_folder_in_use(world):
    world.init()
    before = harness.tree(world.vault)
    world.refused(2, "init", "--vault", world.vault, "--origin", "test.example/other")
    assert harness.tree(world.vault) == before
    used = world.folder / "used"
    used.mkdir()
    (used / "mine.txt").write_text("mine")
    done = world.impound("init", "--vault", used, "--origin", "test.example/other", code=None)
    assert done.code in (1, 2) and len(done.err.splitlines()) <= harness.ERROR_LINES_MAX, done
    assert os.listdir(used) == ["mine.txt"]
    unharmed(world)


def test_a_peer_that_does_not_answer(world):
    world.init()
    config = world.settings('[torrents]\nmetadata_timeout = "2s"\n')
    world.refused(1, "fetch", HASH, "--peer", f"127.0.0.2:{harness.free_port('127.0.0.2')}", "--config", config)
    result = world.of_kind("acquisition.result")
    assert len(result) == 1 and result[0]["body"]["reason"] in ("no_peers", "no_metadata"), result
    unharmed(world)


def test_nobody_to_ask_is_said_at_once(world):
    world.init()
    done = world.impound("fetch", HASH, "--config", world.settings('[torrents]\nmetadata_timeout = "2s"\n'), code=1)
    assert "--peer" in done.err, done
    unharmed(world)


def test_an_url_that_does_not_answer(world):
    world.init()
    port = harness.free_port()
    world.refused(1, "fetch", f"http://127.0.0.1:{port}/x.torrent", "--allow-net", "127.0.0.0/8")
    results = world.of_kind("capture.result")
    assert len(results) == 1 and results[0]["body"]["outcome"] == "failed", results
    unharmed(world)


def test_an_url_that_gives_no_torrent(world):
    served = world.folder / "served"
    served.mkdir()
    (served / "page.torrent").write_text("<html>gone</html>")
    port = world.nginx(served)
    world.init()
    for name in ("page.torrent", "missing.torrent"):
        world.refused(1, "fetch", f"http://127.0.0.1:{port}/{name}", "--allow-net", "127.0.0.0/8")
    assert [entry["body"]["kept"] for entry in world.of_kind("capture.result")] == [True, True]
    unharmed(world)


def test_a_torrent_that_cannot_fit_is_refused(world):
    world.on_small_disk("16m")
    seeded = world.folder / "seeded"
    harness.write_bytes(seeded / "leak" / "big.zip", 64 << 20, "big")
    torrent = peers.make_torrent(world, seeded / "leak", "v1", piece_size=256 << 10)
    peer = peers.seeder(world, torrent, seeded)
    world.init()
    for target in (torrent.magnet(), torrent.path):
        world.refused(1, "fetch", target, "--peer", peer.address, "--config", world.settings("[limits]\ndisk_reserve = 0\n"))
    results = world.of_kind("acquisition.result")
    assert [result["body"]["reason"] for result in results] == ["disk_full"] * 2, results
    assert results[1]["body"]["downloaded_payload_bytes"] == 0, results  # known from the .torrent before anybody is dialled
    unharmed(world)


def test_no_space_left_half_way(world):
    """Somebody else fills the disk while a download is under way; when there is room again, it becomes whole."""
    disk = world.on_small_disk("48m")
    seeded = world.folder / "seeded"
    for number in range(40):  # small ones: a large file has its room from its first byte on, and nobody else takes it
        harness.write_bytes(seeded / "leak" / f"{number:03}.eml", 300_000, number)
    torrent = peers.make_torrent(world, seeded / "leak", "v1", piece_size=64 << 10)
    peer = peers.seeder(world, torrent, seeded, rate=4 << 20)
    world.init()
    words = ["fetch", torrent.magnet(), "--peer", peer.address, "--config", world.settings("[limits]\ndisk_reserve = 0\n")]
    fetch = world.start_impound(*words)
    harness.wait_until(world.under_way, 30, "the download")
    ballast = disk / "ballast"
    with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(64 << 10))
    assert fetch.wait() == 1, fetch.output()
    results = world.of_kind("acquisition.result")
    assert len(results) == 1 and results[0]["body"]["reason"] == "disk_full", results
    unharmed(world)
    ballast.unlink()
    world.impound(*words)
    shown = world.show(torrent.v1)
    assert shown["state"] == "complete" and {file["sha256"] for file in shown["files"]} == set(harness.tree(seeded).values()), shown
    unharmed(world)


def test_p1_a_fetch_on_a_full_disk_leaves_a_vault_that_verifies(world):
    """8 MiB of disk, of which less and less is free: wherever it runs out, nothing is lost, and with room the fetch goes on."""
    disk = world.on_small_disk("8m")
    seeded = world.folder / "seeded"
    for number in range(40):
        harness.write_bytes(seeded / "leak" / f"{number:03}.eml", 30_000, number)
    torrent = peers.make_torrent(world, seeded / "leak", "v1", piece_size=16 << 10)
    peer = peers.seeder(world, torrent, seeded)
    template = world.vault
    world.init()
    base = world.folder / "base"
    subprocess.run(["cp", "-a", template, base], check=True)
    state = world.folder / "base-state"
    subprocess.run(["cp", "-a", world.state(), state], check=True)
    words = ["fetch", torrent.magnet(), "--peer", peer.address, "--config", world.settings("[limits]\ndisk_reserve = 0\n")]
    told = ended = stuck = 0
    steps = range(0, 3 << 20, 48 << 10 if harness.ALL else 420 << 10)
    for free in steps:
        for folder, kept in ((template, base), (world.state(), state)):
            for part in folder.iterdir():
                subprocess.run(["rm", "-rf", part], check=True)
            subprocess.run(["cp", "-a", f"{kept}/.", folder], check=True)
        fill(disk / "ballast", disk, free)
        done = world.impound(*words, code=None)
        verdict = world.impound("verify", world.vault, "--json", code=None).json()
        # Where not even the signature found room, what is in the journal waits for a start with room: told, never lost.
        unsigned = not verdict["ok"]
        assert done.code in (0, 1) and (done.code == 1 or not unsigned), (free, done)
        assert {problem["what"] for problem in verdict["problems"]} <= {"unlogged", "added"}, (free, verdict)
        stuck += unsigned
        kinds = world.kinds()
        results = world.of_kind("acquisition.result")
        full = [entry["body"] for entry in results if entry["body"].get("reason") == "disk_full"]
        if done.code == 1 and len(kinds) > 3 and not unsigned:
            assert "limit.reached" in kinds or "no room" in done.err, (free, kinds, done)
        assert not full or unsigned or "limit.reached" in kinds, (free, kinds)
        told += "limit.reached" in kinds
        ended += done.code == 0
        (disk / "ballast").unlink()
        world.impound(*words)
        assert world.verify()["ok"] is True, free
        assert {file["path"]: file["sha256"] for file in world.show(torrent.v1)["files"]} == harness.tree(seeded), free
        if "limit.reached" in kinds:
            assert "limit.left" in world.kinds(), free
    print(f"{len(steps)} disks: {told} told of it, {ended} had room enough, {stuck} had not even room to sign")
    assert told >= len(steps) // 4 and ended > 0 and stuck <= len(steps) // 4, (told, ended, stuck, len(steps))


def fill(ballast, disk, free):
    """A file that leaves so many bytes of the disk."""
    room = os.statvfs(disk)
    size = room.f_bavail * room.f_frsize - free
    with open(ballast, "wb") as file:
        if size > 0:
            os.posix_fallocate(file.fileno(), 0, size)


def test_a_read_only_vault(world):
    world.init()
    subprocess.run(["mount", "--bind", world.vault, world.vault], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", world.vault], check=True)
    world.refused(1, "fetch", HASH, "--peer", "127.0.0.2:9")
    unharmed(world)  # reading needs no pen
    assert world.kinds()[0] == "vault.created"
    subprocess.run(["umount", world.vault], check=True)
    unharmed(world)


def slow_fetch(world):
    seeded = world.folder / "seeded"
    harness.write_bytes(seeded / "leak" / "a.eml", 400_000, "a")
    torrent = peers.make_torrent(world, seeded / "leak", "v1", piece_size=16 << 10)
    peer = peers.seeder(world, torrent, seeded, rate=150_000)
    words = ["fetch", torrent.magnet(), "--peer", peer.address]
    return seeded, torrent, words


def test_a_second_writer_is_told_who_holds_the_vault(world):
    _, _, words = slow_fetch(world)
    world.init()
    first = world.start_impound(*words)
    harness.wait_until(world.under_way, 30, "the download")
    done = world.refused(3, "key", "rotate")  # which nobody does for another
    assert str(first.process.pid) in done.err and "fetch" in done.err, done
    # Readers need no lock.
    assert world.impound("status", "--json").json()["vault"]["held"] is True
    assert first.wait() == 0, first.output()
    unharmed(world)


def test_ctrl_c_keeps_the_state_and_the_next_run_goes_on(world):
    seeded, torrent, words = slow_fetch(world)
    world.init()
    first = world.start_impound(*words)
    harness.wait_until(world.under_way, 30, "the download")
    assert first.stop(signal.SIGINT) == 130, first.output()
    unharmed(world)
    assert "acquisition.result" not in world.kinds()
    assert world.show(torrent.v1)["state"] == "waiting"
    world.impound(*words)
    kinds = world.kinds()
    assert kinds.count("acquisition.attempt") == kinds.count("acquisition.result") == 1, kinds
    assert {file["path"]: file["sha256"] for file in world.show(torrent.v1)["files"]} == harness.tree(seeded)
    result = world.of_kind("acquisition.result")[0]["body"]
    assert result["downloaded_payload_bytes"] < 400_000, "it went on from what was there"
    unharmed(world)


def test_verify_beside_a_running_writer(world):
    _, _, words = slow_fetch(world)
    world.init()
    first = world.start_impound(*words)
    harness.wait_until(world.under_way, 30, "the download")
    for _ in range(3):
        assert world.verify()["ok"] is True
    first.wait()
    unharmed(world)


harness.main(globals())
