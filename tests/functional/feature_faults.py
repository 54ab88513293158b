# ctest: TIMEOUT 300
"""watch: whatever a server does wrong, nothing hangs past its deadline, and each outcome is logged once."""
import select
import socket
import struct
import threading
import time
import urllib.parse

import harness

TIMEOUT = 3
GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"


def abort(line):
    """A reset in place of an end."""
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.close()


class FaultyProxy:
    """Stands before a site and does to the answer of each key what `faults` says; all else goes through as it is."""

    def __init__(self, port, faults):
        self.site, self.faults = port, faults
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.asked = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            line, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=[line], daemon=True).start()

    def serve(self, line):
        head = b""
        try:
            while b"\r\n\r\n" not in head:
                more = line.recv(4096)
                if not more:
                    return line.close()
                head += more
            url = urllib.parse.urlsplit(head.split()[1].decode())
            key = urllib.parse.parse_qs(url.query).get("i", [""])[0]
            self.asked.append(key)
            if key in self.faults:
                return self.faults[key](line)
            self.forward(line, head)
        except OSError:
            line.close()  # they have gone, as they may

    def forward(self, line, head):
        with socket.create_connection(("127.0.0.1", self.site)) as site:
            site.sendall(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
            while part := site.recv(65536):
                line.sendall(part)
        line.close()


def late(line):
    select.select([line], [], [], 1)  # nothing more comes of a whole request: a second passes
    line.sendall(GOOD)
    line.close()


def silent(line):
    while line.recv(4096):
        pass
    line.close()


def drips(answer):
    """A byte a second, until they go."""
    def fault(line):
        for byte in answer:
            line.sendall(bytes([byte]))
            if select.select([line], [], [], 1)[0]:
                return line.close()
        return line.close()
    return fault


def says(text, end):
    def fault(line):
        line.sendall(text)
        end(line)
    return fault


def endless(line):
    line.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        line.sendall(b"X-More: " + b"y" * 1000 + b"\r\n")


# key: what the proxy does, whether the capture is one, what the log says of it
FAULTS = {
    "Late0000": (late, "captured", None),
    "Reset000": (abort, "failed", ""),
    "Closed00": (lambda line: line.close(), "failed", "closed"),
    "Silent00": (silent, "failed", "in time"),
    "DripHead": (drips(GOOD), "failed", "in time"),
    "DripBody": (lambda line: (line.sendall(GOOD[:-5]), drips(b"hello world" * 9)(line)), "failed", "time"),
    "ResetMid": (says(GOOD[:-2], abort), "failed", "disconnect"),
    "CutInMid": (says(GOOD[:-2], lambda line: line.close()), "failed", "disconnect"),
    "Garbage0": (says(bytes(range(256)) * 40, lambda line: line.close()), "failed", ""),
    "NotHttp0": (says(b"SSH-2.0-OpenSSH_9.2\r\n", lambda line: line.close()), "failed", "no HTTP"),
    "Endless0": (endless, "failed", "head is too long"),
    "HalfHead": (says(b"HTTP/1.1 200 OK\r\nContent-Le", lambda line: line.close()), "failed", ""),
    "BadChunk": (says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello", lambda line: line.close()), "failed", ""),
    "TwoSizes": (says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", lambda line: line.close()), None, None),
}


def test_each_fault_of_a_server_ends_in_time_and_is_logged_once(world):
    items = []
    for number, key in enumerate(FAULTS):  # between them what is well, as five failures in a row close a host for a while
        items += [{"key": key, "title": key, "text": "never seen"}, {"key": f"Well{number:04}", "title": "well", "text": "hello"}]
    site = world.pastes(items)
    proxy = FaultyProxy(site.port, {key: fault for key, (fault, _, _) in FAULTS.items()})
    world.init()
    profile = world.folder / "quick.toml"
    profile.write_text("\n".join("pace = 0" if line.startswith("pace") else line for line in open(harness.PROFILE, encoding="utf-8").read().splitlines()))
    config = world.settings(f'[network]\nallow_net = ["127.0.0.0/8"]\n\n[capture]\ntimeout = "{TIMEOUT}s"\n\n{site.source(base_url=proxy.url, profile=str(profile))}')
    began = time.monotonic()
    world.impound("watch", "--once", "--config", config, seconds=200)
    took = time.monotonic() - began
    assert took < (TIMEOUT + 2) * len(FAULTS) + len(items), took
    attempts = [entry for entry in world.entries() if entry["kind"] == "capture.attempt"]
    results = [entry for entry in world.entries() if entry["kind"] == "capture.result"]
    assert len(attempts) == len(results) == len(items), (len(attempts), len(results))
    assert sorted(entry["of"] for entry in results) == sorted(entry["id"] for entry in attempts)
    by_key = {entry["body"]["url"].rsplit("=", 1)[1]: entry["body"] for entry in results}
    for key, (_, outcome, word) in FAULTS.items():
        body = by_key[key]
        assert outcome is None or body["outcome"] == outcome, (key, body)
        assert (body["outcome"] == "captured") == ("error" not in body), (key, body)
        assert word is None or word in body["error"], (key, body)
    assert all(by_key[f"Well{number:04}"]["outcome"] == "captured" for number in range(len(FAULTS)))
    assert world.verify()["ok"] is True


def test_a_site_that_does_not_answer_holds_up_nobody_else(world):
    slow = world.pastes([{"key": "Hangs000", "title": "hangs", "text": "never seen"}])
    proxy = FaultyProxy(slow.port, {"Hangs000": silent})
    quick = world.pastes([{"key": "Well0000", "title": "well", "text": "hello"}])
    world.init()
    profile = world.folder / "often.toml"
    profile.write_text(open(harness.PROFILE, encoding="utf-8").read().replace("interval = 60", "interval = 1"))
    config = world.settings('[network]\nallow_net = ["127.0.0.0/8"]\n\n[capture]\ntimeout = "300s"\n\n' + slow.source(name="slow", base_url=proxy.url) +
                            quick.source(name="quick", profile=str(profile), interval="1s"))
    running = world.start_impound("watch", "--config", config)
    harness.wait_until(lambda: "Hangs000" in proxy.asked or not running.running(), 30, "the request that hangs")

    def captured():
        return [entry["body"]["title"] for entry in world.of_kind("capture.result")]
    harness.wait_until(lambda: captured() == ["well"] or not running.running(), 30, "the other site's paste")
    quick.post("Well0001", "hello", title="news")
    harness.wait_until(lambda: captured() == ["well", "news"] or not running.running(), 30, "its next one")
    # Commands are answered meanwhile, and a page by hand is captured.
    world.impound("note", world.of_kind("agent.started")[0]["id"], "seen by hand")
    world.impound("fetch", f"{quick.url}/api_scrape_item.php?i=Well0001", code=1)
    assert len(world.of_kind("capture.result")) == 3, world.entries()
    # The signal ends what hangs, with its result.
    assert running.stop() == 0, running.output()
    by_title = {entry["body"].get("title"): entry["body"] for entry in world.of_kind("capture.result")}
    assert by_title["hangs"]["outcome"] == "failed" and "stopped" in by_title["hangs"]["error"], by_title
    assert len(world.of_kind("capture.attempt")) == len(world.of_kind("capture.result")) == 4, world.entries()
    assert world.verify()["ok"] is True


if __name__ == "__main__":
    harness.main(globals())
