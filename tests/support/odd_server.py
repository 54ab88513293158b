#!/usr/bin/python3
"""odd_server.py --listen HOST:PORT [--tls CHAIN.pem KEY.pem] FOLDER: a server that says each thing as FOLDER has it, and keeps what went by.

The path and query of a request, with "/" as "!", name a file of FOLDER/answers: its bytes are sent as they are, head and all, and
the connection is closed. A file NAME.reset beside it: it is reset instead, once all was sent. Each exchange becomes a line of
FOLDER/exchanges.jsonl: {"path","request","sent"}, bytes as base64. Prints "ready" once it listens.
"""
import argparse
import base64
import fcntl
import json
import pathlib
import socket
import ssl
import struct
import termios
import threading
import time

NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def read_head(connection):
    head = b""
    while b"\r\n\r\n" not in head and len(head) < 65536:
        more = connection.recv(4096)
        if not more:
            return None
        head += more
    return head


def serve(connection, chosen, context, lock):
    try:
        if context:
            connection = context.wrap_socket(connection, server_side=True)
        request = read_head(connection)
        if request is None:
            return
        path = request.split(b" ")[1].decode()
        answer = chosen.folder / "answers" / path.replace("/", "!")
        sent = answer.read_bytes() if answer.exists() else NOT_FOUND
        line = {"path": path, "request": base64.b64encode(request).decode(), "sent": base64.b64encode(sent).decode()}
        with lock, open(chosen.folder / "exchanges.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        connection.sendall(sent)
        if pathlib.Path(f"{answer}.reset").exists():
            while struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0" * 4))[0] > 0:
                time.sleep(0.005)  # until the peer's kernel has all of it
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif context:
            connection.unwrap()
    except OSError:
        pass
    finally:
        connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("folder", type=pathlib.Path)
    chosen = parser.parse_args()
    context = None
    if chosen.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*chosen.tls)
    host, port = chosen.listen.rsplit(":", 1)
    lock = threading.Lock()
    with socket.create_server((host, int(port)), backlog=64) as listener:
        print("ready", flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection, chosen, context, lock), daemon=True).start()


if __name__ == "__main__":
    main()
