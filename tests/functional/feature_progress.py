"""`fetch` as a person sees it: a line a torrent on a terminal, plain lines in a file, events for programs, what is missing at the end."""
import json
import re
import shlex
import shutil
import subprocess

import harness
import peers

WIDE = "漏洩-日本語の名前がとても長いトレント"
LINE = re.compile(r"^(.*\S)  (\[[#-]+\]  +)?(starting|checking|looking for metadata|finished|paused|waiting .*|.*\d+%.*)$")


def two_slow_torrents(world):
    """One with a name of wide characters; each takes a few seconds."""
    targets = []
    for name, host in ((WIDE, "127.0.0.2"), ("mails", "127.0.0.3")):
        seeded = world.folder / f"seeded-{host}"
        harness.write_bytes(seeded / name / "a.eml", 900_000, name)
        torrent = peers.make_torrent(world, seeded / name, "v1", piece_size=16 << 10)
        peer = peers.seeder(world, torrent, seeded, rate=200_000, host=host)
        targets += [torrent.magnet(), "--peer", peer.address]
    world.init()
    return targets


class Screen:
    """tmux: a terminal that somebody else wrote."""

    def __init__(self, world, columns):
        self.socket = world.folder / f"tmux-{columns}"
        self.world = world
        self.columns = columns

    def tmux(self, *words):
        return subprocess.run(["tmux", "-S", str(self.socket), "-f", "/dev/null", *words], capture_output=True, text=True, check=True,
                              env=self.world.env | {"TERM": "xterm-256color"}).stdout

    def __enter__(self):
        self.tmux("new-session", "-d", "-x", str(self.columns), "-y", "24", "sh")
        self.tmux("set-option", "-g", "status", "off")
        return self

    def __exit__(self, *_):
        subprocess.run(["tmux", "-S", str(self.socket), "kill-server"], capture_output=True, check=False)

    def type(self, words):
        self.tmux("send-keys", "-l", "clear; " + shlex.join(words) + "; echo ended with $?")
        self.tmux("send-keys", "Enter")

    def lines(self):
        return [line.rstrip() for line in self.tmux("capture-pane", "-p").splitlines() if line.strip()]


def shown_at(world, columns):
    """What stands on the screen while both come, and at the end."""
    targets = two_slow_torrents(world)
    with Screen(world, columns) as screen:
        screen.type([str(harness.PROGRAM), "fetch", *targets])
        harness.wait_until(lambda: sum("%" in line for line in screen.lines()) == 2, 60, "two lines of progress")
        during = screen.lines()
        harness.wait_until(lambda: any(line.startswith("ended with") for line in screen.lines()), 90, "the end")
        return during, screen.lines()


def check_screen(world, columns):
    harness.need("tmux")
    during, after = shown_at(world, columns)
    progress = [line for line in during if "%" in line]
    assert len(progress) == 2 and all(LINE.match(line) for line in progress), during
    assert any(line.startswith("漏洩") for line in progress) and any(line.startswith("mails") for line in progress), during
    assert ("[" in progress[0]) == (columns >= 60), during
    assert not [line for line in after if "%" in line or "\x1b" in line], after
    assert "ended with 0" in after and sum(line.startswith("complete  ") for line in after) == 2, after
    assert "".join(after).count("found after ") == 2, after  # a long line goes on in the next
    assert world.verify()["ok"] is True


def test_nothing_is_garbled_in_60_columns(world):
    check_screen(world, 60)


def test_nothing_is_garbled_in_80_columns(world):
    check_screen(world, 80)


def test_nothing_is_garbled_in_200_columns(world):
    check_screen(world, 200)


def test_a_file_has_plain_lines(world):
    targets = two_slow_torrents(world)
    done = world.impound("fetch", *targets)
    assert "\x1b" not in done.err and "\r" not in done.err and "\x1b" not in done.out, done
    lines = done.err.splitlines()
    assert any(line.startswith("2 torrents, ") for line in lines), lines
    assert len([line for line in done.out.splitlines() if line.startswith("complete  ")]) == 2, done.out


def test_events_for_programs(world):
    targets = two_slow_torrents(world)
    events = world.impound("fetch", *targets, "--json").json_lines()
    kinds = [event["event"] for event in events]
    results = [event for event in events if event["event"] == "result"]
    assert kinds.count("metadata") == 2 and len(results) == 2 and "progress" in kinds and kinds[-1] == "next", kinds
    attempts = {entry["id"] for entry in world.of_kind("acquisition.attempt")}
    assert {event["attempt"] for event in events if "attempt" in event} == attempts
    for event in events:
        if event["event"] == "metadata":
            assert event["files"] == 1 and event["bytes"] == 900_000 and event["after_s"] >= 0 and event["name"] in (WIDE, "mails"), event
        if event["event"] == "progress":
            assert event["done"] <= event["total"] <= 900_000 and event["state"], event
    logged = {entry["id"]: entry for entry in world.of_kind("acquisition.result")}
    for event in results:
        assert logged[event["result"]]["of"] == event["attempt"] and event["state"] == "complete" and event["missing"] == [], event
    held = world.impound("fetch", targets[0], "--json").json_lines()
    assert [event["event"] for event in held] == ["held", "next"] and held[0]["result"] in logged, held


def test_the_end_says_what_is_missing_and_what_is_there_in_part(world):
    seeded = world.folder / "seeded"
    for name, size in (("a.eml", 200_000), ("b.eml", 700_000), ("c.eml", 100_000)):
        harness.write_bytes(seeded / "leak" / name, size, name)
    torrent = peers.make_torrent(world, seeded / "leak", "hybrid", piece_size=16 << 10)
    held = shutil.copytree(seeded, world.folder / "held")
    with open(held / "leak" / "b.eml", "r+b") as file:
        file.truncate(350_000)
    (held / "leak" / "c.eml").write_bytes(bytes(100_000))
    peer = peers.seeder(world, torrent, held, in_part=True)
    world.init()
    words = ["fetch", torrent.path, "--peer", peer.address, "--timeout", "4s"]
    done = world.impound(*words, code=1)
    lines = done.out.splitlines()
    assert lines[0].startswith("partial  leak: 1 of 3 file(s) sealed, 200.0 kB") and "no new byte within the timeout" in lines[0], lines
    assert any(re.fullmatch(r"  in part  leak/b\.eml: 3\d\d\.\d kB of 700\.0 kB", line) for line in lines), lines
    assert "  missing  leak/c.eml: 100.0 kB" in lines, lines
    assert any(line.startswith("next: impound show ") for line in lines), lines
    result = next(event for event in world.impound(*words, "--json", code=1).json_lines() if event["event"] == "result")
    assert [file["path"] for file in result["missing"]] == ["leak/b.eml", "leak/c.eml"] and result["reason"] == "deadline", result


harness.main(globals())
