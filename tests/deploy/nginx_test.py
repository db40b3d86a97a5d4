"""deploy/nginx/nginx.conf as it is shipped, byte by byte, before two servers, in a network namespace of its own."""

import ctypes
import os
import shutil
import signal
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import harness  # noqa: E402
import wire  # noqa: E402
from raw_http2 import RawClient  # noqa: E402
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


def raw_client():
    """Who does not behave, from an address of one's own."""
    context = ssl.create_default_context(cafile="/etc/nginx/tls/tls.crt")
    return RawClient(FRONT, source="127.0.0.9", context=context, server_name="weights.test")


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

    def client(self, *arguments, server=FRONT, **options):
        flags = ("--server", server, "--tls-ca", "/etc/nginx/tls/tls.crt", "--tls-server-name", "weights.test")
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

    def test_who_checks_the_health_of_connections_is_served(self):
        self.front()
        self.assertIn("serving", self.client("status", server="dns:///localhost:443").text)
        self.assertEqual(self.failure("/grpc.health.v1.Health/Watch"), grpc.StatusCode.UNIMPLEMENTED)

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
        with raw_client() as greedy:
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
        with raw_client() as stuck:
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
        for parts in (RawClient.resets(20000), RawClient.endless_headers(20000)):
            with raw_client() as attacker:
                self.assertTrue(attacker.send_until_refused(parts))
        self.assert_others_are_served()
        for server in self.servers:
            self.assertLess(server.rss_bytes(), 256 * MIB)


if __name__ == "__main__":
    if NGINX is None:
        harness.missing_peer("nginx (nginx-light)")
    enter_namespaces()
    harness.main()
