"""Time-stamping authorities for a test: certificates made now, each served by tsa_server.py on a loopback address.

    authorities = Authorities(world)            # its settings are in $IMPOUND_CONFIG from now on
    authorities.behave("second", "2 reject")    # its next two answers
    authorities.asked("first")                  # lines of "POST /tsr application/timestamp-query good"
"""
import json
import subprocess

import harness


class Authorities:
    """Two authorities on 127.0.0.1, each with a root of its own, and the settings that name them."""

    def __init__(self, world, crl=False, required=2):
        harness.need("openssl")
        self.world, self.servers, self.ports = world, {}, {}
        for name in ("first", "second"):
            port = self.ports[name] = harness.free_port()
            words = ["make", world.folder / name, f"{name}:sha256"]
            if crl:
                words += ["--crl-url", f"http://127.0.0.1:{port}/ca.crl"]
            subprocess.run([harness.PYTHON, harness.SUPPORT / "tsa_server.py", *map(str, words)], check=True)
            self.start(name)
        tables = "".join(f'[[timestamps.authority]]\nname = "{name}"\nurl = "http://127.0.0.1:{port}/tsr"\n'
                         f'ca_file = "{world.folder / name / "root.pem"}"\n' for name, port in self.ports.items())
        self.config = world.settings(f"[timestamps]\nrequired = {required}\n{tables}")
        world.env["IMPOUND_CONFIG"] = str(self.config)

    def start(self, name):
        server = self.world.start(f"tsa-{name}", [harness.PYTHON, harness.SUPPORT / "tsa_server.py", "serve", self.world.folder / name,
                                                  name, "--listen", f"127.0.0.1:{self.ports[name]}"])
        server.wait_for_line("ready")
        self.servers[name] = server

    def roots(self):
        """Both roots in one PEM file."""
        path = self.world.folder / "tsa-roots.pem"
        path.write_text("".join((self.world.folder / name / "root.pem").read_text() for name in self.ports))
        return path

    def behave(self, name, how):
        """What it does instead of good; tsa_server.py has the words."""
        (self.world.folder / name / f"{name}.behaviour").write_text(how)

    def asked(self, name):
        log = self.world.folder / name / f"{name}.requests.log"
        return [line for line in log.read_text().splitlines() if line.startswith("POST")] if log.exists() else []


def age(world, minutes=120):
    """The authorities were last asked long ago: the memory of it, put back."""
    path = world.state() / "timestamps.json"
    memory = json.loads(path.read_text())
    for one in memory.values():
        one["boot_id"] = "of an earlier start of the machine"  # else its own clock is what counts
        for key in ("last_asked_utc", "not_before_utc"):
            year = int(one[key][:4]) - 1
            one[key] = f"{year}{one[key][4:]}"
    path.write_text(json.dumps(memory))
