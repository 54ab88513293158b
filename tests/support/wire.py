"""What the peers, trackers and proxies here share that is no libtorrent: a line of JSON for the test, an address of the
command line, and the messages of BEP 3 by hand."""
import json
import socket
import struct
import threading

telling = threading.Lock()


def say(**what):
    with telling:  # a line is one, whoever else speaks
        print(json.dumps(what), flush=True)


def host_port(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


def listen(address):
    """A listening socket on a (host, port), whose port it says."""
    server = socket.create_server(address)
    say(port=server.getsockname()[1])
    return server


def exactly(line, size):
    got = b""
    while len(got) < size:
        part = line.recv(size - len(got))
        if not part:
            raise ConnectionError
        got += part
    return got


def message(number, payload=b""):
    return struct.pack(">IB", len(payload) + 1, number) + payload


def listening_at_home():
    """The (host, port)s at 127.0.0.1 where somebody takes calls: there a libtorrent listens that was not told where, with the same
    port for TCP and uTP, while the peers of a test listen at other addresses."""
    with open("/proc/net/tcp", encoding="ascii") as lines:
        next(lines)
        found = [line.split()[1].split(":") for line in lines if line.split()[3] == "0A"]
    return sorted(("127.0.0.1", int(port, 16)) for address, port in found if address == "0100007F")
