"""P7: other people's tools read the log of a real vault, accept it as it is, and refuse it once it was touched."""
import json
import os
import subprocess

import harness
import peers

GO = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}


def real_vault(world, runs=1):
    """A vault with captures and acquisitions; more runs, more entries."""
    seeded = world.folder / "seeded"
    for number in range(40):
        harness.write_bytes(seeded / "leak" / f"{number}.eml", 2_000 + number, f"mail {number}")
    torrent = peers.make_torrent(world, seeded / "leak", "hybrid")
    peer = peers.seeder(world, torrent, seeded)
    site = world.pastes([{"key": "0CeaNm8Y", "title": "Part one – «ü»", "user": "EMLEAKS", "text": torrent.magnet() + "\n"},
                         {"key": "8sUIsf34", "title": "hello", "text": "no leak\n"}])
    world.init("--operator", "Zoë N.")
    world.impound("watch", "--once", "--config", world.settings(site.source(acquire="none", case="emleaks-2017")))
    world.impound("fetch", torrent.magnet(), "--peer", peer.address)
    for _ in range(runs):
        world.impound("fetch", torrent.v1)
    config = world.settings('[torrents]\nmetadata_timeout = "1s"\n')
    world.impound("fetch", "00" * 20, "--config", config, code=1)
    return torrent


def vkey(world):
    line = next(line for line in (world.vault / "vault.toml").read_text().splitlines() if line.startswith("vkey"))
    return line.split('"')[1]


def go_program(world, name):
    """A Go program of tests/support/go, built with Debian's x/mod alone; runs it on a path and the vault's key."""
    harness.need("go")
    if not os.path.isdir("/usr/share/gocode/src/golang.org/x/mod/sumdb"):
        raise harness.Skip("golang-golang-x-mod-dev is not installed")
    program = world.folder / name
    ended = subprocess.run(["go", "build", "-o", program, harness.SUPPORT / "go" / name / "main.go"], capture_output=True, text=True, check=False,
                           env={**world.env, **GO, "GOCACHE": str(world.folder / "go-cache")})
    assert ended.returncode == 0, ended
    key_file = world.folder / "vkey"
    key_file.write_text(vkey(world))
    return lambda path: subprocess.run([program, path, key_file], capture_output=True, text=True, check=False)


def go_reader(world):
    check = go_program(world, "logcheck")
    return lambda: check(world.vault / "log")


def test_the_go_checksum_database_code_accepts_the_log_and_refuses_a_touched_one(world):
    real_vault(world)
    read = go_reader(world)
    accepted = read()
    assert accepted.returncode == 0 and accepted.stdout.startswith(f"OK {len(world.entries())} entries"), accepted
    refused = 0
    for file in sorted((world.vault / "log").rglob("*")):
        if not file.is_file():
            continue
        size = file.stat().st_size
        for offset in {0, size // 2, size - 1}:
            with harness.byte_changed(file, offset):
                said = read()
            assert said.returncode == 1 and said.stdout.startswith("FAIL"), (file, offset, said)
            refused += 1
    assert refused >= 9, refused
    assert read().returncode == 0


def test_the_go_code_accepts_a_log_of_several_tiles(world):
    """Past 256 entries there is a full tile and a level above it."""
    torrent = real_vault(world, runs=2)
    read = go_reader(world)
    while len(world.entries()) < 300:
        for _ in range(20):
            world.impound("fetch", torrent.v1)
    assert read().returncode == 0, read()
    assert (world.vault / "log/tile/1").exists()
    assert world.verify()["ok"] is True


def test_a_proof_holds_alone_and_go_accepts_it(world):
    """`show --proof` of an entry, an object and a torrent: judged without the vault, by impound and by Go."""
    torrent = real_vault(world)
    key = vkey(world)
    exhibit = next(entry for entry in world.entries() if entry["kind"] == "exhibit.sealed")
    proofs = {}
    for name, what in (("entry", exhibit["id"]), ("object", exhibit["body"]["sha256"]), ("torrent", torrent.v1)):
        proofs[name] = world.folder / f"{name}.tlog-proof"
        proofs[name].write_text(world.impound("show", what, "--proof").out)
    os.rename(world.vault, world.folder / "elsewhere")
    judge = lambda path, code=0: world.impound("verify", path, "--vkey", key, "--json", code=code).json()
    assert judge(proofs["entry"])["entry"] == exhibit
    assert judge(proofs["object"])["entry"]["body"]["sha256"] == exhibit["body"]["sha256"]
    result = judge(proofs["torrent"])["entry"]
    assert result["kind"] == "acquisition.result" and result["body"]["state"] == "complete", result
    os.rename(world.folder / "elsewhere", world.vault)

    go = go_program(world, "proofcheck")
    said = go(proofs["entry"])
    assert said.returncode == 0 and json.loads(said.stdout) == exhibit, said
    size = proofs["entry"].stat().st_size
    for offset in range(0, size, 1 if harness.ALL else 97):
        with harness.byte_changed(proofs["entry"], offset):
            verdict = judge(proofs["entry"], code=1)
            assert verdict["problems"][0]["what"] in ("altered", "unsigned", "malformed"), (offset, verdict)
            if offset % 7 == 0:
                assert go(proofs["entry"]).returncode == 1, offset


def test_what_is_no_proof_is_refused_in_words(world):
    world.init()
    (world.folder / "empty").write_text("")
    (world.folder / "text").write_text("hello\n")
    proof = world.folder / "first.tlog-proof"
    proof.write_text(world.impound("show", world.entries()[0]["id"], "--proof").out)
    world.impound("verify", proof, code=2)
    world.impound("verify", proof, "--vkey", "nonsense", code=2)
    world.impound("verify", proof, "--vkey", vkey(world), "--log-only", code=2)
    world.impound("verify", world.folder / "empty", "--vkey", vkey(world), code=2)
    said = world.impound("verify", world.folder / "text", "--vkey", vkey(world), code=1)
    assert "malformed" in said.out and "show ID --proof" in said.out, said.out
    world.impound("show", "01890000-0000-7000-8000-000000000000", "--proof", code=1)


def test_openssl_and_coreutils_check_the_checkpoint(world):
    harness.need("openssl")
    world.init()
    script = harness.SUPPORT / "openssl_checkpoint.sh"

    def said(checkpoint):
        return subprocess.run(["sh", script, checkpoint, vkey(world)], capture_output=True, text=True, check=False)
    checkpoint = world.vault / "log" / "checkpoint"
    assert said(checkpoint).returncode == 0, said(checkpoint)
    signed = checkpoint.read_bytes().index(b"\n\n")
    for offset in range(0, signed, 1 if harness.ALL else 9):
        with harness.byte_changed(checkpoint, offset):
            assert said(checkpoint).returncode == 1, offset


def test_every_entry_keeps_to_its_schema(world):
    harness.need_module("jsonschema")
    real_vault(world)
    lines = world.folder / "entries.jsonl"
    lines.write_text(world.impound("export", "--log", "jsonl").out)
    ended = subprocess.run([harness.PYTHON, harness.SUPPORT / "schema_check.py", harness.ROOT / "config/schema", lines],
                           capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    kinds = set(world.kinds())
    assert ended.stdout.startswith(f"checked {len(lines.read_text().splitlines())} entries"), ended.stdout
    wanted = {"vault.created", "agent.started", "agent.stopped", "settings.loaded", "source.polled", "capture.attempt", "capture.result",
              "reference.found", "acquisition.attempt", "acquisition.metadata", "acquisition.result", "exhibit.sealed"}
    assert wanted <= kinds, wanted - kinds


def test_an_entry_is_canonical_json(world):
    """RFC 8785 for what an entry may hold: sorted keys, no space, no float, no null, no empty string."""
    real_vault(world)
    for line in world.impound("log", "--json").out.splitlines():
        text = line[line.index('"entry":') + len('"entry":'):-1]
        entry = json.loads(text)
        assert json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False) == text, text

        def sound(value):
            assert value is not None and value != "" and not isinstance(value, float), text
            if isinstance(value, int):
                assert abs(value) < 2**53, text
            for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
                sound(inner)
        sound(entry)


harness.main(globals())
