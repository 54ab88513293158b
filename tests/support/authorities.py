"""Time-stamping authorities for a test: certificates made now, each served by tsa_server.py on a loopback address.

    authorities = Authorities(world, ["one", "two:sha1"])
    world.settings(authorities.settings(required=2))
    authorities.behave("two", "2 reject")       # its next two answers
    authorities.requests("one")                 # lines of "POST / application/timestamp-query good"
"""
import json
import subprocess

import harness

TOOL = harness.SUPPORT / "tsa_server.py"


class Authorities:
    def __init__(self, world, names, host="127.0.0.1", crl=True):
        harness.need("openssl")
        self.folder = world.folder / f"authorities-{len(world.started)}"
        self.folder.mkdir()
        self.names = [name.partition(":")[0] for name in names]
        self.ports = {name: harness.free_port(host) for name in self.names}
        self.host = host
        points = ["--crl-url", f"http://{host}:{self.ports[self.names[0]]}/ca.crl"] if crl else []
        self.tool("make", *points, self.folder, *names)
        self.root = self.folder / "root.pem"
        self.servers = {}
        for name in self.names:
            self.start(world, name)

    def tool(self, *words):
        subprocess.run([harness.PYTHON, TOOL, *map(str, words)], check=True, capture_output=True)

    def start(self, world, name):
        listen = f"{self.host}:{self.ports[name]}"
        self.servers[name] = world.start(f"tsa-{name}", [harness.PYTHON, TOOL, "serve", self.folder, name, "--listen", listen])
        self.servers[name].wait_for_line("ready")

    def stop(self, name):
        self.servers[name].stop()

    def url(self, name):
        return f"http://{self.host}:{self.ports[name]}/"

    def behave(self, name, text):
        """What it does instead of good; "good" for good. tsa_server.py has the words."""
        draft = self.folder / f"{name}.behaviour.new"
        draft.write_text(text, encoding="utf-8")
        draft.rename(self.folder / f"{name}.behaviour")

    def revoke(self, name):
        self.tool("crl", self.folder, name)

    def requests(self, name):
        log = self.folder / f"{name}.requests.log"
        return log.read_text(encoding="utf-8").splitlines() if log.exists() else []

    def settings(self, required, **more):
        """[timestamps] and its authorities in a settings file."""
        keys = {"required": required, **more}
        text = "[timestamps]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
        for name in self.names:
            text += f'[[timestamps.authority]]\nname = "{name}"\nurl = "{self.url(name)}"\nca_file = "{self.root}"\n'
        return text
