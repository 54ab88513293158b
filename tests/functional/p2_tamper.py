# ctest: TIMEOUT 900
"""P2: bytes changed, a file removed or added, the vault set back, its history forged: verify fails and names the place."""
import collections
import json
import random
import re
import shutil

import authorities
import harness
import peers

# Not evidence: workspace of the agent, zeros, what is not yet under a signature.
NOT_EVIDENCE = ("staging/", "reserve", "journal.0", "journal.1")
WHAT = {"altered", "missing", "added", "unlogged", "unsigned", "rolled_back", "forked", "malformed", "untrusted", "time"}
# Kind of file, its paths, and what a byte changed in it may be called. Where is the file's own path, always.
KINDS = [("vault.toml", r"vault\.toml", {"altered"}),
         ("log/checkpoint", r"log/checkpoint", {"unsigned", "malformed"}),
         ("anchored checkpoint", r"log/checkpoints/\d+", {"altered"}),
         ("partial bundle", r"log/tile/entries/\d+\.p/\d+", {"altered", "malformed"}),
         ("partial tile", r"log/tile/0/\d+\.p/\d+", {"altered"}),
         ("object", r"objects/../[0-9a-f]{64}", {"altered"}),
         ("WARC file", r"warc/.*\.warc\.gz", {"altered"}),
         ("token", r"timestamps/\d+/\w+\.tsr", {"altered"}),
         ("chain", r"timestamps/\d+/\w+\.chain\.pem", {"altered"}),
         ("CRL", r"timestamps/\d+/\w+\.\d+\.crl", {"altered"})]
CHANGES = 400 if harness.ALL else 80  # must not fall


def small_vault(world, files=2):
    """Objects, captures, a log."""
    seeded = world.folder / "seeded"
    for number in range(1, files + 1):
        harness.write_bytes(seeded / "leak" / f"{number}.eml", 40_000 // number, f"mail {number}")
    torrent = peers.make_torrent(world, seeded / "leak", "v1")
    peer = peers.seeder(world, torrent, seeded)
    site = world.pastes([{"key": key, "title": title, "user": "EMLEAKS", "text": torrent.magnet() + "\n"}
                         for key, title in (("0CeaNm8Y", "Part one"), ("1CeaNm8Y", "Part two"))])
    world.init()
    world.impound("watch", "--once", "--config", world.settings(site.source(acquire="none")))
    world.impound("fetch", torrent.magnet(), "--peer", peer.address)
    peer.running.stop()
    assert world.verify()["ok"] is True
    return torrent


def stamped(world):
    """Has the newest checkpoint stamped by two authorities; the path of the anchored checkpoint."""
    asked = authorities.Authorities(world, crl=True)
    settings = world.env.pop("IMPOUND_CONFIG")
    allowed = [word for port in asked.ports.values() for word in ("--allow-net", f"127.0.0.1/32:{port}")]
    done = world.impound("timestamp", *allowed, IMPOUND_CONFIG=settings)
    assert "by 2 timestamp(s)" in done.out, done
    return f"log/checkpoints/{world.of_kind('timestamp.result')[-1]['body']['size']}"


def whole_vault(world):
    """A vault that holds every kind of file there is in so small a log: 20 exhibits, captures, 40 entries and more, tokens."""
    small_vault(world, files=20)
    stamped(world)
    said = world.verify()
    assert said["entries"] >= 40 and said["exhibits"] >= 20 and said["captures"] >= 2 and said["timestamps"] == 2, said


def evidence_files(world):
    names = [str(file.relative_to(world.vault)) for file in sorted(world.vault.rglob("*")) if file.is_file()]
    return [name for name in names if not name.startswith(NOT_EVIDENCE)]


def kind_of(name):
    kinds = [(kind, whats) for kind, pattern, whats in KINDS if re.fullmatch(pattern, name)]
    assert len(kinds) == 1, f"{name} has {len(kinds)} rows in the table"
    return kinds[0]


def named(problems, name):
    assert {problem["what"] for problem in problems} <= WHAT, problems
    return any(name in problem["where"] + problem.get("detail", "") for problem in problems)


def says(problems, what, where):
    return any(problem["what"] == what and problem["where"] == where for problem in problems)


def test_bytes_changed_in_files_of_every_kind(world):
    whole_vault(world)
    by_kind = collections.defaultdict(list)
    for name in evidence_files(world):
        by_kind[kind_of(name)[0]].append(name)
    assert by_kind.keys() == {kind for kind, _, _ in KINDS}, by_kind.keys()
    chance, changed = random.Random(11), collections.Counter()
    while changed.total() < CHANGES:
        for kind, names in by_kind.items():
            name = names[changed[kind] % len(names)]
            offset = chance.randrange((world.vault / name).stat().st_size)
            with harness.byte_changed(world.vault / name, offset):
                problems = world.verify_fails()
            whats = kind_of(name)[1]
            assert any(says(problems, what, name) for what in whats), f"byte {offset} of {name} changed, but: {problems}"
            changed[kind] += 1
    print(f"{changed.total()} bytes changed, one at a time, each noticed and named: {json.dumps(changed)}")
    assert changed.total() >= CHANGES and min(changed.values()) >= CHANGES // len(KINDS)
    assert world.verify()["ok"] is True


def test_a_file_deleted(world):
    whole_vault(world)
    files = evidence_files(world)
    for name in files:
        away = world.folder / "away"
        (world.vault / name).rename(away)
        done = world.impound("verify", world.vault, "--json", code=1)
        # Without vault.toml nothing can be judged, and one error that names it is what there is to say.
        assert name in done.out + done.err, f"{name} deleted, but: {done}"
        away.rename(world.vault / name)
    assert world.verify()["ok"] is True


def test_a_file_cut_or_longer(world):
    whole_vault(world)
    damaged = 0
    for name in evidence_files(world):
        file = world.vault / name
        good, mode = file.read_bytes(), file.stat().st_mode
        file.chmod(0o600)
        for bad in (good[:-1], good[:len(good) // 2], good + b"\0", good + good):
            file.write_bytes(bad)
            file.chmod(mode)
            problems = world.verify_fails()
            file.chmod(0o600)
            assert any(problem["where"] == name for problem in problems), f"{name} has {len(bad)} bytes, but: {problems}"
            damaged += 1
        file.write_bytes(good)
        file.chmod(mode)
    print(f"{damaged} files cut or longer, each noticed and named")
    assert damaged >= 128
    assert world.verify()["ok"] is True


def test_two_files_in_each_others_place(world):
    whole_vault(world)
    names = evidence_files(world)
    swapped = 0
    for one, other in zip(names, names[1:] + names[:1]):
        if (world.vault / one).read_bytes() == (world.vault / other).read_bytes():
            continue
        away = world.folder / "away"

        def swap():
            (world.vault / one).rename(away)
            (world.vault / other).rename(world.vault / one)
            away.rename(world.vault / other)
        swap()
        done = world.impound("verify", world.vault, "--json", code=1)
        # Without vault.toml or a checkpoint nothing else can be judged: then that one alone is named.
        needed = {"vault.toml", "log/checkpoint"} & {one, other}
        for name in needed or {one, other}:
            assert name in done.out + done.err, f"{one} and {other} swapped, but: {done}"
        swap()
        swapped += 1
    print(f"{swapped} pairs of files swapped, each noticed and named")
    assert swapped >= 30
    assert world.verify()["ok"] is True


def test_a_file_added_anywhere(world):
    whole_vault(world)
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


def test_a_log_set_back_is_exposed_by_its_own_stamped_checkpoint(world):
    small_vault(world)
    before = world.folder / "before"
    shutil.copytree(world.vault, before, symlinks=True)
    note = stamped(world)
    shutil.rmtree(world.vault / "log" / "tile")
    shutil.copytree(before / "log" / "tile", world.vault / "log" / "tile")
    shutil.copyfile(before / "log" / "checkpoint", world.vault / "log" / "checkpoint")
    world.state().rename(world.folder / "state-lost")
    problems = world.verify_fails()
    assert says(problems, "rolled_back", note), problems
    assert any(problem["what"] == "added" and problem["where"].startswith("timestamps/") for problem in problems), problems


def forged(world):
    """Set back with all that this machine remembers, then another history written and signed by the vault's own key.

    Gives the path of the checkpoint that was stamped in the honest one; that one lies in world.folder / "honest", its memory in
    "honest-state"."""
    small_vault(world)
    shutil.copytree(world.vault, world.folder / "before", symlinks=True)
    shutil.copytree(world.state(), world.folder / "before-state", symlinks=True)
    letter = world.folder / "letter.eml"
    letter.write_text("as it was")
    world.impound("import", letter, "--case", "emleaks", "--source", "a source")
    note = stamped(world)
    state = world.state()
    world.vault.rename(world.folder / "honest")
    state.rename(world.folder / "honest-state")
    (world.folder / "before").rename(world.vault)
    (world.folder / "before-state").rename(state)
    for text in ("as the thief would have it", "and more", "and more still"):
        letter.write_text(text)
        world.impound("import", letter, "--case", "emleaks", "--source", "a source")
    assert world.verify()["ok"] is True, "whole in itself, for whoever knows nothing else"
    return note


def test_a_forged_history_is_refused_by_verify_and_by_the_next_writer(world):
    forged(world)
    last = world.state() / "last-checkpoint"
    last.chmod(0o600)
    shutil.copyfile(world.folder / "honest-state" / "last-checkpoint", last)
    assert says(world.verify_fails(), "forked", "log/checkpoint")
    log = harness.tree(world.vault / "log")
    world.refused(1, "import", world.folder / "letter.eml", "--case", "emleaks", "--source", "a source")
    assert harness.tree(world.vault / "log") == log, "a refused writer wrote"


def test_a_forged_history_is_exposed_by_a_kept_checkpoint(world):
    note = forged(world)
    for kept in ("log/checkpoint", note):
        done = world.impound("verify", world.vault, "--checkpoint", world.folder / "honest" / kept, "--json", code=1)
        assert says(done.json()["problems"], "forked", "log/checkpoint"), done


def test_a_forged_history_is_exposed_by_what_was_stamped(world):
    note = forged(world)
    kept = world.vault / note
    kept.parent.mkdir(exist_ok=True)
    shutil.copyfile(world.folder / "honest" / note, kept)
    assert says(world.verify_fails(), "forked", note)


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
