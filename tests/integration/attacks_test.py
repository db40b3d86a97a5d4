"""What a hostile or broken client may try on a bare listener, and what must hold then: others are served, memory is bounded."""

import collections
import os
import resource
import socket
import sys
import threading
import time
import unittest

import harness
import wire
from harness import MIB, wait_until
from raw_http2 import RawClient
from wire import grpc


def endless(name):
    return wire.service_pb2.InitializeTensorRequest(tensor=wire.spec(name, [1 << 36]))


class AttackTest(harness.TestCase):
    def assertServesOthers(self, server):
        with wire.channel(server.address) as channel:
            request = wire.service_pb2.InitializeTensorRequest(tensor=wire.spec("w", [MIB]))
            self.assertEqual(len(wire.receive_one(wire.stub(channel).InitializeTensor(request, timeout=60)).data), 4 * MIB)

    def assertGrewLess(self, server, before, bound):
        after = server.peak_bytes()
        print(f"{before / MIB:.0f} MiB before, at most {after / MIB:.0f}, {server.rss_bytes() / MIB:.0f} after", file=sys.stderr)
        if not harness.SANITIZED:
            self.assertLess(after - before, bound)

    def test_a_gzip_bomb_is_refused_before_it_is_inflated(self):
        server = self.server()
        self.assertServesOthers(server)
        before = server.peak_bytes()
        with wire.channel(server.address) as channel:
            wire.check_health(channel)  # the connection stands, before this process is busy compressing
            bomb = channel.unary_stream(f"/{wire.SERVICE}/InitializeTensor")
            for size in (64, 256):  # a thousandth on the wire
                refused = wire.failure(lambda: bomb(bytes(size * MIB), timeout=60, compression=grpc.Compression.Gzip))
                self.assertEqual(refused.code, grpc.StatusCode.UNIMPLEMENTED, refused)
        self.assertServesOthers(server)
        self.assertGrewLess(server, before, 32 * MIB)

    def test_oversized_metadata_costs_one_call(self):
        server = self.server()
        self.assertServesOthers(server)
        before = server.peak_bytes()
        with wire.channel(server.address) as channel:
            request = wire.service_pb2.InitializeTensorRequest(tensor=wire.spec("w", [1]))
            for size in (20_000, 1_000_000):
                metadata = (("x-large", "x" * size),)
                refused = wire.failure(lambda: wire.stub(channel).InitializeTensor(request, timeout=20, metadata=metadata))
                self.assertIn(refused.code, (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE), refused)
        self.assertServesOthers(server)
        self.assertGrewLess(server, before, 32 * MIB)

    def test_a_reset_storm_costs_memory_by_the_call_and_no_streams_of_others(self):
        server, count = self.server(), 5_000 if harness.SANITIZED else 20_000
        self.assertServesOthers(server)
        before = server.peak_bytes()
        with RawClient(server.address) as attacker:
            reader = threading.Thread(target=collections.deque, args=(attacker.frames(), 0), daemon=True)
            reader.start()
            for part in RawClient.resets(count, f"/{wire.SERVICE}/InitializeTensor"):
                attacker.socket.sendall(part)
            self.assertServesOthers(server)
            server.wait_until_idle()
            attacker.socket.shutdown(socket.SHUT_RDWR)
            reader.join()
        # A server that keeps up needs a tenth of this. One whose processor others have taken reads on all the same.
        self.assertGrewLess(server, before, count * 24 * 1024)

    def test_thousands_of_idle_connections_cost_kibibytes_each(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        count = min(5000, hard // 3)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * count), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        server = self.server()
        self.assertServesOthers(server)
        before = server.peak_bytes()
        host, port = server.address.rsplit(":", 1)
        idle = [socket.create_connection((host, int(port)), timeout=harness.PATIENCE) for _ in range(count)]
        self.assertServesOthers(server)
        for each in idle:
            each.close()
        print(f"{count} connections that say nothing:", file=sys.stderr)
        self.assertGrewLess(server, before, 32 * MIB + count * 32 * 1024)

    def test_readers_that_stop_are_cut_off_and_leave_their_slots(self):
        count = 32
        server = self.server(f"--max-streams={count}", "--chunk-bytes=256KiB", "--stream-idle-timeout=3s", "--log-level=debug")

        def read(stream):
            for _ in stream:
                time.sleep(0.01)

        with wire.channel(server.address) as channel, wire.channel(server.address) as beside:
            slow = wire.stub(beside).InitializeTensor(endless("slow"), timeout=120)
            reader = threading.Thread(target=lambda: wire.failure(lambda: read(slow)), daemon=True)
            reader.start()
            stuck = [wire.stub(channel).InitializeTensor(endless(f"w{i}"), timeout=120) for i in range(count - 1)]
            for stream in stuck:
                next(stream)
            said = "took nothing for --stream-idle-timeout"
            wait_until(lambda: sum(said in line for line in server.lines) >= count - 1, "stuck readers are cut off", every=0.2)
            self.assertFalse([line for line in server.lines if said in line and "ipv4:127.0.0.1:" not in line], "cut off, and nobody knows who")
            self.assertServesOthers(server)
            self.assertEqual(wire.failure(lambda: stuck[0]).code, grpc.StatusCode.CANCELLED)
            # One that reads, however slowly, is none of them.
            self.assertTrue(reader.is_alive())
            slow.cancel()
            reader.join()

    def test_a_recipe_of_too_much_is_refused_by_name(self):
        server = self.server("--max-tensors=2", "--max-rules=1")
        recipe = wire.recipe_pb2.Recipe(tensors=[wire.spec(name, [3]) for name in "ab"])
        with wire.channel(server.address) as channel:
            stub = wire.stub(channel)

            def calls():
                yield lambda: stub.Plan(wire.plan_pb2.PlanRequest(recipe=recipe), timeout=20)
                yield lambda: stub.Summarize(wire.summary_pb2.SummarizeRequest(recipe=recipe), timeout=20)
                yield lambda: stub.InitializeModel(wire.service_pb2.InitializeModelRequest(recipe=recipe), timeout=20)

            for call in calls():
                list(call())
            recipe.rules.add(), recipe.renames.add()
            for call in calls():
                refused = wire.failure(call)
                self.assertEqual((refused.code, refused.reason), (grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED"))
                self.assertEqual(refused.info.metadata["flag"], "--max-rules")
            del recipe.rules[:], recipe.renames[:]
            # A few bytes whose program would be megabytes.
            recipe.rules.add(name_regex=r"\pL{1000}", init=wire.initializer_pb2.Initializer(zeros=wire.initializer_pb2.Zeros()))
            for call in calls():
                refused = wire.failure(call)
                self.assertEqual(refused.code, grpc.StatusCode.INVALID_ARGUMENT)
                self.assertIn("rules[0].name_regex", refused.text)
            del recipe.rules[:]
            recipe.tensors.append(wire.spec("c", [3]))
            for call in calls():
                self.assertEqual(wire.failure(call).info.metadata["flag"], "--max-tensors")

    def test_a_caller_beyond_its_share_is_refused_and_others_are_not(self):
        server = self.server("--max-streams-per-peer=1", "--max-calls-per-second=20", listen=("127.0.0.1:0", f"unix:{self.path('s')}"))
        with wire.channel(server.addresses[0]) as channel, wire.channel(server.addresses[1]) as other:
            stream = wire.stub(channel).InitializeTensor(endless("w"), timeout=60)
            next(stream)
            refused = wire.failure(lambda: wire.stub(channel).InitializeTensor(endless("w"), timeout=20))
            self.assertEqual((refused.code, refused.reason), (grpc.StatusCode.RESOURCE_EXHAUSTED, "SERVER_BUSY"))
            self.assertIn("--max-streams-per-peer", refused.text)
            self.assertGreater(refused.retry, 0)
            next(wire.stub(other).InitializeTensor(endless("w"), timeout=60))

            def is_refused():
                answer = wire.stub(channel).GetCapabilities.future(wire.capabilities_pb2.GetCapabilitiesRequest(), timeout=20)
                return answer.code() == grpc.StatusCode.RESOURCE_EXHAUSTED

            self.assertTrue(any(is_refused() for _ in range(2000)), "never too many calls")
            next(stream)  # what runs goes on


class IdleConnectionTest(harness.TestCase):
    """Connections have 10 s to say something: these are opened first, and looked at last."""

    FILES = 200

    @classmethod
    def begin(cls):
        command = ["/bin/sh", "-c", f'ulimit -n {cls.FILES}; exec "$@"', "sh", harness.SERVER, "--listen", "127.0.0.1:0"]
        cls.limited = harness.Process(command)
        unittest.addModuleCleanup(cls.limited.kill)
        cls.address = cls.limited.wait_for_line(" serving ").split(" on ")[1].split()[0]
        cls.own_files = cls.files()
        cls.idle = [cls.connect() for _ in range(cls.FILES - 60)]

    @classmethod
    def files(cls):
        return len(os.listdir(f"/proc/{cls.limited.pid}/fd"))

    @classmethod
    def connect(cls):
        host, port = cls.address.rsplit(":", 1)
        connection = socket.create_connection((host, int(port)), timeout=harness.PATIENCE)
        unittest.addModuleCleanup(connection.close)
        return connection

    def test_connections_that_say_nothing_are_closed(self):
        for each in self.idle:
            while each.recv(1024):  # until the server closes it
                pass
        with wire.channel(self.address) as channel:
            self.assertEqual(wire.check_health(channel), wire.SERVING)

    def test_then_health_turns_before_file_descriptors_are_gone(self):
        with wire.channel(self.address) as channel:
            wait_until(lambda: wire.check_health(channel) == wire.SERVING, "there is room")
            # A connection that has ended for us may have its file for a while.
            wait_until(lambda: self.files() < self.own_files + 10, "the idle connections' files are closed")
            many = [self.connect() for _ in range(self.FILES * 94 // 100 - self.files())]
            self.limited.wait_for_line("file descriptors run out, health is NOT_SERVING")
            self.assertEqual(wire.check_health(channel), wire.NOT_SERVING)
            for each in many:
                each.close()
            self.limited.wait_for_line("file descriptors are left again, health is SERVING")
            self.assertEqual(wire.check_health(channel), wire.SERVING)


class NoFilesTest(harness.TestCase):
    def test_a_server_that_has_gone_deaf_ends_itself(self):
        """So that whoever runs it starts it again: gRPC gives its listener up when a connection finds no file descriptor."""
        limit, listen = 100, ("--listen", "127.0.0.1:0", "--drain-delay", "0s")
        with harness.Process(["/bin/sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh", harness.SERVER, *listen]) as server:
            host, port = server.wait_for_line(" serving ").split(" on ")[1].split()[0].rsplit(":", 1)
            for _ in range(2 * limit):
                try:
                    self.addCleanup(socket.create_connection((host, int(port)), timeout=harness.PATIENCE).close)
                except OSError:  # it has stopped already
                    break
            server.wait_for_line("takes no connections any more")
            self.assertEqual(server.wait(), 1)


def setUpModule():
    IdleConnectionTest.begin()


if __name__ == "__main__":
    harness.main()
