"""Cases: opened, held, assigned to, closed; what is refused, and what the log says of it."""
import subprocess

import harness

CASE = "emleaks-2017"
OTHER = "other"
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


def cases(world):
    return {one["case"]: one for one in world.impound("case", "list", "--json").json_lines()}


def test_a_case_is_opened_held_released_and_closed(world):
    world.init()
    world.impound("case", "open", CASE, "--title", "Mails before the vote", "--authority", "order 17/2017", "--operator", "A. Noone")
    entry = world.of_kind("case.opened")[-1]
    assert entry["case"] == CASE and entry["body"] == {"title": "Mails before the vote", "authority": "order 17/2017"}, entry
    assert entry["by"]["operator"] == "A. Noone", entry
    assert cases(world)[CASE]["state"] == "open" and cases(world)[CASE]["hold"] is False
    world.impound("case", "hold", CASE, "--why", "letter of 9 May")
    assert cases(world)[CASE]["hold"] is True
    assert "hold stands until" in world.impound("case", "close", CASE, "--why", "done").out
    assert cases(world)[CASE] == {"case": CASE, "state": "closed", "hold": True, "entries": 3, "exhibits": 0, "assigned": 0,
                                  "title": "Mails before the vote", "authority": "order 17/2017"}
    world.impound("case", "release", CASE)
    assert cases(world)[CASE]["hold"] is False
    bodies = [(one["kind"], one["body"], "by" in one) for one in world.entries() if one.get("case") == CASE]
    assert bodies[1:] == [("case.changed", {"change": "hold", "why": "letter of 9 May"}, True), ("case.closed", {"why": "done"}, True),
                          ("case.changed", {"change": "release"}, True)], bodies
    text = world.impound("case", "list").out
    assert CASE in text and "closed" in text and "HOLD" not in text, text
    unharmed(world)


def test_what_cannot_be_is_refused_and_leaves_no_trace(world):
    world.init()
    world.impound("case", "open", CASE)
    before = world.entries()
    assert "already" in world.refused(1, "case", "open", CASE).err
    for words in (["close", OTHER], ["hold", OTHER], ["release", OTHER], ["assign", before[0]["id"], OTHER]):
        err = world.refused(1, "case", *words).err
        assert "no such case" in err and f"impound case open {OTHER}" in err, err
    assert "no hold" in world.refused(1, "case", "release", CASE).err
    assert "does not name this" in world.refused(1, "case", "assign", NOBODY, CASE).err
    for words in (["assign", "nonsense", CASE], ["open", "No Name"], ["open"], ["hold"], ["assign", CASE], []):
        world.refused(2, "case", *words)
    assert world.entries() == before
    world.impound("case", "close", CASE)
    assert "closed" in world.refused(1, "case", "close", CASE).err
    assert "closed" in world.refused(1, "case", "assign", before[0]["id"], CASE).err
    assert "opened before" in world.refused(1, "case", "open", CASE).err
    unharmed(world)


def test_a_case_that_nobody_opened_is_listed_and_can_be_opened(world):
    world.init()
    harness.write_bytes(world.folder / "mail.eml", 1000, "mail")
    world.impound("import", world.folder / "mail.eml", "--case", CASE, "--source", "a stick")
    assert cases(world)[CASE]["state"] == "unopened" and cases(world)[CASE]["exhibits"] == 1
    assert "nobody opened it" in world.refused(1, "case", "hold", CASE).err
    assert "named before" in world.impound("case", "open", CASE).out
    assert cases(world)[CASE]["state"] == "open"
    unharmed(world)


def test_subjects_are_found_by_id_and_by_digest(world):
    world.init()
    for name, seed in (("one.eml", "same"), ("two.eml", "same"), ("three.eml", "other")):
        harness.write_bytes(world.folder / name, 1000, seed)
        world.impound("import", world.folder / name, "--case", OTHER, "--source", "a stick")
    exhibits = [one for one in world.of_kind("exhibit.sealed") if one["body"]["origin"]["type"] == "import"]
    same, third = exhibits[0], exhibits[2]
    assert same["body"]["sha256"] == exhibits[1]["body"]["sha256"] != third["body"]["sha256"]
    world.impound("case", "open", CASE)
    world.impound("case", "assign", third["body"]["sha256"], CASE, "--why", "the same sender")
    assert "2 exhibits" in world.refused(1, "case", "assign", same["body"]["sha256"], CASE).err
    world.impound("case", "assign", same["id"], CASE)
    assigned = world.of_kind("case.assigned")
    assert [one["body"] for one in assigned] == [{"subject": third["id"], "why": "the same sender"}, {"subject": same["id"]}], assigned
    assert all(one["case"] == CASE and "by" in one for one in assigned)
    assert cases(world)[CASE]["assigned"] == 2 and cases(world)[OTHER]["state"] == "unopened"
    unharmed(world)


def test_help_names_the_exit_codes(world):
    for words in (["case"], ["case", "open"], ["case", "list"], ["case", "assign"], ["case", "close"], ["case", "hold"], ["case", "release"]):
        text = world.impound(*words, "--help").out
        assert "Exit codes:" in text, text
        assert words == ["case"] or all(flag in text for flag in ("--vault", "--config", "--operator", "--log-level", "--help")), text
    assert "impound case assign --help" in world.refused(2, "case", "assign").err


def blanked(world, index):
    """Takes the bytes of an entry out of the newest bundle, as an erasure does, without an entry that orders it."""
    bundle = next((world.vault / "log/tile/entries").rglob("000.p/*"))
    data, kept = bundle.read_bytes(), b""
    for at in range(len(world.entries())):
        size = int.from_bytes(data[:2], "big")
        kept += b"\0\0" if at == index else data[:2 + size]
        data = data[2 + size:]
    bundle.write_bytes(kept)


def test_a_log_with_a_hole_is_read_by_every_command_and_by_go(world):
    harness.need("go")
    vkey = next(line.split()[1] for line in world.init().out.splitlines() if line.startswith("vkey"))
    harness.write_bytes(world.folder / "mail.eml", 1000, "mail")
    world.impound("import", world.folder / "mail.eml", "--case", CASE, "--source", "a stick")
    imported = world.of_kind("exhibit.imported")[0]
    world.impound("note", imported["id"], "a name that must go")
    index = [entry["kind"] for entry in world.entries()].index("note.added")
    before = world.entries()
    blanked(world, index)

    lines = world.impound("log", "--json").json_lines()
    assert [line["index"] for line in lines] == list(range(len(before)))
    assert lines[index] == {"index": index, "erased": True}
    assert [line["entry"] for line in lines if "entry" in line] == before[:index] + before[index + 1:]
    assert "a name that must go" not in world.impound("log").out and "erased" in world.impound("log").out
    assert "erased" not in world.impound("log", "--kind", "note.added").out
    assert "does not name" in world.refused(1, "show", before[index]["id"]).err
    problems = world.verify_fails()
    assert [(one["what"], one["where"]) for one in problems] == [("missing", f"entry {index}")], problems

    # Writers go on over the hole: the leaf hash comes from the tile that was kept.
    world.impound("note", imported["id"], "later")
    world.impound("case", "open", CASE)
    world.impound("export", "--log", "jsonl", "--output", world.folder / "log.jsonl")
    world.impound("status")
    assert [(one["what"], one["where"]) for one in world.verify_fails()] == [("missing", f"entry {index}")]

    logcheck, key = world.folder / "logcheck", world.folder / "log.vkey"
    key.write_text(vkey + "\n")
    subprocess.run(["go", "build", "-o", logcheck, harness.SUPPORT / "go/logcheck/main.go"], check=True,
                   env={**world.env, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(world.folder / "gocache")})
    judged = subprocess.run([logcheck, world.vault / "log", key], capture_output=True, text=True, check=False)
    assert judged.returncode == 0 and "1 of them erased" in judged.stdout, judged.stdout
    tile = next((world.vault / "log/tile/0").rglob("000.p/*"))
    tile.write_bytes(bytes(b ^ (at == index * 32) for at, b in enumerate(tile.read_bytes())))
    judged = subprocess.run([logcheck, world.vault / "log", key], capture_output=True, text=True, check=False)
    assert judged.returncode == 1, judged.stdout


harness.main(globals())
