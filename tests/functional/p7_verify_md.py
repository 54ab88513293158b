"""P7: VERIFY.md is true: its commands, run as they stand there, accept a vault and refuse a damaged one."""
import json
import os
import re
import subprocess

import harness
import peers
from authorities import Authorities

PAGE = (harness.ROOT / "VERIFY.md").read_text()
GO_LINES_MAX = 60


def commands():
    """Every block of the page in its order, as one would paste them; the last line shows that none ended it early."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)
    assert len(blocks) == 8, len(blocks)
    return "".join(blocks) + "echo all blocks ran\n"


def need_tools():
    harness.need("openssl", "jq", "go", "bash")
    if not os.path.isdir("/usr/share/gocode/src/golang.org/x/mod/sumdb"):
        raise harness.Skip("golang-golang-x-mod-dev is not installed")


def vkey(world):
    return re.search(r'^vkey = "(.*)"$', (world.vault / "vault.toml").read_text(), re.M).group(1)


def run(world, **env):
    """The page's own way to name what is to be checked: variables."""
    given = {"VAULT": str(world.vault), "GOCACHE": str(world.folder / "go-cache"), "TMPDIR": str(world.folder), **env}
    if "VKEY" not in given:
        given["VKEY"] = vkey(world)
    return subprocess.run(["bash"], input=commands(), capture_output=True, text=True, check=False, env={**world.env, **given})


def accepted(world, **env):
    done = run(world, **env)
    assert done.returncode == 0 and done.stdout.endswith("all blocks ran\n"), done
    return done.stdout


def refused(world, **env):
    done = run(world, **env)
    assert done.returncode != 0 and "all blocks ran" not in done.stdout, done


def vault_with_everything(world):
    """Captures, a torrent, an import, two runs, two stamps: objects, WARC files, more than one session."""
    seeded = world.folder / "seeded"
    harness.write_bytes(seeded / "leak" / "1.eml", 40_000, "mail")
    harness.write_bytes(seeded / "leak" / "2.eml", 20_000, "more mail")
    torrent = peers.make_torrent(world, seeded / "leak", "hybrid")
    peer = peers.seeder(world, torrent, seeded)
    site = world.pastes([{"key": "0CeaNm8Y", "title": "Part one – «ü»", "user": "EMLEAKS", "text": torrent.magnet() + "\n"},
                         {"key": "8sUIsf34", "title": "hello", "text": "no leak\n"}])
    world.init("--operator", "Zoë N.")
    world.impound("watch", "--once", "--config", world.settings(site.source(acquire="none")))
    captured, = (world.vault / "warc").iterdir()
    captured.chmod(0o400)  # as a crash leaves it while it is closed: the next start says so in the log
    kept = world.folder / "kept.checkpoint"
    kept.write_bytes((world.vault / "log/checkpoint").read_bytes())
    authorities = Authorities(world)
    world.env["TSA_CA"] = str(authorities.roots())
    assert "by 2 timestamp(s)" in world.impound("fetch", torrent.magnet(), "--peer", peer.address).out
    del world.env["IMPOUND_CONFIG"]
    world.impound("import", seeded, "--case", "stick", "--source", "A. Noone")
    assert world.kinds().count("warc.closed") == 1
    return kept


def test_the_commands_accept_a_vault_and_the_program_is_short(world):
    need_tools()
    kept = vault_with_everything(world)
    program = re.search(r"<<'END'\n(.*?)^END$", PAGE, re.M | re.S).group(1)
    assert program.startswith("package main") and program.count("\n") <= GO_LINES_MAX, program.count("\n")
    formatted = subprocess.run(["gofmt", "-l"], input=program, capture_output=True, text=True, check=False)
    assert formatted.returncode == 0 and formatted.stdout == "", formatted
    said = accepted(world, KEPT=str(kept))
    assert said.count(" entries existed at ") == 2, said
    assert said.count("Signature Verified Successfully") == 2 + len(list((world.vault / "log/checkpoints").glob("*"))), said
    assert f"{len(world.entries())} " in said, said
    assert harness.tree(world.vault)["log/checkpoint"], "nothing was written to the vault"


def erase(world, *words):
    erased = subprocess.run([harness.BUILD / "tests" / "erase_for_tests", world.vault, *map(str, words)], capture_output=True, text=True, check=False,
                            env=world.env)
    assert erased.returncode == 0, erased


def test_they_follow_the_keys_of_a_log_that_was_rotated(world):
    need_tools()
    world.init()
    first = vkey(world)
    world.impound("note", world.entries()[0]["id"], "under the first key")
    old = world.folder / "old.checkpoint"
    old.write_bytes((world.vault / "log/checkpoint").read_bytes())
    for _ in range(2):
        world.impound("key", "rotate")
    keys = [json.loads(line)["vkey"] for line in world.impound("key", "show", "--json").out.splitlines()]
    assert len(keys) == 3 and keys[-1] == first
    accepted(world, VKEY=keys[0], VKEYS=" ".join(keys), KEPT=str(old))
    refused(world, VKEY=keys[0], VKEYS=" ".join(keys[:2]), KEPT=str(old))
    refused(world, VKEY=keys[1], VKEYS=" ".join(keys), KEPT=str(old))
    refused(world, VKEY=keys[0])


def test_they_accept_holes_that_were_ordered_and_no_other(world):
    need_tools()
    world.init()
    for number in range(2):
        file = harness.write_bytes(world.folder / f"{number}.eml", 5_000, f"mail {number}")
        world.impound("import", file, "--case", "stick", "--source", "A. Noone")
    entries = world.entries()
    exhibits = [at for at, entry in enumerate(entries) if entry["kind"] == "exhibit.sealed" and entry["body"]["origin"]["type"] == "import"]
    erase(world, "--exhibit", exhibits[0], "--entry", exhibits[0])
    accepted(world)
    # The other exhibit goes the same way, and nobody has ordered it.
    digest = entries[exhibits[1]]["body"]["sha256"]
    bundle = next(path for path in (world.vault / "log/tile/entries").rglob("*") if path.is_file())
    left, blanked = bundle.read_bytes(), b""
    for at in range(len(world.impound("log", "--json").json_lines())):
        end = 2 + int.from_bytes(left[:2], "big")
        blanked += b"\0\0" if at == exhibits[1] else left[:end]
        left = left[end:]
    bundle.chmod(0o600)
    bundle.write_bytes(blanked)
    (world.vault / f"objects/{digest[:2]}/{digest}").unlink()
    refused(world)


def test_they_accept_a_file_out_of_which_records_were_cut_by_order_and_refuse_one_cut_without(world):
    need_tools()
    site = world.pastes([{"key": f"Paste{number}", "title": "a paste", "text": f"text {number}\n" * 50} for number in range(3)])
    world.init()
    world.impound("watch", "--once", "--config", world.settings(site.source(acquire="none", keep="all")))
    accepted(world)
    capture = [at for at, entry in enumerate(world.entries()) if entry["kind"] == "capture.result"][1]
    erase(world, "--exhibit", capture)
    assert world.verify()["ok"] is True and "files" in world.of_kind("exhibit.erased")[0]["body"]
    accepted(world)
    for file in (world.vault / "warc").glob("*"):
        with harness.byte_changed(file):
            refused(world)


def test_a_damaged_vault_makes_them_fail(world):
    need_tools()
    kept = vault_with_everything(world)
    key = {"VKEY": vkey(world)}
    accepted(world)
    damaged = 0
    files = [file for file in sorted(world.vault.rglob("*")) if file.is_file() and not str(file.relative_to(world.vault)).startswith(
        ("staging/", "reserve", "journal."))]
    kinds = {"log/checkpoint": 1, "log/checkpoints/": 1, "timestamps/": 4, "log/tile/0": 1, "log/tile/entries": 1, "objects/": 2, "warc/": 1, "vault.toml": 1}
    for kind, count in kinds.items():
        chosen = [file for file in files if str(file.relative_to(world.vault)).startswith(kind)]
        assert chosen, kind
        for file in chosen if harness.ALL else chosen[:count]:
            with harness.byte_changed(file):
                refused(world, **key)
            away = world.folder / "away"
            file.rename(away)
            refused(world, **key)
            away.rename(file)
            damaged += 2
    # What no other check would notice: still JSON, still of its length, only not what was signed.
    bundle = next(file for file in files if "/entries/" in str(file))
    with harness.byte_changed(bundle, bundle.read_bytes().index(b'"salt":"') + len('"salt":"')):
        refused(world, **key)
    for name in ("objects/00/added", "warc/added.warc.gz"):
        (world.vault / name).write_bytes(b"planted")
        refused(world, **key)
        (world.vault / name).unlink()
    (world.vault / "objects/00/link").symlink_to("/etc/passwd")
    refused(world, **key)
    (world.vault / "objects/00/link").unlink()
    print(f"{damaged} files changed or removed, one at a time: each noticed")
    assert damaged >= 24
    accepted(world, KEPT=str(kept))


def test_another_key_and_another_history_make_them_fail(world):
    need_tools()
    world.init()
    world.impound("note", world.entries()[0]["id"], "first")
    mine, first = world.vault, vkey(world)
    # A second vault of the same origin: its key signs nothing of the first, its checkpoint is no earlier state of it.
    world.vault = world.folder / "other"
    world.init()
    other = vkey(world)
    stranger = world.folder / "stranger.checkpoint"
    stranger.write_bytes((world.vault / "log/checkpoint").read_bytes())
    world.vault = mine
    assert other != first
    refused(world, VKEY=other)
    refused(world, KEPT=str(stranger))
    # A checkpoint of the right key over other entries: the same vault, gone two ways.
    copy = world.folder / "copy"
    subprocess.run(["cp", "-a", mine, copy], check=True)
    world.env["IMPOUND_VAULT"] = str(mine)
    world.impound("note", world.entries()[0]["id"], "one way", "--vault", mine)
    forked = world.folder / "forked.checkpoint"
    forked.write_bytes((mine / "log/checkpoint").read_bytes())
    (world.home / ".local/state/impound" / harness.sha256(mine / "vault.toml")[:16] / "last-checkpoint").write_bytes((copy / "log/checkpoint").read_bytes())
    world.impound("note", world.entries()[0]["id"], "the other way", "--vault", copy)
    world.vault = copy
    accepted(world)
    refused(world, KEPT=str(forked))


harness.main(globals())
