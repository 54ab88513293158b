"""P4: nothing leaks round the route. So far: a start outside the network namespace that the settings require is refused."""
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


harness.main(globals())
