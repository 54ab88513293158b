"""The index and the queue beside the vault: thrown away, damaged or rolled back they give the same answers; what an operator ends
stays ended."""
import json
import os
import shutil
import subprocess
import urllib.parse

import harness
import peers

NOBODY = "01890000-0000-7000-8000-000000000000"


def leak(world):
    """A torrent that is seeded on 127.0.0.2, and a paste that names it."""
    harness.write_bytes(world.folder / "seeded" / "leak" / "mail" / "1.eml", 60_000, "mail")
    harness.write_bytes(world.folder / "seeded" / "leak" / "list.csv", 300_000, "list")
    torrent = peers.make_torrent(world, world.folder / "seeded" / "leak", "v1")
    peer = peers.seeder(world, torrent, world.folder / "seeded")
    return torrent, f"Part one is out.\n\n  {torrent.magnet()}&x.pe={urllib.parse.quote(peer.address)}\n\nspread it\n"


def watch_once(world, config, **rest):
    return world.impound("watch", "--once", "--config", config, **rest)


def unharmed(world):
    """The vault verifies, and every entry is what the schema of its kind says."""
    assert world.verify()["ok"] is True
    harness.need_module("jsonschema")
    checked = subprocess.run([harness.PYTHON, harness.SUPPORT / "schema_check.py", harness.ROOT / "config" / "schema"],
                             input=world.impound("log", "--json").out, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout[-2000:] + checked.stderr[-2000:]


def answers(world, torrent, **env):
    """What a person can ask, by every kind of name."""
    entries = world.entries()
    asked = [["status"], ["show", torrent.v1], ["jobs", "list", "--all"]]
    asked += [["show", entry["id"]] for entry in entries[:: max(1, len(entries) // 12)]]
    asked += [["show", digest] for digest in sorted({entry["body"]["sha256"] for entry in entries if entry["kind"] == "exhibit.sealed"})[:6]]
    told = {}
    for words in asked:
        out = world.impound(*words, "--json", **env).out
        if words == ["status"]:
            status = json.loads(out)
            del status["vault"]["free_bytes"]
            out = json.dumps(status)
        told[" ".join(words)] = out
    told["proof"] = world.impound("show", torrent.v1, "--proof", **env).out
    told["not there"] = world.impound("show", NOBODY, code=1, **env).err
    return told


def index_files(world):
    return sorted(file.name for file in world.state().iterdir() if file.name.startswith("index."))


def remove_index(world):
    for name in index_files(world):
        (world.state() / name).unlink()


def watched(world):
    """A vault with a paste, its torrent, an item that could not be had, a torrent that nobody seeds, notes and a case."""
    torrent, paste = leak(world)
    site = world.pastes([{"key": "0CeaNm8Y", "title": "Part one", "text": paste},
                         {"key": "nobody00", "text": f"magnet:?xt=urn:btih:{40 * '1'}&x.pe=127.0.0.2:{harness.free_port('127.0.0.2')}"},
                         {"key": "missing0", "text": "gone"}])
    (site.folder / "items" / "missing0").unlink()
    world.init()
    config = world.settings(f'[network]\nallow_net = ["127.0.0.0/8"]\n\n{site.source()}')
    watch_once(world, config, code=1)
    world.impound("note", world.entries()[0]["id"], "a remark")
    return torrent, site, config


def jobs(world, *words):
    return world.impound("jobs", "list", "--json", *words).json_lines()


def test_a_deleted_index_gives_the_same_answers(world):
    torrent, _, _ = watched(world)
    before = answers(world, torrent)
    assert "index.sqlite" in index_files(world)
    assert all((world.state() / name).stat().st_mode & 0o777 == 0o600 for name in index_files(world))
    remove_index(world)
    assert answers(world, torrent) == before
    assert "index.sqlite" in index_files(world)
    # Where there is no place for one it is made in memory.
    nowhere = str(world.folder / "nowhere")
    assert answers(world, torrent, XDG_STATE_HOME=nowhere) == before
    assert not os.path.exists(nowhere)
    counts = world.impound("reindex", "--json").json()
    assert counts["entries"] == len(world.entries()) and counts["jobs_open"] == len(jobs(world)) == 2, counts
    assert f"indexed  {counts['entries']} entries" in world.impound("reindex").out
    assert answers(world, torrent) == before


def test_a_damaged_index_is_told_set_aside_and_made_anew(world):
    torrent, _, _ = watched(world)
    before = answers(world, torrent)
    path = world.state() / "index.sqlite"
    for damage in (b"this is no database" * 1000, path.read_bytes()[:4096] + 60 * 4096 * b"x"):
        for name in index_files(world):
            if name.endswith(("-wal", "-shm")):
                (world.state() / name).unlink()
        path.write_bytes(damage)
        told = world.impound("status", "--json")
        assert "the index is damaged and made anew" in told.err, told
        assert path.with_name("index.sqlite.damaged").read_bytes() == damage
        assert answers(world, torrent) == before
        assert world.impound("status").err == ""


def test_an_index_that_is_ahead_of_a_rolled_back_vault_is_not_believed(world):
    torrent, _, _ = watched(world)
    older = world.folder / "older"
    shutil.copytree(world.vault, older)
    of_older = answers(world, torrent)
    world.impound("note", world.entries()[0]["id"], "another remark")
    world.impound("status")
    shutil.rmtree(world.vault)
    older.rename(world.vault)
    assert answers(world, torrent) == of_older
    assert world.impound("jobs", "list").err == ""


def test_a_cancelled_job_does_not_come_back(world):
    torrent, site, config = watched(world)
    listed = {job["kind"]: job for job in jobs(world)}
    assert set(listed) == {"acquisition", "item"}, listed
    acquisition, item = listed["acquisition"], listed["item"]
    assert acquisition["subject"] == {"info_hash_v1": 40 * "1"} and acquisition["attempts"] == 1 and acquisition["not_before_utc"], acquisition
    assert item["subject"]["key"] == "missing0" and item["subject"]["source"] == "pastebin" and item["attempts"] == 1, item
    text = world.impound("jobs", "list").out
    assert 40 * "1" in text and "pastebin missing0" in text and "1 time(s) in vain, tried again at" in text, text
    before = world.entries()
    for words, code in ((["cancel", item["id"]], 2), (["cancel", "nonsense", "--why", "x"], 2), (["cancel", NOBODY, "--why", "x"], 1),
                        (["retry", NOBODY], 1), (["retry"], 2), ([], 2)):
        world.refused(code, "jobs", *words)
    assert world.entries() == before, "what cannot be leaves no trace"

    for job in (acquisition, item):
        assert "cancelled" in world.impound("jobs", "cancel", job["id"], "--why", "not of interest", "--operator", "A. Noone").out
    closed = [entry for entry in world.of_kind("job.closed") if entry["body"]["what"] == "cancelled"]
    assert [(entry["cause"], entry["body"]["why"], entry["by"]["operator"]) for entry in closed] == [
        (acquisition["id"], "not of interest", "A. Noone"), (item["id"], "not of interest", "A. Noone")], closed
    result = world.of_kind("acquisition.result")[-1]
    assert result["of"] == acquisition["id"] and result["cause"] == closed[0]["id"], result
    assert result["body"]["reason"] == "cancelled" and result["body"]["state"] == "failed", result
    assert not list((world.vault / "staging" / "swarm").rglob(acquisition["id"])), "nothing of it stays in staging"
    assert world.show(40 * "1")["reason"] == "cancelled"
    assert world.refused(1, "jobs", "cancel", item["id"], "--why", "again").err.count("cancelled already") == 1

    asked = len([path for path in site.requests() if "missing0" in path])
    for _ in range(2):
        assert jobs(world) == [], jobs(world)
        assert {job["id"]: job["state"] for job in jobs(world, "--all")}.items() >= {acquisition["id"]: "cancelled", item["id"]: "cancelled"}.items()
        done = watch_once(world, config)
        assert "going on" not in done.err, done
        world.impound("reindex")
    assert len([path for path in site.requests() if "missing0" in path]) == asked, "the item is asked for no more"
    assert len(world.of_kind("acquisition.attempt")) == 2
    unharmed(world)


def test_jobs_are_changed_by_the_vaults_holder_alone(world):
    _, site, config = watched(world)
    item, = [job for job in jobs(world) if job["kind"] == "item"]
    assert item["not_before_utc"]
    assert "next try" in world.impound("jobs", "retry", item["id"]).out
    again, = [job for job in jobs(world) if job["kind"] == "item"]
    assert "not_before_utc" not in again and again["attempts"] == 1, again
    service = world.start_impound("watch", "--config", config)
    harness.wait_until(lambda: world.impound("status", "--json").json()["vault"]["held"], 60, "the vault's lock")
    for words in (["cancel", item["id"], "--why", "x"], ["retry", item["id"]]):
        assert "held" in world.refused(3, "jobs", *words).err
    # Reading takes no lock; and the item is tried once more, since the next try was said to be now.
    harness.wait_until(lambda: [job["attempts"] for job in jobs(world) if job["kind"] == "item"] == [2], 60, "the second try")
    assert service.stop() == 0


def test_a_service_goes_on_with_the_gaps_of_the_run_before(world):
    _, site, config = watched(world)
    asked = len([path for path in site.requests() if "missing0" in path])
    polls = len([path for path in site.requests() if "api_scraping" in path])
    service = world.start_impound("watch", "--config", config)
    harness.wait_until(lambda: len([path for path in site.requests() if "api_scraping" in path]) > polls, 60, "a poll")
    harness.wait_until(lambda: world.kinds().count("acquisition.stalled") > 1, 60, "the next try of what nobody has")
    assert service.stop() == 0
    assert len([path for path in site.requests() if "missing0" in path]) == asked, "its next try is a minute away"


def test_postgresql_takes_the_same_statements(world):
    programs = sorted(os.path.join("/usr/lib/postgresql", version, "bin") for version in os.listdir("/usr/lib/postgresql")) \
        if os.path.isdir("/usr/lib/postgresql") else []
    if not programs:
        raise harness.Skip("postgresql is not installed")
    harness.need("setpriv")
    test = harness.BUILD / "test_unit_index"
    if not test.exists():
        test = harness.BUILD / "tests" / "test_unit_index"
    folder = world.folder / "postgresql"
    folder.mkdir()
    os.chmod(world.folder, 0o755)
    shutil.chown(folder, "postgres", "postgres")
    # As its own user: it refuses to run as root.
    by = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"] if os.getuid() == 0 else []
    subprocess.run([*by, f"{programs[-1]}/initdb", "-D", folder / "data", "-A", "trust", "-U", "postgres"], check=True, capture_output=True, cwd="/")
    world.start("postgres", [*by, f"{programs[-1]}/postgres", "-D", folder / "data", "-k", folder, "-c", "listen_addresses="])
    harness.wait_until(lambda: (folder / ".s.PGSQL.5432").exists(), 60, "the server's socket")

    def answers_now():
        return subprocess.run([f"{programs[-1]}/pg_isready", "-h", folder], capture_output=True, check=False).returncode == 0
    harness.wait_until(answers_now, 60, "the server")
    done = subprocess.run([test, "-tc=PostgreSQL*"], capture_output=True, text=True, check=False,
                          env={**world.env, "IMPOUND_TEST_POSTGRESQL": f"host={folder} user=postgres dbname=postgres"})
    assert done.returncode == 0 and "skipped:" not in done.stdout and "1 passed" in done.stdout, done.stdout + done.stderr


harness.main(globals())
