# ctest: TIMEOUT 200
"""Peers from the DHT (BEP 5), out of nodes of the test's own: asked politely, judged like all others, and not behind a proxy."""
import json
import subprocess

import harness
import peers

NET = "198.51.100"  # RFC 5737: nobody's; here a network of this test's namespace with a way out that leads nowhere


def network():
    for words in (["link", "add", "out0", "type", "veth", "peer", "name", "far0"], ["link", "set", "out0", "up"], ["link", "set", "far0", "up"], *(["addr", "add", f"{NET}.{host}/24", "dev", "out0"] for host in (1, 10, 11)),
                  ["route", "add", "default", "via", f"{NET}.254", "dev", "out0"]):
        subprocess.run(["ip", *words], check=True)


class Dht:
    """A node to begin with, and a seed that has announced itself there."""

    def __init__(self, world, private=False, with_seed=True, seed_port=0):
        harness.need("ip", "nft")
        harness.need_module("libtorrent")
        network()
        seeded = world.folder / "seeded"
        harness.write_bytes(seeded / "leak" / "list.csv", 100_000, "list")
        self.torrent = peers.make_torrent(world, seeded / "leak", "v1", private=private)
        self.first, self.node = self.start(world, f"{NET}.10")
        if with_seed:
            self.start(world, f"{NET}.11", "--bootstrap", self.node, "--seed", self.torrent.path, seeded, port=seed_port)
        if with_seed and not private:
            self.first.wait_for_line("announced")

    def asked(self):
        """How often the node was asked for peers, by anybody."""
        self.first.stop()
        return json.loads(self.first.output().splitlines()[-1])["asked"]

    @staticmethod
    def start(world, host, *words, port=0):
        running = world.start("dht", [harness.PYTHON, harness.SUPPORT / "dht_node.py", "--listen", f"{host}:{port}", *words])
        running.wait_for_line('"port"')
        return running, f"{host}:{json.loads(running.output().splitlines()[0])['port']}"

    @classmethod
    def again(cls, world, other):
        """The same with a new node, in the network that is there."""
        dht = cls.__new__(cls)
        dht.torrent = other.torrent
        dht.first, dht.node = cls.start(world, f"{NET}.10")
        return dht

    def settings(self, world, more="", timeout=40):
        world.env.pop("IMPOUND_DHT", None)
        return world.settings(f'{more}[torrents]\ndht_bootstrap = ["{self.node}"]\nmetadata_timeout = "{timeout}s"\n')


def packets_to(dht):
    """How many packets of whatever kind have left for the node; 0 at the first call, which begins to count."""
    host, port = dht.node.rsplit(":", 1)
    table = f"dht_{port}"
    if subprocess.run(["nft", "list", "table", "inet", table], capture_output=True, check=False).returncode != 0:
        rules = f"table inet {table} {{ counter sent {{ }}\nchain out {{ type filter hook output priority 0; ip daddr {host} udp dport {port} counter name sent\n}}\n}}\n"
        subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
    return harness.packets("table", "inet", table)["sent"]


def tried(world):
    return world.of_kind("acquisition.result")[-1]["body"]["tried"]


def test_a_magnet_alone_finds_its_seed(world):
    dht = Dht(world)
    world.init()
    world.impound("fetch", dht.torrent.magnet(), "--allow-net", f"{NET}.0/24", "--config", dht.settings(world), seconds=120)
    assert tried(world)["dht"] == "on" and tried(world)["dht_peers"] >= 1, tried(world)
    record = world.impound("show", world.of_kind("acquisition.result")[0]["body"]["swarm_record"], "--json").json_lines()
    assert any(item["t"] == "dht" and item["peers"] >= 1 for item in record), record
    assert any("dht" in item["sources"] and item["blocks"] > 0 for item in record if item["t"] == "peer"), record
    assert world.verify()["ok"] is True


def test_a_port_at_which_no_peer_listens_is_not_dialled_for_a_stranger(world):
    dht = Dht(world, seed_port=25)
    world.init()
    world.impound("fetch", dht.torrent.magnet(), "--allow-net", f"{NET}.0/24", "--config", dht.settings(world, timeout=25), code=1, seconds=120)
    assert tried(world)["dht_peers"] >= 1 and tried(world)["peers_reached"] == tried(world)["peers_lost"] == 0, tried(world)


def test_p5_nodes_at_forbidden_addresses_are_sent_nothing(world):
    for allowed in (False, True):  # the canary: allowed, the node hears of it
        dht = Dht(world, with_seed=False) if not allowed else Dht.again(world, dht)
        if not allowed:
            world.init()
        assert packets_to(dht) == 0
        # 198.51.100.0/24 stands in the address table.
        words = ["--allow-net", f"{NET}.0/24"] if allowed else []
        world.impound("fetch", dht.torrent.magnet(), *words, "--config", dht.settings(world, timeout=20), code=1, seconds=120)
        assert tried(world)["dht_peers"] == 0 and (packets_to(dht) > 0) == allowed, (allowed, tried(world))
        assert (dht.asked() > 0) == allowed


def test_no_dht_for_who_says_so_nor_behind_a_proxy_nor_for_a_private_torrent(world):
    dht = Dht(world, private=True, with_seed=False)
    packets_to(dht)
    world.init()
    route = '[network]\ndefault_route = "tunnel"\n[route.tunnel]\nproxy = "socks5h://127.0.0.9:1"\nallow_torrents = true\n'
    for words, more in ((["--no-dht"], ""), ([], route)):
        told = world.impound("fetch", dht.torrent.magnet(), *words, "--config", dht.settings(world, more), code=1).err
        assert "the DHT is not asked" in told, told
    world.impound("fetch", dht.torrent.path, "--allow-net", f"{NET}.0/24", "--config", dht.settings(world), code=1)
    assert tried(world)["dht"] == "off", tried(world)
    assert packets_to(dht) == 0, "not even a ping"


harness.main(globals())
