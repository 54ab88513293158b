"""Cases: opened, held, assigned to, closed; what is refused, and what the log says of it."""
import json
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


def test_of_many_who_open_a_case_at_once_one_does(world):
    world.init()
    for number in range(6):
        name = f"race-{number}"
        at_once = [world.start_impound("case", "open", name) for _ in range(6)]
        codes = [one.wait() for one in at_once]
        assert set(codes) <= {0, 1, 3} and codes.count(0) <= 1, (codes, [one.output() for one in at_once])
        if 0 not in codes:
            world.impound("case", "open", name)
    opened = [one["case"] for one in world.of_kind("case.opened")]
    assert len(opened) == len(set(opened)) == 6, opened
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


def erase(world, *words, code=0):
    program = harness.PROGRAM.parent / "tests" / "erase_for_tests"
    ended = subprocess.run([program, world.vault, *map(str, words)], capture_output=True, text=True, check=False, env=world.env)
    assert ended.returncode == code, ended
    return ended.stdout + ended.stderr


def judged_by_go(world):
    harness.need("go")
    key = world.folder / "log.vkey"
    key.write_text(next(line.split('"')[1] for line in (world.vault / "vault.toml").read_text().splitlines() if line.startswith("vkey")) + "\n")
    judged = subprocess.run(["go", "run", harness.SUPPORT / "go/logcheck/main.go", world.vault / "log", key], capture_output=True, text=True, check=False,
                            env={**world.env, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(world.folder / "go-cache")})
    return judged.returncode, judged.stdout


def kept_secret(world):
    """A vault with what a court may order gone: the indexes of an exhibit, its import and a note."""
    world.init()
    for name, seed in (("secret.eml", "contraband"), ("other.eml", "other")):
        harness.write_bytes(world.folder / name, 10_000, seed)
        world.impound("import", world.folder / name, "--case", CASE, "--source", "a stick")
    imports = [at for at, entry in enumerate(world.entries()) if entry["kind"] == "exhibit.imported"]
    world.impound("note", world.entries()[imports[0]]["id"], "the name of a child")
    entries = world.entries()
    exhibits = [at for at, entry in enumerate(entries) if entry["kind"] == "exhibit.sealed" and entry["body"]["origin"]["type"] == "import"]
    return exhibits[0], imports[0], next(at for at, entry in enumerate(entries) if entry["kind"] == "note.added")


def test_two_entries_and_an_exhibit_are_erased_and_verify_prints_the_holes(world):
    exhibit, imported, note = kept_secret(world)
    entries = world.entries()
    erase(world, "--exhibit", exhibit, "--entry", imported, "--entry", note)
    verdict = world.verify()
    assert verdict["ok"] and verdict["objects"] == verdict["exhibits"] - 1, verdict
    digest = entries[exhibit]["body"]["sha256"]
    holes = {(one["what"], one["where"]) for one in verdict["erased"]}
    assert holes == {("object", f"objects/{digest[:2]}/{digest}"), ("entry", f"entry {imported}"), ("entry", f"entry {note}")}, holes
    text = world.impound("verify", world.vault).out
    assert all(f"erased      {where}  by entry " in text for _, where in holes), text
    for path in (path for path in world.vault.rglob("*") if path.is_file()):
        assert b"the name of a child" not in path.read_bytes(), path
    lines = world.impound("log", "--json").json_lines()
    assert [line["index"] for line in lines if line.get("erased")] == sorted((imported, note))
    assert [line["entry"]["case"] for line in lines if line.get("entry", {}).get("kind", "").endswith(".erased")] == [CASE] * 3
    left = "".join(json.dumps(line["entry"]) + "\n" for line in lines if "entry" in line)
    harness.need_module("jsonschema")
    checked = subprocess.run([harness.PYTHON, harness.SUPPORT / "schema_check.py", SCHEMAS], input=left, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout[-2000:]
    assert "erased by order" in world.refused(1, "show", entries[note]["id"]).err
    by = next(line["index"] for line in lines if line.get("entry", {}).get("kind") == "exhibit.erased")
    for what in (digest, entries[exhibit]["id"]):
        shown = world.show(what)
        assert shown["erased"] is True and shown["erased_by"] == by and "path" not in shown, shown
    assert world.show(digest)["exhibits"][0]["erased_by"] == by
    assert f"ERASED by entry {by}" in world.impound("show", entries[exhibit]["id"]).out
    told = world.refused(1, "checkout", entries[exhibit]["id"], world.folder / "copy").err
    assert not (world.folder / "copy").exists() and "erased" in told, told
    code, said = judged_by_go(world)
    assert code == 0 and "2 of them erased" in said, said
    world.impound("note", entries[exhibit]["id"], "gone")
    harness.write_bytes(world.folder / "third.eml", 3000, "third")
    world.impound("import", world.folder / "third.eml", "--case", CASE, "--source", "a stick")
    assert world.verify()["ok"] and judged_by_go(world)[0] == 0


def test_an_erasure_that_died_once_it_was_ordered_is_carried_out_by_the_next_start(world):
    exhibit, imported, note = kept_secret(world)
    erase(world, "--die-once-ordered", "--exhibit", exhibit, "--entry", note)
    assert {one["what"] for one in world.verify_fails()} == {"unlogged"}
    world.impound("note", world.entries()[imported]["id"], "whatever starts")
    verdict = world.verify()
    assert verdict["ok"] and len(verdict["erased"]) == 2, verdict


def test_a_hold_keeps_what_a_case_has_from_being_erased(world):
    exhibit, imported, note = kept_secret(world)
    world.impound("case", "open", CASE)
    world.impound("case", "hold", CASE)
    before = len(world.of_kind("exhibit.erased"))
    for words in (["--exhibit", exhibit], ["--entry", note], ["--entry", imported]):
        assert "hold" in erase(world, *words, code=1)
    assert before == len(world.of_kind("exhibit.erased")) and world.verify()["erased"] == []
    world.impound("case", "release", CASE)
    erase(world, "--exhibit", exhibit)
    assert len(world.verify()["erased"]) == 1


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
    world.init()
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

    code, said = judged_by_go(world)
    assert code == 0 and "1 of them erased" in said, said
    tile = next((world.vault / "log/tile/0").rglob("000.p/*"))
    tile.write_bytes(bytes(b ^ (at == index * 32) for at, b in enumerate(tile.read_bytes())))
    assert judged_by_go(world)[0] == 1


harness.main(globals())
