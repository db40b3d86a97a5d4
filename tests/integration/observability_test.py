"""What operators see of a server: metrics, probes, and a line per call."""

import json
import re
import select
import signal
import socket
import urllib.error
import urllib.request

import harness
import wire
from harness import cli, wait_until
from wire import grpc


class ObservedTest(harness.TestCase):
    def observed(self, *flags):
        server = self.server("--metrics-listen=127.0.0.1:0", "--log-format=json", "--log-calls", *flags)
        self.admin = re.search(r"metrics on (127\.0\.0\.1:\d+)", server.start_line).group(1)
        return server

    def get(self, path):
        """Status and text of an answer."""
        try:
            with urllib.request.urlopen(f"http://{self.admin}{path}", timeout=harness.PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metrics(self):
        """{'name{labels}': value}; fails on what Prometheus would not read."""
        status, text = self.get("/metrics")
        self.assertEqual(status, 200)
        values, typed = {}, set()
        for line in text.splitlines():
            if line.startswith("#"):
                typed.add(line.split()[2])
                continue
            series, value = line.rsplit(" ", 1)
            self.assertRegex(series, r'^[a-z_]+(\{([a-z_]+="[^"\\\n]*",?)*\})?$')
            name = series.partition("{")[0]
            self.assertIn(re.sub(r"_(bucket|sum|count)$", "", name) if name not in typed else name, typed)
            values[series] = float(value)
        return values

    def value(self, name, **labels):
        """The sum over all series of this name that have these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(
            value
            for series, value in self.metrics().items()
            if series.partition("{")[0] == name and all(label in series for label in wanted)
        )


class MetricsTest(ObservedTest):
    def test_a_matrix_is_made_once_and_found_by_other_chunks(self):
        server = self.observed("--chunk-bytes=64KiB")
        self.assertEqual(self.value("weightinit_cache_hits_total"), 0)
        cli("tensor", "--shape", "256,256", "--init", "orthogonal", "--server", server.address, "-o", self.path("q.npy"))
        self.assertEqual(self.value("weightinit_cache_misses_total"), 1)
        self.assertGreaterEqual(self.value("weightinit_cache_hits_total"), 3)
        self.assertGreaterEqual(self.value("weightinit_cache_bytes"), 256 * 256 * 4)

    def test_calls_values_and_limits_are_counted(self):
        server = self.observed("--max-response-bytes=1MiB")
        with wire.channel(server.address) as channel:
            stub = wire.stub(channel)
            for elements in (10, 1000):
                wire.receive_one(stub.InitializeTensor(wire.service_pb2.InitializeTensorRequest(tensor=wire.spec("w", [elements])), timeout=60))
            refused = wire.failure(
                lambda: stub.InitializeTensor(wire.service_pb2.InitializeTensorRequest(tensor=wire.spec("w", [1 << 20])), timeout=60)
            )
            self.assertEqual(refused.code, grpc.StatusCode.RESOURCE_EXHAUSTED)
            unknown = wire.service_pb2.InitializeModelRequest(fingerprint=bytes(32))
            self.assertEqual(wire.failure(lambda: stub.InitializeModel(unknown, timeout=60)).reason, "RECIPE_UNKNOWN")
        handled = dict(grpc_service=wire.SERVICE, grpc_method="InitializeTensor", grpc_type="server_stream")
        # Counted when the call is done, just after its last byte.
        wait_until(lambda: self.value("grpc_server_handled_total") == 4, "all calls are counted")
        self.assertEqual(self.value("grpc_server_started_total", **handled), 3)
        self.assertEqual(self.value("grpc_server_handled_total", grpc_code="OK", **handled), 2)
        self.assertEqual(self.value("grpc_server_handled_total", grpc_code="ResourceExhausted", **handled), 1)
        self.assertEqual(self.value("grpc_server_handling_seconds_count", **handled), 3)
        self.assertEqual(self.value("weightinit_queue_seconds_count"), 4)
        kind = dict(initializer="normal", dtype="FLOAT32")
        self.assertEqual(self.value("weightinit_drawn_elements_total", **kind), 1010)
        self.assertEqual(self.value("weightinit_drawn_bytes_total", **kind), 4040)
        self.assertEqual(self.value("weightinit_limits_hit_total", limit="max_response_bytes"), 1)
        self.assertEqual(self.value("weightinit_recipe_cache_misses_total"), 1)
        self.assertEqual(self.value("weightinit_build_info", version=server.start_line.split("weightinit-server ")[1].split()[0]), 1)
        self.assertEqual(self.value("weightinit_streams"), 0)
        self.assertGreater(self.value("process_resident_memory_bytes"), 1 << 20)
        series = len(self.metrics())
        # No caller makes a series: not by names of tensors, and not by methods that do not exist.
        with wire.channel(server.address) as channel:
            for i in range(20):
                wire.receive_one(
                    wire.stub(channel).InitializeTensor(
                        wire.service_pb2.InitializeTensorRequest(tensor=wire.spec(f"other.{i}", [1])), timeout=60
                    )
                )
                odd = channel.unary_unary(f"/{wire.SERVICE}/Odd{i}")
                self.assertEqual(wire.failure(lambda: [odd(b"", timeout=60)]).code, grpc.StatusCode.UNIMPLEMENTED)
        self.assertEqual(len(self.metrics()), series)

    def test_a_server_that_is_to_stop_is_alive_and_not_ready(self):
        server = self.observed("--drain-delay=30s")
        self.assertEqual([self.get(path)[0] for path in ("/healthz", "/readyz", "/other")], [200, 200, 404])
        server.signal(signal.SIGTERM)
        wait_until(lambda: self.get("/readyz")[0] == 503, "not ready")
        self.assertEqual(self.get("/healthz")[0], 200)
        self.assertEqual(self.value("weightinit_serving"), 0)

    def test_who_connects_and_says_nothing_does_not_stand_in_a_probes_way(self):
        self.observed()
        host, port = self.admin.split(":")
        silent = [socket.create_connection((host, int(port)), timeout=harness.PATIENCE) for _ in range(12)]
        for connection in silent:
            self.addCleanup(connection.close)
        self.assertEqual(self.get("/healthz")[0], 200)
        ended, _, _ = select.select(silent, [], [], 0)
        self.assertLess(len(ended), len(silent), "answered only once they were gone")

    def test_a_taken_port_is_one_clear_line_and_exit_1(self):
        self.observed()
        result = harness.run([harness.SERVER, "--listen", "127.0.0.1:0", "--metrics-listen", self.admin])
        self.assertEqual(result.code, 1, result)
        self.assertEqual(result.err.strip(), f"weightinit-server: cannot listen on {self.admin}: Address already in use")


class CallLogTest(ObservedTest):
    def test_every_call_is_one_object_whatever_its_tensor_is_called(self):
        server = self.observed()
        name = 'w"\\,\n{"level":"error"}\u009b31m'
        trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
        metadata = (
            ("x-request-id", 'r-"1"'),
            ("traceparent", f"00-{trace}-{parent}-01"),
            ("authorization", "Bearer marker-of-a-secret"),
        )
        with wire.channel(server.address) as channel:
            request = wire.service_pb2.InitializeTensorRequest(tensor=wire.spec(name, [1000]))
            wire.receive_one(wire.stub(channel).InitializeTensor(request, timeout=60, metadata=metadata))
            line = json.loads(server.wait_for_line("call ended"))
            wire.failure(lambda: wire.stub(channel).InitializeTensor(
                wire.service_pb2.InitializeTensorRequest(tensor=wire.spec(name, [-1])), timeout=60,
                metadata=(("traceparent", "00-nonsense"),),
            ))
            failed = json.loads(server.wait_for_line("call ended.*INVALID_ARGUMENT"))
        self.assertEqual(line["level"], "info")
        self.assertEqual(line["method"], "InitializeTensor")
        self.assertEqual(line["tensor"], name)
        self.assertEqual(line["request_id"], 'r-"1"')
        self.assertEqual((line["trace_id"], line["parent_id"]), (trace, parent))
        self.assertRegex(line["peer"], r"^ipv4:127\.0\.0\.1:\d+$")
        self.assertEqual((line["bytes"], line["code"]), (4000, "OK"))
        self.assertGreater(line["seconds"], 0)
        self.assertNotIn("trace_id", failed)
        self.assertIn("tensor.shape", failed["text"])
        self.assertNotIn("marker-of-a-secret", server.text)
        for each in server.lines:
            json.loads(each)


if __name__ == "__main__":
    harness.main()
