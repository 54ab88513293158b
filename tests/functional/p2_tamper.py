# ctest: TIMEOUT 900
"""P2: one byte changed, one file removed or added, or the whole vault set back: verify fails and names the place."""
import shutil

import harness
import peers

# Not evidence: workspace of the agent, zeros, what is not yet under a signature.
NOT_EVIDENCE = ("staging/", "reserve", "journal.0", "journal.1")
WHAT = {"altered", "missing", "added", "unlogged", "unsigned", "rolled_back", "forked", "malformed", "untrusted", "time"}


def small_vault(world):
    """A vault that holds every kind of file there is: objects, captures, a log."""
    seeded = world.folder / "seeded"
    harness.write_bytes(seeded / "leak" / "1.eml", 40_000, "mail")
    harness.write_bytes(seeded / "leak" / "2.eml", 20_000, "more mail")
    torrent = peers.make_torrent(world, seeded / "leak", "v1")
    peer = peers.seeder(world, torrent, seeded)
    site = world.pastes([{"key": "0CeaNm8Y", "title": "Part one", "user": "EMLEAKS", "text": torrent.magnet() + "\n"}])
    world.init()
    world.impound("watch", "--once", "--config", world.settings(site.source(acquire="none")))
    world.impound("fetch", torrent.magnet(), "--peer", peer.address)
    peer.running.stop()
    assert world.verify()["ok"] is True
    return torrent


def evidence_files(world):
    names = [str(file.relative_to(world.vault)) for file in sorted(world.vault.rglob("*")) if file.is_file()]
    return [name for name in names if not name.startswith(NOT_EVIDENCE)]


def named(problems, name):
    assert {problem["what"] for problem in problems} <= WHAT, problems
    return any(name in problem["where"] + problem.get("detail", "") for problem in problems)


def test_one_byte_changed_in_each_kind_of_file(world):
    small_vault(world)
    files = evidence_files(world)
    kinds = {"vault.toml", "log/checkpoint", "log/tile/0", "log/tile/entries", "objects/", "warc/"}
    for kind in kinds:
        assert any(name.startswith(kind) for name in files), (kind, files)
    changed = 0
    for name in files:
        size = (world.vault / name).stat().st_size
        offsets = range(size) if harness.ALL and size <= 400 else sorted({0, 3, size // 3, size // 2, size - 2, size - 1})
        for offset in (at for at in offsets if 0 <= at < size):
            with harness.byte_changed(world.vault / name, offset):
                problems = world.verify_fails()
            assert named(problems, name), f"byte {offset} of {name} changed, but: {problems}"
            changed += 1
    print(f"{changed} bytes changed in {len(files)} files, one at a time: each noticed")
    assert changed >= 5 * len(kinds)
    assert world.verify()["ok"] is True


def test_a_file_deleted(world):
    small_vault(world)
    files = evidence_files(world)
    for name in files:
        away = world.folder / "away"
        (world.vault / name).rename(away)
        done = world.impound("verify", world.vault, "--json", code=1)
        # Without vault.toml nothing can be judged, and one error that names it is what there is to say.
        assert name in done.out + done.err, f"{name} deleted, but: {done}"
        away.rename(world.vault / name)
    assert world.verify()["ok"] is True


def test_a_file_added_anywhere(world):
    small_vault(world)
    folders = [folder for folder in world.vault.rglob("*") if folder.is_dir() and not str(folder.relative_to(world.vault)).startswith("staging")]
    alike = [folder for folder in folders if folder.parent.name == "objects"]  # 256 of them: one in use and one that is empty will do
    used = [folder for folder in alike if any(folder.iterdir())]
    empty = [folder for folder in alike if folder not in used]
    for folder in [world.vault, *(set(folders) - set(alike)), *used[:1], *empty[:1]]:
        added = folder / "added"
        for kind in ("file", "symlink", "empty"):
            if kind == "symlink":
                added.symlink_to("/etc/passwd")
            else:
                added.write_bytes(b"planted" if kind == "file" else b"")
            name = str(added.relative_to(world.vault))
            problems = world.verify_fails()
            assert named(problems, name), f"{kind} {name} added, but: {problems}"
            added.unlink()
    # A well-formed object that nothing names is an addition, too.
    planted = b"planted"
    digest = harness.hashlib.sha256(planted).hexdigest()
    folder = world.vault / "objects" / digest[:2]
    fresh = not folder.exists()
    folder.mkdir(exist_ok=True)
    (folder / digest).write_bytes(planted)
    assert named(world.verify_fails(), digest)
    (folder / digest).unlink()
    if fresh:
        folder.rmdir()
    assert world.verify()["ok"] is True


def test_what_lies_in_staging_is_no_evidence(world):
    small_vault(world)
    (world.vault / "staging" / "torn" / "left").write_bytes(b"anything")
    assert world.verify()["ok"] is True


def set_back(world):
    """The vault as it was before the newest fetch, all of it, with its own valid signature."""
    torrent = small_vault(world)
    before = world.folder / "before"
    shutil.copytree(world.vault, before, symlinks=True)
    old_checkpoint = (world.vault / "log" / "checkpoint").read_bytes()
    world.impound("fetch", torrent.v1, "--metadata-only", "--case", "later")
    seeded = world.folder / "seeded2"
    harness.write_bytes(seeded / "late" / "3.eml", 10_000, "late mail")
    late = peers.make_torrent(world, seeded / "late", "v1")
    peer = peers.seeder(world, late, seeded)
    world.impound("fetch", late.magnet(), "--peer", peer.address)
    newest = (world.vault / "log" / "checkpoint").read_bytes()
    assert newest != old_checkpoint
    (world.folder / "newest.checkpoint").write_bytes(newest)
    shutil.rmtree(world.vault)
    before.rename(world.vault)
    return late


def test_a_vault_set_back_is_refused_by_verify_and_by_the_next_writer(world):
    late = set_back(world)
    problems = world.verify_fails()
    assert any(problem["what"] == "rolled_back" for problem in problems), problems
    log = harness.tree(world.vault / "log")
    world.refused(1, "fetch", late.magnet(), "--metadata-only")
    assert harness.tree(world.vault / "log") == log, "a refused writer wrote"


def test_a_vault_set_back_is_refused_by_whoever_kept_a_checkpoint(world):
    set_back(world)
    state = world.state()
    state.rename(world.folder / "state-lost")
    assert world.verify()["ok"] is True  # nothing on this machine remembers better
    done = world.impound("verify", world.vault, "--checkpoint", world.folder / "newest.checkpoint", "--json", code=1)
    assert {problem["what"] for problem in done.json()["problems"]} & {"rolled_back", "forked"}, done


def test_a_vault_signed_by_another_key_is_untrusted(world):
    small_vault(world)
    other = world.folder / "other"
    done = world.impound("init", "--vault", other, "--origin", "test.example/custody")
    vkey = next(line.split()[-1] for line in done.out.splitlines() if line.startswith("vkey"))
    verdict = world.impound("verify", world.vault, "--vkey", vkey, "--json", code=1).json()
    assert any(problem["what"] in ("untrusted", "unsigned") for problem in verdict["problems"]), verdict
    own = [line for line in (world.vault / "vault.toml").read_text().splitlines() if line.startswith("vkey")][0].split('"')[1]
    assert world.impound("verify", world.vault, "--vkey", own, "--json").json()["ok"] is True


def test_entries_swapped_in_their_bundle(world):
    small_vault(world)
    bundle = next(file for file in (world.vault / "log" / "tile" / "entries").rglob("*") if file.is_file())
    before = bundle.read_bytes()
    entries, at = [], 0
    while at < len(before):
        size = int.from_bytes(before[at:at + 2], "big")
        entries.append(before[at:at + 2 + size])
        at += 2 + size
    entries[2], entries[3] = entries[3], entries[2]
    mode = bundle.stat().st_mode
    bundle.chmod(0o600)
    bundle.write_bytes(b"".join(entries))
    bundle.chmod(mode)
    assert named(world.verify_fails(), str(bundle.relative_to(world.vault)))


harness.main(globals())
