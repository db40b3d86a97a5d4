"""How the programs begin and end: signals, lost peers, full hands. What is promised to those who operate them."""

import json
import os
import signal
import subprocess
import time

import harness
import wire
from harness import MIB, cli, read, start_cli, wait_until
from wire import grpc

# Far more than anybody waits for: a stream of this tensor runs until something ends it.
ENDLESS = ("--shape", "1048576,65536", "--init", "normal", "--name", "endless")
ENDLESS_SHAPE = [1 << 20, 1 << 16]


def endless_request(name="endless", init=None):
    return wire.service_pb2.InitializeTensorRequest(tensor=wire.spec(name, ENDLESS_SHAPE, init))


class StartTest(harness.TestCase):
    def test_a_taken_port_is_one_clear_line_and_exit_1(self):
        first = self.server()
        result = harness.run([harness.SERVER, "--listen", first.address])
        self.assertEqual(result.code, 1, result)
        self.assertEqual(
            result.err.strip(), f"weightinit-server: cannot listen on {first.address}: Address already in use"
        )
        self.assertEqual(result.out, b"")

    def test_a_bad_flag_is_exit_2_and_names_the_flag(self):
        for arguments, named in (
            (["--no-such-flag"], "--no-such-flag"),
            (["--threads", "-1"], "--threads"),
            (["--chunk-bytes", "65537"], "--chunk-bytes"),
            (["--max-response-bytes", "many"], "--max-response-bytes"),
            (["--drain-delay", "soon"], "--drain-delay"),
            (["--listen", "nowhere"], "--listen"),
            (["--log-level", "loud"], "--log-level"),
        ):
            with self.subTest(arguments=arguments):
                result = harness.run([harness.SERVER, *arguments])
                self.assertEqual(result.code, 2, result)
                self.assertIn(named, result.err)
                self.assertNotIn("terminate called", result.err)

    def test_port_0_takes_a_free_port_and_prints_it(self):
        server = self.server(listen=("127.0.0.1:0", "127.0.0.1:0"))
        first, second = server.addresses
        self.assertNotEqual(first, second)
        for address in server.addresses:
            self.assertRegex(address, r"^127\.0\.0\.1:[1-9]\d*$")
            cli("status", "--server", address)

    def test_a_flag_goes_before_the_environment_and_that_before_the_file(self):
        config = self.write("server.toml", 'max-streams = 5\nthreads = 1\nlog-level = "warn"\n')
        printed = harness.run(
            [harness.SERVER, "--config", config, "--threads", "3", "--print-config"],
            env={"WEIGHTINIT_THREADS": "2", "WEIGHTINIT_MAX_STREAMS": "7"},
        )
        self.assertEqual(printed.code, 0, printed)
        self.assertIn("threads=3\n", printed.text)
        self.assertIn("max-streams=7\n", printed.text)
        self.assertIn('log-level="warn"\n', printed.text)

    def test_json_logs_are_one_object_per_line(self):
        flags = ["--listen", "127.0.0.1:0", "--log-format", "json", "--drain-delay", "0s"]
        with harness.Process([harness.SERVER, *flags]) as server:
            server.wait_for_line("serving")
            server.signal(signal.SIGTERM)
            self.assertEqual(server.wait(), 0)
            self.assertGreater(len(server.lines), 1)
            for line in server.lines:
                self.assertIsInstance(json.loads(line), dict)

    def test_the_programs_say_their_version_and_help(self):
        for program in (harness.SERVER, harness.CLI):
            version = harness.run([program, "--version"])
            self.assertEqual(version.code, 0)
            self.assertRegex(version.text, r"^weightinit(-server)? \d+\.\d+\.\d+\n$")
            self.assertEqual(harness.run([program, "--help"]).code, 0)


class UnixSocketTest(harness.TestCase):
    def listen(self):
        return (f"unix:{self.path('weightinit.sock')}",)

    def test_the_socket_file_is_removed_at_the_end(self):
        server = self.server(listen=self.listen())
        cli("status", "--server", server.address)
        self.assertEqual(os.listdir(self.directory), ["weightinit.sock"])
        self.assertEqual(server.stop(), 0)
        self.assertEqual(os.listdir(self.directory), [])

    def test_a_second_server_does_not_take_the_socket_away(self):
        server = self.server(listen=self.listen())
        result = harness.run([harness.SERVER, "--listen", server.address])
        self.assertEqual(result.code, 1, result)
        self.assertEqual(len(result.err.strip().splitlines()), 1, result)
        cli("status", "--server", server.address)

    def test_a_socket_that_a_killed_server_left_is_taken_over(self):
        first = self.server(listen=self.listen())
        first.kill()
        self.assertEqual(os.listdir(self.directory), ["weightinit.sock"])
        second = self.server(listen=self.listen())
        cli("status", "--server", second.address)
        self.assertEqual(second.stop(), 0)
        self.assertEqual(os.listdir(self.directory), [])


class StopTest(harness.TestCase):
    SIZE = 64 * MIB

    def request(self):
        return wire.service_pb2.InitializeTensorRequest(tensor=wire.spec("w", [self.SIZE // 4]))

    def begin(self, channel):
        """A stream that has begun and cannot end by itself: its reader has taken one chunk."""
        stream = wire.stub(channel).InitializeTensor(self.request(), timeout=120)
        return stream, [next(stream)]

    def wait_for_refusal(self, server):
        """Of a new call. The line that says so comes just before it holds."""
        while True:
            with wire.channel(server.address) as late:
                call = wire.stub(late).InitializeTensor(self.request(), timeout=60)
                try:
                    next(call)
                    call.cancel()
                except grpc.RpcError as error:
                    return wire.Details(error)

    def test_sigterm_lets_a_running_stream_finish_while_health_says_not_serving(self):
        # Long enough for the calls below.
        server = self.server("--drain-delay", "20s" if harness.SANITIZED else "2s")
        with wire.channel(server.address) as channel, wire.channel(server.address) as probe:
            watch = wire.watch_health(probe)
            self.assertEqual(next(watch).status, wire.SERVING)
            self.assertEqual(wire.check_health(probe, ""), wire.SERVING)
            stream, chunks = self.begin(channel)

            server.signal(signal.SIGTERM)
            self.assertEqual(next(watch).status, wire.NOT_SERVING)
            self.assertEqual(wire.check_health(probe), wire.NOT_SERVING)
            self.assertEqual(wire.check_health(probe, ""), wire.NOT_SERVING)
            # Until endpoints have heard of it, calls still come, and are still answered.
            wire.stub(probe).GetCapabilities(wire.capabilities_pb2.GetCapabilitiesRequest(), timeout=20)
            status = cli("status", "--server", server.address, expect=3)
            self.assertEqual(status.out, b"")
            self.assertIn(f"{server.address}: stopping", status.err)

            server.wait_for_line("stopping: no ")
            self.assertTrue(server.is_running())
            chunks += stream
            answer = wire.receive_one(chunks)
            self.assertEqual(len(answer.data), self.SIZE)
            self.assertIsNone(grpc_code(stream))
        self.assertEqual(server.wait(), 0)
        self.assertIn("stopped", server.lines[-1])

    def test_calls_after_the_drain_delay_are_refused_while_a_running_stream_finishes(self):
        server = self.server("--drain-delay", "0s")
        with wire.channel(server.address) as channel:
            stream, chunks = self.begin(channel)
            server.signal(signal.SIGTERM)
            server.wait_for_line("stopping: no ")
            refused = self.wait_for_refusal(server)
            self.assertEqual(refused.code, grpc.StatusCode.UNAVAILABLE, refused)
            self.assertEqual(refused.reason, "DRAINING", refused)
            self.assertGreater(refused.retry, 0)
            self.assertEqual(cli("status", "--server", server.address, expect=3).out, b"")
            chunks += stream
            self.assertEqual(len(wire.receive_one(chunks).data), self.SIZE)
        self.assertEqual(server.wait(), 0)

    def test_sigint_stops_like_sigterm(self):
        server = self.server()
        with wire.channel(server.address) as channel:
            stream, chunks = self.begin(channel)
            server.signal(signal.SIGINT)
            server.wait_for_line("stopping: no ")
            chunks += stream
            self.assertEqual(len(wire.receive_one(chunks).data), self.SIZE)
        self.assertEqual(server.wait(), 0)

    def test_an_idle_server_stops_at_once(self):
        server = self.server("--shutdown-grace", "1h")
        self.assertEqual(server.stop(), 0)

    def test_a_health_watch_alone_does_not_keep_the_server(self):
        server = self.server("--shutdown-grace", "1h")
        with wire.channel(server.address) as channel:
            watch = wire.watch_health(channel)
            next(watch)
            self.assertEqual(server.stop(), 0)

    def test_a_stream_that_outlasts_the_grace_is_cut_off_and_its_reader_told(self):
        server = self.server("--shutdown-grace", "300ms")
        with wire.channel(server.address) as channel:
            stream = wire.stub(channel).InitializeTensor(endless_request(), timeout=60)
            next(stream)
            self.assertEqual(server.stop(), 0)
            error = wire.failure(lambda: stream)
            self.assertIn(error.code, (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE), error)

    def test_a_second_signal_stops_at_once_with_exit_1(self):
        server = self.server("--shutdown-grace", "1h", listen=(f"unix:{self.path('s.sock')}",))
        with wire.channel(server.address) as channel:
            stream = wire.stub(channel).InitializeTensor(endless_request(), timeout=60)
            next(stream)
            server.signal(signal.SIGTERM)
            server.wait_for_line("stopping: no ")
            server.signal(signal.SIGTERM)
            self.assertEqual(server.wait(), 1)
        self.assertEqual(os.listdir(self.directory), [])


def grpc_code(call):
    """None for a stream that ended well."""
    return None if call.code() in (None, grpc.StatusCode.OK) else call.code()


class LostReaderTest(harness.TestCase):
    """A server computes for those who read, and for nobody else."""

    def assertServesTheNext(self, server):
        result = cli("tensor", "--shape", "1000", "--init", "normal", "-o", "-", "--server", server.address)
        self.assertEqual(len(result.out), 4000)

    def wait_until_busy(self, server):
        start = server.cpu_seconds()
        wait_until(lambda: server.cpu_seconds() > start + 0.2, "the server computes")

    def test_the_server_stops_drawing_for_a_client_that_was_killed(self):
        server = self.server()
        with start_cli("tensor", *ENDLESS, "-o", "-", "--server", server.address) as client:
            self.wait_until_busy(server)
            client.signal(signal.SIGKILL)
            client.wait()
        if not harness.SANITIZED:
            server.wait_until_idle()
        self.assertServesTheNext(server)

    def test_the_server_stops_drawing_for_a_call_that_was_cancelled(self):
        server = self.server()
        with wire.channel(server.address) as channel:
            stream = wire.stub(channel).InitializeTensor(endless_request(), timeout=60)
            for _ in range(20):
                next(stream)
            stream.cancel()
            if not harness.SANITIZED:
                server.wait_until_idle()
        self.assertServesTheNext(server)

    def test_the_server_stops_drawing_at_the_deadline_of_a_call(self):
        server = self.server()
        cli("tensor", *ENDLESS, "-o", "-", "--timeout", "0.5", "--server", server.address, expect=3)
        if not harness.SANITIZED:
            server.wait_until_idle()
        self.assertServesTheNext(server)

    def test_a_summary_that_nobody_waits_for_is_given_up(self):
        server = self.server()
        cli("tensor", *ENDLESS, "--timeout", "0.5", "--server", server.address, expect=3)
        if not harness.SANITIZED:
            server.wait_until_idle()
        self.assertServesTheNext(server)

    def test_readers_that_stop_reading_cost_no_processor_and_little_memory(self):
        server = self.server()
        streams_count, chunks_each = 64, 4  # up to 3 chunks of 1 MiB, and what gRPC holds for a connection
        self.assertServesTheNext(server)
        before = server.rss_bytes()
        with wire.channel(server.address) as channel:
            streams = [
                wire.stub(channel).InitializeTensor(endless_request(f"stalled.{i}"), timeout=120)
                for i in range(streams_count)
            ]
            try:
                for stream in streams:
                    next(stream)
                if not harness.SANITIZED:
                    server.wait_until_idle()
                    grown = server.rss_bytes() - before
                    self.assertLess(grown, streams_count * chunks_each * MIB)
                    settled = server.rss_bytes()
                    used = server.cpu_seconds()
                    time.sleep(1)
                    self.assertLess(server.cpu_seconds() - used, 0.2)
                    self.assertLess(server.rss_bytes() - settled, 4 * MIB)
                # Stalled is not stuck: who reads on is served on, and others beside it.
                self.assertEqual(next(streams[7]).selection, 0)
                self.assertServesTheNext(server)
            finally:
                for stream in streams:
                    stream.cancel()
        self.assertEqual(server.stop(), 0)


class BrokenRunTest(harness.TestCase):
    """A run of the client that breaks says so, exits with 3, and leaves nothing behind."""

    def setUp(self):
        super().setUp()
        self.target = self.path("w.bin")

    def begin(self, *flags, target=None):
        client = start_cli("tensor", *ENDLESS, *flags, "-o", target or self.target, file_limit=8192 * MIB)
        self.addCleanup(client.kill)
        wait_until(lambda: self.bytes_written() > 8 * MIB or not client.is_running(), "the file grows")
        self.assertTrue(client.is_running(), client.text)
        return client

    def bytes_written(self):
        sizes = [0]
        for entry in os.scandir(self.directory):
            if entry.name.startswith(".w.bin"):
                sizes.append(entry.stat().st_size)
        return max(sizes)

    def assertNothingIsLeft(self):
        self.assertEqual(os.listdir(self.directory), [])

    def test_while_it_runs_the_target_does_not_exist(self):
        client = self.begin()
        self.assertNotIn("w.bin", os.listdir(self.directory))
        client.signal(signal.SIGINT)
        client.wait()

    def test_a_server_that_is_killed_is_exit_3_and_no_file(self):
        server = self.server()
        client = self.begin("--server", server.address, "--retry-for", "0")
        server.signal(signal.SIGKILL)
        self.assertEqual(client.wait(), 3, client.text)
        self.assertRegex(client.text, r"^weightinit: the connection broke after [1-9]\d* bytes")
        self.assertIn(server.address, client.text)
        self.assertEqual(len(client.lines), 1, client.text)
        self.assertNothingIsLeft()

    def test_a_server_that_stops_within_its_grace_is_exit_3_and_no_file(self):
        server = self.server("--shutdown-grace", "300ms")
        client = self.begin("--server", server.address, "--retry-for", "0")
        server.signal(signal.SIGTERM)
        self.assertEqual(client.wait(), 3, client.text)
        self.assertEqual(len(client.lines), 1, client.text)
        self.assertEqual(server.wait(), 0)
        self.assertNothingIsLeft()

    def test_an_interrupt_is_exit_3_and_no_file(self):
        server = self.server()
        for flags in ((), ("--server", server.address)):
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                with self.subTest(flags=flags, signal=number):
                    client = self.begin(*flags)
                    client.signal(number)
                    self.assertEqual(client.wait(), 3, client.text)
                    self.assertEqual(client.text, "weightinit: interrupted")
                    self.assertNothingIsLeft()

    def test_an_interrupt_ends_what_writes_no_file_too(self):
        server = self.server()
        for flags in ((), ("--server", server.address)):
            for command in (("digest", *ENDLESS), ("tensor", *ENDLESS), ("tensor", *ENDLESS, "-o", "-")):
                with self.subTest(flags=flags, command=command):
                    with start_cli(*command, *flags) as client:
                        wait_until(lambda client=client: client.takes(signal.SIGINT), "it has begun")
                        time.sleep(0.3)  # as a rule it draws by then; it is well if not
                        client.signal(signal.SIGINT)
                        self.assertEqual(client.wait(), 3, client.text)

    def test_a_deadline_is_exit_3_with_a_clear_message_and_no_file(self):
        server = self.server()
        result = cli(
            "tensor", *ENDLESS, "--timeout", "0.7", "--server", server.address, "-o", self.target, expect=3
        )
        self.assertIn("Deadline Exceeded", result.err)
        self.assertIn(server.address, result.err)
        self.assertEqual(len(result.err.strip().splitlines()), 1, result)
        self.assertNothingIsLeft()

    def test_a_file_that_was_there_survives_every_broken_run_unchanged(self):
        server = self.server()
        precious = b"precious\n"

        def check(what):
            self.assertEqual(read(self.target), precious, what)
            self.assertEqual(os.listdir(self.directory), ["w.bin"], what)

        with open(self.target, "wb") as file:
            file.write(precious)
        for number in (signal.SIGINT, signal.SIGTERM):
            client = self.begin("--server", server.address)
            client.signal(number)
            self.assertEqual(client.wait(), 3)
            check(number)
        cli("tensor", *ENDLESS, "--timeout", "0.3", "--server", server.address, "-o", self.target, expect=3)
        check("deadline")
        cli("tensor", "--shape", "3", "--init", "normal(std=-1)", "-o", self.target, expect=1)
        check("refused")
        client = self.begin("--server", server.address, "--retry-for", "0")
        server.kill()
        self.assertEqual(client.wait(), 3)
        check("server killed")
        cli("tensor", *ENDLESS, "--server", server.address, "-o", self.target, expect=3)
        check("no server")

    def test_a_full_disk_is_exit_1_and_no_file(self):
        client = start_cli("tensor", *ENDLESS, "-o", self.target, file_limit=16 * MIB)
        self.addCleanup(client.kill)
        self.assertEqual(client.wait(), 1, client.text)
        self.assertIn(self.target, client.text)
        self.assertNothingIsLeft()

    def test_a_server_that_is_not_there_is_exit_3_and_named(self):
        server = self.server()
        server.stop()
        for command in (
            ("status",),
            ("plan", "article_net"),
            ("digest", "article_net"),
            ("model", "article_net", "-o", self.target),
            ("methods",),
        ):
            with self.subTest(command=command):
                result = cli(*command, "--server", server.address, expect=3)
                self.assertIn(server.address, result.err)
                self.assertEqual(len(result.err.strip().splitlines()), 1, result)
        self.assertNothingIsLeft()

    def test_status_waits_for_a_server_that_comes_up(self):
        address = f"unix:{self.path('late.sock')}"
        # Not because gRPC looks every 5 seconds what has become of its connections.
        unattended = {"GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS": "0"}
        with start_cli("status", "--server", address, "--wait", "30", stdout=subprocess.PIPE, env=unattended) as waiting:
            time.sleep(0.5)
            self.server(listen=(address,))
            self.assertEqual(waiting.wait(), 0, waiting.text)


if __name__ == "__main__":
    harness.main()
