"""P4: nothing leaks round the route: by a proxy or not at all, and nowhere but in the namespace that the settings require."""
import json
import pathlib
import socket
import subprocess

import harness

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
    assert len(world.entries()) == size


harness.main(globals())
