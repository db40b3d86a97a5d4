"""A client of the server that shares no code with it: grpcio, stubs made by protoc, NumPy and hashlib.

The Google messages that errors and health checks are made of are declared here from their public definitions, so that
ours are held against those and not against themselves.
"""

import hashlib

import harness

np = harness.require_module_for_all("numpy", "python3-numpy")
grpc = harness.require_module_for_all("grpc", "python3-grpcio")
harness.require_module_for_all("google.protobuf", "python3-protobuf")

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: E402

harness.require_module_for_all("weightinit.v1.service_pb2", "stubs: grpc_python_plugin of protobuf-compiler-grpc")
from weightinit.v1 import (  # noqa: E402
    capabilities_pb2,
    fan_pb2,
    generator_pb2,
    initializer_pb2,
    plan_pb2,
    recipe_pb2,
    selection_pb2,
    service_pb2,
    service_pb2_grpc,
    summary_pb2,
    tensor_pb2,
    view_pb2,
)

SERVICE = "weightinit.v1.WeightInitService"

__all__ = [
    "capabilities_pb2",
    "fan_pb2",
    "generator_pb2",
    "grpc",
    "initializer_pb2",
    "np",
    "plan_pb2",
    "recipe_pb2",
    "selection_pb2",
    "service_pb2",
    "summary_pb2",
    "tensor_pb2",
    "view_pb2",
]

# Element types
# ----------------------------------------------------------------------------------------------------------------------

# By name in the API: what NumPy calls them; types that it does not have are read as their bits.
NUMPY = {
    "FLOAT32": "<f4",
    "BFLOAT16": "<u2",
    "FLOAT16": "<f2",
    "FLOAT64": "<f8",
    "FLOAT8_E4M3FN": "u1",
    "FLOAT8_E5M2": "u1",
    "INT64": "<i8",
    "INT32": "<i4",
    "UINT8": "u1",
    "BOOL": "?",
}


def numpy_dtype(dtype):
    return np.dtype(NUMPY[tensor_pb2.DType.Name(dtype)])


def digest(array, indices=None):
    """Section 5 of the specification: a sum over elements, of their bits and their index in the full tensor."""
    flat = np.ascontiguousarray(array).reshape(-1)
    bits = flat.view({1: "u1", 2: "<u2", 4: "<u4", 8: "<u8"}[flat.dtype.itemsize]).astype(np.uint64)
    at = np.arange(flat.size, dtype=np.uint64) if indices is None else np.asarray(indices, dtype=np.uint64).reshape(-1)
    with np.errstate(over="ignore"):
        z = at * np.uint64(0x9E3779B97F4A7C15) + bits + np.uint64(1)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
        return int(z.sum(dtype=np.uint64))


def model_digest(tensors):
    """Of (name, dtype name, full shape, digest of the tensor)."""
    total = 0
    for name, dtype, shape, value in tensors:
        text = b"weightinit-digest-v1\0"
        for part in (name.encode(), dtype.encode()):
            text += len(part).to_bytes(8, "little") + part
        for number in (len(shape), *shape):
            text += int(number).to_bytes(8, "little")
        weight = int.from_bytes(hashlib.sha256(text).digest()[:8], "little") | 1
        total += weight * value
    return total % (1 << 64)


# Calls
# ----------------------------------------------------------------------------------------------------------------------


def channel(address, **options):
    return grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)], **options)


def stub(open_channel):
    return service_pb2_grpc.WeightInitServiceStub(open_channel)


class Answer:
    """One selection, received whole and checked for what every stream promises."""

    def __init__(self, header, data, first_byte, trailer, chunks):
        self.header, self.data, self.first_byte, self.trailer, self.chunks = header, data, first_byte, trailer, chunks

    @property
    def array(self):
        """The values; in the slice's shape where all of them were asked for."""
        flat = np.frombuffer(self.data, numpy_dtype(self.header.dtype))
        return flat.reshape(tuple(self.header.shape)) if len(self.data) == self.header.total_bytes else flat


def receive(chunks):
    """Answers in order. Fails where a stream breaks its rules: headers, offsets, order, trailers."""
    answers = []
    current = None
    for chunk in chunks:
        if current is None:
            assert chunk.selection == len(answers), f"selection {chunk.selection} instead of {len(answers)}"
            assert chunk.HasField("header"), "the first chunk of a selection has no header"
            current = (chunk.header, bytearray(), chunk.byte_offset, [0])
        else:
            assert chunk.selection == len(answers), "selections are mixed"
            assert not chunk.HasField("header"), "a second header"
        header, data, first_byte, count = current
        assert chunk.byte_offset == first_byte + len(data), f"a gap before byte {chunk.byte_offset}"
        assert len(chunk.values) % numpy_dtype(header.dtype).itemsize == 0, "half an element"
        data += chunk.values
        count[0] += 1
        if chunk.HasField("trailer"):
            answers.append(Answer(header, bytes(data), first_byte, chunk.trailer, count[0]))
            current = None
    assert current is None, "the last selection has no trailer"
    return answers


def receive_one(chunks):
    answers = receive(chunks)
    assert len(answers) == 1, f"{len(answers)} selections"
    return answers[0]


# Messages
# ----------------------------------------------------------------------------------------------------------------------


def normal(std=1.0, mean=0.0):
    return initializer_pb2.Initializer(normal=initializer_pb2.Normal(mean=mean, std=std))


def uniform(low, high):
    return initializer_pb2.Initializer(uniform=initializer_pb2.Uniform(low=low, high=high))


def spec(name, shape, init=None, dtype="FLOAT32", **fields):
    return tensor_spec(name=name, shape=shape, dtype=dtype, init=normal() if init is None else init, **fields)


def tensor_spec(**fields):
    return recipe_pb2.TensorSpec(**fields)


def box(*ranges):
    """(start, size, step) per dimension."""
    dims = [range_of(start, size, step) for start, size, step in ranges]
    return tensor_pb2.Slice(box=tensor_pb2.Box(dims=dims))


def range_of(start, size, step):
    return tensor_pb2.Range(start=start, size=size, step=step)


def flat(start, size, step=1):
    return tensor_pb2.Slice(flat=tensor_pb2.Range(start=start, size=size, step=step))


# google.rpc and grpc.health.v1, from their public definitions
# ----------------------------------------------------------------------------------------------------------------------

_FIELD = descriptor_pb2.FieldDescriptorProto
_POOL = descriptor_pool.DescriptorPool()


def _add_file(name, package, messages):
    file = descriptor_pb2.FileDescriptorProto(name=name, package=package, syntax="proto3")
    for message_name, fields in messages.items():
        message = file.message_type.add(name=message_name)
        for number, field_name, kind, repeated in fields:
            field = message.field.add(name=field_name, number=number)
            field.label = _FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL
            if isinstance(kind, str):
                field.type, field.type_name = _FIELD.TYPE_MESSAGE, kind
            else:
                field.type = kind
            if kind == f".{package}.{message_name}.MetadataEntry":
                entry = message.nested_type.add(name="MetadataEntry")
                entry.options.map_entry = True
                for entry_number, entry_name in ((1, "key"), (2, "value")):
                    entry.field.add(
                        name=entry_name, number=entry_number, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL
                    )
    _POOL.Add(file)


def _class_of(name):
    return message_factory.MessageFactory(_POOL).GetPrototype(_POOL.FindMessageTypeByName(name))


_add_file(
    "test/google_rpc.proto",
    "google.rpc",
    {
        "Any": [(1, "type_url", _FIELD.TYPE_STRING, False), (2, "value", _FIELD.TYPE_BYTES, False)],
        "Status": [
            (1, "code", _FIELD.TYPE_INT32, False),
            (2, "message", _FIELD.TYPE_STRING, False),
            (3, "details", ".google.rpc.Any", True),
        ],
        "FieldViolation": [(1, "field", _FIELD.TYPE_STRING, False), (2, "description", _FIELD.TYPE_STRING, False)],
        "BadRequest": [(1, "field_violations", ".google.rpc.FieldViolation", True)],
        "ErrorInfo": [
            (1, "reason", _FIELD.TYPE_STRING, False),
            (2, "domain", _FIELD.TYPE_STRING, False),
            (3, "metadata", ".google.rpc.ErrorInfo.MetadataEntry", True),
        ],
        "Duration": [(1, "seconds", _FIELD.TYPE_INT64, False), (2, "nanos", _FIELD.TYPE_INT32, False)],
        "RetryInfo": [(1, "retry_delay", ".google.rpc.Duration", False)],
    },
)
_add_file(
    "test/health.proto",
    "grpc.health.v1",
    {
        "HealthCheckRequest": [(1, "service", _FIELD.TYPE_STRING, False)],
        "HealthCheckResponse": [(1, "status", _FIELD.TYPE_INT32, False)],
    },
)

RpcStatus = _class_of("google.rpc.Status")
BadRequest = _class_of("google.rpc.BadRequest")
ErrorInfo = _class_of("google.rpc.ErrorInfo")
RetryInfo = _class_of("google.rpc.RetryInfo")
HealthRequest = _class_of("grpc.health.v1.HealthCheckRequest")
HealthResponse = _class_of("grpc.health.v1.HealthCheckResponse")
SERVING, NOT_SERVING = 1, 2


class Details:
    """What a failed call says to programs."""

    def __init__(self, error):
        self.violations, self.info, self.retry = [], None, None
        self.code = error.code()
        self.text = error.details()
        trailers = dict((key, value) for key, value in (error.trailing_metadata() or ()))
        packed = trailers.get("grpc-status-details-bin")
        self.present = packed is not None
        if packed is None:
            return
        assert len(packed) <= 3 * 1024, f"{len(packed)} bytes of details"
        assert len(self.text.encode()) <= 1024, f"{len(self.text)} characters of text"
        status = RpcStatus.FromString(packed)
        assert status.code == error.code().value[0], f"details say code {status.code}, the call {error.code()}"
        assert status.message == error.details(), f"details say {status.message!r}, the call {error.details()!r}"
        for detail in status.details:
            kind = detail.type_url
            if kind == "type.googleapis.com/google.rpc.BadRequest":
                self.violations = [(v.field, v.description) for v in BadRequest.FromString(detail.value).field_violations]
            elif kind == "type.googleapis.com/google.rpc.ErrorInfo":
                self.info = ErrorInfo.FromString(detail.value)
                assert self.info.domain == "weightinit.v1", self.info.domain
            elif kind == "type.googleapis.com/google.rpc.RetryInfo":
                retry = RetryInfo.FromString(detail.value).retry_delay
                self.retry = retry.seconds + retry.nanos / 1e9
            else:
                raise AssertionError(f"unknown detail {kind}")

    @property
    def fields(self):
        return [field for field, _ in self.violations]

    @property
    def reason(self):
        return self.info.reason if self.info is not None else ""

    def __str__(self):
        return f"{self.code}: {self.text}\n{self.violations}\n{self.info}"


def failure(call):
    """The details of a call that must fail; `call` makes it and reads it to its end."""
    try:
        answer = call()
        if hasattr(answer, "__iter__"):
            for _ in answer:
                pass
    except grpc.RpcError as error:
        return Details(error)
    raise AssertionError("the call was answered")


def check_health(open_channel, service=SERVICE, timeout=20):
    call = open_channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=HealthRequest.SerializeToString,
        response_deserializer=HealthResponse.FromString,
    )
    return call(HealthRequest(service=service), timeout=timeout).status


def watch_health(open_channel, service=SERVICE, timeout=120):
    call = open_channel.unary_stream(
        "/grpc.health.v1.Health/Watch",
        request_serializer=HealthRequest.SerializeToString,
        response_deserializer=HealthResponse.FromString,
    )
    return call(HealthRequest(service=service), timeout=timeout)
