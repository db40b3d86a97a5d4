"""The API as a client in another language meets it: grpcio, NumPy and hashlib, with no line of this project."""

import concurrent.futures
import hashlib
import random
import time

import harness
import wire
from harness import MIB
from wire import grpc, np

KNOWN_SEED = 0x0123456789ABCDEF

Recipe = wire.recipe_pb2.Recipe
Rule = wire.recipe_pb2.Rule
Selection = wire.selection_pb2.Selection
Initializer = wire.initializer_pb2.Initializer
TensorRequest = wire.service_pb2.InitializeTensorRequest
ModelRequest = wire.service_pb2.InitializeModelRequest
Check = wire.service_pb2.Check
PlanRequest = wire.plan_pb2.PlanRequest
SummarizeRequest = wire.summary_pb2.SummarizeRequest


class ServerTest(harness.TestCase):
    """One server with its default limits, one connection."""

    FLAGS = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server_process = cls.shared_server(*cls.FLAGS)
        cls.channel = wire.channel(cls.server_process.address)
        cls.addClassCleanup(cls.channel.close)
        cls.stub = wire.stub(cls.channel)

    def tensor(self, timeout=60, **fields):
        return wire.receive_one(self.stub.InitializeTensor(TensorRequest(**fields), timeout=timeout))

    def model(self, timeout=60, **fields):
        return wire.receive(self.stub.InitializeModel(ModelRequest(**fields), timeout=timeout))

    def refused(self, code, request, call=None, timeout=60, **options):
        """The details of a refusal, which must come before any byte."""
        call = call or {
            TensorRequest: self.stub.InitializeTensor,
            ModelRequest: self.stub.InitializeModel,
            PlanRequest: self.stub.Plan,
            SummarizeRequest: self.stub.Summarize,
        }[type(request)]
        chunks = []

        def read():
            for chunk in call(request, timeout=timeout, **options):
                chunks.append(chunk)

        details = wire.failure(read)
        self.assertEqual(details.code, code, details)
        self.assertEqual(chunks, [], "something was answered before the refusal")
        return details


class KnownAnswersTest(ServerTest):
    """Numbers printed in the specification, from the wire."""

    def known(self, low, high, dtype="FLOAT32"):
        return self.tensor(
            tensor=wire.spec("fc1.weight", [10, 100], wire.uniform(low, high), dtype),
            seed=KNOWN_SEED,
            check=Check(digest=True),
        )

    def test_uniform_values_are_those_of_the_specification(self):
        answer = self.known(-0.37, 0.11)
        bits = [f"{x:08x}" for x in answer.array.reshape(-1)[:4].view("<u4")]
        self.assertEqual(bits, ["be20a622", "beab4613", "beb8b426", "be85b9f9"])
        self.assertEqual(answer.trailer.digest, 0x2698F5E6FB244BF8)
        self.assertEqual(wire.digest(answer.array), 0x2698F5E6FB244BF8)

    def test_other_dtypes_are_roundings_of_the_same_draw(self):
        single = self.known(-0.37, 0.11).array.astype(np.float64)
        bfloat16 = self.known(-0.37, 0.11, "BFLOAT16")
        self.assertEqual(bfloat16.trailer.digest, 0xB786B00875087053)
        bits = self.known(-0.37, 0.11).array.view("<u4").astype(np.uint64)
        rounded = ((bits + np.uint64(0x7FFF) + ((bits >> np.uint64(16)) & np.uint64(1))) >> np.uint64(16)).astype("<u2")
        self.assertSameBytes(bfloat16.data, rounded.tobytes(), "bfloat16")
        half = self.known(-0.37, 0.11, "FLOAT16").array
        self.assertSameBytes(half.tobytes(), single.astype("<f4").astype("<f2").tobytes(), "float16")
        double = self.known(-0.37, 0.11, "FLOAT64").array.reshape(-1)
        self.assertEqual([f"{x:016x}" for x in double[:2].view("<u8")], ["bfc414c45c28f5c3", "bfd568c26b851eb8"])

    def test_normal_values_are_those_of_the_specification(self):
        answer = self.tensor(tensor=wire.spec("fc1.weight", [10, 100]), seed=KNOWN_SEED)
        np.testing.assert_allclose(
            answer.array.reshape(-1)[:4], [1.13933342, 0.57080289, 0.40998358, 2.78030747], rtol=1e-6
        )


class StreamTest(ServerTest):
    def test_a_tensor_comes_with_header_digest_and_sha256_that_numpy_and_hashlib_agree_with(self):
        for dtype in wire.NUMPY:
            floating = dtype.startswith(("FLOAT", "BFLOAT"))
            init = None if floating else Initializer(ones=wire.initializer_pb2.Ones())
            answer = self.tensor(
                tensor=wire.spec("a.weight", [300, 700], init, dtype), seed=7, check=Check(digest=True, sha256=True)
            )
            with self.subTest(dtype=dtype):
                header = answer.header
                self.assertEqual(header.name, "a.weight")
                self.assertEqual(list(header.shape), [300, 700])
                self.assertEqual(wire.tensor_pb2.DType.Name(header.dtype), dtype)
                self.assertEqual(header.total_bytes, 300 * 700 * wire.numpy_dtype(header.dtype).itemsize)
                self.assertEqual(header.total_bytes, len(answer.data))
                self.assertEqual(len(header.fingerprint), 32)
                self.assertRegex(header.server_version, r"^\d+\.\d+\.\d+$")
                self.assertEqual(header.plan.seed, 7)
                self.assertEqual(header.plan.generator, "philox_v1")
                self.assertEqual(answer.trailer.digest, wire.digest(answer.array))
                self.assertEqual(answer.trailer.sha256, hashlib.sha256(answer.data).digest())

    def test_checks_that_were_not_asked_for_are_absent(self):
        answer = self.tensor(tensor=wire.spec("w", [100]))
        self.assertFalse(answer.trailer.HasField("digest"))
        self.assertEqual(answer.trailer.sha256, b"")

    def test_many_chunks_follow_one_another_and_none_is_larger_than_the_server_says(self):
        limit = self.stub.GetCapabilities(wire.capabilities_pb2.GetCapabilitiesRequest(), timeout=20).chunk_bytes
        sizes = []

        def watched(chunks):
            for chunk in chunks:
                sizes.append(len(chunk.values))
                yield chunk

        request = TensorRequest(tensor=wire.spec("w", [3, 1_000_003]), check=Check(digest=True, sha256=True))
        answer = wire.receive_one(watched(self.stub.InitializeTensor(request, timeout=60)))
        self.assertEqual(len(answer.data), 3 * 1_000_003 * 4)
        self.assertGreater(len(sizes), 10)
        self.assertLessEqual(max(sizes), limit)
        self.assertEqual(answer.trailer.digest, wire.digest(answer.array))
        self.assertEqual(answer.trailer.sha256, hashlib.sha256(answer.data).digest())

    def test_values_are_normal_with_the_std_of_the_plan(self):
        init = Initializer(kaiming_normal=wire.initializer_pb2.KaimingNormal(nonlinearity="RELU"))
        answer = self.tensor(tensor=wire.spec("w", [512, 1024], init))
        plan = answer.header.plan
        self.assertEqual((plan.fan_in, plan.fan_out), (1024, 512))
        self.assertAlmostEqual(plan.expected_std, np.sqrt(2 / 1024), places=12)
        self.assertLess(abs(answer.array.std() / plan.expected_std - 1), 0.01)
        self.assertLess(abs(answer.array.mean()), 6 * plan.expected_std / 724)

    def test_scalars_and_empty_tensors_are_one_chunk_with_header_and_trailer(self):
        scalar = self.tensor(tensor=wire.spec("s", []), check=Check(digest=True))
        self.assertEqual((list(scalar.header.shape), len(scalar.data), scalar.chunks), ([], 4, 1))
        self.assertEqual(scalar.trailer.digest, wire.digest(scalar.array))
        empty = self.tensor(tensor=wire.spec("e", [3, 0, 2]), check=Check(digest=True, sha256=True))
        self.assertEqual((list(empty.header.shape), len(empty.data), empty.chunks), ([3, 0, 2], 0, 1))
        self.assertEqual(empty.trailer.digest, 0)
        self.assertEqual(empty.trailer.sha256, hashlib.sha256(b"").digest())

    def test_a_model_is_answered_in_recipe_order_or_in_the_order_asked_for(self):
        names = ["z", "a", "m"]
        recipe = Recipe(seed=3, tensors=[wire.spec(name, [10, 10 + i]) for i, name in enumerate(names)])
        whole = self.model(recipe=recipe)
        self.assertEqual([one.header.name for one in whole], names)
        order = ["m", "z", "m", "module.a"]
        some = self.model(recipe=recipe, selections=[Selection(name=name) for name in order])
        self.assertEqual([one.header.name for one in some], ["m", "z", "m", "a"])
        by_name = {one.header.name: one.data for one in whole}
        for one in some:
            self.assertSameBytes(one.data, by_name[one.header.name], one.header.name)

    def test_a_selection_in_another_dtype_is_the_same_draw_rounded(self):
        recipe = Recipe(tensors=[wire.spec("w", [64, 64])])
        single, half = self.model(recipe=recipe, selections=[Selection(name="w"), Selection(name="w", dtype="FLOAT16")])
        self.assertSameBytes(half.data, single.array.astype("<f2").tobytes(), "float16")

    def test_a_tensor_is_the_same_alone_and_in_a_model(self):
        alone = self.tensor(tensor=wire.spec("b", [50, 3]), seed=11)
        model = self.model(recipe=Recipe(seed=11, tensors=[wire.spec("a", [7]), wire.spec("b", [50, 3])]))
        self.assertSameBytes(alone.data, model[1].data, "b")
        renamed = self.tensor(tensor=wire.spec("c", [50, 3], draw_name="b"), seed=11)
        self.assertSameBytes(alone.data, renamed.data, "draw_name")
        self.assertNotEqual(alone.data, self.tensor(tensor=wire.spec("c", [50, 3]), seed=11).data)
        own_seed = self.tensor(tensor=wire.spec("b", [50, 3], seed=11), seed=999)
        self.assertSameBytes(alone.data, own_seed.data, "the tensor's own seed")


    def test_many_clients_at_once_get_the_same_bytes(self):
        request = TensorRequest(tensor=wire.spec("w", [1024, 1024]), check=Check(sha256=True))

        def read(_):
            with wire.channel(self.server_process.address) as channel:
                return wire.receive_one(wire.stub(channel).InitializeTensor(request, timeout=60))

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(read, range(16)))
        self.assertEqual({len(answer.data) for answer in answers}, {4 * MIB})
        self.assertEqual({hashlib.sha256(answer.data).digest() for answer in answers}, {answers[0].trailer.sha256})


class PartTest(ServerTest):
    def setUp(self):
        super().setUp()
        self.random = random.Random(20240607)

    def test_a_stream_resumed_at_any_element_is_the_same_tail(self):
        spec = wire.spec("w", [1111, 1013], dtype="BFLOAT16")
        whole = self.tensor(tensor=spec)
        for _ in range(8):
            first = 2 * self.random.randrange(len(whole.data) // 2)
            tail = self.tensor(tensor=spec, first_byte=first, check=Check(digest=True, sha256=True))
            with self.subTest(first_byte=first):
                self.assertEqual(tail.first_byte, first)
                self.assertEqual(tail.header.total_bytes, len(whole.data))
                self.assertEqual(list(tail.header.shape), [1111, 1013])
                self.assertSameBytes(tail.data, whole.data[first:], "tail")
                indices = np.arange(first // 2, 1111 * 1013)
                self.assertEqual(tail.trailer.digest, wire.digest(np.frombuffer(tail.data, "<u2"), indices))
                self.assertEqual(tail.trailer.sha256, hashlib.sha256(tail.data).digest())

    def test_byte_counts_cut_ranges_that_join_without_gap(self):
        spec = wire.spec("w", [400, 500])
        whole = self.tensor(tensor=spec).data
        cuts = sorted(4 * self.random.randrange(len(whole) // 4) for _ in range(5))
        cuts = [0, *cuts, len(whole)]
        parts = [
            self.tensor(tensor=spec, first_byte=begin, byte_count=end - begin) for begin, end in zip(cuts, cuts[1:])
        ]
        self.assertSameBytes(b"".join(part.data for part in parts), whole, "joined")
        self.assertEqual(len(self.tensor(tensor=spec, byte_count=0).data), 0)
        self.assertEqual(len(self.tensor(tensor=spec, first_byte=len(whole)).data), 0)

    def test_boxes_with_steps_are_numpy_slices(self):
        spec = wire.spec("w", [23, 17, 31])
        whole = self.tensor(tensor=spec).array
        index = np.arange(whole.size).reshape(whole.shape)
        for _ in range(25):
            ranges, slices = [], []
            for extent in whole.shape:
                start, step = self.random.randrange(extent), self.random.randrange(1, 5)
                size = self.random.randrange(1 + (extent - start + step - 1) // step)
                ranges.append((start, size, step))
                slices.append(slice(start, start + size * step, step))
            with self.subTest(ranges=ranges):
                expected = whole[tuple(slices)]
                answer = self.tensor(tensor=spec, slice=wire.box(*ranges), check=Check(digest=True))
                self.assertEqual(tuple(answer.header.shape), expected.shape)
                self.assertSameBytes(answer.data, np.ascontiguousarray(expected).tobytes(), "box")
                self.assertEqual(answer.trailer.digest, wire.digest(answer.array, index[tuple(slices)]))

    def test_flat_ranges_are_numpy_slices_of_the_flat_tensor(self):
        spec = wire.spec("w", [97, 101], dtype="FLOAT64")
        whole = self.tensor(tensor=spec).array.reshape(-1)
        for start, size, step in ((0, whole.size, 1), (5, 100, 1), (9000, 20, 39), (1, 3265, 3), (whole.size, 0, 1)):
            with self.subTest(start=start, size=size, step=step):
                answer = self.tensor(tensor=spec, slice=wire.flat(start, size, step))
                self.assertEqual(list(answer.header.shape), [size])
                self.assertSameBytes(answer.data, whole[start : start + size * step : step].tobytes(), "flat")

    def test_a_resumed_slice_is_the_tail_of_the_slice(self):
        spec = wire.spec("w", [40, 50])
        box = wire.box((3, 12, 3), (0, 25, 2))
        whole = self.tensor(tensor=spec, slice=box)
        tail = self.tensor(tensor=spec, slice=box, first_byte=400, byte_count=200)
        self.assertSameBytes(tail.data, whole.data[400:600], "tail")

    def test_slices_of_every_structured_method_are_parts_of_the_whole(self):
        methods = {
            "orthogonal": (Initializer(orthogonal=wire.initializer_pb2.Orthogonal()), [64, 48]),
            "sparse": (Initializer(sparse=wire.initializer_pb2.Sparse(sparsity=0.5)), [64, 48]),
            "delta_orthogonal": (Initializer(delta_orthogonal=wire.initializer_pb2.DeltaOrthogonal()), [16, 8, 3, 3]),
            "eye": (Initializer(eye=wire.initializer_pb2.Eye()), [64, 48]),
            "dirac": (Initializer(dirac=wire.initializer_pb2.Dirac()), [16, 8, 3, 3]),
        }
        for name, (init, shape) in methods.items():
            with self.subTest(method=name):
                spec = wire.spec(name, shape, init)
                whole = self.tensor(tensor=spec).array
                ranges = [(extent // 3, extent // 2, 1) for extent in shape]
                part = self.tensor(tensor=spec, slice=wire.box(*ranges)).array
                expected = whole[tuple(slice(start, start + size) for start, size, _ in ranges)]
                self.assertSameBytes(part.tobytes(), np.ascontiguousarray(expected).tobytes(), name)

    def test_what_leaves_the_tensor_is_refused_and_never_clipped(self):
        spec = wire.spec("w", [10, 10])
        for field, request in {
            "slice.box.dims[1]": TensorRequest(tensor=spec, slice=wire.box((0, 10, 1), (5, 6, 1))),
            "slice.box": TensorRequest(tensor=spec, slice=wire.box((0, 10, 1))),
            "slice.flat": TensorRequest(tensor=spec, slice=wire.flat(0, 101)),
            "first_byte": TensorRequest(tensor=spec, first_byte=404),
            "byte_count": TensorRequest(tensor=spec, first_byte=396, byte_count=8),
        }.items():
            with self.subTest(field=field):
                details = self.refused(grpc.StatusCode.INVALID_ARGUMENT, request)
                self.assertTrue(details.fields and details.fields[0].startswith(field), details)
        for request in (TensorRequest(tensor=spec, first_byte=2), TensorRequest(tensor=spec, byte_count=6)):
            self.refused(grpc.StatusCode.INVALID_ARGUMENT, request)


class FingerprintTest(ServerTest):
    def test_a_recipe_that_was_sent_once_may_be_named_by_its_fingerprint(self):
        recipe = Recipe(seed=5, tensors=[wire.spec("a", [30]), wire.spec("b", [40])])
        first = self.model(recipe=recipe)
        fingerprint = first[0].header.fingerprint
        again = self.model(fingerprint=fingerprint)
        self.assertEqual([one.data for one in again], [one.data for one in first])
        some = self.model(fingerprint=fingerprint, selections=[Selection(name="b")])
        self.assertEqual(some[0].data, first[1].data)
        plan = list(self.stub.Plan(PlanRequest(recipe=recipe), timeout=20))
        self.assertEqual(plan[0].report.fingerprint, fingerprint)
        summaries = list(self.stub.Summarize(SummarizeRequest(fingerprint=fingerprint), timeout=20))
        self.assertEqual([one.name for one in summaries], ["a", "b"])

    def test_a_plan_makes_its_recipe_known(self):
        recipe = Recipe(seed=6, tensors=[wire.spec("a", [30])])
        report = next(iter(self.stub.Plan(PlanRequest(recipe=recipe), timeout=20))).report
        self.assertEqual(len(self.model(fingerprint=report.fingerprint)[0].data), 120)

    def test_an_unknown_fingerprint_is_failed_precondition_recipe_unknown(self):
        for request in (ModelRequest(fingerprint=bytes(32)), SummarizeRequest(fingerprint=bytes(32))):
            details = self.refused(grpc.StatusCode.FAILED_PRECONDITION, request)
            self.assertEqual(details.reason, "RECIPE_UNKNOWN", details)

    def test_a_fingerprint_of_another_length_is_invalid(self):
        details = self.refused(grpc.StatusCode.INVALID_ARGUMENT, ModelRequest(fingerprint=b"x" * 31))
        self.assertEqual(details.fields, ["fingerprint"], details)

    def test_a_request_without_a_source_is_invalid(self):
        self.refused(grpc.StatusCode.INVALID_ARGUMENT, ModelRequest())
        self.refused(grpc.StatusCode.INVALID_ARGUMENT, SummarizeRequest())
        details = self.refused(grpc.StatusCode.INVALID_ARGUMENT, PlanRequest())
        self.assertEqual(details.fields, ["recipe"], details)


class PlanTest(ServerTest):
    def test_a_large_plan_comes_as_its_report_and_pages_of_at_most_a_mebibyte(self):
        count = 6000
        recipe = Recipe(
            tensors=[wire.tensor_spec(name=f"layers.{i}.a_rather_long_name.weight", shape=[8, i + 1]) for i in range(count)],
            rules=[Rule(name_regex=".*", init=wire.normal(0.02)), Rule(name_regex="layers\\.7\\..*", init=wire.normal())],
        )
        messages = list(self.stub.Plan(PlanRequest(recipe=recipe), timeout=60))
        self.assertEqual(messages[0].WhichOneof("content"), "report")
        report = messages[0].report
        self.assertEqual(report.tensor_count, count)
        self.assertEqual(report.element_count, 8 * count * (count + 1) // 2)
        self.assertEqual(report.byte_count, 4 * report.element_count)
        self.assertTrue(report.drawable)
        self.assertEqual(report.overlap_count, 1)
        self.assertEqual((report.overlaps[0].rule, list(report.overlaps[0].other_rules)), (0, [1]))
        pages = [message.page for message in messages if message.WhichOneof("content") == "page"]
        self.assertGreater(len(pages), 1)
        for message in messages:
            self.assertLessEqual(message.ByteSize(), MIB)
        tensors = [tensor for page in pages for tensor in page.tensors]
        self.assertEqual([tensor.name for tensor in tensors], [spec.name for spec in recipe.tensors])
        for tensor in tensors[:3]:
            self.assertEqual(tensor.rule, 0)
            std = tensor.distribution.numbers[1]
            self.assertEqual((std.name, float.fromhex(std.hex)), ("std", std.value))
            self.assertEqual(np.float32(std.value), np.float32(0.02))

    def test_gaps_of_the_coverage_are_data_in_a_plan_and_an_error_for_weights(self):
        recipe = Recipe(
            tensors=[wire.tensor_spec(name="a", shape=[2]), wire.tensor_spec(name="b", shape=[2])],
            rules=[Rule(name_regex="a", init=wire.normal()), Rule(name_regex="nothing", init=wire.normal())],
        )
        report = next(iter(self.stub.Plan(PlanRequest(recipe=recipe), timeout=20))).report
        self.assertFalse(report.drawable)
        self.assertEqual(list(report.uncovered), ["b"])
        self.assertEqual((report.uncovered_count, report.idle_rule_count), (1, 1))
        self.assertEqual(report.idle_rules[0].rule, 1)
        self.assertEqual(report.fingerprint, b"")
        details = self.refused(grpc.StatusCode.FAILED_PRECONDITION, ModelRequest(recipe=recipe))
        self.assertEqual(details.reason, "RECIPE_NOT_COVERED", details)
        self.assertEqual(sorted(details.fields), ["rules[1]", "tensors[1]"], details)

    def test_a_plan_of_what_nobody_could_draw_is_pure_arithmetic(self):
        start = time.monotonic()
        zeros = Initializer(zeros=wire.initializer_pb2.Zeros())
        recipe = Recipe(tensors=[wire.spec("w", [1 << 30, 1 << 30], zeros, "UINT8")])
        messages = list(self.stub.Plan(PlanRequest(recipe=recipe), timeout=20))
        self.assertEqual(messages[0].report.byte_count, 1 << 60)
        self.assertLess(time.monotonic() - start, 5)


class SummaryTest(ServerTest):
    def test_numbers_are_those_of_numpy(self):
        inits = {
            "normal": wire.normal(0.5, 3.0),
            "uniform": wire.uniform(-0.25, 1.0),
            "orthogonal": Initializer(orthogonal=wire.initializer_pb2.Orthogonal(gain=2)),
            "constant": Initializer(constant=wire.initializer_pb2.Constant(value=0.1)),
        }
        for dtype in ("FLOAT32", "FLOAT16", "FLOAT64"):
            recipe = Recipe(seed=9, tensors=[wire.spec(name, [120, 80], init, dtype) for name, init in inits.items()])
            summaries = list(self.stub.Summarize(SummarizeRequest(recipe=recipe, histogram_bins=16), timeout=60))
            weights = self.model(recipe=recipe, check=Check(digest=True))
            self.assertEqual(len(summaries), len(weights))
            for summary, answer in zip(summaries, weights):
                with self.subTest(method=summary.name, dtype=dtype):
                    x = answer.array.astype(np.float64).reshape(-1)
                    self.assertEqual(summary.name, answer.header.name)
                    self.assertEqual((summary.count, summary.nan_count, summary.infinite_count), (x.size, 0, 0))
                    self.assertAlmostEqual(summary.mean, x.mean(), delta=1e-12 * (1 + abs(x.mean())))
                    self.assertAlmostEqual(summary.std, x.std(), delta=1e-12 * (1 + x.std()))
                    if summary.name != "constant":
                        z = (x - x.mean()) / x.std()
                        self.assertAlmostEqual(summary.skewness, (z**3).mean(), delta=1e-9)
                        self.assertAlmostEqual(summary.excess_kurtosis, (z**4).mean() - 3, delta=1e-9)
                    self.assertEqual((summary.min, summary.max), (x.min(), x.max()))
                    self.assertEqual((summary.min_index, summary.max_index), (int(x.argmin()), int(x.argmax())))
                    self.assertEqual(list(summary.first_values), x[:8].tolist())
                    self.assertEqual(summary.digest, answer.trailer.digest)
                    counts = np.asarray(summary.histogram.counts)
                    self.assertEqual((counts.size, int(counts.sum())), (16, x.size))
                    edges = summary.histogram.low + np.arange(17) * (summary.histogram.high - summary.histogram.low) / 16
                    if edges[0] < edges[-1]:
                        bins = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, 15)
                        self.assertEqual(counts.tolist(), np.bincount(bins, minlength=16).tolist())

    def test_a_part_is_described_as_a_part_with_indices_of_the_full_tensor(self):
        recipe = Recipe(tensors=[wire.spec("w", [50, 60])])
        whole = self.model(recipe=recipe)[0].array
        selections = [
            Selection(name="w", slice=wire.box((10, 20, 2), (0, 60, 1))),
            Selection(name="w", first_byte=400, byte_count=800),
        ]
        boxed, cut = self.stub.Summarize(SummarizeRequest(recipe=recipe, selections=selections, histogram_bins=0), timeout=20)
        part = whole[10:50:2]
        self.assertEqual((list(boxed.shape), boxed.count, boxed.selection), ([20, 60], 1200, 0))
        self.assertEqual(boxed.max, part.max())
        self.assertEqual(whole.reshape(-1)[boxed.max_index], part.max())
        self.assertFalse(boxed.HasField("histogram"))
        self.assertEqual((list(cut.shape), cut.count, cut.selection), ([200], 200, 1))
        self.assertEqual(list(cut.first_values), whole.reshape(-1)[100:108].tolist())

    def test_infinities_are_counted_apart(self):
        recipe = Recipe(tensors=[wire.spec("w", [1000], wire.normal(60_000.0), "FLOAT16")])
        x = self.model(recipe=recipe)[0].array.astype(np.float64)
        finite = x[np.isfinite(x)]
        summary = next(iter(self.stub.Summarize(SummarizeRequest(recipe=recipe), timeout=20)))
        self.assertGreater(summary.infinite_count, 100)
        self.assertEqual((summary.count, summary.infinite_count, summary.nan_count), (1000, 1000 - finite.size, 0))
        self.assertAlmostEqual(summary.mean, finite.mean(), delta=1e-6)
        self.assertEqual((summary.min, summary.max), (finite.min(), finite.max()))
        self.assertEqual(sum(summary.histogram.counts), finite.size)
        self.assertTrue(any("overflows" in warning for warning in summary.plan.warnings), summary.plan.warnings)

    def test_more_bins_than_allowed_are_invalid(self):
        request = SummarizeRequest(recipe=Recipe(tensors=[wire.spec("w", [3])]), histogram_bins=1025)
        self.assertEqual(self.refused(grpc.StatusCode.INVALID_ARGUMENT, request).fields, ["histogram_bins"])


class CapabilitiesTest(ServerTest):
    FLAGS = ("--threads", "1", "--max-streams", "9", "--max-response-bytes", "1GiB", "--chunk-bytes", "128KiB")

    def test_they_say_what_the_api_has_and_what_the_flags_set(self):
        answer = self.stub.GetCapabilities(wire.capabilities_pb2.GetCapabilitiesRequest(), timeout=20)
        self.assertEqual([one.name for one in answer.generators], ["philox_v1", "torch_cpu", "jax_threefry"])
        methods = [field.name for field in Initializer.DESCRIPTOR.oneofs_by_name["kind"].fields]
        self.assertEqual([one.name for one in answer.initializers], methods)
        for one in answer.initializers:
            parameters = [field.name for field in Initializer.DESCRIPTOR.fields_by_name[one.name].message_type.fields]
            self.assertEqual([parameter.name for parameter in one.parameters], parameters)
            self.assertTrue(one.formula)
        self.assertEqual([wire.tensor_pb2.DType.Name(one) for one in answer.dtypes], list(wire.NUMPY))
        self.assertEqual(list(answer.views), ["concat", "stack", "transpose", "tied_to", "zero_rows"])
        self.assertEqual((answer.threads, answer.chunk_bytes), (1, 128 << 10))
        self.assertTrue(answer.simd_target)
        limits = {one.name: (one.value, one.flag) for one in answer.limits}
        self.assertEqual(limits["max_streams"], (9, "--max-streams"))
        self.assertEqual(limits["max_response_bytes"], (1 << 30, "--max-response-bytes"))
        self.assertIn("max_request_bytes", limits)
        self.assertIn("max_matrix_bytes", limits)

    def test_chunk_size_and_threads_change_no_bit(self):
        spec = wire.spec("w", [300, 1000])
        here = self.tensor(tensor=spec)
        self.assertEqual(here.chunks, 10)
        other = self.server("--threads", "2", "--chunk-bytes", "2MiB")
        with wire.channel(other.address) as channel:
            there = wire.receive_one(wire.stub(channel).InitializeTensor(TensorRequest(tensor=spec), timeout=60))
        self.assertEqual(there.chunks, 1)
        self.assertSameBytes(here.data, there.data, "chunks")

    def test_health_serves_by_name_and_as_a_whole_and_knows_no_other_service(self):
        self.assertEqual(wire.check_health(self.channel), wire.SERVING)
        self.assertEqual(wire.check_health(self.channel, ""), wire.SERVING)
        with self.assertRaises(grpc.RpcError) as error:
            wire.check_health(self.channel, "another.Service")
        self.assertEqual(error.exception.code(), grpc.StatusCode.NOT_FOUND)
        watch = wire.watch_health(self.channel)
        self.assertEqual(next(watch).status, wire.SERVING)
        watch.cancel()


class UnknownTest(ServerTest):
    """A server that is older than its client must not send wrong bits."""

    def raw(self, method, data):
        call = self.channel.unary_stream(
            f"/{wire.SERVICE}/{method}", request_serializer=lambda message: message, response_deserializer=lambda data: data
        )
        return wire.failure(lambda: call(data, timeout=20))

    # Field 999, a varint of 1.
    UNKNOWN = b"\xb8\x3e\x01"

    def test_an_unknown_field_is_invalid_with_its_path(self):
        tensor = wire.spec("w", [3]).SerializeToString()

        def message(number, data):
            return bytes([number << 3 | 2, len(data)]) + data

        init = message(4, message(7, self.UNKNOWN))  # init.normal
        recipe = message(5, tensor + self.UNKNOWN)
        cases = [
            ("InitializeTensor", message(1, tensor) + self.UNKNOWN, "request"),
            ("InitializeTensor", message(1, tensor + self.UNKNOWN), "tensor"),
            ("InitializeTensor", message(1, message(1, b"w") + init), "tensor.init.normal"),
            ("InitializeModel", message(1, recipe), "tensors[0]"),
            ("Plan", message(1, recipe), "tensors[0]"),
            ("Summarize", message(1, recipe), "tensors[0]"),
        ]
        for method, data, field in cases:
            with self.subTest(method=method, field=field):
                details = self.raw(method, data)
                self.assertEqual(details.code, grpc.StatusCode.INVALID_ARGUMENT, details)
                self.assertEqual(details.fields, [field], details)
                self.assertIn(f"{field}: unknown field number 999", details.text)

    def test_an_unknown_enum_value_is_invalid_with_its_path(self):
        spec = wire.spec("w", [3, 3])
        spec.dtype = 99
        details = self.refused(grpc.StatusCode.INVALID_ARGUMENT, TensorRequest(tensor=spec))
        self.assertEqual(details.violations[0], ("tensor.dtype", "unknown value 99"))
        spec = wire.spec("w", [3, 3], Initializer(kaiming_normal=wire.initializer_pb2.KaimingNormal(nonlinearity=77)))
        details = self.refused(grpc.StatusCode.INVALID_ARGUMENT, ModelRequest(recipe=Recipe(tensors=[spec])))
        self.assertEqual(details.violations[0], ("tensors[0].init.kaiming_normal.nonlinearity", "unknown value 77"))

    def test_an_empty_oneof_is_invalid_with_its_path(self):
        details = self.refused(grpc.StatusCode.INVALID_ARGUMENT, TensorRequest(tensor=wire.spec("w", [3], Initializer())))
        self.assertTrue(details.fields[0].startswith("tensor.init"), details)
        details = self.refused(
            grpc.StatusCode.INVALID_ARGUMENT, TensorRequest(tensor=wire.spec("w", [3]), slice=wire.tensor_pb2.Slice())
        )
        self.assertTrue(details.fields[0].startswith("slice"), details)

    def test_bytes_that_are_no_message_are_refused(self):
        for method in ("InitializeTensor", "InitializeModel"):
            details = self.raw(method, b"\xff\xff\xff")
            self.assertEqual(details.code, grpc.StatusCode.INVALID_ARGUMENT, details)
            self.assertIn("is not a valid weightinit.v1", details.text)
        # These gRPC reads itself, and says UNIMPLEMENTED or INTERNAL of what it cannot read, by its version.
        for method in ("Plan", "Summarize"):
            details = self.raw(method, b"\xff\xff\xff")
            self.assertIn(details.code, (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INTERNAL), details)

    def test_an_unknown_method_is_unimplemented(self):
        self.assertEqual(self.raw("NoSuchMethod", b"").code, grpc.StatusCode.UNIMPLEMENTED)

    def test_a_compressed_request_is_unimplemented(self):
        with wire.channel(self.server_process.address, compression=grpc.Compression.Gzip) as channel:
            request = TensorRequest(tensor=wire.spec("w" * 10_000, [3]))
            details = wire.failure(lambda: wire.stub(channel).InitializeTensor(request, timeout=20))
        self.assertEqual(details.code, grpc.StatusCode.UNIMPLEMENTED, details)

    def test_an_unknown_tensor_is_not_found_with_the_nearest_names(self):
        recipe = Recipe(tensors=[wire.spec("layers.0.weight", [3])])
        request = ModelRequest(recipe=recipe, selections=[Selection(name="layer.0.weight")])
        details = self.refused(grpc.StatusCode.NOT_FOUND, request)
        self.assertEqual(details.reason, "TENSOR_UNKNOWN", details)
        self.assertEqual(details.fields, ["selections[0].name"], details)
        self.assertIn("layers.0.weight", details.text)

    def test_of_many_offenders_the_first_20_and_their_number_arrive(self):
        tensors = [wire.tensor_spec(name=f"a.rather.long.name.of.a.tensor.{i}", shape=[3]) for i in range(5000)]
        rule = Rule(name_regex=".*\\.7", init=wire.normal())
        details = self.refused(grpc.StatusCode.FAILED_PRECONDITION, ModelRequest(recipe=Recipe(tensors=tensors, rules=[rule])))
        self.assertEqual(details.fields[:9], [f"tensors[{i}]" for i in (0, 1, 2, 3, 4, 5, 6, 8, 9)])
        self.assertLessEqual(len(details.fields), 20)
        self.assertIn("4999", details.text)


class LimitTest(ServerTest):
    FLAGS = ("--max-response-bytes", "1MiB", "--max-matrix-bytes", "262KiB", "--max-request-bytes", "4KiB")

    def exhausted(self, request, flag, **options):
        details = self.refused(grpc.StatusCode.RESOURCE_EXHAUSTED, request, **options)
        self.assertIn(flag, details.text)
        self.assertTrue(details.present, details)
        self.assertEqual(details.info.metadata["flag"], flag, details)
        self.assertEqual(details.info.metadata["limit"], flag[2:].replace("-", "_"), details)
        return details

    def test_more_bytes_than_max_response_bytes(self):
        self.assertEqual(len(self.tensor(tensor=wire.spec("w", [1 << 18])).data), MIB)
        details = self.exhausted(TensorRequest(tensor=wire.spec("w", [(1 << 18) + 1])), "--max-response-bytes")
        self.assertEqual(details.reason, "LIMIT_EXCEEDED")
        self.assertEqual(details.info.metadata["value"], str(MIB))
        recipe = Recipe(tensors=[wire.spec("a", [1 << 18]), wire.spec("b", [1])])
        self.exhausted(ModelRequest(recipe=recipe), "--max-response-bytes")
        # What is not asked for does not count.
        part = self.tensor(tensor=wire.spec("w", [1 << 40]), slice=wire.flat(1 << 39, 10))
        self.assertEqual(len(part.data), 40)

    def test_a_larger_matrix_than_max_matrix_bytes(self):
        orthogonal = Initializer(orthogonal=wire.initializer_pb2.Orthogonal())
        self.assertEqual(len(self.tensor(tensor=wire.spec("w", [128, 128], orthogonal)).data), 1 << 16)
        request = TensorRequest(tensor=wire.spec("w", [128, 129], orthogonal), byte_count=4)
        self.assertEqual(self.exhausted(request, "--max-matrix-bytes").reason, "LIMIT_EXCEEDED")

    def test_a_larger_request_than_max_request_bytes(self):
        self.tensor(tensor=wire.spec("w" * 3000, [3]))
        for request in (
            TensorRequest(tensor=wire.spec("w" * 5000, [3])),
            ModelRequest(recipe=Recipe(tensors=[wire.spec("w" * 5000, [3])])),
            PlanRequest(recipe=Recipe(tensors=[wire.spec("w" * 5000, [3])])),
            SummarizeRequest(recipe=Recipe(tensors=[wire.spec("w" * 5000, [3])])),
        ):
            with self.subTest(request=type(request).__name__):
                self.assertEqual(self.exhausted(request, "--max-request-bytes").reason, "LIMIT_EXCEEDED")
        # Far beyond it gRPC refuses in its own words.
        request = TensorRequest(tensor=wire.spec("w" * 100_000, [3]))
        details = wire.failure(lambda: self.stub.InitializeTensor(request, timeout=20))
        self.assertEqual(details.code, grpc.StatusCode.RESOURCE_EXHAUSTED)

    def test_more_streams_than_max_streams_come_back_later(self):
        server = self.server("--max-streams", "2")
        request = TensorRequest(tensor=wire.spec("w", [1 << 28]))
        with wire.channel(server.address) as channel:
            stub = wire.stub(channel)
            taken = [stub.InitializeTensor(request, timeout=60) for _ in range(2)]
            for stream in taken:
                next(stream)
            details = self.exhausted(TensorRequest(tensor=wire.spec("w", [3])), "--max-streams", call=stub.InitializeTensor)
            self.assertEqual(details.reason, "SERVER_BUSY")
            self.assertGreater(details.retry, 0)
            # What is not a stream is still answered.
            stub.GetCapabilities(wire.capabilities_pb2.GetCapabilitiesRequest(), timeout=20)
            self.assertEqual(wire.check_health(channel), wire.SERVING)
            taken[0].cancel()

            def is_served():
                try:
                    return len(list(stub.InitializeTensor(TensorRequest(tensor=wire.spec("w", [3])), timeout=20))) == 1
                except grpc.RpcError as error:
                    self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
                    return False

            harness.wait_until(is_served, "a slot becomes free", timeout=20, every=0.05)
            taken[1].cancel()


class EndlessTest(ServerTest):
    """Tensors larger than any memory."""

    SPEC = wire.spec("endless", [1 << 17, 1 << 17])  # 64 GiB of float32

    def test_a_64_gib_tensor_answers_its_first_chunk_at_once_and_memory_stays_flat(self):
        self.tensor(tensor=wire.spec("warm", [1 << 22]))
        before = self.server_process.rss_bytes()
        start = time.monotonic()
        stream = self.stub.InitializeTensor(TensorRequest(tensor=self.SPEC, check=Check(digest=True)), timeout=120)
        first = next(stream)
        waited = time.monotonic() - start
        self.assertEqual(first.header.total_bytes, 64 << 30)
        received = len(first.values)
        while received < 256 * MIB:
            received += len(next(stream).values)
        grown = self.server_process.rss_bytes() - before
        stream.cancel()
        if not harness.SANITIZED:
            self.assertLess(waited, 5)
            self.assertLess(grown, 32 * MIB)

    def test_its_last_bytes_are_as_near_as_its_first(self):
        start = time.monotonic()
        tail = self.tensor(tensor=self.SPEC, first_byte=(64 << 30) - 400)
        corner = self.tensor(tensor=self.SPEC, slice=wire.box(((1 << 17) - 1, 1, 1), ((1 << 17) - 100, 100, 1)))
        self.assertSameBytes(tail.data, corner.data, "tail")
        if not harness.SANITIZED:
            self.assertLess(time.monotonic() - start, 5)

    def test_a_cancelled_call_ends_cancelled_and_a_late_one_deadline_exceeded(self):
        stream = self.stub.InitializeTensor(TensorRequest(tensor=self.SPEC), timeout=60)
        next(stream)
        stream.cancel()
        self.assertEqual(wire.failure(lambda: stream).code, grpc.StatusCode.CANCELLED)
        start = time.monotonic()
        late = wire.failure(lambda: self.stub.InitializeTensor(TensorRequest(tensor=self.SPEC), timeout=0.5))
        self.assertEqual(late.code, grpc.StatusCode.DEADLINE_EXCEEDED)
        self.assertLess(time.monotonic() - start, 20)
        summary = SummarizeRequest(recipe=Recipe(tensors=[self.SPEC]))
        late = wire.failure(lambda: self.stub.Summarize(summary, timeout=0.5))
        self.assertEqual(late.code, grpc.StatusCode.DEADLINE_EXCEEDED)
        if not harness.SANITIZED:
            self.assertLess(self.server_process.wait_until_idle(), 5)
        self.assertEqual(len(self.tensor(tensor=wire.spec("next", [10])).data), 40)


if __name__ == "__main__":
    harness.main()
