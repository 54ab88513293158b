"""A vault that was put back: refused, and accepted only with an entry that says what was given up, whatever happens in between."""
import base64
import os
import shutil
import subprocess

import harness


def noted(world, text="a remark", **more):
    return world.impound("note", world.entries()[0]["id"], text, **more)


def put_back(world):
    """The vault as it was some entries ago; the note that its memory has."""
    before = world.folder / "before"
    shutil.copytree(world.vault, before, symlinks=True)
    noted(world, "lost")
    lost = (world.vault / "log" / "checkpoint").read_bytes()
    assert (world.state() / "last-checkpoint").read_bytes() == lost
    for part in world.vault.iterdir():
        subprocess.run(["rm", "-rf", part], check=True)
    subprocess.run(["cp", "-a", f"{before}/.", world.vault], check=True)
    return lost


def watch(world, *more, **rest):
    """A short command that takes --accept-rollback."""
    site = world.settings('[[source]]\nname = "s"\nprofile = "pastebin"\nbase_url = "http://127.0.0.1:1"\nacquire = "none"\n')
    return world.impound("watch", "--once", "--config", site, *more, **rest)


def check_entry(world, lost, reason):
    entry, = world.of_kind("rollback.accepted")
    body = entry["body"]
    assert body["reason"] == reason and entry["by"]["uid"] == os.getuid(), entry
    given_up, = body["given_up"]
    assert base64.b64decode(given_up["note"]) == lost and given_up["where"] == "state", body
    assert int(given_up["size"]) == int(lost.split(b"\n")[1]) > body["size"], body
    assert base64.b64encode(bytes.fromhex(given_up["root"])) == lost.split(b"\n")[2], body
    assert not (world.state() / "rollback-accepted.json").exists()
    lines = world.folder / "entries.jsonl"
    lines.write_text(world.impound("export", "--log", "jsonl").out)
    subprocess.run([harness.PYTHON, harness.SUPPORT / "schema_check.py", harness.ROOT / "config/schema", lines], check=True)
    assert world.verify()["ok"] is True


def test_p2_a_vault_put_back_is_refused_and_what_is_given_up_stands_in_the_log(world):
    world.init()
    noted(world)
    lost = put_back(world)
    refused = world.refused(1, "note", world.entries()[0]["id"], "x")
    assert "--accept-rollback" in refused.err, refused
    assert "rollback.accepted" not in world.kinds()
    watch(world, "--accept-rollback", "the disk was replaced", code=None)
    check_entry(world, lost, "the disk was replaced")
    noted(world)
    assert len(world.of_kind("rollback.accepted")) == 1


def test_p2_an_accepted_rollback_that_dies_before_its_entry_is_logged_by_the_next_start(world):
    disk = world.on_small_disk("8m")
    world.init()
    noted(world)
    lost = put_back(world)
    (world.vault / "reserve").unlink(missing_ok=True)
    room = os.statvfs(disk)
    with open(disk / "ballast", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize)
    done = watch(world, "--accept-rollback", "the disk was replaced", code=None)
    assert done.code == 1 and "rollback.accepted" not in world.kinds(), done
    assert (world.state() / "last-checkpoint").read_bytes() != lost, "the memory is gone"
    (disk / "ballast").unlink()
    noted(world)
    check_entry(world, lost, "the disk was replaced")


def test_nothing_is_accepted_where_nothing_was_rolled_back(world):
    world.init()
    done = watch(world, "--accept-rollback", "to be sure", code=None)
    assert "nothing was rolled back" in done.err, done
    assert "rollback.accepted" not in world.kinds()


harness.main(globals())
