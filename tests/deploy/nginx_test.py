"""deploy/nginx/nginx.conf as it is shipped, byte by byte, before two servers, in a network namespace of its own."""

import ctypes
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import harness  # noqa: E402
import wire  # noqa: E402
from harness import MIB, SOURCE_DIR, cli, read, wait_until  # noqa: E402
from wire import grpc  # noqa: E402

NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
CONFIG = os.path.join(SOURCE_DIR, "deploy/nginx/nginx.conf")
FRONT = "127.0.0.1:443"
BACKENDS = ("127.0.0.2:50051", "127.0.0.3:50051")


def enter_namespaces():
    """A network with nothing but a loopback, whose ports are all free, and a /etc of our own."""
    clone_newns, clone_newnet = 0x00020000, 0x40000000
    if ctypes.CDLL(None, use_errno=True).unshare(clone_newns | clone_newnet) != 0:
        print("MISSING PEER: the right to make namespaces", file=sys.stderr)
        sys.exit(77)
    for command in (
        "mount --make-rprivate /",
        "ip link set lo up",
        "mount -t tmpfs tmpfs /etc/nginx",
        "mkdir /etc/nginx/tls",
        f"cp {CONFIG} /etc/nginx/nginx.conf",
    ):
        subprocess.run(command.split(), check=True)
    with open("/etc/nginx/hosts", "w", encoding="ascii") as file:
        file.write("127.0.0.1 localhost\n" + "".join(f"{backend.split(':')[0]} weightinit\n" for backend in BACKENDS))
    subprocess.run("mount --bind /etc/nginx/hosts /etc/hosts".split(), check=True)
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=weights.test"
        " -addext subjectAltName=DNS:weights.test -keyout /etc/nginx/tls/tls.key -out /etc/nginx/tls/tls.crt".split(),
        check=True,
        capture_output=True,
    )


class RawClient:
    """HTTP/2 frame by frame, from an address of one's own: what no well-behaved client sends."""

    HEADERS, RST, SETTINGS, GOAWAY, CONTINUATION = 1, 3, 4, 7, 9

    def __init__(self, source):
        context = ssl.create_default_context(cafile="/etc/nginx/tls/tls.crt")
        context.set_alpn_protocols(["h2"])
        raw = socket.create_connection(("127.0.0.1", 443), timeout=harness.PATIENCE, source_address=(source, 0))
        self.socket = context.wrap_socket(raw, server_hostname="weights.test")
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
            except (ConnectionError, ssl.SSLError):
                return
            if not more:
                return
            data += more

    def send_until_refused(self, parts):
        """Whether the other side closed the connection before it had all parts."""
        try:
            for part in parts:
                self.socket.sendall(part)
        except (ConnectionError, ssl.SSLError):
            return True
        return any(kind == self.GOAWAY for kind, _, _ in self.frames())


class NginxTest(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.servers = [cls.shared_server(listen=(backend,)) for backend in BACKENDS]

    def front(self, *changes):
        """nginx with the shipped configuration, in which `changes` shorten what would take a test minutes."""
        config = "/etc/nginx/nginx.conf"
        if changes:
            text = read(config).decode()
            for old, new in changes:
                self.assertIn(old, text)
                text = text.replace(old, new)
            config = self.write("nginx.conf", text)
        nginx = harness.Process([NGINX, "-e", "stderr", "-c", config, "-g", "daemon off; master_process off;"])
        self.addCleanup(nginx.kill)
        wait_until(lambda: harness.is_port_open(FRONT) or not nginx.is_running(), "nginx listens")
        self.assertTrue(nginx.is_running(), nginx.text)
        return nginx

    def client(self, *arguments, **options):
        flags = ("--server", FRONT, "--tls-ca", "/etc/nginx/tls/tls.crt", "--tls-server-name", "weights.test")
        return cli(*arguments, *flags, **options)

    def channel(self):
        credentials = grpc.ssl_channel_credentials(read("/etc/nginx/tls/tls.crt"))
        options = [("grpc.ssl_target_name_override", "weights.test"), ("grpc.use_local_subchannel_pool", 1)]
        return grpc.secure_channel(FRONT, credentials, options)

    def failure(self, method, message=b""):
        with self.channel() as channel, self.assertRaises(grpc.RpcError) as raised:
            channel.unary_unary(method)(message, timeout=20)
        return raised.exception.code()

    def assert_others_are_served(self):
        self.assertEqual(self.client("digest", "article_net").text, cli("digest", "article_net").text)

    def test_nginx_has_nothing_to_say_about_it(self):
        result = harness.run([NGINX, "-t", "-q", "-c", "/etc/nginx/nginx.conf"])
        self.assertEqual((result.code, result.err), (0, ""))

    def test_a_model_comes_through_over_several_connections(self):
        self.front()
        self.assertIn("serving", self.client("status").text)
        cli("model", "resnet50", "-o", self.path("here.safetensors"), "--quiet")
        self.client("model", "resnet50", "-o", self.path("there.safetensors"), "--quiet", "--connections", "4")
        self.assertSameBytes(read(self.path("here.safetensors")), read(self.path("there.safetensors")))

    def test_of_two_servers_one_is_gone(self):
        self.front()
        self.servers[0].signal(signal.SIGKILL)
        self.servers[0].wait()
        try:
            for _ in range(4):
                self.assertIn("serving", self.client("status").text)
            self.assert_others_are_served()
        finally:
            self.servers[0] = self.shared_server(listen=(BACKENDS[0],))

    def test_nothing_but_the_service_leads_inside(self):
        self.front()
        reflection = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        self.assertEqual(self.failure(reflection), grpc.StatusCode.UNIMPLEMENTED)

    def test_a_request_that_is_too_large(self):
        self.front()
        method = f"/{wire.SERVICE}/GetCapabilities"
        self.assertEqual(self.failure(method, bytes(33 * MIB)), grpc.StatusCode.RESOURCE_EXHAUSTED)

    def test_an_address_that_asks_too_often_is_told_when_to_come_back(self):
        self.front(("rate=100r/s", "rate=30r/m"), ("burst=200 delay=100", "burst=2 nodelay"))
        method = f"/{wire.SERVICE}/GetCapabilities"
        with RawClient("127.0.0.9") as greedy:
            greedy.socket.sendall(b"".join(greedy.call(stream, method, b"") for stream in range(1, 20, 2)))
            answers = {}
            for kind, stream, payload in greedy.frames():
                if kind == greedy.HEADERS and stream not in answers:
                    answers[stream] = len(payload) > 150  # the details of a refusal are long
                if len(answers) == 10:
                    break
        self.assertEqual(sum(answers.values()), 7, answers)
        # Ours waits, and goes on.
        answers = [self.client("tensor", "--shape", "3", "--init", "normal") for _ in range(5)]
        self.assertTrue(any("trying again" in answer.err for answer in answers), "\n".join(answer.err for answer in answers))

    def test_a_reader_that_takes_nothing_is_cut_off(self):
        self.front(("send_timeout 60s", "send_timeout 1s"))
        endless = wire.service_pb2.InitializeTensorRequest(tensor=wire.spec("w", [1 << 20, 1 << 16], wire.normal()))
        with RawClient("127.0.0.9") as stuck:
            message = endless.SerializeToString()
            stuck.socket.sendall(stuck.call(1, f"/{wire.SERVICE}/InitializeTensor", message))
            # 64 KiB come, the window that HTTP/2 starts with, and then the end of the call.
            for kind, stream, _ in stuck.frames():
                if kind == stuck.RST and stream == 1:
                    break
            else:
                self.fail("the connection ended, not the call")
        for server in self.servers:
            server.wait_until_idle()

    def test_floods_end_with_the_connection(self):
        self.front()
        check = RawClient.header_block("/grpc.health.v1.Health/Check")
        cancel = struct.pack(">I", 8)
        resets = (
            RawClient.frame(RawClient.HEADERS, 4, stream, check) + RawClient.frame(RawClient.RST, 0, stream, cancel)
            for stream in range(1, 40000, 2)
        )
        endless = [RawClient.frame(RawClient.HEADERS, 0, 1, check)]
        endless += [RawClient.frame(RawClient.CONTINUATION, 0, 1, b"\0\x01x\x7e" + bytes(126))] * 20000
        for parts in (resets, endless):
            with RawClient("127.0.0.9") as attacker:
                self.assertTrue(attacker.send_until_refused(parts))
        self.assert_others_are_served()
        for server in self.servers:
            self.assertLess(server.rss_bytes(), 256 * MIB)


if __name__ == "__main__":
    if NGINX is None:
        harness.missing_peer("nginx (nginx-light)")
    enter_namespaces()
    harness.main()
