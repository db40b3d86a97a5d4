"""Servers and connections that break while a model comes: the program goes on where it was, and the file is the same."""

import filecmp
import os
import signal
import subprocess
import time
import unittest

import harness
from harness import MIB, cli, start_cli, wait_until

# More than a block, so that it is continued, and than a gate lets through together with what sockets and windows hold; tensors
# of all sizes, 79 MB.
RECIPE = """
seed: 7
rules:
  - {name_regex: 'embedding\\.weight', init: uniform}
  - {name_regex: '.*\\.weight', init: "truncated_normal(std=0.02)"}
  - {name_regex: '.*\\.bias', init: zeros}
tensors:
""" + "".join(
    f"  - {{name: layer{i}.weight, shape: [300, 317]}}\n  - {{name: layer{i}.bias, shape: [317]}}\n" for i in range(60)
)
RECIPE += "  - {name: embedding.weight, shape: [14000, 1000]}\n"


class ResumeTest(harness.ModelTestCase):
    RECIPE = RECIPE

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        server = cls.shared_server()
        fetched = cls.shared_path("fetched.safetensors")
        start = time.monotonic()
        cli("model", cls.recipe, "-o", fetched, "--quiet", "--server", server.address)
        cls.seconds = time.monotonic() - start  # that a whole model takes here
        assert filecmp.cmp(fetched, cls.expected, shallow=False)

    def assertBreaksOff(self, client, *words):
        self.assertEqual(client.wait(), 3, client.text)
        for word in words:
            self.assertIn(word, client.lines[-1])
        # What came is kept for the same command, under another name.
        self.assertEqual(sorted(os.listdir(self.output)), ["model.safetensors.journal", "model.safetensors.partial"])

    # One server -----------------------------------------------------------------------------------------------------

    def test_a_server_that_is_killed_and_started_again(self):
        for flags in ((), ("--connections", "1"), ("--connections", "4")):
            with self.subTest(flags=flags):
                server = self.server()
                gate = self.gate(server)
                client = self.begin_at_gate(gate.address, *flags)
                server.signal(signal.SIGKILL)
                server.wait()
                gate.open()
                client.wait_for_line("trying again")
                self.assertIn(gate.address, client.text)
                again = self.server(listen=(server.address,))
                self.assertFinishes(client)
                again.kill()
                os.unlink(self.target)

    def test_a_server_that_is_killed_again_and_again(self):
        server = self.server()
        address = server.address
        gates = [self.gate(server)]
        client = self.begin_at_gate(gates[0].address)
        for size in (2 * self.GATE_BYTES, 3 * self.GATE_BYTES):
            server.kill()
            gates[0].hold(size)
            server = self.server(listen=(address,))
            wait_until(lambda: gates[0].is_full, "more has come")
        server.kill()
        gates[0].open()
        self.server(listen=(address,))
        self.assertFinishes(client)

    def test_who_waits_for_a_lost_connection_looks_after_it(self):
        server = self.server()
        gate = self.gate(server)
        # gRPC's own look every 5 seconds is off.
        unattended = {"GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS": "0"}
        client = self.begin_at_gate(gate.address, "--connections", "1", "--retry-for", "10", env=unattended)
        server.kill()
        gate.open()
        client.wait_for_line("trying again")
        self.server(listen=(server.address,))
        self.assertFinishes(client)

    def test_a_server_on_a_unix_socket(self):
        listen = (f"unix:{self.shared_path('resume.sock')}",)
        server = self.server(listen=listen)
        gate = self.gate(server)
        client = self.begin_at_gate(gate.address)
        server.kill()
        gate.open()
        self.server(listen=listen)
        self.assertFinishes(client)

    def test_a_server_that_drains_and_is_replaced(self):
        server = self.server("--shutdown-grace", "100ms")
        gate = self.gate(server)
        client = self.begin_at_gate(gate.address)
        self.assertEqual(server.stop(), 0)
        gate.open()
        self.server(listen=(server.address,))
        self.assertFinishes(client)

    def test_raw_bytes_to_stdout_stay_in_order(self):
        server = self.server()
        gate = self.gate(server)
        tensor = ("tensor", "--name", "w", "--shape", "10000,1000", "--init", "normal")
        expected = cli(*tensor, "-o", "-").out
        client = start_cli(*tensor, "-o", "-", "--server", gate.address, stdout=subprocess.PIPE)
        self.addCleanup(client.kill)
        found = client.stdout.read(2 * MIB)
        server.kill()
        gate.open()
        self.server(listen=(server.address,))
        found += client.stdout.read()
        self.assertEqual(client.wait(), 0, client.text)
        self.assertSameBytes(found, expected, "stdout")

    # Its end ---------------------------------------------------------------------------------------------------------

    def test_a_server_that_stays_away_ends_the_run_when_patience_does(self):
        server = self.server()
        gate = self.gate(server)
        client = self.begin_at_gate(gate.address, "--retry-for", "1")
        server.kill()
        gate.open()
        self.assertBreaksOff(client, "the connection broke after ", gate.address)

    def test_an_interrupt_ends_waiting(self):
        server = self.server()
        gate = self.gate(server)
        client = self.begin_at_gate(gate.address)
        server.kill()
        gate.open()
        client.wait_for_line("trying again")
        client.signal(signal.SIGINT)
        self.assertBreaksOff(client, "weightinit: interrupted")

    def test_an_interrupt_ends_all_connections(self):
        server = self.server()
        client = self.begin_at_gate(self.gate(server).address, "--connections", "8")
        client.signal(signal.SIGINT)
        self.assertBreaksOff(client, "weightinit: interrupted")
        server.wait_until_idle()

    def test_the_deadline_is_that_of_all_tries_together(self):
        # Enough for a block, however slow the machine.
        timeout = max(2, 3 * self.seconds)
        server = self.server()
        gate = self.gate(server)
        client = self.begin_at_gate(gate.address, "--timeout", f"{timeout:.1f}")
        server.kill()
        self.server(listen=(server.address,)).signal(signal.SIGSTOP)
        gate.open()
        self.assertBreaksOff(client, "Deadline Exceeded", "(--timeout: ", gate.address)

    def test_quiet_says_nothing_about_a_break(self):
        server = self.server()
        gate = self.gate(server)
        client = self.begin_at_gate(gate.address, "--quiet")
        server.kill()
        gate.open()
        self.server(listen=(server.address,))
        self.assertFinishes(client)
        self.assertEqual(client.text, "")

    # Replicas --------------------------------------------------------------------------------------------------------

    def test_of_two_replicas_one_dies(self):
        for flags in ((), ("--connections", "4")):
            with self.subTest(flags=flags):
                servers = [self.server(), self.server()]
                gates = [self.gate(server) for server in servers]
                client = self.begin_at_gate("ipv4:" + ",".join(gate.address for gate in gates), *flags)
                busy = max((0, 1), key=lambda i: gates[i].passed)
                servers[busy].signal(signal.SIGKILL)
                for gate in gates:
                    gate.open()
                self.assertFinishes(client)
                os.unlink(self.target)

    def test_both_replicas_carry_a_model(self):
        servers = [self.server("--log-level", "debug"), self.server("--log-level", "debug")]
        address = "ipv4:" + ",".join(server.address for server in servers)
        self.fetch(address, "--connections", 4)
        self.assertRight()
        for server in servers:
            server.stop()
            self.assertRegex(server.text, "call ended.*InitializeModel")

    def test_a_replica_that_was_never_there_does_no_harm(self):
        gone = self.server()
        gone.stop()
        server = self.server()
        self.fetch(f"ipv4:{gone.address},{server.address}")
        self.assertRight()


class MemoryTest(harness.TestCase):
    """A client holds what is on its way, and no more."""

    def peak_bytes(self, server, megabytes):
        target = self.path("w.bin")
        tensor = ("tensor", "--shape", megabytes * MIB // 4, "--init", "constant(value=1)", "-o", target)
        with start_cli(*tensor, "--server", server.address, "--connections", "4") as client:
            peak = 0
            while client.is_running():
                peak = max(peak, client.peak_bytes())
                time.sleep(0.01)
            self.assertEqual(client.wait(), 0, client.text)
        self.assertEqual(os.path.getsize(target), megabytes * MIB)
        os.unlink(target)
        return peak

    @unittest.skipIf(harness.SANITIZED, "a sanitizer keeps what is freed")
    def test_memory_does_not_grow_with_what_is_received(self):
        server = self.server()
        small = self.peak_bytes(server, 4)
        # For each of four connections 16 MiB that may come unread, and two buffers of 4 MiB to read into.
        self.assertLess(self.peak_bytes(server, 512) - small, 4 * (16 + 2 * 4) * MIB)


if __name__ == "__main__":
    harness.main()
