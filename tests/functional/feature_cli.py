"""The command line as a contract with scripts: help, exit codes, stable keys."""
import json

import harness
import peers

COMMANDS = ["init", "fetch", "watch", "extract", "status", "log", "show", "note", "export", "verify", "import", "checkout", "key show", "key rotate"]
EVERYWHERE = ["--vault", "--config", "--operator", "--allow-net", "--log-level", "--quiet", "--help"]
MAGNET = "magnet:?xt=urn:btih:c9e15763f722f23e98a29decdfae341b98d53056"


def one_torrent(world, *more):
    seeded = world.folder / "seeded"
    harness.write_bytes(seeded / "leak" / "1.eml", 40_000, "mail")
    torrent = peers.make_torrent(world, seeded / "leak", "hybrid")
    peer = peers.seeder(world, torrent, seeded)
    world.init()
    world.impound("fetch", torrent.magnet(), "--peer", peer.address, *more)
    return torrent


def test_help_of_each_command_tells_flags_and_exit_codes(world):
    general = world.impound("--help").out
    for command in COMMANDS:
        assert command.split()[0] in general, command
        text = world.impound(*command.split(), "--help").out
        for flag in EVERYWHERE:
            assert flag in text, (command, flag)
        assert "Exit codes" in text and "130" in text, command
        assert all(len(line) <= 240 for line in text.splitlines()), command


def test_version(world):
    assert world.impound("--version").out.startswith("impound "), world.impound("--version")


def test_a_note_stands_in_the_log_with_who_wrote_it(world):
    one_torrent(world, "--case", "emleaks-2017")
    exhibit = next(entry for entry in world.of_kind("exhibit.sealed") if entry["body"]["role"] == "payload")
    said = world.impound("note", exhibit["id"], "seen on the news at 20:00 – «ü»", "--operator", "A. Noone").out
    note = world.of_kind("note.added")[0]
    assert note["id"] in said and note["body"] == {"subject": exhibit["id"], "text": "seen on the news at 20:00 – «ü»"}, note
    assert note["by"]["operator"] == "A. Noone" and note["case"] == "emleaks-2017", note
    entries = len(world.entries())
    world.refused(1, "note", "01890000-0000-7000-8000-000000000000", "of nothing")
    world.refused(2, "note", "nonsense", "text")
    world.refused(2, "note", exhibit["id"], "")
    world.refused(2, "note", exhibit["id"], "x" * 4_001)
    world.refused(2, "note", exhibit["id"], "\udcff")
    assert len(world.entries()) == entries, "a refused note leaves no trace"
    assert world.verify()["ok"] is True


def test_init_says_what_it_made(world):
    out = world.init("--operator", "A. Noone", "--authority", "order 17/2017").out
    words = dict(line.split(None, 1) for line in out.splitlines() if line.split(None, 1)[0] in ("vault", "key", "memory", "vkey"))
    assert set(words) == {"vault", "key", "memory", "vkey"}, out
    key = harness.pathlib.Path(words["key"])
    assert key.stat().st_mode & 0o777 == 0o600
    assert words["vkey"].startswith("test.example/custody+")
    created = world.entries()[0]
    assert created["kind"] == "vault.created" and created["by"]["operator"] == "A. Noone" and created["body"]["authority"] == "order 17/2017"
    assert created["body"]["vault_toml_sha256"] == harness.sha256(world.vault / "vault.toml"), created["body"]
    assert world.verify()["ok"] is True


def test_the_private_key_can_lie_where_the_operator_says(world):
    key = world.folder / "keys" / "own.pem"
    key.parent.mkdir()
    world.init("--key", key)
    assert key.exists() and key.stat().st_mode & 0o777 == 0o600
    assert not (world.home / ".config/impound/keys").exists()


def test_verify_json(world):
    one_torrent(world)
    verdict = world.verify()
    assert {"ok", "entries", "exhibits", "objects", "captures", "records", "bytes", "checkpoint", "timestamps", "problems", "notes", "not_checked"} <= verdict.keys()
    assert verdict["entries"] == verdict["checkpoint"]["size"] == len(world.entries()), verdict
    assert verdict["exhibits"] == world.kinds().count("exhibit.sealed")
    assert verdict["objects"] == len([file for file in (world.vault / "objects").rglob("*") if file.is_file()])
    assert any("own key" in note or "trust" in note for note in verdict["notes"]), verdict["notes"]
    log_only = world.impound("verify", world.vault, "--log-only", "--json").json()
    assert log_only["ok"] is True and log_only["not_checked"], log_only
    text = world.impound("verify", world.vault)
    assert "OK" in text.out, text


def test_status_json(world):
    one_torrent(world)
    status = world.impound("status", "--json").json()
    assert {"sources", "jobs", "log", "vault", "alerts"} <= status.keys(), status
    assert status["log"]["size"] == len(world.entries()) and status["jobs"]["complete"] == 1
    assert status["vault"]["objects"] > 0 and status["vault"]["bytes"] > 0 and status["vault"]["free_bytes"] > 0
    assert world.impound("status").out


def test_log_json_is_the_entries_byte_for_byte(world):
    one_torrent(world)
    lines = world.impound("log", "--json").out.splitlines()
    bundle = next(file for file in (world.vault / "log/tile/entries").rglob("*") if file.is_file()).read_bytes()
    at = 0
    for index, line in enumerate(lines):
        size = int.from_bytes(bundle[at:at + 2], "big")
        entry = bundle[at + 2:at + 2 + size].decode()
        assert line == f'{{"index":{index},"entry":{entry}}}', line
        at += 2 + size
    assert at == len(bundle)


def test_log_filters(world):
    torrent = one_torrent(world)
    sealed = world.impound("log", "--json", "--kind", "exhibit.sealed").json_lines()
    assert sealed and all(line["entry"]["kind"] == "exhibit.sealed" for line in sealed)
    assert world.impound("log", "--json", "--case", "none").out == ""
    assert world.impound("log", "--json", "--since", "2100-01-01").out == ""
    assert len(world.impound("log", "--json", "--since", "2000-01-01").json_lines()) == len(world.entries())
    text = world.impound("log").out
    assert len(text.splitlines()) == len(world.entries()) and torrent.v1 in text


def test_show_by_hash_object_and_id(world):
    torrent = one_torrent(world)
    for name in (torrent.v1, torrent.v2, torrent.magnet()):
        shown = world.show(name)
        assert {"kind", "id", "info_hash_v1", "info_hash_v2", "name", "state", "uploaded_payload_bytes", "downloaded_payload_bytes", "files",
                "torrent"} <= shown.keys(), shown
        assert shown["name"] == "leak" and shown["state"] == "complete", shown
    file = shown["files"][0]
    assert {"path", "path_hex", "size", "sha256", "sealed"} <= file.keys(), file
    exhibit = world.impound("show", file["sha256"], "--json").json()
    assert exhibit["sha256"] == file["sha256"], exhibit
    entry = world.impound("show", shown["id"], "--json").json()
    assert entry["entry"]["id"] == shown["id"], entry
    assert world.impound("show", torrent.v1).out
    world.refused(1, "show", "00" * 20)


def test_export_of_the_log(world):
    """What is handed over is the log as it was; that it was handed over is in the log afterwards."""
    one_torrent(world)
    for output in (None, world.folder / "log.jsonl"):
        before = world.impound("log", "--json").out
        done = world.impound("export", "--log", "jsonl", *(["--output", output] if output else []))
        exported = output.read_text() if output else done.out
        assert exported == before, (output, exported[-300:], before[-300:])
        created = world.of_kind("export.created")[-1]["body"]
        assert created["sha256"] == harness.hashlib.sha256(exported.encode()).hexdigest(), created
        assert created["entries"] == len(before.splitlines()), created
    world.refused(2, "export", "--log", "jsonl", "--output", output)  # never written over
    assert output.read_text() == exported
    csv = world.impound("export", "--log", "csv").out.splitlines()
    assert csv[0].startswith("index,utc,kind") and len(csv) > len(before.splitlines()), csv[:2]


def test_extract(world):
    text = world.folder / "paste.txt"
    text.write_text(f"a leak: {MAGNET}\nhttp://archive.example/x/leak.torrent\nnothing else\n")
    found = [json.loads(line) for line in world.impound("extract", text, "--json").out.splitlines()]
    kinds = [reference["kind"] for reference in found]
    assert "magnet" in kinds and "torrent_url" in kinds, found
    magnet = found[kinds.index("magnet")]
    assert {"file", "kind", "canonical", "text", "offset", "length", "rule", "confidence"} <= magnet.keys(), magnet
    assert magnet["info_hash_v1"] == MAGNET[-40:]
    content = text.read_bytes()
    for reference in found:
        assert content[reference["offset"]:reference["offset"] + reference["length"]].decode() == reference["text"], reference
    folder = world.folder / "many"
    folder.mkdir()
    (folder / "a.txt").write_text(MAGNET)
    assert MAGNET[-40:] in world.impound("extract", "-r", folder).out
    world.refused(2, "extract", folder)
    world.refused(1, "extract", world.folder / "missing")
    assert not world.vault.exists(), "extract needs no vault"


def test_the_vault_can_be_named_in_four_ways(world):
    world.init()
    other = world.folder / "other"
    world.impound("init", "--vault", other, "--origin", "test.example/other")
    config = world.settings(f'[vault]\npath = "{other}"\n')
    assert world.impound("status", "--json").json()["vault"]["path"] == str(world.vault)
    assert world.impound("status", "--json", "--vault", other).json()["vault"]["path"] == str(other)
    assert world.impound("status", "--json", "--config", config, IMPOUND_VAULT="").json()["vault"]["path"] == str(other)
    assert world.impound("status", "--json", "--config", config).json()["vault"]["path"] == str(world.vault)
    home = world.impound("init", "--origin", "test.example/home", IMPOUND_VAULT="")
    assert str(world.home / ".local/share/impound/vault") in home.out, home


def test_two_runs_log_the_same_settings_once(world):
    world.init()
    config = world.settings('[torrents]\nmetadata_timeout = "1s"\n')
    for _ in range(2):
        world.impound("fetch", MAGNET, "--config", config, code=1)
    kinds = world.kinds()
    assert kinds.count("agent.started") == kinds.count("agent.stopped") == 2, kinds
    assert kinds.count("settings.loaded") == 1, kinds


harness.main(globals())
