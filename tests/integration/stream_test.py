"""Streams as a server lives with them: readers that are slow, stop, vanish or change their mind, and memory that is bounded."""

import random
import threading
import time

import harness
import wire
from harness import MIB, start_cli, wait_until
from wire import grpc

KIB = 1 << 10
# Far more than anybody waits for.
ENDLESS_SHAPE = [1 << 20, 1 << 16]


def endless(name="endless", init=None):
    return wire.service_pb2.InitializeTensorRequest(tensor=wire.spec(name, ENDLESS_SHAPE, init))


def constant(value=1.0):
    return wire.initializer_pb2.Initializer(constant=wire.initializer_pb2.Constant(value=value))


class StreamsTest(harness.TestCase):
    def read_whole(self, server, megabytes=8, timeout=60):
        """A stream to its end, checked by its digest."""
        request = wire.service_pb2.InitializeTensorRequest(tensor=wire.spec("whole", [megabytes * MIB // 4]))
        request.check.digest = True
        with wire.channel(server.address) as channel:
            answer = wire.receive_one(wire.stub(channel).InitializeTensor(request, timeout=timeout))
        self.assertEqual(len(answer.data), megabytes * MIB)
        self.assertEqual(answer.trailer.digest, wire.digest(answer.array))

    def wait_for_a_slot(self, server):
        """Until a call is taken again, and not refused as busy."""

        def is_taken():
            try:
                self.read_whole(server, megabytes=1)
                return True
            except grpc.RpcError as error:
                self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED, error)
                return False

        wait_until(is_taken, "the slot is free again", every=0.1)


class SlowReaderTest(StreamsTest):
    def test_a_reader_of_a_mebibyte_per_second_costs_no_processor_and_no_memory(self):
        for name, init in (("normal", None), ("constant", constant())):
            with self.subTest(name):
                server = self.server()
                self.read_whole(server)
                before = server.rss_bytes()
                with wire.channel(server.address) as channel:
                    stream = wire.stub(channel).InitializeTensor(endless(init=init), timeout=120)
                    next(stream)
                    time.sleep(1)
                    settled, cpu = server.rss_bytes(), server.cpu_seconds()
                    for _ in range(4):
                        self.assertEqual(len(next(stream).values), MIB)
                        time.sleep(1)
                    if not harness.SANITIZED:
                        self.assertLess(server.cpu_seconds() - cpu, 0.2)
                        self.assertLess(server.rss_bytes() - settled, 2 * MIB)
                        self.assertLess(server.rss_bytes() - before, 8 * MIB)
                    # Others are served as if it were not there, on its connection and beside it.
                    self.read_whole(server)
                    other = wire.stub(channel).InitializeTensor(
                        wire.service_pb2.InitializeTensorRequest(tensor=wire.spec("beside", [MIB])), timeout=60
                    )
                    self.assertEqual(len(wire.receive_one(other).data), 4 * MIB)
                    stream.cancel()

    def test_readers_that_stop_hold_what_they_were_promised_whatever_the_flags_say(self):
        count = 16
        for chunk, ahead in ((64 * KIB, 1), (512 * KIB, 8), (2 * MIB, 2)):
            with self.subTest(chunk=chunk, ahead=ahead):
                server = self.server(f"--chunk-bytes={chunk}", f"--chunks-ahead={ahead}")
                self.read_whole(server)
                before = server.rss_bytes()
                with wire.channel(server.address) as channel:
                    streams = [wire.stub(channel).InitializeTensor(endless(f"w{i}"), timeout=120) for i in range(count)]
                    for stream in streams:
                        next(stream)
                    if not harness.SANITIZED:
                        server.wait_until_idle()
                        # 8 MiB: gRPC's own, for connections and streams.
                        self.assertLess(server.rss_bytes() - before, count * (ahead + 2) * chunk + 8 * MIB)
                    for stream in streams:
                        stream.cancel()

    def test_memory_beyond_max_stream_bytes_is_refused_politely_and_free_again_afterwards(self):
        server = self.server("--chunk-bytes=64KiB", "--chunks-ahead=2", f"--max-stream-bytes={4 * 4 * 64 * KIB}")
        with wire.channel(server.address) as channel:
            stub = wire.stub(channel)
            streams = [stub.InitializeTensor(endless(f"w{i}"), timeout=120) for i in range(4)]
            for stream in streams:
                next(stream)
            refused = wire.failure(lambda: stub.InitializeTensor(endless("w4"), timeout=20))
            self.assertEqual(refused.code, grpc.StatusCode.RESOURCE_EXHAUSTED, refused)
            self.assertEqual(refused.reason, "SERVER_BUSY", refused)
            self.assertIn("--max-stream-bytes", refused.text)
            self.assertEqual(refused.info.metadata["flag"], "--max-stream-bytes")
            self.assertGreater(refused.retry, 0)
            # Those that run go on, and one that ends makes room.
            for stream in streams:
                next(stream)
            streams.pop().cancel()
            self.wait_for_a_slot(server)
            for stream in streams:
                stream.cancel()


class VanishingReaderTest(StreamsTest):
    def test_the_slot_of_a_killed_reader_is_free_soon(self):
        server = self.server("--max-streams=1")
        command = ("tensor", "--shape", "1048576,65536", "--init", "normal", "-o", "-", "--server", server.address)
        with start_cli(*command) as client:
            busy = server.cpu_seconds() + 0.2
            wait_until(lambda: server.cpu_seconds() > busy, "the stream runs")
            client.kill()
        self.wait_for_a_slot(server)

    def test_the_slots_of_readers_whose_connection_ends_are_free_soon(self):
        server = self.server("--max-streams=8")
        for _ in range(3):
            channel = wire.channel(server.address)
            streams = []
            # One slot after the other comes free, of those whose connection ended before.
            wait_until(lambda: self.opens(channel, streams) and len(streams) == 8, "all slots are free")
            channel.close()
            self.wait_for_a_slot(server)

    def opens(self, channel, streams):
        """Whether one more stream was taken; it is then one of `streams`."""
        stream = wire.stub(channel).InitializeTensor(endless(f"w{len(streams)}"), timeout=120)
        try:
            next(stream)
        except grpc.RpcError as error:
            self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
            return False
        streams.append(stream)
        return True


class ManyCancelledTest(StreamsTest):
    """1 000 streams, opened by 8 clients at once and given up at random points."""

    COUNT, CLIENTS = 1000, 8

    def give_up_one(self, stub, generator):
        """Opens a stream of some kind and leaves it before, during or after its values."""
        matrix = wire.initializer_pb2.Initializer(orthogonal=wire.initializer_pb2.Orthogonal())
        tensors = [
            wire.spec("endless", ENDLESS_SHAPE, constant() if generator.random() < 0.3 else None),
            wire.spec("small", [generator.randrange(100)]),
            wire.spec("matrix", [generator.choice((30, 200, 400))] * 2, matrix, draw_name=f"m{generator.randrange(5)}"),
        ]
        generator.shuffle(tensors)
        recipe = wire.recipe_pb2.Recipe(tensors=tensors)
        kind = generator.randrange(10)
        timeout = generator.choice((0.001, 0.02, 20, 20, 20))
        if kind < 5:
            request = wire.service_pb2.InitializeTensorRequest(tensor=tensors[0])
            request.check.digest = generator.random() < 0.5
            call = stub.InitializeTensor(request, timeout=timeout)
        elif kind < 8:
            request = wire.service_pb2.InitializeModelRequest(recipe=recipe)
            request.check.sha256 = generator.random() < 0.2
            call = stub.InitializeModel(request, timeout=timeout)
        elif kind < 9:
            call = stub.Plan(wire.plan_pb2.PlanRequest(recipe=recipe), timeout=timeout)
        else:
            call = stub.Summarize(wire.summary_pb2.SummarizeRequest(recipe=recipe), timeout=min(timeout, 0.05))
        try:
            for _, _ in zip(range(generator.choice((0, 0, 1, 2, 5, 20))), call):
                if generator.random() < 0.2:
                    time.sleep(generator.random() * 0.01)
        except grpc.RpcError as error:
            self.assertEqual(error.code(), grpc.StatusCode.DEADLINE_EXCEEDED, error)
        call.cancel()

    def client(self, server, number, failures):
        generator = random.Random(number)  # the same points every time
        try:
            done = 0
            while done < self.COUNT // self.CLIENTS:
                with wire.channel(server.address) as channel:  # whose end cuts off what still runs
                    for _ in range(min(generator.randrange(1, 20), self.COUNT // self.CLIENTS - done)):
                        self.give_up_one(wire.stub(channel), generator)
                        done += 1
        except BaseException as error:  # told by the test, not by a thread that nobody hears
            failures.append(error)

    def test_1000_streams_given_up_at_random_points_leave_nothing(self):
        # So small that chunks are many, and with room for all that are open at one time and no more.
        flags = ("--chunk-bytes=64KiB", "--chunks-ahead=2", "--max-streams=64", f"--max-stream-bytes={64 * 4 * 64 * KIB}")
        server = self.server(*flags)
        self.read_whole(server)
        before = server.rss_bytes()
        failures = []
        clients = [threading.Thread(target=self.client, args=(server, i, failures)) for i in range(self.CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        self.assertEqual(failures, [])
        if not harness.SANITIZED:
            server.wait_until_idle()
            self.assertLess(server.rss_bytes() - before, 64 * MIB)
        # All slots and all of the memory can be had again.
        with wire.channel(server.address) as channel:
            stub = wire.stub(channel)

            def all_at_once():
                streams = [stub.InitializeTensor(endless(f"w{i}"), timeout=60) for i in range(64)]
                try:
                    for stream in streams:
                        next(stream)
                    return True
                except grpc.RpcError as error:
                    self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED, error)
                    return False
                finally:
                    for stream in streams:
                        stream.cancel()

            wait_until(all_at_once, "64 streams run at one time", every=0.5)
        self.wait_for_a_slot(server)
        self.assertEqual(server.stop(), 0, server.text)  # a leak is another code, told by the address sanitizer
        self.assertNotIn("Sanitizer", server.text)


if __name__ == "__main__":
    harness.main()
