#!/usr/bin/python3
"""./impound demo: the 2017 case in miniature, on this machine alone.

A paste site, an archive and a seed run on 127.0.0.x. EMLEAKS posts a link to a torrent; impound watches, captures the paste,
takes the .torrent and the payload into custody, and the archive takes the torrent down. What is left is a vault that verifies.
Nothing goes to any other machine; nothing keeps running afterwards, the vault and its keys stay in a folder of their own.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import dump  # noqa: E402
import harness  # noqa: E402
import peers  # noqa: E402

CASE = "emleaks-2017"
COLOURS = {"told": "1;36", "said": "2", "good": "1;32", "bad": "1;31"} if sys.stdout.isatty() and "NO_COLOR" not in os.environ else {}


def say(text, colour=None):
    shade = COLOURS.get(colour)
    print(f"\033[{shade}m{text}\033[0m" if shade else text, flush=True)


def tell(text):
    """The story."""
    say(f"\n{time.monotonic() - BEGAN:5.1f} s  {text}", "told")


def quote(line):
    """What impound itself said."""
    say(f"         | {line}", "said")


BEGAN = time.monotonic()


class Stage:
    """The servers of the story, and the vault."""

    def __init__(self, folder):
        self.world = harness.World(folder)
        # Names of their own, so that the printed commands need nothing but these.
        self.world.env.update(XDG_STATE_HOME=f"{folder}/state", XDG_CONFIG_HOME=f"{folder}/config", XDG_DATA_HOME=f"{folder}/data")
        self.folder = pathlib.Path(folder)
        self.seeded = self.folder / "seeded"
        self.archive = self.folder / "archive"
        self.torrent = self.site = None
        self.link = self.vkey = ""

    def build(self):
        files = dump.write(self.seeded / "emleaks")
        plain = peers.make_torrent(self.world, self.seeded / "emleaks", "v1", piece_size=256 << 10)
        seed = peers.seeder(self.world, plain, self.seeded, host="127.0.0.2")
        tracker = peers.tracker(self.world, seed)
        self.torrent = peers.make_torrent(self.world, self.seeded / "emleaks", "v1", piece_size=256 << 10, trackers=[tracker])
        self.archive.mkdir()
        shutil.copy(self.torrent.path, self.archive / "emleaks.torrent")
        port = self.world.nginx(self.archive, host="127.0.0.4")
        self.link = f"http://127.0.0.4:{port}/emleaks.torrent"
        self.site = harness.PasteSite(self.world, [{"key": "Qz7rT0ab", "title": "bonjour.rs", "syntax": "rust", "text": "fn main() {}\n"}], host="127.0.0.3")
        tell(f"A dump of {files} e-mails and pictures, 64 MiB, is seeded on 127.0.0.2.")
        say(f"         The archive (nginx) holds its torrent: {self.link}")
        say(f"         The paste site answers as Pastebin's scraping API does: {self.site.url}")

    def settings(self):
        """Pastebin's own profile, but for the minute between two looks, which is the real site's wish."""
        profile = (harness.ROOT / "config/sites/pastebin.toml").read_text()
        (self.folder / "pastebin.toml").write_text(re.sub(r"(?m)^interval = \d+", "interval = 1", profile))
        return self.world.settings(
            '[network]\nallow_net = ["127.0.0.0/8"]  # the whole story happens here\n\n'
            + self.site.source(profile=str(self.folder / "pastebin.toml"), interval="1s", case=CASE))

    def log(self, *more):
        done = self.world.impound("log", "--json", *more, code=None)
        return [line["entry"] for line in done.json_lines()] if done.code == 0 else []


def follow(watch, until, seconds):
    """Passes on what impound says until something has happened."""
    told = 0

    def looked():
        nonlocal told
        lines = watch.output().splitlines()
        for line in lines[told:]:
            quote(line)
        told = len(lines)
        assert watch.running(), f"impound watch ended with {watch.process.returncode}"
        return until()
    harness.wait_until(looked, seconds, "the next turn of the story")
    return told


def capture(stage):
    world = stage.world
    tell("impound makes a vault: its own key, its own custody log.")
    for line in world.impound("init", "--origin", "demo.example/emleaks", "--operator", "demo").out.splitlines():
        quote(line)
        if line.startswith("vkey"):
            stage.vkey = line.split()[-1]
    config = stage.settings()
    tell("impound watches the site.")
    watch = world.start_impound("watch", "--config", config)
    follow(watch, lambda: any("scrape_item" in path for path in stage.site.requests()), 20)
    tell('EMLEAKS posts a paste, "Part one", and names the torrent in it.')
    stage.site.post("0CeaNm8Y", f"E-mail and pictures, all of it. Get it while it is there:\n\n    {stage.link}\n", title="Part one", user="EMLEAKS")
    told = follow(watch, lambda: stage.log("--kind", "acquisition.result"), 60)
    tell("The archive takes the torrent down. Too late.")
    (stage.archive / "emleaks.torrent").unlink()
    code = watch.stop(signal.SIGTERM)
    for line in watch.output().splitlines()[told:]:
        quote(line)
    assert code == 0, f"impound watch ended with {code}"


def check(stage):
    world = stage.world
    tell("Is everything there, and is it what was seeded?")
    for line in world.impound("verify", world.vault, "--vkey", stage.vkey).out.splitlines():
        quote(line)
    shown = world.show(stage.torrent.v1)
    kept = {file["path"]: file["sha256"] for file in shown["files"]}
    assert shown["state"] == "complete" and kept == harness.tree(stage.seeded), "the vault holds something else than what was seeded"
    say(f"         {len(kept)} files: each has the SHA-256 of what was seeded; {shown['uploaded_payload_bytes']} payload bytes handed on.", "good")

    tell("And if somebody changes one bit of one picture?")
    exhibit = max(shown["files"], key=lambda file: file["size"])
    with harness.byte_changed(world.vault / "objects" / exhibit["sha256"][:2] / exhibit["sha256"]):
        for line in world.impound("verify", world.vault, code=1).out.splitlines():
            if line.startswith(("PROBLEM", "FAILED")):
                quote(line)
    say("         The bit is put back as it was.")


def custody_log(stage):
    """The log in a few lines; payload files of one acquisition stand together."""
    tell("The custody log, in short:")
    sealed = 0
    for index, entry in enumerate(stage.log()):
        body, kind = entry["body"], entry["kind"]
        payload = kind == "exhibit.sealed" and body.get("role") == "payload"
        sealed += payload
        if payload:
            continue
        if sealed:
            say(f"         {'':>5}  {'':8}  exhibit.sealed         … {sealed} files of the payload, each with its SHA-256")
            sealed = 0
        words = [body.get(key) for key in ("title", "author", "state", "outcome", "role", "url", "info_hash_v1") if body.get(key)]
        say(f"         {index:>5}  {entry['time']['utc'][11:19]}  {kind:<22} {'  '.join(map(str, words))[:96]}".rstrip())


def play(folder):
    stage = Stage(folder)
    try:
        stage.build()
        capture(stage)
        check(stage)
        custody_log(stage)
    finally:
        stage.world.close()
    for name in os.listdir(folder):
        if name not in ("vault", "state", "config", "impound.toml", "pastebin.toml"):
            path = pathlib.Path(folder, name)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return stage


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = tempfile.mkdtemp(prefix="impound-demo-")
    try:
        say("The leak of 5 May 2017 in miniature, on 127.0.0.x only.")
        stage = play(folder)
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        say("\nstopped; nothing was kept, nothing is running", "bad")
        return 130
    except harness.Skip as missing:
        shutil.rmtree(folder, ignore_errors=True)
        say(f"impound demo: {missing}", "bad")
        return 1
    except (AssertionError, OSError, subprocess.SubprocessError, json.JSONDecodeError) as wrong:
        say(f"\nthe demo failed: {wrong}\nwhat there is lies in {folder}", "bad")
        return 1
    tell("Done. The vault stays; look at it with:")
    for words in (f"verify --vkey {stage.vkey}", "log", "status"):
        say(f"         XDG_STATE_HOME={folder}/state ./impound {words} --vault {folder}/vault")
    say(f"         rm -rf {folder}   when you have seen enough")
    return 0


if __name__ == "__main__":
    sys.exit(main())
