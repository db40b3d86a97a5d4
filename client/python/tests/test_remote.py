"""Servers that die, restart, lie or are not there; interrupts; forks; many processes."""

import concurrent.futures
import os
import signal
import subprocess
import sys
import threading
import time

import grpc
import harness
import numpy as np
import pytest
from conftest import bits
from hypothesis import given, settings, strategies as st

import weightinit
from weightinit import errors
from weightinit._parts import Selected, batches_of
from weightinit._receiver import split_chunk
from weightinit.v1 import selection_pb2, service_pb2

LARGE = weightinit.Recipe.from_dict({"seed": 5, "tensors": [{"name": "w", "shape": [4096, 4096], "init": "normal"}]})
LARGE_DIGEST = weightinit.open(LARGE)["w"].digest()
SMALL = weightinit.Recipe.from_dict({"seed": 5, "tensors": [{"name": "w", "shape": [64, 33], "init": "normal"}]})


class Proxy:
    """A gRPC server that hands calls on to another one, byte for byte, but for what `change` does to the messages.

    ``change(call, number, message)`` gives the message to send instead; raising Break ends the call as a broken connection. Only
    calls for values are changed, counted and kept in ``requests``.
    """

    class Break(Exception):
        def __init__(self, code=grpc.StatusCode.UNAVAILABLE):
            self.code = code

    def __init__(self, target, change):
        self.requests = []
        proxy = self

        class Handler(grpc.GenericRpcHandler):
            def service(self, details):
                for_values = details.method.endswith("/InitializeModel")

                def answer(request, context):
                    call = len(proxy.requests)
                    if for_values:
                        proxy.requests.append(service_pb2.InitializeModelRequest.FromString(request))
                    with grpc.insecure_channel(target, options=[("grpc.max_receive_message_length", -1)]) as channel:
                        try:
                            for number, message in enumerate(channel.unary_stream(details.method)(request)):
                                yield change(call, number, message) if for_values else message
                        except Proxy.Break as broken:
                            context.abort(broken.code, "the wire was cut")

                return grpc.unary_stream_rpc_method_handler(answer)

        self._server = grpc.server(concurrent.futures.ThreadPoolExecutor(8), options=[("grpc.max_send_message_length", -1)])
        self._server.add_generic_rpc_handlers((Handler(),))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.stop(0).wait()


def changed(**fields):
    """Changes fields of the first message of every call."""

    def change(_call, number, message):
        chunk = service_pb2.WeightChunk.FromString(message)
        if number == 0:
            for path, value in fields.items():
                *parents, last = path.split("__")
                owner = chunk
                for parent in parents:
                    owner = getattr(owner, parent)
                if callable(value):
                    value(owner)
                else:
                    setattr(owner, last, value)
        return chunk.SerializeToString()

    return change


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"selection": 3}, "a chunk of selection 3 where selection 0 belongs"),
        ({"byte_offset": 4}, "a chunk at byte 4 where byte 0 belongs"),
        ({"header__name": "v"}, "the header names 'v'"),
        ({"header__dtype": 2}, "another dtype"),
        ({"header__total_bytes": 1 << 60}, "the header says 1152921504606846976 bytes"),
        ({"header__shape": lambda header: header.shape.append(1)}, "another shape"),
        ({"header": lambda chunk: chunk.ClearField("header")}, "a first chunk without header"),
        ({"values": b"\0" * 3}, "cuts an element"),
        ({"values": b"\0" * (64 * 33 * 4 + 4)}, "more bytes than asked for"),
        ({"values": b"\0" * (64 * 33 * 4 - 4)}, "it ends 4 bytes too early"),
        ({"values": b"\0" * (64 * 33 * 4)}, "the digest of the bytes is not the server's"),
        ({"trailer": lambda chunk: chunk.trailer.ClearField("digest")}, "the digest that was asked for is missing"),
        ({"trailer": lambda chunk: chunk.ClearField("trailer")}, "the stream ends in the middle"),
    ],
)
def test_a_server_is_not_trusted(server, fields, message):
    with Proxy(server.address, changed(**fields)) as proxy, weightinit.open(SMALL, proxy.address) as weights:
        with pytest.raises(errors.DataLossError, match=message):
            weights["w"][...]
        assert len(proxy.requests) == 1


def test_messages_that_are_no_chunks(server):
    for garbage in (b"\xff" * 40, b"\x7a\xff\xff\xff\xff\x0f", b"\x12\x7fabc"):
        with Proxy(server.address, lambda *_: garbage) as proxy, weightinit.open(SMALL, proxy.address) as weights:
            with pytest.raises(errors.DataLossError):
                weights["w"][...]


def test_a_server_of_other_numbers(server):
    change = changed(header__fingerprint=bytes(32))
    with Proxy(server.address, change) as proxy, weightinit.open(SMALL, proxy.address) as weights:
        with pytest.raises(errors.FailedPreconditionError, match="use the same version of both"):
            weights["w"][...]


def test_values_may_stand_anywhere_in_a_chunk():
    chunk = service_pb2.WeightChunk(selection=3, byte_offset=300, values=b"abcd")
    last, first = chunk.SerializeToString(), service_pb2.WeightChunk(values=b"abcd").SerializeToString()
    chunk.ClearField("values")
    for message in (last, first + chunk.SerializeToString()):
        envelope, values = split_chunk(message)
        assert (envelope.selection, envelope.byte_offset, bytes(values)) == (3, 300, b"abcd")
    assert split_chunk(chunk.SerializeToString()) == (chunk, b"")


def test_a_broken_stream_goes_on_where_it_stopped(server):
    ends = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN]  # proxies have their own

    def change(call, number, message):
        if call < 3 and number == 3:
            raise Proxy.Break(ends[call])
        return message

    with Proxy(server.address, change) as proxy, weightinit.open(LARGE, proxy.address, streams=1) as weights:
        target = np.empty((4096, 4096), np.float32)
        weights["w"].into(target)
        assert weightinit.digest(target) == LARGE_DIGEST
        first_bytes = [request.selections[0].first_byte for request in proxy.requests]
        assert len(first_bytes) == 4 and first_bytes == sorted(set(first_bytes))
        # After the first header the recipe's fingerprint stands for it.
        assert [request.WhichOneof("source") for request in proxy.requests] == ["recipe"] + ["fingerprint"] * 3


def test_what_came_before_a_break_is_checked(server):
    def change(call, number, message):
        if number == 3:
            raise Proxy.Break
        return message[:-1] + bytes([message[-1] ^ 1]) if number == 1 else message

    with Proxy(server.address, change) as proxy, weightinit.open(LARGE, proxy.address, streams=1) as weights:
        with pytest.raises(errors.DataLossError, match="'w': the digest of what came before the connection broke is not the server's"):
            weights["w"][...]
        assert len(proxy.requests) == 1


def test_a_large_tensor_comes_over_several_streams(server):
    def change(call, number, message):
        if call % 2 == 0 and number == 2:
            raise Proxy.Break
        return message

    with Proxy(server.address, change) as proxy, weightinit.open(LARGE, proxy.address, streams=3) as weights:
        assert weightinit.digest(weights["w"][...]) == LARGE_DIGEST
        asked = [(request.selections[0].first_byte, request.selections[0].byte_count) for request in proxy.requests]
        assert {first for first, _ in asked} >= {0, 24 << 20, 48 << 20}
        assert all(count <= 24 << 20 for _, count in asked)


@given(sizes=st.lists(st.integers(0, 120 << 20), max_size=6), whole=st.integers(0, 5), streams=st.integers(1, 5))
@settings(deadline=None)
def test_batches_hold_every_byte_once_and_in_order(sizes, whole, streams):
    nothing = selection_pb2.Selection()
    selected = [Selected("w", nothing, (size,), np.empty(size, np.uint8), None, i == whole) for i, size in enumerate(sizes)]
    parts = [part for batch in batches_of(selected, streams) for part in batch]
    for one in selected:
        bounds = [(part.first, part.end) for part in parts if part.of is one]
        assert bounds[0][0] == 0 and bounds[-1][1] == one.size
        assert all(end == first for (_, end), (first, _) in zip(bounds, bounds[1:]))
        assert not one.is_made_whole or len(bounds) == 1
    assert [part.of for part in parts] == sorted((part.of for part in parts), key=selected.index)


def test_a_server_without_room_for_a_second_stream():
    with harness.Server("--max-streams", "1") as busy, weightinit.open(LARGE, busy.address, streams=4, patience=2) as weights:
        assert weightinit.digest(weights["w"][...]) == LARGE_DIGEST


def test_patience_ends(server):
    def change(*_):
        raise Proxy.Break

    with Proxy(server.address, change) as proxy, weightinit.open(SMALL, proxy.address, patience=0.5) as weights:
        with pytest.raises(errors.UnavailableError, match=f"{proxy.address}: the wire was cut"):
            weights["w"][...]
        assert len(proxy.requests) > 1


def test_nobody_listens():
    with weightinit.open(SMALL, "127.0.0.1:1", patience=0.3) as weights:
        with pytest.raises(ConnectionError, match="127.0.0.1:1"):
            weights["w"][...]
    with weightinit.open(SMALL, "127.0.0.1:1", timeout=0.3) as weights:
        with pytest.raises(TimeoutError):
            weights["w"][...]


def test_a_server_killed_in_the_middle_and_started_again(tmp_path):
    address = f"unix:{tmp_path}/server"
    expected = weightinit.open(LARGE)["w"][...]
    target = np.zeros((4096, 4096), np.float32)
    with harness.Server(listen=[address]) as first, weightinit.open(LARGE, address) as weights:
        killer = threading.Thread(target=lambda: (harness.wait_until(lambda: target.any(), "bytes come", every=0), first.kill()))
        killer.start()
        reader = threading.Thread(target=lambda: weights["w"].into(target))
        reader.start()
        killer.join()
        os.path.exists(f"{tmp_path}/server") and os.unlink(f"{tmp_path}/server")
        with harness.Server(listen=[address]):
            reader.join(harness.PATIENCE)
            assert not reader.is_alive()
            assert bits(target) == bits(expected)
            # The new server has not seen the recipe's fingerprint, or has: either way it answers.
            assert bits(weights["w"][5]) == bits(expected[5])


def test_a_restarted_server_is_sent_the_recipe_again(tmp_path):
    address = f"unix:{tmp_path}/server"
    with weightinit.open(SMALL, address) as weights:
        for _ in range(2):
            with harness.Server(listen=[address]) as process:
                assert bits(weights["w"][:2]) == bits(weightinit.open(SMALL)["w"][:2])
                process.stop()


def test_of_several_servers_one_that_is_about_to_stop_is_passed_over():
    def calls(process):
        return process.text.count("call ended")

    flags = ("--log-calls", "--drain-delay=300s")
    with harness.Server(*flags) as stopping, harness.Server(*flags) as other:
        target = f"ipv4:{stopping.address},{other.address}"

        def read():
            with weightinit.open(SMALL, target) as weights:
                for row in range(6):
                    assert bits(weights["w"][row]) == bits(weightinit.open(SMALL)["w"][row])

        read()
        harness.wait_until(lambda: calls(stopping) and calls(other), "both are asked")
        stopping.signal(signal.SIGTERM)
        stopping.wait_for_line("stopping|draining|signal")
        before = calls(stopping)
        read()
        assert calls(stopping) == before


def test_several_streams_at_once(server):
    tensors = [{"name": f"t{i}", "shape": [300, 1000 + i], "init": "normal"} for i in range(40)]
    recipe = weightinit.Recipe.from_dict({"tensors": tensors})
    calls = Proxy(server.address, lambda _call, _number, message: message)
    with calls as proxy, weightinit.open(recipe, proxy.address, streams=3) as remote, weightinit.open(recipe) as local:
        for there, here in zip(remote.read_many(), local.read_many()):
            assert bits(there) == bits(here)
        assert len(proxy.requests) == 3
        assert sum(len(request.selections) for request in proxy.requests) == 40


def test_sixteen_processes_at_once(server):
    code = (
        "import sys, weightinit; "
        "w = weightinit.open('resnet50', sys.argv[1]); "
        "names = list(w); "
        "print(weightinit.model_digest(w.recipe, {n: weightinit.digest(w[n][...]) for n in names[int(sys.argv[2])::16]}))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, server.address, str(rank)], stdout=subprocess.PIPE) for rank in range(16)
    ]
    parts = [int(process.communicate(timeout=120)[0]) for process in processes]
    assert sum(parts) % 2**64 == weightinit.Recipe.load("resnet50").digest()


@pytest.mark.parametrize("where", ["local", "remote"])
def test_ctrl_c_ends_a_read(server, where):
    code = """
import signal, sys, weightinit
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background inherits that it is ignored
tensors = [{"name": f"t{i}", "shape": [4096, 4096], "init": "truncated_normal"} for i in range(64)]
weights = weightinit.open(weightinit.Recipe.from_dict({"tensors": tensors}), sys.argv[1])
import numpy as np
out = np.empty((4096, 4096), np.float32)
print("go", flush=True)
try:
    weights.read_many([(name, ..., out) for name in weights])
    print("read all")
except KeyboardInterrupt:
    print("interrupted")
print(weights["t0"][0, :3].shape)
"""
    source = "local" if where == "local" else server.address
    process = subprocess.Popen([sys.executable, "-c", code, source], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "go\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert out == "interrupted\n(3,)\n"


def test_ctrl_c_ends_what_only_other_threads_still_draw():
    code = """
import signal, numpy as np, weightinit
signal.signal(signal.SIGINT, signal.default_int_handler)
shapes = {"small": [2, 2], "large": [6000, 6000]}
tensors = [{"name": name, "shape": shape, "init": "orthogonal"} for name, shape in shapes.items()]
weights = weightinit.open(weightinit.Recipe.from_dict({"tensors": tensors}), threads=2)
large = np.zeros(shapes["large"], np.float32)
print("go", flush=True)
try:
    weights.read_many(["small", ("large", ..., large)])
except KeyboardInterrupt:
    print("interrupted, and drew" if large.any() else "interrupted")
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "go\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=300)
    assert out == "interrupted\n"


@pytest.mark.parametrize("where", ["local", "remote"])
def test_weights_opened_before_a_fork_work_in_the_child(server, where):
    code = """
import os, sys, weightinit
weights = weightinit.open("resnet50", sys.argv[1])
if sys.argv[1] == "local":  # gRPC itself allows no fork once it has been used
    weights["fc.weight"][...]
child = os.fork()
good = weights["fc.weight"][...].tobytes() == weightinit.open("resnet50")["fc.weight"][...].tobytes()
if child == 0:
    weights.close()
    del weights
    os._exit(0 if good else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) or not good)
"""
    source = "local" if where == "local" else server.address
    subprocess.run([sys.executable, "-c", code, source], check=True, timeout=60)


def test_the_gil_is_free_while_drawing():
    ticks, stop = [], threading.Event()

    def tick():
        while not stop.wait(0.001):
            ticks.append(None)

    with weightinit.open(LARGE, threads=1) as weights:
        thread = threading.Thread(target=tick)
        thread.start()
        before = len(ticks)
        for _ in range(5):
            weights["w"].digest()
        after = len(ticks)
        stop.set()
        thread.join()
    assert after - before > 10


def test_many_threads_use_one_source(server):
    for source in ("local", server.address):
        with weightinit.open("article_net", source) as weights, concurrent.futures.ThreadPoolExecutor(8) as pool:
            names = list(weights) * 8
            for name, array in zip(names, pool.map(lambda name: weights[name][...], names)):
                assert bits(array) == bits(weights[name][...])
