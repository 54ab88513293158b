"""P6: the swarm worker has its staging folder, the network, and nothing else; without a sandbox it does not start."""
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess

import harness
import peers

PROGRAMS = harness.BUILD / "tests"
EACCES, ENOSYS = 13, 38


def with_worker(world, name):
    """From here on impound finds this program of the tests in its worker's place."""
    folder = world.folder / "bin"
    folder.mkdir()
    shutil.copy(harness.PROGRAM, folder / "impound")
    shutil.copy(PROGRAMS / name, folder / "impound-swarm-worker")
    harness.PROGRAM = folder / "impound"


def seeded_torrent(world, size=400_000, rate=0):
    seeded = world.folder / "seeded"
    file = harness.write_bytes(seeded / "leak", size, "leak")
    torrent = peers.make_torrent(world, file, "hybrid")
    return torrent, peers.seeder(world, torrent, seeded, rate=rate)


def landlock_abi():
    """The kernel's own answer; 0 where it has none."""
    create_ruleset, version = 444, 1
    return max(ctypes.CDLL(None).syscall(create_ruleset, None, 0, version), 0)


def fields(path):
    return dict(line.split(":\t", 1) for line in pathlib.Path(path).read_text().splitlines() if ":\t" in line)


def test_a_worker_at_work_is_confined_in_every_thread(world):
    torrent, peer = seeded_torrent(world, rate=50_000)
    world.init()
    world.env["IMPOUND_SECRET"] = "hunter2"
    fetch = world.start_impound("fetch", torrent.magnet(), "--peer", peer.address)
    harness.wait_until(world.under_way, 30, "the download")
    worker, = harness.workers()
    threads = list(pathlib.Path(f"/proc/{worker}/task").iterdir())
    assert len(threads) > 1, "libtorrent's are there"
    for thread in threads:
        status = fields(thread / "status")
        assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1", status
        assert {int(status[kind], 16) for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}, status
    assert "Max core file size        0 " in pathlib.Path(f"/proc/{worker}/limits").read_text()
    assert os.stat(f"/proc/{worker}/mem").st_uid == 0, "not dumpable"
    environment = pathlib.Path(f"/proc/{worker}/environ").read_bytes()
    assert set(environment.strip(b"\0").split(b"\0")) == {b"PATH=/usr/bin:/bin", b"LANG=C.UTF-8"}, environment
    opened = [os.readlink(link) for link in pathlib.Path(f"/proc/{worker}/fd").iterdir()]
    files = [name for name in opened if name.startswith("/") and not name.startswith((f"{world.vault}/staging/swarm", "/dev/null"))]
    assert not files, files
    # Whatever way the agent goes, the worker goes with it.
    fetch.stop(signal.SIGKILL)
    harness.wait_until(lambda: not harness.workers(), 20, "the worker's end")


def reached_by_hostile_worker(world, abi):
    torrent, peer = seeded_torrent(world)
    world.init()
    world.impound("fetch", torrent.magnet(), "--peer", peer.address)
    (world.home / ".ssh").mkdir()
    harness.write_bytes(world.home / ".ssh" / "id_ed25519", 400, "a key")
    kept = [path for folder in (world.vault, world.home) for path in sorted(folder.rglob("*")) if path.is_file()]
    names = {str(path.relative_to(world.folder)).split("/")[1] for path in kept}
    assert {"vault.toml", "log", "objects", "journal.0", ".local", ".config"} <= names, names
    before = {path: path.read_bytes() for path in kept}
    staging = world.vault / "staging" / "swarm" / "direct"
    (staging / "targets").write_text("\n".join([str(abi), *map(str, kept), "/etc/shadow", "/etc/passwd"]) + "\n")
    with_worker(world, "hostile_worker")
    fetch = world.start_impound("fetch", "c9e15763f722f23e98a29decdfae341b98d53056", "--peer", "127.0.0.1:9")
    report = staging / "reached"
    harness.wait_until(lambda: report.exists() and report.read_text().endswith("that is all\n"), 30, "the report")
    lines = report.read_text().splitlines()[:-1]
    assert fetch.stop(signal.SIGINT) in (1, 130), fetch.output()
    for name in ("targets", "reached"):
        (staging / name).unlink()
    changed = [str(path) for path in kept if not path.exists() or path.read_bytes() != before[path]]
    assert all("journal" in name or "checkpoint" in name or "/log/tile/" in name or name.endswith("reserve") for name in changed), changed
    assert world.verify()["ok"] is True
    return kept, lines


def check_nothing_reached(world, abi):
    kept, lines = reached_by_hostile_worker(world, abi)
    if landlock_abi() == 0:  # then it gave up before it began
        assert len(lines) == 1 and lines[0].startswith("no sandbox: "), lines
        return
    assert len(lines) == 9 * (len(kept) + 2) + 2, lines
    got = [line for line in lines if int(line.rpartition(": ")[2]) not in (EACCES, ENOSYS)]
    assert not got, got


def test_a_worker_taken_over_reaches_no_key_log_or_vault(world):
    check_nothing_reached(world, abi=99)


def test_a_worker_taken_over_reaches_nothing_on_the_kernel_of_debian_12(world):
    check_nothing_reached(world, abi=2)


def test_a_fetch_works_with_the_landlock_of_debian_12(world):
    torrent, peer = seeded_torrent(world)
    world.init()
    with_worker(world, "worker_of_landlock_2")
    if landlock_abi() == 0:
        world.refused(1, "fetch", torrent.magnet(), "--peer", peer.address)
        return
    world.impound("fetch", torrent.magnet(), "--peer", peer.address)
    assert world.show(torrent.v1)["state"] == "complete"
    assert world.verify()["ok"] is True


def test_without_landlock_the_worker_does_not_start_and_impound_says_why(world):
    torrent, peer = seeded_torrent(world)
    world.init()
    with_worker(world, "worker_of_landlock_0")
    done = world.refused(1, "fetch", torrent.magnet(), "--peer", peer.address)
    assert "this kernel has no Landlock" in done.out + done.err and "lsm=landlock" in done.out + done.err, done
    assert "make the sandbox possible" in done.err and "to try once more" not in done.err, done
    assert len(world.of_kind("worker.ended")) == 1, "another try would end alike"
    result, = world.of_kind("acquisition.result")
    assert result["body"]["state"] == "failed" and result["body"]["reason"] == "worker_ended", result
    assert {entry["body"]["role"] for entry in world.of_kind("exhibit.sealed")} <= {"settings"}
    assert world.verify()["ok"] is True


def announce_by_name(world, host):
    """A torrent whose only peer is known to a tracker, and the tracker's port; `host` is 127.0.0.6 here, in this test's mounts."""
    seeded = world.folder / "seeded"
    torrent = peers.make_torrent(world, harness.write_bytes(seeded / "leak", 50_000, "leak"), "v1")
    url = peers.tracker(world, peers.seeder(world, torrent, seeded))
    hosts = world.folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n127.0.0.6 {host}\n")
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
    return torrent, url


def fetched_from_tracker(world, torrent, url, more=""):
    world.init()
    settings = world.settings(more + '[torrents]\nmetadata_timeout = "20s"\n')
    world.impound("fetch", f"{torrent.magnet()}&tr={url}", "--allow-net", "127.0.0.0/8", "--config", settings)
    assert world.show(torrent.v1)["state"] == "complete"


def test_a_trackers_name_is_looked_up_in_the_sandbox(world):
    torrent, url = announce_by_name(world, "tracker.test")
    fetched_from_tracker(world, torrent, url.replace("127.0.0.6", "tracker.test"))


def over_tls(world, url):
    """The port at 127.0.0.6 where the tracker answers as https://tracker.test, by a certificate that this test's mounts trust."""
    harness.need("openssl")
    certificates = world.folder / "certs"
    certificates.mkdir()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", "/CN=tracker.test", "-addext", "subjectAltName=DNS:tracker.test",
                    "-keyout", world.folder / "tls.key", "-out", certificates / "ca-certificates.crt"], check=True, capture_output=True)
    shutil.copy(certificates / "ca-certificates.crt", certificates / "own.pem")
    subprocess.run(["openssl", "rehash", certificates], check=True, capture_output=True)
    port = harness.free_port("127.0.0.6")
    world.nginx(world.folder, more=f"listen 127.0.0.6:{port} ssl; ssl_certificate {certificates}/own.pem; ssl_certificate_key {world.folder}/tls.key;"
                                   f" location = /announce {{ proxy_pass {url}; }}")
    subprocess.run(["mount", "--bind", certificates, "/etc/ssl/certs"], check=True)
    return port


def test_an_https_trackers_certificate_is_judged_in_the_sandbox(world):
    torrent, url = announce_by_name(world, "tracker.test")
    fetched_from_tracker(world, torrent, f"https://tracker.test:{over_tls(world, url)}/announce")


def test_p4_an_https_tracker_is_asked_by_the_proxy_which_alone_knows_its_name(world):
    torrent, url = announce_by_name(world, "another.test")
    port = over_tls(world, url)
    proxy = peers.start(world, "socks_proxy", "127.0.0.9", "--name", "tracker.test=127.0.0.6")
    route = f'[network]\ndefault_route = "tunnel"\n[route.tunnel]\nproxy = "socks5h://{proxy.address}"\nallow_torrents = true\n'
    fetched_from_tracker(world, torrent, f"https://tracker.test:{port}/announce", route)
    asked = [json.loads(line) for line in proxy.running.output().splitlines()[1:]]
    assert {"connect": f"tracker.test:{port}", "by_name": True, "reached": True} in asked, asked


harness.main(globals())
