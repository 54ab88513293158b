"""What an operator adds to custody and takes out of it: import, checkout and notes, their refusals, and what the log says of them."""
import contextlib
import json
import os
import pathlib
import signal
import socket
import stat
import subprocess
import sys

import harness
import peers

CASE = "emleaks-2017"
SOURCE = "handed over by A. Nonymous on a USB stick, 6 May 2017"
NOBODY = "01890000-0000-7000-8000-000000000000"
SCHEMAS = harness.ROOT / "config" / "schema"


def unharmed(world):
    """The vault verifies, and every entry is what the schema of its kind says."""
    verdict = world.verify()
    assert verdict["ok"] is True, verdict
    harness.need_module("jsonschema")
    checked = subprocess.run([harness.PYTHON, harness.SUPPORT / "schema_check.py", SCHEMAS], input=world.impound("log", "--json").out,
                             capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout[-2000:] + checked.stderr[-2000:]


def handed_over(world):
    """A folder as somebody may hand it over."""
    folder = world.folder / "stick"
    harness.write_bytes(folder / "mail" / "1.eml", 40_000, "mail")
    harness.write_bytes(folder / "mail" / "2.eml", 3_000_000, "more")
    harness.write_bytes(folder / "photo.jpg", 5_000, "photo")
    (folder / "empty.txt").touch()
    (folder / "same.eml").write_bytes((folder / "mail" / "1.eml").read_bytes())
    return folder


def facts(folder):
    """What must not change when somebody only reads: every name with its kind, mode, links, size and time."""
    found = {}
    for path in sorted(folder.rglob("*")):
        seen = path.lstat()
        found[str(path)] = (seen.st_mode, seen.st_nlink, seen.st_ino, seen.st_size, seen.st_mtime_ns)
    return found


def bring_in(world, path, code=0, **env):
    return world.impound("import", path, "--case", CASE, "--source", SOURCE, code=code, **env)


def imported(world):
    """The newest exhibit.imported and its exhibits."""
    entry = world.of_kind("exhibit.imported")[-1]
    return entry, [one for one in world.of_kind("exhibit.sealed") if one.get("cause") == entry["id"]]


def original_path(exhibit):
    origin = exhibit["body"]["origin"]
    return bytes.fromhex(origin["path_hex"]) if "path_hex" in origin else origin["path"].encode()


def check_copy(folder, expected):
    """{path: SHA-256} is all there is, and nothing of it can be written to."""
    assert harness.tree(folder) == expected
    for path in [folder, *folder.rglob("*")]:
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert not path.is_symlink() and mode == (0o755 if path.is_dir() else 0o444), (path, oct(mode))


# --- import


def test_an_imported_folder_is_sealed_and_the_original_stays(world):
    folder = handed_over(world)
    before, content = facts(folder), harness.tree(folder)
    world.init()
    out = world.impound("import", f"{folder}/", "--case", CASE, "--source", SOURCE, "--operator", "A. Noone").out
    entry, exhibits = imported(world)
    assert entry["id"] in out, out
    assert entry["body"] == {"source": SOURCE, "path": str(folder), "files": 5, "bytes": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())}
    assert entry["case"] == CASE and entry["by"]["operator"] == "A. Noone", entry
    assert {original_path(one).decode(): one["body"]["sha256"] for one in exhibits} == {f"stick/{name}": digest for name, digest in content.items()}
    for one in exhibits:
        assert one["case"] == CASE and one["body"]["origin"]["type"] == "import" and one["body"]["arrival_sha256"] == one["body"]["sha256"], one
    kinds = world.kinds()
    assert kinds.index("exhibit.imported") < len(kinds) - 1 - kinds[::-1].index("exhibit.sealed")
    assert facts(folder) == before and harness.tree(folder) == content, "the original stays as it was"
    objects = [path for path in (world.vault / "objects").rglob("*") if path.is_file()]
    assert not {path.stat().st_ino for path in objects} & {path.stat().st_ino for path in folder.rglob("*")}, "never linked"
    assert not (world.vault / "staging" / "import").exists()
    unharmed(world)


def test_a_single_file_and_names_that_are_no_text(world):
    odd = os.fsencode(world.folder) + b"/caf\xe9\n.eml"
    with open(odd, "wb") as file:
        file.write(b"odd")
    world.init()
    words = [os.fsencode(harness.PROGRAM), b"import", odd, b"--case", CASE.encode(), b"--source", SOURCE.encode(), b"--vault", os.fsencode(world.vault)]
    ended = subprocess.run(words, env=world.env, capture_output=True, check=False)
    assert ended.returncode == 0, ended
    entry, exhibits = imported(world)
    assert bytes.fromhex(entry["body"]["path_hex"]) == odd and entry["body"]["files"] == 1, entry
    assert [original_path(one) for one in exhibits] == [b"caf\xe9\n.eml"], exhibits
    unharmed(world)


def test_links_and_special_files_are_left_out_and_named(world):
    folder = handed_over(world)
    content = harness.tree(folder)
    secret = harness.write_bytes(world.folder / "secret" / "key", 100, "secret")
    (folder / "link").symlink_to(secret)
    (folder / "linked-folder").symlink_to(secret.parent)
    os.mkfifo(folder / "mail" / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket"))
    world.init()
    done = bring_in(world, folder, code=1)
    entry, exhibits = imported(world)
    names = {"link", "linked-folder", "mail/pipe", "socket"}
    assert entry["body"]["left_out"] == 4 and set(entry["body"]["left_out_paths"]) == names, entry
    assert all(f"not imported  {name}:" in done.err for name in names), done
    assert {original_path(one).decode() for one in exhibits} == {f"stick/{name}" for name in content}
    assert harness.sha256(secret) not in [one["body"]["sha256"] for one in world.of_kind("exhibit.sealed")]
    unharmed(world)


def test_what_cannot_be_imported_is_refused_before_the_vault_is_opened(world):
    folder = handed_over(world)
    world.init()
    (world.folder / "bare").mkdir()
    (world.folder / "link").symlink_to(folder)
    os.mkfifo(world.folder / "pipe")
    size = len(world.entries())
    rest = ["--case", CASE, "--source", SOURCE]
    for path in ("missing", "link", "pipe", "bare", "vault", "vault/objects", "."):
        world.refused(2, "import", world.folder / path, *rest)
    for words in ([], ["--case", CASE], ["--source", SOURCE], ["--case", "No Case", "--source", SOURCE], ["--case", CASE, "--source", " "],
                  ["--case", CASE, "--source", "x" * 1_001]):
        world.refused(2, "import", folder, *words)
    config = world.settings("[torrents]\nmax_files = 4\n")
    world.refused(1, "import", folder, *rest, "--config", config)
    assert len(world.entries()) == size, "nothing was opened"
    config = world.settings("[torrents]\nmax_files = 5\n")
    world.impound("import", folder, *rest, "--config", config)
    assert imported(world)[0]["body"]["files"] == 5
    unharmed(world)


def test_no_room_is_said_before_anything_is_copied(world):
    disk = world.on_small_disk("24m")
    folder = handed_over(world)
    world.init()
    words = ["import", folder, "--case", CASE, "--source", SOURCE]
    done = world.refused(1, *words, "--config", world.settings(f"[limits]\ndisk_reserve = {22 << 20}\n"))
    assert "room" in done.err and "disk_reserve" in done.err, done
    assert "exhibit.imported" not in world.kinds()
    world.impound(*words, "--config", world.settings("[limits]\ndisk_reserve = 0\n"))
    assert len(imported(world)[1]) == 5
    unharmed(world)


def test_a_file_that_changes_while_it_is_read_is_told_and_not_sealed(world):
    """The writer changes the file at every moment, so that no copy can be one state of it."""
    folder = handed_over(world)
    moving = folder / "moving.log"
    harness.write_bytes(moving, 24 << 20, "moving")
    world.init()
    writer = ("import os, sys, itertools\n"
              "file = os.open(sys.argv[1], os.O_WRONLY)\n"
              "for n in itertools.count():\n"
              "    os.pwrite(file, n.to_bytes(8, 'big'), (n % 24) << 20)\n"
              "    if n == 24: print('ready', flush=True)\n")
    writing = world.start("writer", [sys.executable, "-c", writer, moving])
    writing.wait_for_line("ready")
    done = bring_in(world, folder, code=1)
    writing.process.kill()
    entry, exhibits = imported(world)
    assert entry["body"]["files"] == 6 and len(exhibits) == 5, exhibits
    assert "stick/moving.log" not in [original_path(one).decode() for one in exhibits]
    told = [one for one in world.of_kind("incident.raised") if one.get("cause") == entry["id"]]
    assert [one["body"]["where"] for one in told] == ["moving.log"] and "changed" in told[0]["body"]["detail"], told
    assert "moving.log" in done.err and not (world.vault / "staging" / "import").exists(), done
    unharmed(world)


def test_an_import_that_was_killed_leaves_a_sound_vault_and_can_be_done_again(world):
    folder = world.folder / "stick"
    for number in range(3_000):
        harness.write_bytes(folder / f"{number:04}.eml", 200, number)
    harness.write_bytes(folder / "zz.zip", 64 << 20, "large")
    world.init()
    words = ["import", folder, "--case", CASE, "--source", SOURCE]
    for how in (signal.SIGINT, signal.SIGKILL):
        running = world.start_impound(*words)
        harness.wait_until(lambda: any(name.is_file() for name in (world.vault / "staging").rglob("import/*")) or not running.running(), 30,
                           "a staged file")
        code = running.stop(how)
        assert code == (130 if how == signal.SIGINT else -signal.SIGKILL), running.output()
        world.impound("export", "--log", "jsonl")  # a start brings in what the kill left
        unharmed(world)
    early = [one for one in world.of_kind("incident.raised") if one["body"]["what"] == "an import ended early"]
    assert len(early) == 1 and "interrupted" in early[0]["body"]["detail"], early
    world.impound(*words)
    entry, exhibits = imported(world)
    assert len(exhibits) == entry["body"]["files"] == 3_001
    assert not (world.vault / "staging" / "import").exists()
    unharmed(world)


# --- checkout


def fetched(world, name="leak"):
    seeded = world.folder / "seeded"
    harness.write_bytes(seeded / name / "1.eml", 40_000, "mail")
    harness.write_bytes(seeded / name / "photos" / "2.jpg", 900_000, "photo")
    torrent = peers.make_torrent(world, seeded / name, "hybrid")
    peer = peers.seeder(world, torrent, seeded)
    world.impound("fetch", torrent.magnet(), "--peer", peer.address, "--case", CASE)
    return torrent, harness.tree(seeded)


def test_an_acquisition_is_checked_out_under_its_names(world):
    world.init()
    torrent, content = fetched(world)
    attempt = world.of_kind("acquisition.attempt")[0]
    for number, what in enumerate((torrent.v1, torrent.v2, torrent.magnet(), attempt["id"])):
        to = world.folder / f"copy-{number}"
        if number == 1:
            to.mkdir(mode=0o755)  # an empty folder will do
        out = world.impound("checkout", what, to, "--operator", "A. Noone").out
        assert str(to) in out, out
        check_copy(to, content)
        made = world.of_kind("copy.made")
        assert len(made) == number + 1 and made[-1]["body"] == {"subject": attempt["id"], "files": 2, "bytes": 940_000, "to": str(to)}, made
        assert made[-1]["case"] == CASE and made[-1]["by"]["operator"] == "A. Noone", made
    objects = {path.stat().st_ino for path in (world.vault / "objects").rglob("*")}
    assert not objects & {path.stat().st_ino for path in world.folder.glob("copy-*/**/*")}, "never linked"
    unharmed(world)


def test_one_exhibit_an_import_and_what_has_no_name(world):
    world.init()
    torrent, _ = fetched(world)
    folder = handed_over(world)
    bring_in(world, folder)
    entry, exhibits = imported(world)
    world.impound("checkout", entry["id"], world.folder / "all")
    check_copy(world.folder / "all", {f"stick/{name}": digest for name, digest in harness.tree(folder).items()})
    photo = next(one for one in exhibits if original_path(one) == b"stick/photo.jpg")
    world.impound("checkout", photo["id"], world.folder / "one")
    check_copy(world.folder / "one", {"stick/photo.jpg": photo["body"]["sha256"]})
    info = next(one for one in world.of_kind("exhibit.sealed") if one["body"]["role"] in ("torrent", "info_dict"))
    world.impound("checkout", info["id"], world.folder / "info")
    assert list(harness.tree(world.folder / "info").values()) == [info["body"]["sha256"]] and torrent.v2
    unharmed(world)


def test_a_capture_that_became_an_exhibit(world):
    seeded = world.folder / "seeded"
    harness.write_bytes(seeded / "leak" / "1.eml", 40_000, "mail")
    torrent = peers.make_torrent(world, seeded / "leak", "v1")
    peer = peers.seeder(world, torrent, seeded)
    served = world.folder / "served"
    served.mkdir()
    (served / "dump.torrent").write_bytes(torrent.path.read_bytes())
    port = world.nginx(served)
    world.init()
    world.impound("fetch", f"http://127.0.0.1:{port}/dump.torrent", "--peer", peer.address, "--allow-net", f"127.0.0.1/32:{port}")
    for kind in ("capture.attempt", "capture.result"):
        to = world.folder / kind
        world.impound("checkout", world.of_kind(kind)[0]["id"], to)
        assert list(harness.tree(to).values()) == [harness.sha256(torrent.path)], harness.tree(to)
    unharmed(world)


def test_names_of_strangers_are_made_safe_and_listed(world):
    folder = os.fsencode(world.folder) + b"/stick"
    originals = [b"plain.txt", b"caf\xe9.eml", b"two\nlines", b"CON.txt", b".hidden", b"trailing.", b"A.txt", b"a.txt", b"names.tsv",
                 b"\xe2\x80\xaegpj.exe", b"x" * 250 + b".eml", b"bad\x01/inside", b"bad\x02/inside"]
    for number, name in enumerate(originals):
        os.makedirs(os.path.dirname(folder + b"/" + name), exist_ok=True)
        with open(folder + b"/" + name, "wb") as file:
            file.write(b"content %d" % number)
    world.init()
    bring_in(world, world.folder / "stick")
    to = world.folder / "copy"
    world.impound("checkout", imported(world)[0]["id"], to)
    lines = [line.split("\t") for line in (to / "names.tsv").read_text().splitlines()]
    assert lines[0] == ["name", "original_hex", "sha256"], lines
    assert {bytes.fromhex(line[1]) for line in lines[1:]} == {b"stick/" + name for name in originals}
    check_copy(to, {**{line[0]: line[2] for line in lines[1:]}, "names.tsv": harness.sha256(to / "names.tsv")})
    for name, original, digest in lines[1:]:
        content = os.path.join(os.fsencode(world.folder), bytes.fromhex(original))
        assert harness.sha256(content) == digest == harness.sha256(to / name), (name, original)
        parts = name.split("/")
        assert all(part.isprintable() and part[0] not in ". " and part[-1] not in ". " and len(part.encode()) <= 240 for part in parts), name
    assert (to / "stick" / "plain.txt").exists() and (to / "stick" / "caf\\xe9.eml").exists() and (to / "stick" / "_CON.txt").exists()
    assert (to / "stick" / "A.txt").exists() and (to / "stick" / "a (2).txt").exists()
    unharmed(world)


def test_checkouts_that_are_refused_leave_nothing(world):
    world.init()
    torrent, content = fetched(world)
    full = world.folder / "full"
    full.mkdir()
    (full / "mine").write_text("mine")
    (world.folder / "link").symlink_to(world.folder)
    size = len(world.entries())
    for where in (full, full / "mine", world.folder / "link", world.folder / "missing" / "copy", world.vault / "copy", world.vault / "objects" / "copy", ""):
        world.refused(2, "checkout", torrent.v1, where)
    to = world.folder / "copy"
    world.refused(2, "checkout", "nonsense", to)
    for what in ("00" * 20, NOBODY, world.entries()[0]["id"]):
        world.refused(1, "checkout", what, to)
    assert len(world.entries()) == size, "nothing was opened"
    assert harness.tree(full) == {"mine": harness.sha256(full / "mine")} and not to.exists()
    # An object that was changed is named, and the half copy goes again.
    changed = content["leak/photos/2.jpg"]
    with harness.byte_changed(world.vault / "objects" / changed[:2] / changed):
        assert changed in world.refused(1, "checkout", torrent.v1, to).err
        assert not to.exists()
        to.mkdir()
        world.refused(1, "checkout", torrent.v1, to)
        assert to.is_dir() and not list(to.iterdir())
    assert "copy.made" not in world.kinds()
    world.impound("checkout", torrent.v1, to)
    check_copy(to, content)
    unharmed(world)


def test_a_copy_that_finds_no_room_goes_again(world):
    world.init()
    torrent, _ = fetched(world)
    disk = world.folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", disk], check=True)
    done = world.refused(1, "checkout", torrent.v1, disk / "copy")
    assert "space" in done.err.lower(), done
    assert not list(disk.iterdir()) and "copy.made" not in world.kinds()
    unharmed(world)


# --- beside another writer, and without a vault


@contextlib.contextmanager
def held(world):
    """Somebody else holds the vault."""
    seeded = world.folder / "slow"
    harness.write_bytes(seeded / "leak" / "a.eml", 2_000_000, "a")
    torrent = peers.make_torrent(world, seeded / "leak", "v1", piece_size=16 << 10)
    peer = peers.seeder(world, torrent, seeded, rate=100_000)
    holder = world.start_impound("fetch", torrent.magnet(), "--peer", peer.address)
    harness.wait_until(lambda: "acquisition.attempt" in world.kinds(), 30, "the holder")
    yield holder
    holder.stop(signal.SIGINT)


def test_the_holder_of_the_vault_is_named(world):
    world.init()
    folder = handed_over(world)
    bring_in(world, folder)
    entry, _ = imported(world)
    to = world.folder / "copy"
    with held(world) as holder:
        done = world.refused(3, "import", folder, "--case", CASE, "--source", SOURCE)  # what the holder does not do for others
        assert str(holder.process.pid) in done.err and "fetch" in done.err, done
        world.impound("note", entry["id"], "seen")
        world.impound("checkout", entry["id"], to)
        assert any(path.is_file() for path in to.rglob("*"))
    assert world.kinds().count("note.added") == world.kinds().count("copy.made") == 1
    assert world.kinds().count("exhibit.imported") == 1
    unharmed(world)


def test_without_a_vault_the_init_line_is_told(world):
    folder = handed_over(world)
    for words in (["note", NOBODY, "seen"], ["import", folder, "--case", CASE, "--source", SOURCE], ["checkout", NOBODY, world.folder / "copy"]):
        assert "impound init" in world.refused(2, *words).err
    assert not world.vault.exists() and not (world.folder / "copy").exists()


def test_a_note_on_an_import_has_its_case(world):
    world.init()
    bring_in(world, handed_over(world))
    entry, _ = imported(world)
    world.impound("note", entry["id"], "the stick is in locker 7")
    note = world.of_kind("note.added")[0]
    assert note["case"] == CASE and note["body"] == {"subject": entry["id"], "text": "the stick is in locker 7"}, note
    assert json.dumps(note) and pathlib.Path(entry["body"]["path"]).name == "stick"
    unharmed(world)


harness.main(globals())
