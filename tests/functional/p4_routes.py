"""P4: nothing leaks round the route: by a proxy or not at all, and nowhere but in the namespace that the settings require."""
import json
import pathlib
import socket
import subprocess

import harness
import peers

NAMED = pathlib.Path("/run/netns")


def named_namespaces(*names):
    """A /run/netns of this test's own mount namespace, with new network namespaces of these names."""
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
    NAMED.mkdir()
    for name in names:
        subprocess.run(["ip", "netns", "add", name], check=True)


def requires(world, name, port=1):
    return world.settings(f'[network]\nrequire_netns = "{name}"\n[[source]]\nname = "s"\nprofile = "pastebin"\nbase_url = "http://127.0.0.1:{port}"\n')


def called(canary):
    canary.setblocking(False)
    try:
        canary.accept()
    except BlockingIOError:
        return False
    return True


def test_outside_the_required_namespace_nothing_starts(world):
    named_namespaces("vpn")
    world.init()
    size = len(world.entries())
    canary = socket.create_server(("127.0.0.1", 0))
    port = canary.getsockname()[1]
    target = f"magnet:?xt=urn:btih:c9e15763f722f23e98a29decdfae341b98d53056&tr=http://127.0.0.1:{port}/announce"
    for words in (["fetch", target, "--allow-net", "127.0.0.0/8"], ["watch", "--once"], ["note", world.entries()[0]["id"], "seen"]):
        told = world.refused(2, *words, "--config", requires(world, "vpn", port), seconds=20).err
        for part in ("network.require_netns", "/run/netns/vpn", "ip netns exec vpn"):
            assert part in told, told
    assert "is not there" in world.refused(2, "watch", "--once", "--config", requires(world, "gone", port)).err
    assert not called(canary)
    assert len(world.entries()) == size, "refused before the vault is opened"
    assert world.verify()["ok"] is True


def test_inside_the_required_namespace_it_starts(world):
    named_namespaces()
    here = NAMED / "here"
    here.touch()
    subprocess.run(["mount", "--bind", "/proc/self/ns/net", here], check=True)
    world.init()
    note = ["note", world.entries()[0]["id"], "seen", "--config"]
    world.impound(*note, requires(world, "here"))
    assert world.of_kind("note.added")
    world.refused(2, *note, requires(world, "elsewhere"))
    assert world.verify()["ok"] is True


class NameServer:
    """What /etc/resolv.conf names in this test: it hears who asks, and answers nobody."""

    def __init__(self, world):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.53", 53))
        self.socket.setblocking(False)
        conf = world.folder / "resolv.conf"
        conf.write_text("nameserver 127.0.0.53\noptions timeout:1 attempts:1\n")
        subprocess.run(["mount", "--bind", conf, pathlib.Path("/etc/resolv.conf").resolve()], check=True)

    def asked(self):
        """Whether somebody asked since the last call."""
        count = 0
        try:
            while self.socket.recv(512):
                count += 1
        except BlockingIOError:
            return count > 0


def proxy_of(world, **names):
    running = world.start("socks", [harness.PYTHON, harness.SUPPORT / "socks_proxy.py", "--listen", "127.0.0.9:0",
                                    *(word for name, address in names.items() for word in ("--name", f"{name.replace('_', '.')}={address}"))])
    running.wait_for_line('"port"')
    return running, json.loads(running.output().splitlines()[0])["port"]


def watched(site, route, port):
    return (f'[route.tunnel]\nproxy = "socks5h://127.0.0.9:{port}"\n[[source]]\nname = "pastebin"\nprofile = "{harness.PROFILE}"\n'
            f'base_url = "http://pastes.test:{site.port}"\nroute = "{route}"\nkeep = "all"\nacquire = "none"\n')


def test_a_source_behind_a_proxy_is_watched_by_its_name_and_by_nothing_else(world):
    names = NameServer(world)
    site = world.pastes([{"key": "0CeaNm8Y", "title": "Part one", "user": "EMLEAKS", "text": "nothing yet"}], host="127.0.0.8")
    proxy, port = proxy_of(world, pastes_test="127.0.0.8")
    world.init()
    names.asked()  # Python's own servers ask for their name when they begin
    world.impound("watch", "--once", "--config", world.settings(watched(site, "tunnel", port)))
    attempt, result = world.of_kind("capture.attempt")[0]["body"], world.of_kind("capture.result")[0]["body"]
    assert attempt["route"] == "tunnel" and result["outcome"] == "captured" and result["kept"] is True, (attempt, result)
    assert result["resolved_by"] == "proxy" and "remote_ip" not in result and "remote_port" not in result, result
    calls = [json.loads(line) for line in proxy.output().splitlines()[1:]]
    assert calls and all(one == {"connect": f"pastes.test:{site.port}", "by_name": True, "reached": True} for one in calls), calls
    assert not names.asked(), "a name was looked up beside the proxy"
    proxy.stop()
    before = (site.folder / "requests.log").read_text()
    site.post("zzTop123", "more", title="Part two")
    world.impound("watch", "--once", "--config", world.settings(watched(site, "tunnel", port)), code=1)
    assert (site.folder / "requests.log").read_text() == before and not names.asked(), "the proxy is dead, and something went round it"
    assert world.verify()["ok"] is True


def test_without_the_proxy_the_same_source_asks_the_name_server(world):
    """The canary of the test before it."""
    names = NameServer(world)
    site = world.pastes([], host="127.0.0.8")
    world.init()
    names.asked()
    world.impound("watch", "--once", "--config", world.settings(watched(site, "direct", 1)), code=1)
    assert names.asked()


def test_torrents_are_not_taken_by_a_route_that_does_not_allow_them(world):
    world.init()
    size = len(world.entries())
    text = '[network]\ndefault_route = "tor"\n[route.tor]\nproxy = "socks5h://127.0.0.9:9050"\n'
    told = world.refused(2, "fetch", "c9e15763f722f23e98a29decdfae341b98d53056", "--config", world.settings(text)).err
    assert 'route "tor" takes no torrents' in told and "allow_torrents" in told, told
    source = f'[[source]]\nname = "pastebin"\nprofile = "{harness.PROFILE}"\nbase_url = "http://127.0.0.1:1"\nacquire = "all"\n'
    assert 'source "pastebin"' in world.refused(2, "watch", "--once", "--config", world.settings(text + source)).err
    named = '[network]\ndefault_route = "vpn"\n[route.vpn]\nproxy = "socks5h://127.0.0.9:9050"\nallow_torrents = true\n'
    told = world.refused(2, "fetch", "c9e15763f722f23e98a29decdfae341b98d53056", "--peer", "seed.example:6881", "--config", world.settings(named)).err
    assert "seed.example:6881" in told and "Give its address" in told, told
    assert len(world.entries()) == size


NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]


class Outside:
    """Everything that is not impound runs as another user, so that the packets of ours are counted alone."""

    def __init__(self, world, hosts=""):
        harness.need("nft", "setpriv")
        self.world = world
        world.folder.chmod(0o755)
        if hosts:
            path = world.folder / "hosts"
            path.write_text("127.0.0.1 localhost\n" + hosts)
            subprocess.run(["mount", "--bind", path, "/etc/hosts"], check=True)

    def start(self, program, *words):
        running = self.world.start(program, [*NOBODY, harness.PYTHON, harness.SUPPORT / f"{program}.py", *words])
        running.wait_for_line('"port"')
        return running, json.loads(running.output().splitlines()[0])["port"]

    def count(self, proxy_port):
        rules = (f"table inet p4 {{ counter proxied {{ }}\ncounter others {{ }}\nchain out {{ type filter hook output priority 0; policy accept;\n"
                 f"meta skuid 0 ip daddr 127.0.0.9 tcp dport {proxy_port} counter name proxied accept\nmeta skuid 0 counter name others\n}}\n}}\n")
        subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)

    def counted(self):
        """(packets to the proxy, all others) of impound and its worker."""
        found = harness.packets()
        return found["proxied"], found["others"]


def seeded_outside(world, outside, name, kind, host):
    """A torrent of one file in a folder of this name, and the port of its seed, which runs as the other user."""
    seeded = world.folder / f"seeded-{name}"
    harness.write_bytes(seeded / name / "list.csv", 300_000, name)
    torrent = peers.make_torrent(world, seeded / name, kind)
    for path in (seeded, *seeded.rglob("*"), torrent.path):
        path.chmod(0o755)
    return torrent, outside.start("seeder", torrent.path, seeded, "--listen", f"{host}:0")[1]


def leak_of(world, outside):
    """A torrent, its seed at 127.0.0.2, and a tracker at 127.0.0.40 that names the seed."""
    torrent, seed = seeded_outside(world, outside, "leak", "hybrid", "127.0.0.2")
    _, tracker = outside.start("tracker", "--listen", "127.0.0.40:0", "--peer", f"127.0.0.2:{seed}")
    return torrent, seed, tracker


def tunnel(port):
    return f'[network]\ndefault_route = "tunnel"\n[route.tunnel]\nproxy = "socks5h://127.0.0.9:{port}"\nallow_torrents = true\n'


def test_a_torrent_behind_a_proxy_sends_no_packet_but_to_the_proxy(world):
    # A look-up here would succeed, and would find a dead address first.
    outside = Outside(world, hosts="127.0.0.41 tracker.example\n127.0.0.40 tracker.example\n")
    torrent, seed, tracker = leak_of(world, outside)
    _, port = outside.start("socks_proxy", "--listen", "127.0.0.9:0", "--name", "tracker.example=127.0.0.40")
    world.init()
    outside.count(port)
    magnet = f"{torrent.magnet()}&tr=http://tracker.example:{tracker}/announce&tr=udp://tracker.example:{tracker}/announce"
    world.impound("fetch", magnet, "--allow-net", "127.0.0.2/32", "--config", world.settings(tunnel(port)), seconds=90)
    proxied, others = outside.counted()
    assert proxied > 10 and others == 0, (proxied, others)
    result = world.of_kind("acquisition.result")[0]["body"]
    assert result["state"] == "complete" and world.of_kind("acquisition.attempt")[0]["body"]["route"] == "tunnel", result
    assert any("UDP does not go" in one.get("last", "") for one in result["tried"]["trackers"]), result
    assert world.verify()["ok"] is True


def test_a_web_seed_behind_a_proxy_is_asked_by_its_name_through_it(world):
    outside = Outside(world, hosts="127.0.0.41 archive.example\n")
    seeded = world.folder / "seeded"
    harness.write_bytes(seeded / "leak" / "list.csv", 300_000, "list")
    for path in (seeded, *seeded.rglob("*")):
        path.chmod(0o755)
    _, web = outside.start("web_seed", seeded, "--listen", "127.0.0.40:0")
    proxy, port = outside.start("socks_proxy", "--listen", "127.0.0.9:0", "--name", "archive.example=127.0.0.40")
    torrent = peers.make_torrent(world, seeded / "leak", "v1", web_seeds=[f"http://archive.example:{web}/", f"http://localhost:{web}/", "http://ten.example/"])
    world.init()
    outside.count(port)
    world.impound("fetch", torrent.path, "--config", world.settings(tunnel(port)), seconds=60)
    proxied, others = outside.counted()
    assert proxied > 5 and others == 0, (proxied, others)
    assert world.of_kind("acquisition.result")[0]["body"]["state"] == "complete"
    calls = [json.loads(line) for line in proxy.output().splitlines()[1:]]
    assert {one["connect"] for one in calls if one["reached"]} == {f"archive.example:{web}"} and all(one["by_name"] for one in calls), calls
    assert not any("localhost" in one["connect"] for one in calls), calls
    assert world.verify()["ok"] is True


def test_the_same_torrent_without_a_proxy_goes_to_the_addresses_that_were_named(world):
    """The canary: a rule that counts nothing proves nothing. And of a tracker's two addresses the dead one leads nowhere else."""
    outside = Outside(world, hosts="127.0.0.41 tracker.example\n127.0.0.40 tracker.example\n")
    torrent, seed, tracker = leak_of(world, outside)
    world.init()
    outside.count(1)
    counters = {"seed": f"ip daddr 127.0.0.2 tcp dport {seed}", "alive": f"ip daddr 127.0.0.40 tcp dport {tracker}", "dead": f"ip daddr 127.0.0.41 tcp dport {tracker}", "past": ""}
    rule = "".join(f"meta skuid 0 {what} counter name {name} accept\n" for name, what in counters.items())
    declared = "\n".join(f"counter {name} {{ }}" for name in counters)
    subprocess.run(["nft", "-f", "-"], input=f"table inet named {{\n{declared}\nchain out {{ type filter hook output priority 0;\n{rule}}}\n}}\n", text=True, check=True)
    magnet = f"{torrent.magnet()}&tr=http://tracker.example:{tracker}/announce"
    allowed = [word for net in (f"127.0.0.2/32:{seed}", "127.0.0.40/31") for word in ("--allow-net", net)]
    world.impound("fetch", magnet, *allowed, seconds=90)
    assert outside.counted()[1] > 10, outside.counted()
    found = harness.packets("table", "inet", "named")
    assert found["past"] == 0 and found["seed"] > 10 and found["alive"] > 0 and found["dead"] > 0, found


def test_two_sources_each_by_its_own_route_in_one_run(world):
    """One finds a torrent whose seed only the direct way reaches, the other one whose seed only the proxy knows."""
    outside = Outside(world)
    torrents = {}
    for name, host in (("direct", "127.0.0.2"), ("tunnel", "127.0.0.3")):
        torrents[name], port = seeded_outside(world, outside, name, "v1", host)
        torrents[name].seed = f"{host}:{port}"
    sites = {name: world.pastes([{"key": "0CeaNm8Y", "title": name, "text": f"{torrents[name].magnet()}&x.pe={torrents[name].seed}&x.pe=seed.example:1"}], host=host)
             for name, host in (("direct", "127.0.0.7"), ("tunnel", "127.0.0.8"))}
    proxy, port = outside.start("socks_proxy", "--listen", "127.0.0.9:0")
    world.init()
    rule = "table inet past {\ncounter past { }\nchain out { type filter hook output priority 0; meta skuid 0 ip daddr { 127.0.0.3, 127.0.0.8 } counter name past\n}\n}\n"
    subprocess.run(["nft", "-f", "-"], input=rule, text=True, check=True)
    text = (f'[network]\nallow_net = ["127.0.0.0/8"]\n[route.tunnel]\nproxy = "socks5h://127.0.0.9:{port}"\nallow_torrents = true\n'
            '[torrents]\nmetadata_timeout = "30s"\n' + sites["direct"].source(name="direct") + sites["tunnel"].source(name="tunnel", route="tunnel"))
    world.impound("watch", "--once", "--config", world.settings(text), seconds=90)
    attempts = {attempt["id"]: attempt["body"] for attempt in world.of_kind("acquisition.attempt")}
    assert {attempt["info_hash_v1"]: attempt["route"] for attempt in attempts.values()} == {torrents[name].v1: name for name in torrents}
    assert all(result["body"]["state"] == "complete" for result in world.of_kind("acquisition.result")), world.of_kind("acquisition.result")
    refused = {body["route"]: body.get("addresses_refused") for body in attempts.values()}
    assert refused == {"direct": None, "tunnel": ["seed.example:1"]}, "a name that a proxy is not asked for is told"
    asked = {json.loads(line)["connect"] for line in proxy.output().splitlines()[1:]}
    assert asked == {torrents["tunnel"].seed, f"127.0.0.8:{sites['tunnel'].port}"}, asked
    assert harness.packets("table", "inet", "past") == {"past": 0}
    assert world.verify()["ok"] is True


def test_a_peer_at_a_private_address_is_reached_by_the_proxy_when_a_person_names_it(world):
    outside = Outside(world)
    torrent, seed, _ = leak_of(world, outside)
    proxy, port = outside.start("socks_proxy", "--listen", "127.0.0.9:0")
    world.init()
    outside.count(port)
    # The magnet's own peer is at the same address and not named: its port stays shut.
    world.impound("fetch", f"{torrent.magnet()}&x.pe=127.0.0.2:9", "--peer", f"127.0.0.2:{seed}", "--config", world.settings(tunnel(port)), seconds=60)
    assert {json.loads(line)["connect"] for line in proxy.output().splitlines()[1:]} == {f"127.0.0.2:{seed}"}
    assert outside.counted()[1] == 0, outside.counted()


def test_a_peer_at_an_ipv6_address_is_reached_by_the_proxy(world):
    outside = Outside(world)
    subprocess.run(["ip", "-6", "addr", "add", "2001:db8::2/128", "dev", "lo"], check=True)
    torrent, seed = seeded_outside(world, outside, "leak", "hybrid", "[2001:db8::2]")
    proxy, port = outside.start("socks_proxy", "--listen", "127.0.0.9:0")
    world.init()
    outside.count(port)
    magnet = f"{torrent.magnet()}&x.pe=[2001:db8::2]:{seed}"
    world.impound("fetch", magnet, "--allow-net", "2001:db8::2/128", "--config", world.settings(tunnel(port)), seconds=60)
    assert {json.loads(line)["connect"] for line in proxy.output().splitlines()[1:]} == {f"2001:db8::2:{seed}"}
    assert outside.counted()[1] == 0, outside.counted()


def test_a_torrent_whose_route_is_gone_holds_up_nothing_else(world):
    seeded = world.folder / "seeded"
    harness.write_bytes(seeded / "leak" / "list.csv", 100_000, "list")
    torrent, other = peers.make_torrent(world, seeded / "leak", "v1"), peers.make_torrent(world, seeded / "leak", "v2")
    seeded_list = peers.seeder(world, other, seeded / "leak")  # where libtorrent as a seed looks for a folder's one file
    world.init()
    gone = f'[network]\ndefault_route = "gone"\n[route.gone]\nproxy = "socks5h://127.0.0.9:{harness.free_port("127.0.0.9")}"\nallow_torrents = true\n'
    first = world.start_impound("fetch", f"{torrent.magnet()}&tr=http://tracker.example/announce", "--config", world.settings(gone))
    harness.wait_until(lambda: "acquisition.attempt" in world.kinds(), 30, "the attempt")
    assert first.stop() in (1, 130), first.output()
    site = world.pastes([{"key": "0CeaNm8Y", "title": "Part one", "text": torrent.magnet()}], host="127.0.0.8")
    done = world.impound("watch", "--once", "--config", world.settings(f'[network]\nallow_net = ["127.0.0.0/8"]\n{site.source()}'))
    assert "not taken" in done.err and 'took the route "gone", which is gone' in done.err, done
    assert world.of_kind("agent.stopped")[-1]["body"]["reason"] == "done" and world.of_kind("job.closed"), world.kinds()
    done = world.impound("fetch", torrent.magnet(), other.magnet(), "--peer", seeded_list.address, code=2)
    assert "which is gone" in done.err and world.of_kind("acquisition.result")[-1]["body"]["state"] == "complete", done


def test_with_a_dead_proxy_nothing_goes_out(world):
    outside = Outside(world, hosts="127.0.0.40 tracker.example\n")
    torrent, seed, tracker = leak_of(world, outside)
    port = harness.free_port("127.0.0.9")
    world.init()
    outside.count(port)
    magnet = f"{torrent.magnet()}&tr=http://tracker.example:{tracker}/announce"
    text = tunnel(port) + '[torrents]\nmetadata_timeout = "8s"\n'
    told = world.impound("fetch", magnet, "--allow-net", "127.0.0.0/8", "--config", world.settings(text), code=1, seconds=60)
    assert f"through the proxy socks5h://127.0.0.9:{port}" in told.out + told.err, told
    proxied, others = outside.counted()
    assert proxied > 0 and others == 0, (proxied, others)


def test_p5_a_hostile_torrent_reaches_nothing_by_a_proxy_or_without(world):
    named = {"loop.example": "127.0.0.1", "ten.example": "10.0.0.1", "link.example": "169.254.169.254", "six.example": "::1"}
    outside = Outside(world, hosts="".join(f"{address} {name}\n" for name, address in named.items()))
    proxy, port = outside.start("socks_proxy", "--listen", "127.0.0.9:0")
    world.init()
    outside.count(port)
    trackers = [f"http://{host}:80/announce" for host in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "localhost", *named)]
    magnet = "magnet:?xt=urn:btih:c9e15763f722f23e98a29decdfae341b98d53056&x.pe=127.0.0.1:80&x.pe=10.0.0.1:80&x.pe=[::1]:80" + "".join(f"&tr={url}" for url in trackers)
    for text in ("", tunnel(port)):
        world.impound("fetch", magnet, "--config", world.settings(text + '[torrents]\nmetadata_timeout = "6s"\n'), code=1, seconds=60)
        assert outside.counted()[1] == 0, (text, outside.counted())
        told = world.of_kind("acquisition.result")[-1]["body"]["tried"]["trackers"]
        for name in named:  # nothing was counted because it was refused, not because nobody tried
            assert any(name in one["url"] and one["failures"] > 0 for one in told), (text, told)
    asked = {json.loads(line)["connect"].rsplit(":", 1)[0] for line in proxy.output().splitlines()[1:]}
    assert asked == set(named), "the proxy looks names up itself, but no address and no local name is asked of it"


harness.main(globals())
