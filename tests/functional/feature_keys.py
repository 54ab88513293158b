"""The signing key: its passphrase, who may read its file, its rotation, and copies of the last checkpoint elsewhere."""
import base64
import json
import os
import re
import shutil
import signal
import subprocess

import harness

GO = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}


def key_file(world):
    keys = list((world.home / ".config/impound/keys").iterdir())
    assert len(keys) == 1, keys
    return keys[0]


def vkeys(world):
    """Newest first, as `key show` prints them."""
    lines = world.impound("key", "show", "--json").json_lines()
    assert [line["vkey"] for line in lines] == [line.split()[0] for line in world.impound("key", "show").out.splitlines()]
    assert [line["current"] for line in lines] == [True] + [False] * (len(lines) - 1), lines
    return [line["vkey"] for line in lines]


def passphrase(world, text, name="passphrase", mode=0o600):
    path = world.folder / name
    path.write_text(text)
    path.chmod(mode)
    return path


def note(world, *more, **rest):
    return world.impound("note", world.entries()[0]["id"], "a remark", *more, **rest)


def sealed_vault(world):
    """A vault with a passphrase, and the settings that name it."""
    secret = passphrase(world, "correct horse\nsecond line\n")
    world.init("--passphrase-file", secret)
    return secret, world.settings(f'[vault]\npassphrase_file = "{secret}"\n')


def test_a_key_with_a_passphrase_signs_when_its_file_is_named(world):
    secret, config = sealed_vault(world)
    pem = key_file(world).read_text()
    assert pem.startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----"), pem[:40]
    note(world, "--config", config)
    harness.write_bytes(world.folder / "handed" / "1.eml", 1_000, "mail")
    world.impound("import", world.folder / "handed", "--case", "c", "--source", "a desk", "--config", config)
    entries = len(world.entries())
    id = world.entries()[0]["id"]
    said = world.refused(2, "note", id, "x")
    assert "passphrase_file" in said.err, said.err
    other = world.settings(f'[vault]\npassphrase_file = "{passphrase(world, "another", "other")}"\n')
    said = world.refused(1, "note", id, "x", "--config", other)
    assert "does not open the signing key" in said.err and str(key_file(world)) in said.err, said.err
    for text in ("", "\n", "\ncorrect horse\n"):
        empty = world.settings(f'[vault]\npassphrase_file = "{passphrase(world, text, "empty")}"\n')
        assert "first line" in world.refused(2, "note", id, "x", "--config", empty).err
    gone = world.settings('[vault]\npassphrase_file = "/nowhere/passphrase"\n')
    world.refused(2, "note", id, "x", "--config", gone)
    assert len(world.entries()) == entries, "what was refused left no trace"
    assert world.verify()["ok"] is True
    log = (world.vault / "log").rglob("*")
    objects = (world.vault / "objects").rglob("*")
    for path in [*log, *objects]:
        assert not path.is_file() or b"correct horse" not in path.read_bytes(), path
    settings = world.of_kind("settings.loaded")[0]["body"]["sha256"]
    assert str(secret) in (world.vault / "objects" / settings[:2] / settings).read_text()


def test_a_plain_key_is_told_of_where_a_passphrase_is_named(world):
    config = world.settings(f'[vault]\npassphrase_file = "{passphrase(world, "correct horse")}"\n')
    world.init("--config", "/dev/null")
    assert "is not encrypted" in note(world, "--config", config).err
    world.impound("key", "rotate", "--config", config)
    assert "ENCRYPTED" in key_file(world).read_text()
    assert "is not encrypted" not in note(world, "--config", config).err


def test_files_with_secrets_must_be_ones_own(world):
    secret, config = sealed_vault(world)
    id = world.entries()[0]["id"]
    for path in (secret, key_file(world)):
        for mode in (0o640, 0o604, 0o660, 0o666):
            path.chmod(mode)
            said = world.refused(1, "note", id, "x", "--config", config)
            assert "others may read or change" in said.err and "chmod 600" in said.err and str(path) in said.err, said.err
        path.chmod(0o400)
        note(world, "--config", config)
        path.chmod(0o600)
        target = path.with_suffix(".real")
        path.rename(target)
        path.symlink_to(target)
        world.refused(1, "note", id, "x", "--config", config)
        path.unlink()
        target.rename(path)
    open_one = passphrase(world, "x", "open", 0o644)
    world.refused(1, "init", "--vault", world.folder / "second", "--origin", "o", "--passphrase-file", open_one)
    assert not (world.folder / "second").exists()
    assert len(list((world.home / ".config/impound/keys").iterdir())) == 1, "no key is left of a vault that was not made"


def test_systemd_credentials_need_no_setting(world):
    folder = world.folder / "credentials"
    folder.mkdir()
    secret = passphrase(world, "from systemd\n", "credentials/impound-passphrase", 0o440)
    world.init("--passphrase-file", passphrase(world, "from systemd\n"))
    note(world, CREDENTIALS_DIRECTORY=str(folder))
    world.refused(2, "note", world.entries()[0]["id"], "x")
    key_file(world).rename(folder / "impound-key")
    (folder / "impound-key").chmod(0o440)
    note(world, CREDENTIALS_DIRECTORY=str(folder))
    said = world.refused(2, "key", "rotate", CREDENTIALS_DIRECTORY=str(folder))
    assert "credential" in said.err and "[vault] key" in said.err, said.err
    # A named key is the one, whatever systemd hands over.
    shutil.copy(folder / "impound-key", world.folder / "own.pem")
    (world.folder / "own.pem").chmod(0o600)
    (folder / "impound-key").write_text("no key")
    config = world.settings(f'[vault]\nkey = "{world.folder / "own.pem"}"\npassphrase_file = "{secret}"\n')
    note(world, "--config", config, CREDENTIALS_DIRECTORY=str(folder))
    assert world.verify()["ok"] is True


def test_openssl_reads_the_key_with_and_without_a_passphrase(world):
    harness.need("openssl")
    secret, config = sealed_vault(world)

    def public(*more):
        ended = subprocess.run(["openssl", "pkey", "-in", key_file(world), "-pubout", "-outform", "DER", *more], capture_output=True, check=False)
        return ended.stdout[-32:] if ended.returncode == 0 else None
    shown = subprocess.run(["openssl", "asn1parse", "-in", key_file(world)], capture_output=True, text=True, check=True).stdout
    assert "PBES2" in shown and "scrypt" in shown and "aes-256-cbc" in shown, shown
    in_vkey = base64.b64decode(vkeys(world)[0].split("+", 2)[2])[1:]
    assert public("-passin", f"file:{secret}") == in_vkey
    assert public("-passin", "pass:wrong") is None
    # A key that openssl has made and encrypted in its own way is taken as well.
    own = world.folder / "own.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-aes-256-cbc", "-pass", f"file:{secret}", "-out", own], check=True, capture_output=True)
    own.chmod(0o600)
    world.impound("init", "--vault", world.folder / "second", "--origin", "o", "--key", own, "--config", config)
    world.impound("verify", world.folder / "second")


def test_arguments_of_the_other_action_are_refused(world):
    world.init()
    for words in (["show", "--reason", "x"], ["show", "--passphrase-file", "x"], ["rotate", "--json"], ["show", "rotate"], [], ["other"]):
        world.refused(2, "key", *words)
    assert world.impound("key", "show", "--json").json()["current"] is True


def test_a_rotation_is_followed_from_the_old_key_and_from_the_new(world):
    world.init("--operator", "A. Noone")
    kept = world.folder / "kept"
    shutil.copy(world.vault / "log/checkpoint", kept)
    toml = (world.vault / "vault.toml").read_bytes()
    old_pem = key_file(world).read_bytes()
    said = world.impound("key", "rotate", "--reason", "half-yearly – «ü»", "--operator", "A. Noone").out
    new, old = vkeys(world)
    assert new in said and old in said, said
    assert (world.vault / "vault.toml").read_bytes() == toml and old.encode() in toml
    entry = world.of_kind("key.rotated")[0]
    body = entry["body"]
    assert body["old_vkey"] == old and body["new_vkey"] == new and body["reason"] == "half-yearly – «ü»", body
    assert world.entries()[body["size"]] == entry and entry["by"]["operator"] == "A. Noone"
    assert world.impound("status", "--json").json()["log"]["vkey"] == new
    assert key_file(world).read_bytes() != old_pem and key_file(world).stat().st_mode & 0o777 == 0o600
    note(world)
    assert world.verify()["ok"] is True
    for vkey, words in ((old, "was retired at entry"), (new, "signs since entry")):
        verdict = world.impound("verify", "--vkey", vkey, "--checkpoint", kept, "--json").json()
        assert any(words in line for line in verdict["notes"]), verdict["notes"]
    third = re.sub(r"\+.*", "", new) + "+" + "0" * 8 + "+" + new.rpartition("+")[2]
    world.impound("verify", "--vkey", third, code=2)
    # Whoever has the old key only is told.
    retired = world.folder / "retired.pem"
    retired.write_bytes(old_pem)
    retired.chmod(0o600)
    said = world.refused(2, "note", entry["id"], "x", "--config", world.settings(f'[vault]\nkey = "{retired}"\n'))
    assert "retired at entry" in said.err and new in said.err, said.err
    world.impound("key", "rotate")
    assert len(vkeys(world)) == 3 and vkeys(world)[1:] == [new, old]
    for vkey in vkeys(world):
        world.impound("verify", "--vkey", vkey, "--checkpoint", kept)
    proof = world.folder / "x.tlog-proof"
    proof.write_text(world.impound("show", entry["id"], "--proof").out)
    world.impound("verify", proof, "--vkey", vkeys(world)[0])
    world.impound("verify", proof, "--vkey", old, code=1)
    world.refused(2, "key", "rotate", "--reason", "x" * 501)
    world.refused(2, "key", "turn")


def test_the_new_key_may_have_another_passphrase(world):
    secret, config = sealed_vault(world)
    other = passphrase(world, "battery staple\n", "other")
    said = world.impound("key", "rotate", "--passphrase-file", other, "--config", config).out
    assert str(other) in said, said
    world.refused(1, "note", world.entries()[0]["id"], "x", "--config", config)
    note(world, "--config", world.settings(f'[vault]\npassphrase_file = "{other}"\n'))
    assert "ENCRYPTED" in key_file(world).read_text()
    world.impound("key", "rotate", "--config", world.settings(f'[vault]\npassphrase_file = "{other}"\n'))
    assert "ENCRYPTED" in key_file(world).read_text(), "a rotation does not lose the passphrase"
    assert len(vkeys(world)) == 3 and world.verify()["ok"] is True


def test_what_a_rotation_cut_short_has_left_is_removed_or_finished(world):
    world.init()
    before = key_file(world)
    left = before.with_name(before.name + ".next")
    left.write_text("half a k")
    left.chmod(0o600)
    said = note(world)
    assert not left.exists() and "a key that the log does not name was removed" in said.err, said.err
    # The log names it, the file has not taken its place yet: as if the power had failed between the two.
    world.impound("key", "rotate")
    before.rename(left)
    made = world.folder / "made"
    world.impound("init", "--vault", made, "--origin", "o", "--key", before)  # any old key in its place
    note(world)
    assert not left.exists() and before.exists()
    note(world)
    assert world.verify()["ok"] is True and len(vkeys(world)) == 2


def test_a_rotation_to_another_passphrase_that_was_cut_short_is_finished_by_the_same_command(world):
    secret, config = sealed_vault(world)
    other = passphrase(world, "battery staple\n", "other")
    pem = key_file(world)
    before = pem.read_bytes()
    world.impound("key", "rotate", "--passphrase-file", other, "--config", config)
    pem.rename(pem.with_name(pem.name + ".next"))
    pem.write_bytes(before)
    pem.chmod(0o600)
    said = world.refused(1, "note", world.entries()[0]["id"], "x", "--config", config)
    assert "cut short" in said.err and "key rotate --passphrase-file" in said.err, said.err
    said = world.impound("key", "rotate", "--passphrase-file", other, "--config", config).out
    assert "finished" in said and vkeys(world)[0] in said and len(vkeys(world)) == 2, said
    assert len(list(pem.parent.iterdir())) == 1
    note(world, "--config", world.settings(f'[vault]\npassphrase_file = "{other}"\n'))
    assert world.verify()["ok"] is True


def go_note_reader(world):
    """Opens a note by a vkey with golang.org/x/mod/sumdb/note."""
    harness.need("go")
    if not os.path.isdir("/usr/share/gocode/src/golang.org/x/mod/sumdb"):
        raise harness.Skip("golang-golang-x-mod-dev is not installed")
    program = world.folder / "logcheck"
    ended = subprocess.run(["go", "build", "-o", program, harness.SUPPORT / "go/logcheck/main.go"], capture_output=True, text=True, check=False,
                           env={**world.env, **GO, "GOCACHE": str(world.folder / "go-cache")})
    assert ended.returncode == 0, ended

    def read(folder, vkey):
        (world.folder / "vkey").write_text(vkey)
        return subprocess.run([program, folder, world.folder / "vkey"], capture_output=True, text=True, check=False)
    return read


def test_go_accepts_the_newest_checkpoint_with_the_new_key_and_the_one_between_with_either(world):
    read = go_note_reader(world)
    world.init()
    said = world.impound("key", "rotate").out
    new, old = vkeys(world)
    between = said.split("\n\n", 1)[1]
    assert between.count("\n— ") == 2, between
    assert read(world.vault / "log", new).returncode == 0, read(world.vault / "log", new)
    assert "FAIL checkpoint" in read(world.vault / "log", old).stdout
    # The checkpoint between, over the log as it was then: cut down to its size.
    size = int(between.splitlines()[1])
    copy = world.folder / "then"
    (copy / "tile/entries/000.p").mkdir(parents=True)
    (copy / "tile/0/000.p").mkdir(parents=True)
    now = len(world.entries())
    bundle = (world.vault / f"log/tile/entries/000.p/{now}").read_bytes()
    end = 0
    for _ in range(size):
        end += 2 + int.from_bytes(bundle[end:end + 2], "big")
    (copy / f"tile/entries/000.p/{size}").write_bytes(bundle[:end])
    (copy / f"tile/0/000.p/{size}").write_bytes((world.vault / f"log/tile/0/000.p/{now}").read_bytes()[:32 * size])
    (copy / "checkpoint").write_text(between.rstrip("\n") + "\n")
    for vkey in (old, new):
        assert read(copy, vkey).stdout.startswith(f"OK {size} entries"), read(copy, vkey)
        script = harness.SUPPORT / "openssl_checkpoint.sh"
        assert subprocess.run(["sh", script, copy / "checkpoint", vkey], check=False).returncode == 0
        world.impound("verify", "--vkey", vkey, "--checkpoint", copy / "checkpoint")


def test_the_rotation_keeps_to_its_schema_and_its_signatures_hold_for_openssl(world):
    harness.need("openssl")
    harness.need_module("jsonschema")
    world.init()
    world.impound("key", "rotate", "--reason", "x")
    lines = world.folder / "entries.jsonl"
    lines.write_text(world.impound("export", "--log", "jsonl").out)
    ended = subprocess.run([harness.PYTHON, harness.SUPPORT / "schema_check.py", harness.ROOT / "config/schema", lines],
                           capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    body = world.of_kind("key.rotated")[0]["body"]
    text = world.folder / "text"
    text.write_text(f"impound key rotation v1\n{body['old_vkey']}\n{body['new_vkey']}\n{body['size']}\n{body['root']}\n")
    for which in ("old", "new"):
        key = base64.b64decode(body[f"{which}_vkey"].split("+", 2)[2])[1:]
        (world.folder / "key.der").write_bytes(bytes.fromhex("302a300506032b6570032100") + key)
        (world.folder / "signature").write_bytes(base64.b64decode(body[f"signature_{which}"]))
        subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", world.folder / "key.der", "-rawin", "-in", text,
                        "-sigfile", world.folder / "signature"], check=True, capture_output=True)


def test_what_verify_md_says_of_a_rotation_holds_as_written(world):
    harness.need("openssl", "jq")
    world.init()
    for _ in range(2):
        world.impound("key", "rotate")
    entries = world.folder / "entries"
    entries.write_text("".join(json.dumps(entry, separators=(",", ":")) + "\n" for entry in world.entries()))
    section = (harness.ROOT / "VERIFY.md").read_text().split("## If the key was changed", 1)[1].split("\n## ", 1)[0]
    commands = section.split("```sh\n", 1)[1].split("```", 1)[0]
    assert commands.count("openssl") == 1, commands

    newest = json.loads(world.impound("key", "show", "--json").out.splitlines()[0])["vkey"]

    def said(key=newest):
        return subprocess.run(["bash", "-euo", "pipefail", "-c", commands], capture_output=True, text=True, check=False, cwd=world.vault,
                              env={**world.env, "WORK": str(world.folder), "VKEY": key})
    assert said().returncode == 0 and said().stdout.count("Verified Successfully") == 4, said()
    assert said(world.of_kind("key.rotated")[0]["body"]["new_vkey"]).returncode != 0
    text = entries.read_text()
    last = world.of_kind("key.rotated")[-1]["body"]
    entries.write_text(text.replace(f'"size":{last["size"]}', f'"size":{last["size"] - 1}'))
    assert said().returncode != 0, said()
    entries.write_text(text.replace(f'"old_vkey":"{last["old_vkey"]}"', f'"old_vkey":"{last["new_vkey"]}"'))
    assert said().returncode != 0, said()


def test_vault_and_memory_put_back_together_are_caught_by_a_copy(world):
    copies = [world.folder / "disk" / "checkpoint", world.folder / "share" / "checkpoint"]
    for copy in copies:
        copy.parent.mkdir()
    config = world.settings(f'[vault]\nlast_checkpoint_copies = {[str(copy) for copy in copies]}\n'.replace("'", '"'))
    world.init("--config", config)
    first = note(world, "--config", config)
    assert "to compare with; one is made" in first.err, first.err
    for copy in copies:
        assert copy.read_bytes() == (world.vault / "log/checkpoint").read_bytes() and copy.stat().st_mode & 0o777 == 0o600
    shutil.copytree(world.vault, world.folder / "vault-before")
    shutil.copytree(world.state(), world.folder / "state-before")
    note(world, "--config", config)
    for before, place in ((world.folder / "vault-before", world.vault), (world.folder / "state-before", world.state())):
        shutil.rmtree(place)
        shutil.copytree(before, place)
    assert world.verify()["ok"] is True, "nothing here remembers"
    world.impound("verify", "--checkpoint", copies[0], code=1)
    id = world.entries()[0]["id"]
    said = world.refused(1, "note", id, "x", "--config", config)
    assert "were signed here" in said.err and str(copies[0]) in said.err and "--accept-rollback" in said.err, said.err
    source = '[[source]]\nname = "s"\nprofile = "pastebin"\nbase_url = "http://127.0.0.1:1"\nacquire = "none"\n'
    accepting = world.settings(config.read_text() + source.replace('"pastebin"', f'"{harness.PROFILE}"'))
    world.impound("watch", "--once", "--config", accepting, "--accept-rollback", "the disk was replaced", code=None)
    assert world.of_kind("rollback.accepted")[0]["body"]["reason"] == "the disk was replaced"
    note(world, "--config", config)
    assert copies[0].read_bytes() == (world.vault / "log/checkpoint").read_bytes()


def test_a_copy_that_is_away_is_told_of_and_holds_nothing_up(world):
    folder = world.folder / "disk"
    config = world.settings(f'[vault]\nlast_checkpoint_copies = ["{folder}/checkpoint"]\n')
    world.init()
    said = note(world, "--config", config)
    assert said.err.count(str(folder)) >= 1 and "goes on without it" in said.err, said.err
    assert len([line for line in said.err.splitlines() if "goes on without it" in line]) == 1, said.err
    folder.mkdir()
    note(world, "--config", config)
    assert (folder / "checkpoint").read_bytes() == (world.vault / "log/checkpoint").read_bytes()
    (folder / "checkpoint").write_text("of another vault")
    said = world.refused(1, "note", world.entries()[0]["id"], "x", "--config", config)
    assert str(folder / "checkpoint") in said.err, said.err
    inside = world.settings(f'[vault]\nlast_checkpoint_copies = ["{world.vault}/log/copy"]\n')
    world.refused(2, "note", world.entries()[0]["id"], "x", "--config", inside)
    for wrong in ('["relative"]', '["/folder/"]', '["/a", "/a"]', '["/a", 1]', '[""]'):
        world.refused(2, "note", world.entries()[0]["id"], "x", "--config", world.settings(f"[vault]\nlast_checkpoint_copies = {wrong}\n"))


def test_the_agents_memory_is_nobody_elses(world):
    """While it holds the key: no core dump, memory locked, /proc/PID/mem closed."""
    site = world.pastes([])
    world.init()
    agent = world.start_impound("watch", "--config", world.settings(site.source(acquire="none", interval="1s")))
    harness.wait_until(lambda: site.requests() or not agent.running(), 30, "a poll")
    status = open(f"/proc/{agent.process.pid}/status").read()
    limits = open(f"/proc/{agent.process.pid}/limits").read()
    assert re.search(r"Max core file size\s+0\s+0\s", limits), limits
    assert int(re.search(r"VmLck:\s+(\d+) kB", status)[1]) >= 64, status
    ignored = int(re.search(r"SigIgn:\s+([0-9a-f]+)", status)[1], 16)
    assert ignored >> (signal.SIGIO - 1) & 1, "SIGIO is ignored"
    assert os.stat(f"/proc/{agent.process.pid}/mem").st_uid == 0, "not dumpable: /proc/PID is root's"


def test_where_memory_cannot_be_locked_the_agent_says_so_and_goes_on(world):
    harness.need("setpriv", "prlimit")
    world.init()
    # Without CAP_IPC_LOCK the limit counts.
    words = ["setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock", "prlimit", "--memlock=0", harness.PROGRAM, "note", world.entries()[0]["id"], "x"]
    ended = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, env=world.env)
    assert ended.returncode == 0, ended
    assert ended.stderr.count("mlock was refused") == 1, ended.stderr


harness.main(globals())
