"""Waits until PostgreSQL asks this machine for its password: a port that is open says too little.

A server that starts, restores or does not admit this machine answers as well; so the connection is
begun as a client's is, up to the question for the password, which is not needed here.
Protocol: https://www.postgresql.org/docs/current/protocol-flow.html
"""

import argparse
import socket
import ssl
import struct
import sys
import time

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
PROTOCOL_VERSION = 196608
POLL_SECONDS = 1.0


class NotReady(Exception):
    pass


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--ca-file", help="demand TLS, and a certificate that this authority has signed")
    parser.add_argument("--seconds", type=float, default=120)
    options = parser.parse_args()

    where = f"PostgreSQL at {options.host}:{options.port}"
    deadline = time.monotonic() + options.seconds
    last_reason = None
    while True:
        try:
            ask(options)
        except (OSError, NotReady) as error:
            reason = str(error) or type(error).__name__
        else:
            print(f"{where} is ready", flush=True)
            return 0
        if reason != last_reason:
            print(f"waiting for {where}: {reason}", flush=True)
            last_reason = reason
        if time.monotonic() >= deadline:
            print(f"{where} was not ready within {options.seconds:.0f} s: {reason}", file=sys.stderr)
            return 1
        time.sleep(POLL_SECONDS)


def ask(options):
    with socket.create_connection((options.host, options.port), timeout=5) as plain:
        plain.sendall(SSL_REQUEST)
        answer = read(plain, 1)
        if answer == b"S":
            with begin_tls(plain, options) as encrypted:
                begin_session(encrypted, options)
        elif answer == b"N" and options.ca_file is None:
            begin_session(plain, options)
        elif answer == b"N":
            raise NotReady("it has no TLS")
        else:
            raise NotReady("something else answers there")


def begin_tls(plain, options):
    # As strict as libpq: ssl.create_default_context() of Python 3.13 asks more of an authority.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if options.ca_file is not None:
        context.load_verify_locations(cafile=options.ca_file)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain, server_hostname=options.host)


def begin_session(connection, options):
    names = {"user": options.user, "database": options.database, "application_name": "litellm-start"}
    body = struct.pack("!i", PROTOCOL_VERSION)
    for name, value in names.items():
        body += name.encode() + b"\0" + value.encode() + b"\0"
    body += b"\0"
    connection.sendall(struct.pack("!i", len(body) + 4) + body)
    kind, length = struct.unpack("!ci", read(connection, 5))
    if kind == b"R":
        return
    if kind != b"E" or not 4 < length < 10_000:
        raise NotReady("something else answers there")
    fields = read(connection, length - 4).split(b"\0")
    messages = [field[1:] for field in fields if field[:1] == b"M"]
    raise NotReady(b" ".join(messages).decode(errors="replace"))


def read(connection, count):
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise NotReady("it closed the connection")
        data += piece
    return data


if __name__ == "__main__":
    sys.exit(main())
