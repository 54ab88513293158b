"""The agent's socket: what commands do while another process holds the vault."""
import csv
import os
import signal
import socket
import struct
import subprocess

import harness
import peers


class Watch:
    """`impound watch` over a site with nothing to acquire, for as long as the test runs."""

    def __init__(self, world, more=""):
        self.world = world
        self.site = world.pastes([{"key": "8sUIsf34", "title": "hello world", "text": "nothing in it"}])
        self.config = world.settings(f'[network]\nallow_net = ["127.0.0.0/8"]\n{more}\n{self.site.source()}')
        world.init()
        self.running = world.start_impound("watch", "--config", self.config, name="watch")
        harness.wait_until(lambda: (world.state() / "agent.sock").exists() or not self.running.running(), 30, "the agent's socket")
        assert self.running.running(), self.running.output()
        harness.wait_until(lambda: world.of_kind("agent.started"), 30, "its start in the log")

    def stop(self):
        assert self.running.stop() == 0, self.running.output()


def leak(world):
    seeded = world.folder / "seeded"
    harness.write_bytes(seeded / "leak" / "mail" / "1.eml", 60_000, "mail")
    harness.write_bytes(seeded / "leak" / "list.csv", 300_000, "list")
    torrent = peers.make_torrent(world, seeded / "leak", "v1")
    return seeded, torrent


def one(world, kind):
    found = world.of_kind(kind)
    assert len(found) == 1, found
    return found[0]


def test_notes_cases_and_exports_are_handed_over(world):
    watch = Watch(world)
    started = one(world, "agent.started")
    noted = world.impound("note", started["id"], "seen by hand", "--operator", "A. Person")
    assert noted.out == f"noted  {one(world, 'note.added')['id']}\n", noted
    note = one(world, "note.added")
    assert note["body"] == {"subject": started["id"], "text": "seen by hand"} and note["session"] == started["id"], note
    assert note["by"]["operator"] == "A. Person" and note["by"]["uid"] == os.geteuid(), note
    assert world.impound("case", "open", "emleaks-2017", "--title", "Mails").out == "opened    emleaks-2017\n"
    world.refused(1, "case", "open", "emleaks-2017")
    assert len(world.of_kind("case.opened")) == 1
    world.impound("case", "assign", note["id"], "emleaks-2017", "--why", "it belongs there")
    assert one(world, "case.assigned")["body"]["subject"] == note["id"]
    listed = world.impound("case", "list", "--json").json()
    assert listed["case"] == "emleaks-2017" and listed["assigned"] == 1, listed
    world.refused(1, "note", "00000000-0000-7000-8000-000000000000", "on nothing")
    world.refused(2, "note", "garbage", "on nothing")

    before = len(world.entries())
    world.impound("export", "--log", "csv", "--output", world.folder / "log.csv")
    exported = one(world, "export.created")["body"]
    assert exported["sha256"] == harness.sha256(world.folder / "log.csv") and exported["entries"] >= before, exported
    rows = list(csv.reader((world.folder / "log.csv").read_text().splitlines()))
    assert len(rows) == exported["entries"] + 1
    assert world.impound("status", "--json").json()["vault"]["held"] is True
    assert world.verify()["ok"] is True
    assert one(world, "agent.started") == started  # nobody else opened it
    watch.stop()
    assert not (world.state() / "agent.sock").exists()
    assert world.verify()["ok"] is True


def test_a_fetch_becomes_a_job_of_the_holder_with_progress_and_result(world):
    seeded, torrent = leak(world)
    watch = Watch(world)
    peer = peers.seeder(world, torrent, seeded)
    for target, more in ((torrent.path, ["--json"]), (torrent.magnet(), [])):
        done = world.impound("fetch", target, "--peer", peer.address, "--case", "emleaks", "--operator", "A. Person", *more)
        if more:
            events = done.json_lines()
            result = next(event for event in events if event["event"] == "result")
            assert result["state"] == "complete" and result["files_sealed"] == 2, events
            assert events[-1]["event"] == "next", events
        else:
            assert "held already" in done.err, done  # the second time
    shown = world.show(torrent.v1)
    assert shown["state"] == "complete" and {file["path"]: file["sha256"] for file in shown["files"]} == harness.tree(seeded), shown
    attempt = one(world, "acquisition.attempt")
    assert attempt["by"]["operator"] == "A. Person" and attempt["case"] == "emleaks", attempt
    assert len(world.of_kind("agent.started")) == 1
    world.impound("checkout", torrent.v1, world.folder / "copy")
    assert harness.tree(world.folder / "copy") == harness.tree(seeded)
    copy = one(world, "copy.made")
    assert copy["body"]["files"] == 2 and copy["body"]["to"] == str(world.folder / "copy"), copy
    watch.stop()
    assert world.verify()["ok"] is True


def test_a_torrent_nobody_has_fails_for_who_asked_alone(world):
    _, torrent = leak(world)
    watch = Watch(world)
    dead = f"127.0.0.3:{harness.free_port('127.0.0.3')}"
    done = world.impound("fetch", torrent.path, "--peer", dead, code=1)
    assert "failed: no peer could be found or reached" in done.err and "0 of 2 file(s)" in done.out, done
    world.refused(2, "fetch", torrent.path, "--allow-net", "10.0.0.0/8")
    world.refused(2, "fetch", "magnet:?nothing")
    assert watch.running.running()
    watch.stop()


def test_who_goes_away_leaves_the_job_with_the_holder(world):
    seeded, torrent = leak(world)
    watch = Watch(world)
    silent = socket.create_server(("127.0.0.2", 0))  # takes the connection, and says nothing
    fetch = world.start_impound("fetch", torrent.magnet(), "--peer", "127.0.0.2:%d" % silent.getsockname()[1], "--timeout", "10m", name="fetch")
    harness.wait_until(lambda: world.of_kind("acquisition.attempt"), 30, "the attempt")
    assert fetch.stop(signal.SIGINT) == 130, fetch.output()
    assert "the process that holds the vault goes on with it" in fetch.output(), fetch.output()
    assert not world.of_kind("acquisition.result") and watch.running.running()
    # Whoever names it again hears of the same job.
    silent.close()
    peer = peers.seeder(world, torrent, seeded)
    done = world.impound("fetch", torrent.magnet(), "--peer", peer.address, code=None)
    assert "being acquired already" in done.err, done
    watch.stop()
    assert world.verify()["ok"] is True


def test_the_log_is_followed_while_it_grows(world):
    watch = Watch(world)
    started = one(world, "agent.started")
    follow = world.start_impound("log", "--follow", "--json", "--kind", "note.added", name="follow")
    for text in ("first", "second"):
        world.impound("note", started["id"], text)
        follow.wait_for_line(f'"text":"{text}"')
    follow.stop(signal.SIGINT)
    watch.stop()


def test_a_second_fetch_is_handed_to_the_first(world):
    seeded, torrent = leak(world)
    peer = peers.seeder(world, torrent, seeded)
    world.init()
    nobody = world.start_impound("fetch", "magnet:?xt=urn:btih:" + "1" * 40, "--peer", "127.0.0.9:9", "--allow-net", "127.0.0.0/8", "--timeout", "10m",
                                 name="first")
    harness.wait_until(lambda: world.of_kind("acquisition.attempt") or not nobody.running(), 30, "the first attempt")
    done = world.impound("fetch", torrent.path, "--peer", peer.address, code=None)
    assert "complete" in done.out and done.code == 0, done
    nobody.stop(signal.SIGINT)
    assert world.verify()["ok"] is True


def test_a_holder_that_does_not_answer_is_named(world):
    watch = Watch(world)
    os.kill(watch.running.process.pid, signal.SIGSTOP)
    try:
        entry = world.entries()[0]["id"]
        done = world.refused(3, "note", entry, "x")
        assert f"pid {watch.running.process.pid}" in done.err and "does not answer" in done.err, done
    finally:
        os.kill(watch.running.process.pid, signal.SIGCONT)
    watch.stop()


def test_a_dead_agents_socket_is_no_hindrance(world):
    watch = Watch(world)
    os.kill(watch.running.process.pid, signal.SIGKILL)
    watch.running.wait()
    assert (world.state() / "agent.sock").exists()
    again = world.start_impound("watch", "--config", watch.config, name="again")
    entry = world.entries()[0]["id"]

    def noted():
        return world.impound("note", entry, "again", code=None).code == 0
    harness.wait_until(noted, 30, "the second agent")
    assert again.stop() == 0, again.output()
    assert world.verify()["ok"] is True


def frame(cbor):
    return struct.pack("<I", len(cbor)) + cbor


def order(kind, **fields):
    """A message of the socket: a map of short texts (as bytes), small numbers and flags."""
    def item(value):
        if isinstance(value, bool):
            return b"\xf5" if value else b"\xf4"
        if isinstance(value, int):
            return bytes([value])
        raw = value.encode()
        return (bytes([0x40 + len(raw)]) if len(raw) < 24 else bytes([0x58, len(raw)])) + raw
    def text(value):
        return bytes([0x60 + len(value)]) + value.encode()
    return frame(bytes([0xa1 + len(fields)]) + text("t") + text(kind) + b"".join(text(key) + item(value) for key, value in fields.items()))


def test_one_line_has_one_order_and_what_stands_behind_it_is_not_heard(world):
    watch = Watch(world)
    entry = world.entries()[0]["id"]
    hello = order("hello", version=1, command="note\n2017 forged\x1b[31m", operator="", json=False, columns=0)
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(world.state() / "agent.sock"))
        line.sendall(hello + order("note", subject="nothing", text="wrong") + order("note", subject=entry, text="behind an error"))
        while line.recv(4096):
            pass
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(world.state() / "agent.sock"))
        line.sendall(hello + order("note", subject=entry, text="the order") + order("note", subject=entry, text="a second one"))
        while line.recv(4096):
            pass
    assert [one["body"]["text"] for one in world.entries() if one["kind"] == "note.added"] == ["the order"], world.entries()
    watch.stop()
    assert "\x1b" not in watch.running.output() and "\n2017 forged" not in watch.running.output(), watch.running.output()


def test_P6_strange_bytes_on_the_socket_harm_nobody(world):
    watch = Watch(world)
    path = str(world.state() / "agent.sock")
    strange = [b"", b"GET / HTTP/1.1\r\n\r\n", struct.pack("<I", 1 << 30), frame(b"\xff" * 100), frame(b"\xa1\x61t\x65hello"),
               frame(bytes.fromhex("9f") * 1000), frame(b"\xa1\x61t\x64note"), os.urandom(100_000)]
    held = []
    for bytes_ in strange * 3:
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(path)
            try:
                line.sendall(bytes_)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it was closed before all was said
    entry = world.entries()[0]["id"]
    world.impound("note", entry, "between")
    for _ in range(40):  # more than it takes at a time, all silent
        line = socket.socket(socket.AF_UNIX)
        line.connect(path)
        held.append(line)
    done = world.impound("note", entry, "beside", code=None)
    assert done.code == 3 and "too many commands" in done.err, done
    for line in held:
        line.close()
    harness.wait_until(lambda: world.impound("note", entry, "after", code=None).code == 0, 20, "room again")
    watch.stop()
    assert world.verify()["ok"] is True


def as_user(uid, gid, groups, words, env):
    return subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={gid}", groups, "--", *map(str, words)], env=env, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False)


def test_a_member_of_the_group_is_named_and_a_stranger_is_refused(world):
    harness.need("setpriv")
    if os.geteuid() != 0:
        raise harness.Skip("needs root, to be several users")
    agent, member, other_member, stranger, group = 41001, 41002, 41003, 41004, 41100
    seeded, torrent = leak(world)
    peer = peers.seeder(world, torrent, seeded)
    site = world.pastes([{"key": "8sUIsf34", "title": "hello world", "text": "nothing in it"}])
    config = world.settings(f'[network]\nallow_net = ["127.0.0.0/8"]\n\n{site.source()}')
    state = world.folder / "st"
    state.mkdir()
    for path in (world.folder, world.home, state):
        os.chown(path, agent, group)
    os.chmod(world.folder, 0o755)
    os.chmod(state, 0o755)
    # As the agent may not read this checkout where only root may, it runs what was copied beside the vault.
    programs = world.folder / "programs"
    programs.mkdir()
    for program in harness.PROGRAM.parent.glob("impound*"):
        if program.is_file():
            subprocess.run(["cp", program, programs], check=True)
    os.chmod(programs, 0o755)
    world.env["XDG_STATE_HOME"] = str(state)
    program = programs / "impound"
    words = [program, "init", "--vault", world.vault, "--origin", "test.example/custody"]
    made = as_user(agent, group, "--clear-groups", words, world.env)
    assert made.returncode == 0, made
    running = world.start("watch", ["setpriv", f"--reuid={agent}", f"--regid={group}", "--clear-groups", "--", program, "watch", "--config", config])
    harness.wait_until(lambda: list(state.glob("impound/*/agent.sock")) or not running.running(), 30, "the agent's socket")
    assert running.running(), running.output()
    # The operator lets the group read what says whose vault it is.
    os.chmod(world.vault, 0o750)
    os.chmod(world.vault / "vault.toml", 0o440)
    fetch = [program, "fetch", torrent.magnet(), "--peer", peer.address, "--operator", "Somebody"]
    os.chmod(world.folder / "home", 0o755)
    refused = as_user(stranger, stranger, "--clear-groups", fetch, world.env)
    assert refused.returncode != 0 and "acquired" not in refused.stdout, refused
    taken = as_user(member, group, "--clear-groups", fetch, world.env)
    assert taken.returncode == 0 and "complete" in taken.stdout, taken
    held = as_user(other_member, other_member, f"--groups={group}", fetch, world.env)
    assert held.returncode == 0 and "held already" in held.stderr, held
    assert running.stop() == 0, running.output()
    attempts = [entry for entry in world.entries() if entry["kind"] == "acquisition.attempt"]
    assert [attempt["by"] for attempt in attempts] == [{"login": f"uid-{member}", "operator": "Somebody", "uid": member}], attempts
    # Where the file system lets a stranger through, the agent itself does not.
    os.chmod(world.vault, 0o755)
    os.chmod(world.vault / "vault.toml", 0o444)
    running = world.start("again", ["setpriv", f"--reuid={agent}", f"--regid={group}", "--clear-groups", "--", program, "watch", "--config", config])
    harness.wait_until(lambda: [path for path in state.glob("impound/*/agent.sock") if path.stat().st_mode & 0o777 == 0o660], 30, "the agent's socket")
    path = next(state.glob("impound/*/agent.sock"))
    for part in (path, path.parent, path.parent.parent):
        os.chmod(part, 0o777)
    refused = as_user(stranger, stranger, "--clear-groups", fetch, world.env)
    assert refused.returncode == 3 and "members of the agent's group" in refused.stderr, refused
    for part in (path.parent, path.parent.parent):
        os.chmod(part, 0o710)
    assert running.stop() == 0, running.output()


if __name__ == "__main__":
    harness.main(globals())
