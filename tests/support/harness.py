"""The world of one functional test: a namespace, a folder, a vault, and servers that end with it.

Each function test_… of a file is one test of ctest; it gets a World. The file ends with `harness.main(globals())`, which runs
the test that argv names inside a network, mount and process namespace of its own: only loopback exists there, so nothing can
leave, mounts are the test's alone, and when it ends the kernel ends whatever it started. The folder is kept when the test
fails. Nothing sleeps to hope: wait_until() looks again until a deadline. Exit codes: 0 passed, 1 failed, 77 skipped
(a package is missing).
"""
import contextlib
import ctypes
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
SUPPORT = ROOT / "tests" / "support"
DATA = ROOT / "tests" / "data"
BUILD = pathlib.Path(os.environ.get("IMPOUND_BUILD", ROOT / "build" / "release"))
PROGRAM = BUILD / "impound"
WORKER = BUILD / "impound-swarm-worker"
READER = BUILD / "impound-reader-worker"
PYTHON = "/usr/bin/python3"  # Debian's, which has its libtorrent and jsonschema
ALL = os.environ.get("IMPOUND_TEST_ALL") == "1"

PROFILE = str(ROOT / "config" / "sites" / "pastebin.toml")  # by path: a build outside the source tree does not find it by name
ERROR_LINES_MAX = 4
os.environ["PATH"] += ":/usr/sbin:/sbin"


class Skip(Exception):
    """What the test needs is not installed."""


def need(*programs):
    for program in programs:
        if shutil.which(program) is None:
            raise Skip(f"{program} is not installed")


def need_module(name):
    found = subprocess.run([PYTHON, "-c", f"import {name}"], capture_output=True, check=False)
    if found.returncode != 0:
        raise Skip(f"python3 has no module {name}")


def wait_until(holds, seconds=30, what="a condition"):
    """What `holds` returns as soon as it is true; an AssertionError when it is not by then."""
    deadline = time.monotonic() + seconds
    while True:
        found = holds()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def tree(folder):
    """{path relative to the folder: SHA-256} of every file under it."""
    folder = pathlib.Path(folder)
    return {str(file.relative_to(folder)): sha256(file) for file in sorted(folder.rglob("*")) if file.is_file()}


def free_port(host="127.0.0.1"):
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def answers(port, host="127.0.0.1"):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def write_bytes(path, size, seed):
    """A file of pseudo-random bytes that only size and seed decide."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.write(hashlib.shake_128(str(seed).encode()).digest(size))
    return path


class Done:
    """A command that has ended."""

    def __init__(self, words, code, out, err):
        self.words, self.code, self.out, self.err = words, code, out, err

    def json(self):
        return json.loads(self.out)

    def json_lines(self):
        return [json.loads(line) for line in self.out.splitlines()]

    def __str__(self):
        return f"{' '.join(map(str, self.words))}\nexit {self.code}\n--- stdout\n{self.out[-4000:]}\n--- stderr\n{self.err[-4000:]}"


def end_with_parent():
    """In a child: the kernel ends it when whoever started it is gone, even by kill -9."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


class Running:
    """A program that was started; its output goes to a file of the world."""

    def __init__(self, name, words, log, env):
        self.name, self.log_file, self.words = name, log, words
        with open(log, "wb") as out:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=env,
                                            preexec_fn=end_with_parent)

    def output(self):
        return self.log_file.read_text(errors="replace")

    def running(self):
        return self.process.poll() is None

    def wait_for_line(self, text, seconds=30):
        def seen():
            if text in self.output():
                return True
            assert self.running(), f"{self.name} ended with {self.process.returncode}:\n{self.output()[-4000:]}"
            return False
        wait_until(seen, seconds, f"'{text}' from {self.name}")

    def wait(self, seconds=60):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {seconds} s:\n{self.output()[-4000:]}") from None

    def stop(self, how=signal.SIGTERM, seconds=30):
        if self.running():
            self.process.send_signal(how)
        return self.wait(seconds)


class World:
    """One test's folder, vault and servers."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.vault = self.folder / "vault"
        self.home = self.folder / "home"
        self.home.mkdir()
        self.env = {key: value for key, value in os.environ.items() if not key.startswith(("IMPOUND_", "XDG_"))}
        # The DHT is off where a test does not say otherwise: nothing in a test's network would ever answer.
        self.env.update(HOME=str(self.home), IMPOUND_VAULT=str(self.vault), LC_ALL="C.UTF-8", IMPOUND_DHT="off")
        self.started = []

    # --- the program

    def impound(self, *words, code=0, seconds=120, **env):
        """Runs a command to its end; `code` is the exit code it must have (None: any)."""
        words = [str(PROGRAM), *map(str, words)]
        try:
            ended = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False,
                                   env={**self.env, **env})
        except subprocess.TimeoutExpired as late:
            raise AssertionError(f"did not end within {seconds} s: {words}\n{late.stderr}") from None
        done = Done(words, ended.returncode, ended.stdout.decode(errors="replace"), ended.stderr.decode(errors="replace"))
        assert code is None or done.code == code, f"exit {done.code} instead of {code}: {done}"
        return done

    def refused(self, code, *words, **rest):
        """A command that must fail with this code and say so in at most 4 lines."""
        done = self.impound(*words, code=code, **rest)
        lines = done.err.splitlines()
        told = next((at for at, line in enumerate(lines) if line.startswith("impound: ")), len(lines))  # progress may stand before it
        assert 1 <= len(lines) - told <= ERROR_LINES_MAX, f"{len(lines) - told} lines for an error: {done}"
        return done

    def start_impound(self, *words, name="impound"):
        return self.start(name, [PROGRAM, *words])

    def init(self, *more):
        return self.impound("init", "--vault", self.vault, "--origin", "test.example/custody", *more)

    def entries(self):
        """The custody entries up to the newest checkpoint, in order."""
        lines = self.impound("log", "--json").json_lines()
        assert [line["index"] for line in lines] == list(range(len(lines))), "indexes have a gap"
        return [line["entry"] for line in lines]

    def kinds(self):
        return [entry["kind"] for entry in self.entries()]

    def of_kind(self, kind):
        return [entry for entry in self.entries() if entry["kind"] == kind]

    def show(self, info_hash):
        return self.impound("show", info_hash, "--json").json()

    def verify(self):
        """The vault must verify; its verdict."""
        return self.impound("verify", self.vault, "--json").json()

    def verify_fails(self):
        """The vault must not verify; the problems found."""
        verdict = self.impound("verify", self.vault, "--json", code=1).json()
        assert verdict["ok"] is False and verdict["problems"], verdict
        return verdict["problems"]

    def under_way(self):
        """Whether a download has bytes on the disk."""
        folder = self.vault / "staging" / "swarm"
        return any(file.is_file() and file.stat().st_blocks > 0 and file.name != "record" for file in folder.rglob("*"))

    def state(self):
        """The folder with what this machine remembers of the vault."""
        folders = list((self.home / ".local/state/impound").iterdir())
        assert len(folders) == 1, folders
        return folders[0]

    def on_small_disk(self, size):
        """The vault will lie on a disk of its own, of this size as mount has it; the disk's folder."""
        disk = self.folder / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], check=True)
        self.vault = disk / "vault"
        self.env["IMPOUND_VAULT"] = str(self.vault)
        return disk

    def settings(self, text):
        path = self.folder / "impound.toml"
        path.write_text(text)
        return path

    # --- servers

    def start(self, name, words):
        """Starts a program; it ends with the test at the latest."""
        log = self.folder / f"{len(self.started)}-{name}.log"
        running = Running(name, [str(word) for word in words], log, self.env)
        self.started.append(running)
        return running

    def nginx(self, folder, host="127.0.0.1", more=""):
        """nginx over a folder (autoindex on); the port. `more`: further lines for its server block."""
        need("nginx")
        port = free_port(host)
        run = self.folder / f"nginx-{port}"
        run.mkdir()
        kinds = "".join(f"{kind}_temp_path {run}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;" if os.geteuid() == 0 else ""  # in a user namespace there is nobody else to become
        (run / "nginx.conf").write_text(f"""{user} daemon off; master_process off; pid {run}/pid; error_log {run}/error.log; events {{}}
http {{ access_log {run}/access.log; {kinds} types {{ application/x-bittorrent torrent; text/plain txt; }}
  server {{ listen {host}:{port}; root "{folder}"; autoindex on; {more} }} }}
""")
        server = self.start("nginx", ["nginx", "-p", run, "-e", run / "error.log", "-c", run / "nginx.conf"])
        wait_until(lambda: answers(port, host) or not server.running(), 10, "nginx")
        assert server.running(), server.output()
        return port

    def pastes(self, items, **more):
        """A server that answers like Pastebin's scraping API."""
        return PasteSite(self, items, **more)

    def close(self):
        for running in reversed(self.started):
            if running.running():
                running.process.kill()
                running.process.wait()


def workers(kind="swarm"):
    """Process ids of every worker of this kind that lives: a test has a process namespace of its own."""
    found = []
    for folder in pathlib.Path("/proc").iterdir():
        try:
            status = (folder / "status").read_text() if folder.name.isdigit() else ""
        except (FileNotFoundError, ProcessLookupError):
            continue
        if status.startswith(f"Name:\timpound-{kind}") and "\nState:\tZ" not in status:
            found.append(int(folder.name))
    return found


def packets(*table):
    """{counter: packets} of nftables, of all tables or the one that is named."""
    out = subprocess.run(["nft", "-j", "list", "counters", *table], capture_output=True, text=True, check=True).stdout
    return {one["counter"]["name"]: one["counter"]["packets"] for one in json.loads(out)["nftables"] if "counter" in one}


class PasteSite:
    """Runs paste_server.py over a folder of this world; items can be added while it runs."""

    def __init__(self, world, items, host="127.0.0.1"):
        self.folder = world.folder / f"pastes-{len(world.started)}"
        (self.folder / "items").mkdir(parents=True)
        (self.folder / "heads").mkdir()
        self.listed = []
        for item in items:
            self.post(**item)
        self.port = free_port(host)
        self.url = f"http://{host}:{self.port}"
        self.server = world.start("pastes", [PYTHON, SUPPORT / "paste_server.py", "--listen", f"{host}:{self.port}", self.folder])
        self.server.wait_for_line("ready")

    def post(self, key, text, title="", user="", date=1493990000, syntax="text", head=None):
        """A new paste, first in the list; `head`: header fields its answer comes with."""
        if head:
            (self.folder / "heads" / key).write_text(json.dumps(head))
        body = text.encode() if isinstance(text, str) else text
        (self.folder / "items" / key).write_bytes(body)
        self.listed.insert(0, {"scrape_url": f"https://scrape.pastebin.com/api_scrape_item.php?i={key}", "full_url": f"https://pastebin.com/{key}",
                               "date": str(date), "key": key, "size": str(len(body)), "expire": "0", "title": title, "syntax": syntax,
                               "user": user})
        self.list_anew()

    def remove(self, key):
        """The site lists it no more."""
        self.listed = [item for item in self.listed if item["key"] != key]
        self.list_anew()

    def list_anew(self):
        ready = self.folder / "list.new"
        ready.write_text(json.dumps(self.listed, indent=4))
        ready.rename(self.folder / "list.json")

    def requests(self):
        """The paths asked for so far."""
        log = self.folder / "requests.log"
        return log.read_text().splitlines() if log.exists() else []

    def source(self, **more):
        """Its [[source]] in a settings file."""
        keys = {"name": "pastebin", "profile": PROFILE, "base_url": self.url, "interval": "1m", "acquire": "all", "keep": "all", **more}
        return "[[source]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())


@contextlib.contextmanager
def byte_changed(path, offset=None):
    """One byte of the file differs while the block runs, its mode untouched; afterwards it is as before."""
    path = pathlib.Path(path)
    mode = path.stat().st_mode
    before = path.read_bytes()
    at = len(before) // 2 if offset is None else offset % len(before)
    path.chmod(mode | 0o200)
    path.write_bytes(before[:at] + bytes([before[at] ^ 1]) + before[at + 1:])
    path.chmod(mode)
    try:
        yield path
    finally:
        path.chmod(mode | 0o200)
        path.write_bytes(before)
        path.chmod(mode)


# --- running the tests of a file


def inside():
    """The command that gives a test its namespaces; a plain user becomes root of a user namespace of their own."""
    words = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return words if os.geteuid() == 0 else [*words, "--map-root-user"]


def run(function):
    """Runs one test in the namespace that this process is the first of; the exit code."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    folder = tempfile.mkdtemp(prefix="impound-test-")
    world = World(folder)
    try:
        function(world)
    except Skip as missing:
        print(f"skipped: {missing}")
        code = 77
    except BaseException:  # noqa: whatever it was, its world is kept and shown
        traceback.print_exc()
        for running in world.started:
            print(f"--- {running.name}: {' '.join(running.words)}\n{running.output()[-2000:]}", file=sys.stderr)
        print(f"kept: {folder}", file=sys.stderr)
        code = 1
    else:
        code = 0
    world.close()
    if code != 1:
        unmount_under(folder)
        shutil.rmtree(folder)
    return code


def unmount_under(folder):
    mounted = [line.split()[1] for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    for place in reversed([place for place in mounted if place.startswith(folder + "/")]):
        subprocess.run(["umount", "--lazy", place], check=True)


def main(names):
    tests = {name: value for name, value in names.items() if name.startswith("test_") and callable(value)}
    wanted = sys.argv[1:] or list(tests)
    if os.environ.get("IMPOUND_TEST_INSIDE") == "1":
        os.environ.pop("IMPOUND_TEST_INSIDE")
        sys.exit(run(tests[wanted[0]]))
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        print("skipped: unshare (util-linux) and ip (iproute2) are needed")
        sys.exit(77)
    worst = 0
    for name in wanted:
        began = time.monotonic()
        ended = subprocess.run([*inside(), PYTHON, names["__file__"], name], check=False,
                               env={**os.environ, "IMPOUND_TEST_INSIDE": "1", "PYTHONPATH": str(SUPPORT)})
        code = ended.returncode
        if len(wanted) > 1:
            print(f"{ {0: 'passed', 77: 'skipped'}.get(code, 'FAILED')} {name} ({time.monotonic() - began:.1f} s)", flush=True)
        worst = code if code not in (0, 77) else worst or (code if len(wanted) == 1 else 0)
    sys.exit(worst)
