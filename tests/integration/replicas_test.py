"""Several servers behind one --server: each does its part, one that is about to stop is passed over, and a call waits for those
that are busy or away."""

import re
import signal
import urllib.request

import harness
from gate import Gate
from harness import MIB, cli, start_cli

TENSOR = ("tensor", "--name", "w", "--shape", "7", "--init", "normal")


class Replica(harness.Server):
    def __init__(self, *flags, **options):
        super().__init__("--metrics-listen=127.0.0.1:0", *flags, **options)
        self.admin = re.search(r"metrics on (127\.0\.0\.1:\d+)", self.start_line).group(1)

    def count(self, metric):
        """The sum over all series of a metric."""
        with urllib.request.urlopen(f"http://{self.admin}/metrics", timeout=harness.PATIENCE) as page:
            lines = page.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if re.match(rf"{metric}[ {{]", line))

    @property
    def calls(self):
        return self.count("grpc_server_started_total")


class ReplicasTest(harness.TestCase):
    def replica(self, *flags, **options):
        replica = Replica(*flags, **options)
        self.addCleanup(replica.kill)
        return replica

    def replicas(self, count, *flags):
        servers = [self.replica(*flags) for _ in range(count)]
        return servers, ",".join(server.address for server in servers)

    def drain(self, server):
        server.signal(signal.SIGTERM)
        server.wait_for_line("stopping|draining|signal")

    def test_one_that_is_about_to_stop_gets_no_new_calls(self):
        (stopping, other), target = self.replicas(2, "--drain-delay=300s")
        for _ in range(4):
            cli(*TENSOR, "--server", target)
        self.drain(stopping)
        before, before_other = stopping.calls, other.calls
        for command in (TENSOR, ("plan", *TENSOR[1:]), ("digest", *TENSOR[1:]), ("status",)) * 2:
            self.assertEqual(cli(*command, "--server", target).err.count("trying again"), 0)
        self.assertEqual(stopping.calls, before)
        self.assertGreaterEqual(other.calls, before_other + 8)
        # Asked alone, as a proxy is, it still does its work until it stops.
        cli(*TENSOR, "--server", stopping.address)

    def test_when_all_are_about_to_stop_the_next_one_is_waited_for(self):
        (first, second), target = self.replicas(2, "--drain-delay=300s")
        for server in (first, second):
            self.drain(server)
        clients = [start_cli(*command, *TENSOR[1:], "--server", target) for command in (("tensor", "-o", self.path("w.npy")), ("plan",))]
        for client in clients:
            self.addCleanup(client.kill)
            client.wait_for_line("trying again")
        second.kill()
        self.replica(listen=(second.address,))
        for client in clients:
            self.assertEqual(client.wait(), 0, client.text)

    def test_a_large_tensor_comes_from_all_of_them(self):
        tensor = ("tensor", "--name", "w", "--shape", 48 * MIB, "--init", "uniform", "--seed", "3")
        servers, target = self.replicas(3)
        cli(*tensor, "-o", self.path("here.npy"))
        cli(*tensor, "-o", self.path("there.npy"), "--server", target)
        self.assertSameBytes(harness.read(self.path("here.npy")), harness.read(self.path("there.npy")))
        drawn = [server.count("weightinit_drawn_bytes_total") for server in servers]
        self.assertEqual(sum(drawn), 4 * 48 * MIB)
        self.assertGreaterEqual(min(drawn), 16 * MIB, drawn)

    def test_calls_without_values_wait_for_a_busy_server(self):
        server = self.server("--max-calls-per-second=1")
        for command in (("plan", *TENSOR[1:]), ("status",)):
            with self.subTest(command=command[0]):
                results = []
                while not any("trying again" in result.err for result in results) and len(results) < 50:
                    results.append(cli(*command, "--server", server.address, "--timeout", "50"))
                self.assertIn("trying again", results[-1].err)
                self.assertEqual(len({result.text for result in results}), 1)
        refused = cli("plan", *TENSOR[1:], "--server", server.address, "--retry-for", "0", expect=None)
        while refused.code == 0:
            refused = cli("plan", *TENSOR[1:], "--server", server.address, "--retry-for", "0", expect=None)
        self.assertIn("--max-calls-per-second", refused.err)

    def test_a_plan_is_asked_for_again_when_its_server_is_back(self):
        server = self.server("--log-calls")
        gate = Gate(server.address, 1)  # a connection stands, and no answer comes
        self.addCleanup(gate.close)
        client = start_cli("plan", *TENSOR[1:], "--server", gate.address)
        self.addCleanup(client.kill)
        server.wait_for_line("call ended.*Plan")
        server.kill()
        gate.cut()
        client.wait_for_line("trying again")
        self.server(listen=(server.address,))
        self.assertEqual(client.wait(), 0, client.text)

    def test_who_was_never_there_is_not_waited_for(self):
        gone = self.server()
        gone.stop()
        for command in (("plan", *TENSOR[1:]), ("status",)):
            self.assertNotIn("trying again", cli(*command, "--server", gone.address, expect=3).err)

    def test_addresses_with_tls_want_the_name_in_their_certificates(self):
        flags = ("--server", "10.0.0.1:50051,10.0.0.2:50051", "--tls")
        self.assertIn("--tls-server-name is missing", cli(*TENSOR, *flags, expect=2).err)

    def test_names_are_not_listed(self):
        self.assertIn("a name that has several is dns:///NAME:PORT", cli(*TENSOR, "--server", "a:1,b:2", expect=2).err)

    def test_addresses_of_ipv6(self):
        try:
            servers = [self.replica(listen=("[::1]:0",)) for _ in range(2)]
        except AssertionError:
            harness.missing_peer("IPv6 on the loopback")
        for server in servers:
            cli(*TENSOR, "--server", server.address)
        cli(*TENSOR, "--server", ",".join(server.address for server in servers))


if __name__ == "__main__":
    harness.main()
