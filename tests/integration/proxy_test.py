"""nginx in between, as an HTTP/2 proxy: what clusters put before a service."""

import os
import shutil
import signal
import socket

import harness
import wire
from harness import cli, start_cli, wait_until
from wire import grpc

NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")

CONFIG = """
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  upstream weightinit {{
    {backends}
  }}
  server {{
    listen {address} http2;
    location / {{
      grpc_pass grpc://weightinit;
    }}
  }}
}}
"""

RECIPE = """
seed: 3
rules: [{name_regex: '.*', init: uniform}]
tensors:
""" + "".join(f"  - {{name: layer{i}.weight, shape: [1000, {1000 + i}]}}\n" for i in range(20))


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


class Nginx(harness.Process):
    """Passes calls on to these servers, once it listens."""

    def __init__(self, directory, backends):
        self.address = free_address()
        config = os.path.join(directory, "nginx.conf")
        with open(config, "w", encoding="utf-8") as file:
            servers = " ".join(f"server {backend};" for backend in backends)
            file.write(CONFIG.format(directory=directory, address=self.address, backends=servers))
        super().__init__([NGINX, "-e", "stderr", "-p", directory, "-c", config])
        try:
            wait_until(lambda: harness.is_port_open(self.address) or not self.is_running(), "nginx listens")
            if not self.is_running():
                raise AssertionError(f"nginx: {self.text}")
        except BaseException:
            self.kill()
            raise


class ProxyTest(harness.ModelTestCase):
    RECIPE = RECIPE

    @classmethod
    def setUpClass(cls):
        if NGINX is None:
            harness.missing_peer("nginx (nginx-light)")
        super().setUpClass()

    def proxy(self, *servers):
        os.makedirs(self.path("nginx"), exist_ok=True)
        nginx = Nginx(self.path("nginx"), [server.address for server in servers])
        self.addCleanup(nginx.kill)
        return nginx

    def test_a_model_comes_through(self):
        nginx = self.proxy(self.server())
        for flags in ((), ("--connections", "1"), ("--connections", "4")):
            with self.subTest(flags=flags):
                self.fetch(nginx.address, *flags)
                self.assertRight()

    def test_every_other_call_comes_through(self):
        server = self.server()
        nginx = self.proxy(server)
        self.assertIn("serving", cli("status", "--server", nginx.address).text)
        for command in (("plan", "article_net"), ("digest", "article_net"), ("methods",)):
            with self.subTest(command=command):
                self.assertEqual(cli(*command, "--server", nginx.address).text, cli(*command).text)

    def test_errors_come_through_with_their_details(self):
        nginx = self.proxy(self.server())
        with wire.channel(nginx.address) as channel:
            bad = wire.service_pb2.InitializeTensorRequest(tensor=wire.spec("w", [2, 2], wire.normal(std=-1)))
            details = wire.failure(lambda: wire.stub(channel).InitializeTensor(bad, timeout=20))
        self.assertEqual(details.code, grpc.StatusCode.INVALID_ARGUMENT, details)
        self.assertEqual(details.fields, ["tensor.init.normal.std"], details)

    def test_of_two_backends_one_dies(self):
        servers = [self.server(), self.server()]
        gates = [self.gate(server) for server in servers]
        nginx = self.proxy(*gates)
        client = self.begin_at_gate(nginx.address, "--connections", "4")
        busy = max((0, 1), key=lambda i: gates[i].passed)
        servers[busy].signal(signal.SIGKILL)
        for gate in gates:
            gate.open()
        self.assertFinishes(client)

    def test_the_only_backend_is_killed_and_started_again(self):
        server = self.server()
        gate = self.gate(server)
        nginx = self.proxy(gate)
        client = self.begin_at_gate(nginx.address)
        server.kill()
        gate.open()
        client.wait_for_line("trying again")
        self.server(listen=(server.address,))
        self.assertFinishes(client)

    def test_the_proxy_itself_is_replaced(self):
        gate = self.gate(self.server())
        nginx = self.proxy(gate)
        client = self.begin_at_gate(nginx.address)
        address = nginx.address
        nginx.kill()
        gate.open()
        with open(self.path("nginx/nginx.conf"), encoding="utf-8") as file:
            self.assertIn(address, file.read())
        again = harness.Process([NGINX, "-e", "stderr", "-p", self.path("nginx"), "-c", self.path("nginx/nginx.conf")])
        self.addCleanup(again.kill)
        self.assertFinishes(client)

    def test_no_backend_at_all_is_exit_3(self):
        server = self.server()
        nginx = self.proxy(server)
        server.stop()
        result = self.fetch(nginx.address, expect=3)
        self.assertIn(nginx.address, result.err)
        self.assertEqual(len(result.err.strip().splitlines()), 1, result)
        self.assertEqual(os.listdir(self.output), [])

    def test_the_server_stops_drawing_when_the_reader_behind_the_proxy_is_gone(self):
        server = self.server()
        nginx = self.proxy(server)
        endless = ("tensor", "--shape", "1048576,65536", "--init", "normal", "--name", "endless", "-o", "-")
        for number in (signal.SIGKILL, signal.SIGINT):
            with self.subTest(signal=number):
                with start_cli(*endless, "--server", nginx.address) as client:
                    start = server.cpu_seconds()
                    wait_until(lambda at=start: server.cpu_seconds() > at + 0.2, "the server computes")
                    client.signal(number)
                    client.wait()
                if not harness.SANITIZED:
                    server.wait_until_idle()

    def test_a_deadline_holds_behind_the_proxy(self):
        server = self.server()
        nginx = self.proxy(server)
        endless = ("tensor", "--shape", "1048576,65536", "--init", "normal", "--name", "endless", "-o", "-")
        result = cli(*endless, "--timeout", "0.5", "--server", nginx.address, expect=3)
        self.assertIn("Deadline Exceeded", result.err)
        if not harness.SANITIZED:
            server.wait_until_idle()


if __name__ == "__main__":
    harness.main()
