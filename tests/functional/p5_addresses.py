"""P5: what content names on loopback is never dialled, however it is spelt, unless the operator allowed it."""
import socket
import subprocess
import threading

import harness
import peers


class Canary:
    """Listens where nobody may come, and counts who does."""

    def __init__(self, host="127.0.0.1", family=socket.AF_INET):
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.bind((host, 0))
        self.socket.listen(16)
        self.host, self.port = host, self.socket.getsockname()[1]
        self.visits = 0
        threading.Thread(target=self.count, daemon=True).start()

    def count(self):
        while True:
            visitor, _ = self.socket.accept()
            self.visits += 1
            visitor.close()


HASH = "c9e15763f722f23e98a29decdfae341b98d53056"


def impatient(world, more=""):
    return world.settings('[torrents]\nmetadata_timeout = "2s"\n' + more)


def refused_addresses(world):
    return [address for entry in world.of_kind("acquisition.attempt") for address in entry["body"].get("addresses_refused", [])]


def test_a_magnets_own_peers_on_loopback_are_not_dialled(world):
    canary = Canary("127.0.0.1")
    world.init()
    world.refused(1, "fetch", f"magnet:?xt=urn:btih:{HASH}&x.pe=127.0.0.1:{canary.port}", "--config", impatient(world))
    assert canary.visits == 0
    assert f"127.0.0.1:{canary.port}" in refused_addresses(world)
    assert world.verify()["ok"] is True


def test_a_magnets_trackers_on_loopback_are_not_asked(world):
    canary = Canary("127.0.0.1")
    world.init()
    for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1"):
        url = f"http://{host}:{canary.port}/announce"
        world.refused(1, "fetch", f"magnet:?xt=urn:btih:{HASH}&tr={url}", "--config", impatient(world))
        assert canary.visits == 0, host
    assert world.verify()["ok"] is True


def test_a_torrents_trackers_on_loopback_are_not_asked(world):
    canary = Canary("127.0.0.1")
    seeded = world.folder / "seeded"
    file = harness.write_bytes(seeded / "leak", 50_000, "leak")
    torrent = peers.make_torrent(world, file, "v1", trackers=[f"http://127.0.0.1:{canary.port}/announce"])
    world.init()
    world.refused(1, "fetch", torrent.path, "--timeout", "2s", "--config", impatient(world))
    assert canary.visits == 0


def test_a_tracker_on_loopback_is_asked_when_it_is_allowed(world):
    seeded = world.folder / "seeded"
    file = harness.write_bytes(seeded / "leak", 50_000, "leak")
    plain = peers.make_torrent(world, file, "v1")
    peer = peers.seeder(world, plain, seeded)
    tracker = peers.tracker(world, peer)
    torrent = peers.make_torrent(world, file, "v1", trackers=[tracker])
    world.init()
    world.impound("fetch", torrent.path, "--allow-net", "127.0.0.0/8", "--timeout", "30s")
    assert world.show(torrent.v1)["state"] == "complete"


def test_an_url_on_loopback_is_not_fetched_in_any_spelling(world):
    canary = Canary("127.0.0.1")
    world.init()
    for host in ("127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0"):
        world.refused(1, "fetch", f"http://{host}:{canary.port}/x.torrent")
        assert canary.visits == 0, host
    assert world.verify()["ok"] is True


def test_a_redirect_to_loopback_is_not_followed(world):
    canary = Canary("127.0.0.1")
    served = world.folder / "served"
    served.mkdir()
    port = world.nginx(served, more=f"location / {{ return 302 http://127.0.0.1:{canary.port}/x.torrent; }}")
    world.init()
    world.refused(1, "fetch", f"http://127.0.0.1:{port}/x.torrent", "--allow-net", f"127.0.0.1/32:{port}")
    assert canary.visits == 0
    assert "capture.result" in world.kinds()


# Every way to write an address that is not for us: loopback, link-local, private, mapped and embedded in IPv6, decimal, octal, hexadecimal.
SPELLINGS = ["127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.255.255.254",
             "0.0.0.0", "0", "localhost", "localhost.", "10.77.0.1", "172969985", "012.0115.0.1", "0xa.77.1", "169.254.169.254", "2852039166",
             "0xA9FEA9FE", "[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::ffff:10.77.0.1]",
             "[::ffff:169.254.169.254]", "[64:ff9b::7f00:1]", "[fd00::7]", "[fe80::7]", "%31%32%37.0.0.1", "\uff11\uff12\uff17.0.0.1",
             "v4.inside.example", "v6.inside.example", "metadata.inside.example", "private.inside.example", "mapped.inside.example"]


def test_no_redirect_leads_inside_in_any_spelling_or_by_any_name(world):
    """The machine has these addresses, and somebody listens at all of them: a packet that got through would be counted."""
    for words in (["addr", "add", "10.77.0.1/32"], ["addr", "add", "169.254.169.254/32"], ["-6", "addr", "add", "fd00::7/128"], ["-6", "addr", "add", "fe80::7/64"]):
        subprocess.run(["ip", *words, "dev", "lo"], check=True)
    hosts = world.folder / "hosts"
    hosts.write_text("127.0.0.1 localhost v4.inside.example\n::1 v6.inside.example\n169.254.169.254 metadata.inside.example\n"
                     "10.77.0.1 private.inside.example\n::ffff:127.0.0.1 mapped.inside.example\n")
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
    canary = Canary("::", socket.AF_INET6)  # and 0.0.0.0, as Linux has it
    served = world.folder / "served"
    served.mkdir()
    port = world.nginx(served, more="".join(f"location = /{number}.torrent {{ return 302 http://{host}:{canary.port}/x.torrent; }}\n"
                                            for number, host in enumerate(SPELLINGS)))
    world.init()
    allowed = ["--allow-net", f"127.0.0.1/32:{port}"]
    for number, host in enumerate(SPELLINGS):
        world.refused(1, "fetch", f"http://127.0.0.1:{port}/{number}.torrent", *allowed)
        assert canary.visits == 0, host
        result = world.of_kind("capture.result")[-1]["body"]
        assert result["outcome"] == "failed" and result["url"].endswith(f"/{number}.torrent") and result.get("error"), (host, result)
    assert len(world.of_kind("capture.result")) == len(SPELLINGS)
    # The canary sings: what is allowed by name of its net is visited.
    world.refused(1, "fetch", f"http://127.0.0.1:{port}/{SPELLINGS.index('10.77.0.1')}.torrent", *allowed, "--allow-net", "10.77.0.0/16")
    harness.wait_until(lambda: canary.visits == 1, 10, "the visit that is allowed")
    assert world.verify()["ok"] is True


def test_a_links_host_is_not_exempt_because_the_source_is(world):
    """base_url is the operator's word for its own host and port; a link in a paste is content, even on the same host."""
    canary = Canary("127.0.0.1")
    text = (f"http://127.0.0.1:{canary.port}/leak.torrent\nmagnet:?xt=urn:btih:{HASH}&x.pe=127.0.0.1:{canary.port}"
            f"&tr=http%3A%2F%2F127.0.0.1%3A{canary.port}%2Fannounce\n")
    site = world.pastes([{"key": "0CeaNm8Y", "title": "trap", "text": text}])
    world.init()
    world.impound("watch", "--once", "--config", impatient(world, site.source()), code=None)
    assert canary.visits == 0
    assert any("scrape_item" in path for path in site.requests())
    assert world.verify()["ok"] is True


def test_a_peer_that_the_operator_names_is_exempt_for_exactly_its_port(world):
    seeded = world.folder / "seeded"
    file = harness.write_bytes(seeded / "leak", 50_000, "leak")
    torrent = peers.make_torrent(world, file, "v1")
    peer = peers.seeder(world, torrent, seeded)
    canary = Canary("127.0.0.1")
    world.init()
    world.impound("fetch", torrent.magnet() + f"&x.pe=127.0.0.1:{canary.port}", "--peer", peer.address)
    assert canary.visits == 0
    assert world.show(torrent.v1)["state"] == "complete"


harness.main(globals())
