"""HTTP/2 frame by frame: what no well-behaved client sends."""

import socket
import struct

import harness


class RawClient:
    HEADERS, RST, SETTINGS, GOAWAY, CONTINUATION = 1, 3, 4, 7, 9

    def __init__(self, address, source="127.0.0.1", context=None, server_name=None):
        """A connection to `address` from the address `source`; with an SSLContext encrypted."""
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=harness.PATIENCE, source_address=(source, 0))
        if context is not None:
            context.set_alpn_protocols(["h2"])
            self.socket = context.wrap_socket(self.socket, server_hostname=server_name)
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + self.frame(self.SETTINGS, 0, 0, b""))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    @staticmethod
    def frame(kind, flags, stream, payload):
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload

    @staticmethod
    def header_block(method):
        fields = {
            ":method": "POST",
            ":scheme": "https",
            ":path": method,
            ":authority": "weights.test",
            "content-type": "application/grpc",
            "te": "trailers",
        }
        literal = lambda text: bytes([len(text)]) + text.encode()  # noqa: E731
        return b"".join(b"\0" + literal(name) + literal(value) for name, value in fields.items())

    @classmethod
    def resets(cls, count, method="/grpc.health.v1.Health/Check"):
        """Calls that are taken back as soon as they are made."""
        headers, cancel = cls.header_block(method), struct.pack(">I", 8)
        for stream in range(1, 2 * count, 2):
            yield cls.frame(cls.HEADERS, 4, stream, headers) + cls.frame(cls.RST, 0, stream, cancel)

    @classmethod
    def endless_headers(cls, count, method="/grpc.health.v1.Health/Check"):
        """A header that goes on for so many frames, and has no end."""
        yield cls.frame(cls.HEADERS, 0, 1, cls.header_block(method))
        part = cls.frame(cls.CONTINUATION, 0, 1, b"\0\x01x\x7e" + bytes(126))
        for _ in range(count):
            yield part

    def call(self, stream, method, message):
        body = b"\0" + struct.pack(">I", len(message)) + message
        return self.frame(self.HEADERS, 4, stream, self.header_block(method)) + self.frame(0, 1, stream, body)

    def frames(self):
        """Until the other side closes."""
        data = b""
        while True:
            while len(data) >= 9:
                length = int.from_bytes(data[:3], "big")
                if len(data) < 9 + length:
                    break
                yield data[3], int.from_bytes(data[5:9], "big"), data[9 : 9 + length]
                data = data[9 + length :]
            try:
                more = self.socket.recv(65536)
            except OSError:  # of TLS, too; or we have closed it
                return
            if not more:
                return
            data += more

    def send_until_refused(self, parts):
        """Whether the other side closed the connection before it had all parts."""
        try:
            for part in parts:
                self.socket.sendall(part)
        except OSError:
            return True
        return any(kind == self.GOAWAY for kind, _, _ in self.frames())
