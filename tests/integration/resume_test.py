"""Servers and connections that break while a model comes: the program goes on where it was, and the file is the same."""

import filecmp
import os
import signal
import subprocess
import time

import harness
from harness import MIB, cli, start_cli, wait_until

# Takes long enough to be broken in the middle: 400 MB whose drawing is slow, and tensors of all sizes.
RECIPE = """
seed: 7
rules:
  - {name_regex: '.*\\.weight', init: "truncated_normal(std=0.02)"}
  - {name_regex: '.*\\.bias', init: zeros}
tensors:
  - {name: embedding.weight, shape: [40000, 1000]}
""" + "".join(
    f"  - {{name: layer{i}.weight, shape: [1000, 997]}}\n  - {{name: layer{i}.bias, shape: [997]}}\n" for i in range(60)
)


class ResumeTest(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.recipe = cls.shared_path("model.yaml")
        with open(cls.recipe, "w", encoding="utf-8") as file:
            file.write(RECIPE)
        cls.expected = cls.shared_path("expected.safetensors")
        cli("model", cls.recipe, "-o", cls.expected, "--quiet")

    def setUp(self):
        super().setUp()
        self.target = self.path("model.safetensors")

    def begin(self, address, *flags):
        """A client that is in the middle of the model."""
        client = start_cli("model", self.recipe, "--server", address, "-o", self.target, *flags)
        self.addCleanup(client.kill)
        wait_until(lambda: harness.journaled_blocks(self.target) > 0 or not client.is_running(), "a block is there", every=0.002)
        self.assertTrue(client.is_running(), client.text)
        return client

    def assertFinishes(self, client):
        self.assertEqual(client.wait(), 0, client.text)
        self.assertTrue(filecmp.cmp(self.target, self.expected, shallow=False))
        self.assertEqual(os.listdir(self.directory), ["model.safetensors"])

    def assertBreaksOff(self, client, *words):
        self.assertEqual(client.wait(), 3, client.text)
        for word in words:
            self.assertIn(word, client.lines[-1])
        # What came is kept for the same command, under another name.
        self.assertEqual(sorted(os.listdir(self.directory)), ["model.safetensors.journal", "model.safetensors.partial"])

    # One server -----------------------------------------------------------------------------------------------------

    def test_a_server_that_is_killed_and_started_again(self):
        for flags in ((), ("--connections", "1"), ("--connections", "4")):
            with self.subTest(flags=flags):
                server = self.server()
                client = self.begin(server.address, *flags)
                server.signal(signal.SIGKILL)
                server.wait()
                time.sleep(0.5)
                self.assertTrue(client.is_running(), client.text)
                again = self.server(listen=(server.address,))
                self.assertFinishes(client)
                self.assertIn("trying again", client.text)
                self.assertIn(server.address, client.text)
                again.kill()
                os.unlink(self.target)

    def test_a_server_that_is_killed_again_and_again(self):
        server = self.server("--threads", "1")
        address = server.address
        client = self.begin(address)
        for _ in range(3):
            done = harness.journaled_blocks(self.target)
            server.kill()
            server = self.server("--threads", "1", listen=(address,))
            wait_until(lambda: harness.journaled_blocks(self.target) > done or not client.is_running(), "more blocks are there")
        self.assertFinishes(client)

    def test_a_server_on_a_unix_socket(self):
        listen = (f"unix:{self.shared_path('resume.sock')}",)
        server = self.server(listen=listen)
        client = self.begin(server.address)
        server.kill()
        self.server(listen=listen)
        self.assertFinishes(client)

    def test_a_server_that_drains_and_is_replaced(self):
        server = self.server("--shutdown-grace", "100ms")
        client = self.begin(server.address)
        self.assertEqual(server.stop(), 0)
        self.server(listen=(server.address,))
        self.assertFinishes(client)

    def test_raw_bytes_to_stdout_stay_in_order(self):
        server = self.server()
        tensor = ("tensor", "--name", "w", "--shape", "20000,1000", "--init", "normal")
        expected = cli(*tensor, "-o", "-").out
        client = start_cli(*tensor, "-o", "-", "--server", server.address, stdout=subprocess.PIPE)
        self.addCleanup(client.kill)
        found = client.stdout.read(10 * MIB)  # what is left does not fit the pipe and gRPC's windows
        server.kill()
        self.server(listen=(server.address,))
        found += client.stdout.read()
        self.assertEqual(client.wait(), 0, client.text)
        self.assertSameBytes(found, expected, "stdout")

    # Its end ---------------------------------------------------------------------------------------------------------

    def test_a_server_that_stays_away_ends_the_run_when_patience_does(self):
        server = self.server()
        client = self.begin(server.address, "--retry-for", "1")
        server.kill()
        self.assertBreaksOff(client, "the connection broke after ", server.address)

    def test_an_interrupt_ends_waiting(self):
        server = self.server()
        client = self.begin(server.address)
        server.kill()
        client.wait_for_line("trying again")
        client.signal(signal.SIGINT)
        self.assertBreaksOff(client, "weightinit: interrupted")

    def test_an_interrupt_ends_all_connections(self):
        server = self.server()
        client = self.begin(server.address, "--connections", "8")
        client.signal(signal.SIGINT)
        self.assertBreaksOff(client, "weightinit: interrupted")
        if not harness.SANITIZED:
            self.assertLess(server.wait_until_idle(), 5)

    def test_the_deadline_is_that_of_all_tries_together(self):
        server = self.server()
        client = self.begin(server.address, "--timeout", "3")
        server.kill()
        self.server("--threads", "1", listen=(server.address,)).signal(signal.SIGSTOP)
        self.assertBreaksOff(client, "Deadline Exceeded", "(--timeout: 3 s)", server.address)

    def test_quiet_says_nothing_about_a_break(self):
        server = self.server()
        client = self.begin(server.address, "--quiet")
        server.kill()
        self.server(listen=(server.address,))
        self.assertFinishes(client)
        self.assertEqual(client.text, "")

    # Replicas --------------------------------------------------------------------------------------------------------

    def test_of_two_replicas_one_dies(self):
        for flags in ((), ("--connections", "4")):
            with self.subTest(flags=flags):
                first, second = self.server(), self.server()
                client = self.begin(f"ipv4:{first.address},{second.address}", *flags)
                # Whichever is asked the most: the other one cannot know of it.
                busy = max((first, second), key=lambda server: server.cpu_seconds())
                busy.signal(signal.SIGKILL)
                self.assertFinishes(client)
                os.unlink(self.target)

    def test_both_replicas_carry_a_model(self):
        first, second = self.server(), self.server()
        idle = max(first.cpu_seconds(), second.cpu_seconds())
        cli("model", self.recipe, "--server", f"ipv4:{first.address},{second.address}", "--connections", 4, "-o", self.target)
        self.assertTrue(filecmp.cmp(self.target, self.expected, shallow=False))
        for server in (first, second):
            self.assertGreater(server.cpu_seconds(), idle + 0.05)

    def test_a_replica_that_was_never_there_does_no_harm(self):
        gone = self.server()
        gone.stop()
        server = self.server()
        cli("model", self.recipe, "--server", f"ipv4:{gone.address},{server.address}", "-o", self.target)
        self.assertTrue(filecmp.cmp(self.target, self.expected, shallow=False))


if __name__ == "__main__":
    harness.main()
