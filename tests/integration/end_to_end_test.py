"""The same bits by every way: in this process, from a server over TCP and over a unix socket, whole and in parts."""

import concurrent.futures
import filecmp
import hashlib
import json
import os

import harness
import wire
from harness import cli, read, safetensors_of
from wire import np

SEED = 42

# One example of every initializer, and a shape it can be drawn in.
INITIALIZERS = {
    "zeros": ("zeros", "7,5"),
    "ones": ("ones", "7,5"),
    "constant": ("constant(value=1)", "7,5"),
    "eye": ("eye(gain=0.5)", "7,5"),
    "dirac": ("dirac(groups=2)", "8,3,3"),
    "uniform": ("uniform(low=-0.25, high=0.75)", "33,17"),
    "normal": ("normal(mean=0.5, std=0.02)", "33,17"),
    "truncated_normal": ("truncated_normal(std=0.02, low=-3, high=1)", "33,17"),
    "xavier_uniform": ("xavier_uniform(nonlinearity=TANH)", "33,17"),
    "xavier_normal": ("xavier_normal(gain=0.1)", "33,17"),
    "kaiming_uniform": ("kaiming_uniform(mode=FAN_OUT, nonlinearity=RELU)", "33,17"),
    "kaiming_normal": ("kaiming_normal(negative_slope=0.2)", "33,17"),
    "lecun_uniform": ("lecun_uniform", "33,17"),
    "lecun_normal": ("lecun_normal", "33,17"),
    "variance_scaling": ("variance_scaling(scale=2, mode=FAN_GEO_AVG, distribution=NORMAL)", "33,17"),
    "orthogonal": ("orthogonal(gain=2)", "33,17"),
    "delta_orthogonal": ("delta_orthogonal", "9,4,3,3"),
    "sparse": ("sparse(sparsity=0.3)", "33,17"),
}
FLOATS = ("float32", "bfloat16", "float16", "float64", "float8_e4m3fn", "float8_e5m2")
INTEGERS = ("int64", "int32", "uint8", "bool")
INTEGER_METHODS = ("zeros", "ones", "constant")


class EndToEndTest(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.socket = cls.shared_path("weightinit.sock")
        server = cls.shared_server(listen=("127.0.0.1:0", f"unix:{cls.socket}"))
        cls.tcp, cls.unix = server.addresses
        cls.resnet50 = cls.shared_path("resnet50.safetensors")
        cli("model", "resnet50", "--seed", SEED, "-o", cls.resnet50)

    def both(self, *arguments):
        """Standard output of a command: in this process, which must be equal to the server's."""
        here = cli(*arguments).text
        self.assertEqual(cli(*arguments, "--server", self.tcp).text, here)
        return here

    # Whole models ----------------------------------------------------------------------------------------------------

    def test_resnet50_streamed_over_tcp_is_the_file_of_this_process(self):
        streamed = self.path("tcp.safetensors")
        cli("model", "resnet50", "--seed", SEED, "--server", self.tcp, "-o", streamed)
        self.assertGreater(os.path.getsize(streamed), 100_000_000)
        self.assertTrue(filecmp.cmp(self.resnet50, streamed, shallow=False))

    def test_resnet50_streamed_over_a_unix_socket_is_the_file_of_this_process(self):
        streamed = self.path("unix.safetensors")
        cli("model", "resnet50", "--seed", SEED, "--server", self.unix, "-o", streamed)
        self.assertTrue(filecmp.cmp(self.resnet50, streamed, shallow=False))

    def test_another_seed_gives_another_file(self):
        other = self.path("other.safetensors")
        cli("model", "resnet50", "--seed", SEED + 1, "--only", "fc\\..*", "-o", other)
        _, expected = safetensors_of(self.resnet50)
        _, found = safetensors_of(other)
        self.assertNotEqual(found["fc.weight"], expected["fc.weight"])

    def test_article_net_is_the_same_file_by_every_way(self):
        files = {}
        for way, server in (("here", None), ("tcp", self.tcp), ("unix", self.unix)):
            files[way] = self.path(f"{way}.safetensors")
            cli("model", "article_net", *(["--server", server] if server else []), "-o", files[way])
        self.assertSameBytes(read(files["here"]), read(files["tcp"]), "tcp")
        self.assertSameBytes(read(files["here"]), read(files["unix"]), "unix")
        _, values = safetensors_of(files["here"])
        self.assertEqual(len(values), 10)
        self.assertEqual(sum(map(len, values.values())), 62_006 * 4)
        self.assertEqual(values["fc1.bias"], bytes(120 * 4))

    def test_article_net_torch_is_what_torch_made_by_every_way(self):
        with open(os.path.join(harness.SOURCE_DIR, "tests/golden/torch_1_13.json")) as file:
            net = next(case for case in json.load(file)["cases"] if case["call"] == "net")
        for server in (None, self.tcp, self.unix):
            values = cli("model", "article_net_torch", *(["--server", server] if server else []), "-o", "-").out
            self.assertEqual(hashlib.sha256(values).hexdigest(), net["all_tensors_sha256"], server)

    def test_replays_and_their_slices_are_the_same_by_every_way(self):
        for generator in ("torch_cpu", "torch_cpu(variant=DEFAULT, torch_version=1.13)", "jax_threefry", "jax_threefry(layout=LEGACY, fold_in=3)"):
            for init in ("normal", "uniform(low=-1, high=2)", "orthogonal"):
                self.both("tensor", "--shape", "33,17", "--init", init, "--generator", generator, "--slice", "3:30,::2", "--seed", 5)

    def test_threads_change_no_bit(self):
        one = self.path("one.safetensors")
        cli("model", "resnet50", "--seed", SEED, "--threads", 1, "-o", one)
        self.assertTrue(filecmp.cmp(self.resnet50, one, shallow=False))

    def test_only_keeps_the_tensors_that_match_with_their_bits(self):
        part = self.path("part.safetensors")
        cli("model", "resnet50", "--seed", SEED, "--only", r"layer1\.0\..*", "--server", self.tcp, "-o", part)
        _, whole = safetensors_of(self.resnet50)
        _, found = safetensors_of(part)
        self.assertEqual(sorted(found), sorted(name for name in whole if name.startswith("layer1.0.")))
        for name, values in found.items():
            self.assertSameBytes(values, whole[name], name)

    def test_a_model_as_raw_bytes_stands_in_recipe_order(self):
        path = self.path("net.bin")
        cli("model", "article_net", "-o", path)
        to_stdout = cli("model", "article_net", "-o", "-", "--server", self.tcp).out
        safetensors = self.path("net.safetensors")
        cli("model", "article_net", "-o", safetensors)
        _, values = safetensors_of(safetensors)
        order = [line.split("  ", 1)[1] for line in cli("digest", "article_net").text.splitlines()[:-1]]
        self.assertEqual(order[0], "conv1.weight")
        self.assertSameBytes(read(path), b"".join(values[name] for name in order), ".bin")
        self.assertSameBytes(to_stdout, read(path), "-")

    # Parts of a tensor -----------------------------------------------------------------------------------------------

    TENSOR = (
        "tensor", "--name", "layer3.0.conv2.weight", "--shape", "256,256,3,3",
        "--init", "kaiming_normal(mode=fan_out, nonlinearity=relu)", "--seed", SEED,
    )  # fmt: skip

    def layer(self):
        _, values = safetensors_of(self.resnet50)
        return np.frombuffer(values["layer3.0.conv2.weight"], "<f4").reshape(256, 256, 3, 3)

    def test_a_shard_asked_for_on_its_own_is_that_part_of_the_file(self):
        full = self.layer()
        cases = {
            "64:128": full[64:128],
            "64:128,:,1:2,:": full[64:128, :, 1:2, :],
            "5:200:7,1:100:3,:,0:3:2": full[5:200:7, 1:100:3, :, 0:3:2],
            "255:,255:": full[255:, 255:],
            "flat:0:100": full.reshape(-1)[0:100],
            "flat:589000:": full.reshape(-1)[589000:],
        }
        for text, expected in cases.items():
            for server in ((), ("--server", self.tcp), ("--server", self.unix)):
                with self.subTest(slice=text, server=server):
                    shard = self.path("shard.bin")
                    cli(*self.TENSOR, "--slice", text, *server, "-o", shard)
                    self.assertSameBytes(read(shard), expected.tobytes(), text)

    def test_shards_in_numpy_files_join_to_the_whole(self):
        full = self.layer()
        for start in (0, 128):
            cli(*self.TENSOR, "--slice", f"{start}:{start + 128}", "--server", self.tcp, "-o", self.path(f"{start}.npy"))
        joined = np.concatenate([np.load(self.path("0.npy")), np.load(self.path("128.npy"))])
        self.assertEqual(joined.shape, full.shape)
        self.assertSameBytes(joined.tobytes(), full.tobytes(), "joined")

    def test_selections_through_the_api_are_those_parts_of_the_file(self):
        _, values = safetensors_of(self.resnet50)
        full = self.layer()
        fc = np.frombuffer(values["fc.weight"], "<f4").reshape(1000, 2048)
        recipe = wire.recipe_pb2.Recipe(
            seed=SEED,
            tensors=[
                wire.tensor_spec(name="layer3.0.conv2.weight", shape=[256, 256, 3, 3], module="Conv2d"),
                wire.tensor_spec(name="fc.weight", shape=[1000, 2048], module="Linear"),
            ],
            rules=[
                wire.recipe_pb2.Rule(
                    module="Conv2d",
                    init=wire.initializer_pb2.Initializer(
                        kaiming_normal=wire.initializer_pb2.KaimingNormal(mode="FAN_OUT", nonlinearity="RELU")
                    ),
                ),
                wire.recipe_pb2.Rule(
                    module="Linear",
                    init=wire.initializer_pb2.Initializer(
                        kaiming_uniform=wire.initializer_pb2.KaimingUniform(negative_slope=2.23606797749979)
                    ),
                ),
            ],
        )
        selection, layer = wire.selection_pb2.Selection, "layer3.0.conv2.weight"
        wanted = [
            (selection(name=layer, slice=wire.box((64, 64, 1), (0, 256, 1), (0, 3, 1), (0, 3, 1))), full[64:128]),
            (selection(name="fc.weight", slice=wire.box((10, 30, 33), (1, 400, 5))), fc[10:1000:33, 1:2001:5][:30]),
            (selection(name=layer, slice=wire.flat(77, 1000, 500)), full.reshape(-1)[77 : 77 + 500_000 : 500]),
            (selection(name="fc.weight", first_byte=4096, byte_count=8192), fc.reshape(-1)[1024:3072]),
        ]
        with wire.channel(self.tcp) as channel:
            request = wire.service_pb2.InitializeModelRequest(recipe=recipe, selections=[one for one, _ in wanted])
            answers = wire.receive(wire.stub(channel).InitializeModel(request, timeout=60))
        self.assertEqual(len(answers), len(wanted))
        for answer, (one, expected) in zip(answers, wanted):
            self.assertSameBytes(answer.data, np.ascontiguousarray(expected).tobytes(), str(one))

    # Initializers and dtypes -----------------------------------------------------------------------------------------

    def test_every_initializer_of_the_server_is_among_the_examples(self):
        names = [method["name"] for method in json.loads(self.both("methods", "--json"))["initializers"]]
        self.assertEqual(sorted(names), sorted(INITIALIZERS))

    def test_every_initializer_gives_the_same_bytes_here_and_from_the_server(self):
        def draw(case):
            name, dtype, server = case
            init, shape = INITIALIZERS[name]
            path = self.path(f"{name}.{dtype}.{'remote' if server else 'local'}.bin")
            arguments = ["--shape", shape, "--init", init, "--dtype", dtype, "--name", f"a.{name}", "--seed", SEED]
            cli("tensor", *arguments, *(["--server", server] if server else []), "-o", path)
            return path

        pairs = [(name, dtype) for name in INITIALIZERS for dtype in ("float32", "bfloat16")]
        cases = [(name, dtype, server) for name, dtype in pairs for server in (None, self.tcp)]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            paths = list(pool.map(draw, cases))
        for (name, dtype), here, there in zip(pairs, paths[::2], paths[1::2]):
            with self.subTest(initializer=name, dtype=dtype):
                self.assertGreater(os.path.getsize(here), 0)
                self.assertSameBytes(read(here), read(there), name)

    def test_every_initializer_in_every_dtype_is_the_same_in_one_recipe(self):
        lines = ["seed: 42", "tensors:"]
        count = 0
        for name, (init, shape) in INITIALIZERS.items():
            for dtype in FLOATS + (INTEGERS if name in INTEGER_METHODS else ()):
                lines.append(f'  - {{name: {name}.{dtype}, shape: [{shape}], dtype: {dtype}, init: "{init}"}}')
                count += 1
        recipe = self.write("all.yaml", "\n".join(lines) + "\n")
        self.assertEqual(count, 18 * 6 + 3 * 4)
        here, there = self.path("here.safetensors"), self.path("there.safetensors")
        cli("model", recipe, "-o", here)
        cli("model", recipe, "--server", self.unix, "-o", there)
        self.assertSameBytes(read(here), read(there), "every initializer and dtype")
        _, values = safetensors_of(here)
        self.assertEqual(len(values), count)
        self.assertEqual(np.frombuffer(values["constant.bool"], "?").tolist(), [True] * 35)
        self.assertEqual(np.frombuffer(values["eye.float64"], "<f8").reshape(7, 5).tolist(), (np.eye(7, 5) * 0.5).tolist())

    # Outputs ---------------------------------------------------------------------------------------------------------

    def test_stdout_file_and_numpy_hold_the_same_values(self):
        tensor = ("tensor", "--shape", "100,7", "--init", "normal", "--name", "w", "--dtype", "float64")
        for server in ((), ("--server", self.tcp)):
            with self.subTest(server=server):
                cli(*tensor, *server, "-o", self.path("w.bin"))
                cli(*tensor, *server, "-o", self.path("w.npy"))
                raw = read(self.path("w.bin"))
                self.assertEqual(len(raw), 100 * 7 * 8)
                self.assertSameBytes(cli(*tensor, *server, "-o", "-").out, raw, "-")
                array = np.load(self.path("w.npy"))
                self.assertEqual((array.shape, array.dtype), ((100, 7), np.dtype("<f8")))
                self.assertSameBytes(array.tobytes(), raw, ".npy")

    def test_files_replace_what_was_there(self):
        path = self.write("w.bin", "x" * 1000)
        cli("tensor", "--shape", "3", "--init", "ones", "-o", path)
        self.assertEqual(np.frombuffer(read(path), "<f4").tolist(), [1, 1, 1])
        self.assertEqual(os.listdir(self.directory), ["w.bin"])

    # Digests and fingerprints ----------------------------------------------------------------------------------------

    def test_digests_of_recipe_server_and_file_agree(self):
        here = self.both("digest", "resnet50", "--seed", SEED).splitlines()
        file = cli("digest", self.resnet50).text.splitlines()
        self.assertEqual(len(here), 320 + 1)
        self.assertEqual(here[-1], file[-1])
        self.assertEqual(sorted(here), sorted(file))
        header, values = safetensors_of(self.resnet50)
        self.assertEqual(here[-1], header["__metadata__"]["weightinit.model_digest"] + "  model digest")
        # And with NumPy, from the specification.
        names = {"F32": ("FLOAT32", "<f4"), "I64": ("INT64", "<i8")}
        parts = []
        by_name = dict(reversed(line.split("  ", 1)) for line in here)
        for name, data in values.items():
            api_name, numpy_name = names[header[name]["dtype"]]
            parts.append((name, api_name, header[name]["shape"], wire.digest(np.frombuffer(data, numpy_name))))
            self.assertEqual(by_name[name], f"{parts[-1][3]:016x}", name)
        self.assertEqual(by_name["model digest"], f"{wire.model_digest(parts):016x}")

    def test_digests_in_json_are_the_same(self):
        here = json.loads(self.both("digest", "article_net", "--seed", 7, "--json"))
        path = self.path("net.safetensors")
        drawn = json.loads(cli("model", "article_net", "--seed", 7, "-o", path, "--json").text)
        file = json.loads(cli("digest", path, "--json").text)
        self.assertEqual(here["modelDigest"], file["modelDigest"])
        self.assertEqual(here["modelDigest"], drawn["modelDigest"])
        self.assertEqual(here["fingerprint"], drawn["fingerprint"])
        self.assertEqual(len(here["tensors"]), 10)
        self.assertEqual(
            sorted((one["name"], one["digest"]) for one in here["tensors"]),
            sorted((one["name"], one["digest"]) for one in file["tensors"]),
        )

    def test_digests_of_shards_add_up_to_the_whole(self):
        tensor = ("digest", "--shape", "60,10", "--init", "normal", "--name", "w")
        whole = json.loads(cli(*tensor, "--json").text)["tensors"][0]["digest"]
        parts = [
            json.loads(cli(*tensor, "--slice", part, "--server", self.tcp, "--json").text)["tensors"][0]["digest"]
            for part in ("0:20", "20:60,0:5", "20:60,5:10")
        ]
        self.assertEqual(sum(int(part, 16) for part in parts) % 2**64, int(whole, 16))

    def test_a_tensor_has_one_digest_whoever_prints_it(self):
        tensor = ("--shape", "60,10", "--init", "normal", "--name", "w")
        for slice_flags in ((), ("--slice", "5:7,3"), ("--slice", "::3,::2"), ("--slice", "flat:7:300:5"), ("--slice", "4:4")):
            with self.subTest(slice=slice_flags):
                tensor_json = json.loads(self.both("tensor", *tensor, *slice_flags, "--json"))
                digest = tensor_json["digest"]
                self.assertRegex(digest, "^[0-9a-f]{16}$")
                if tensor_json["count"] > 0:
                    self.assertIn(digest, self.both("tensor", *tensor, *slice_flags))
                self.assertEqual(self.both("digest", *tensor, *slice_flags), f"{digest}  w\n")
                path = self.path("w.safetensors")
                self.assertIn(f", digest {digest}\n", cli("tensor", *tensor, *slice_flags, "-o", path).err)
                self.assertEqual(cli("digest", path).text, f"{digest}  w\n")
                self.assertEqual(safetensors_of(path)[0]["__metadata__"]["weightinit.digest"], digest)
                written = json.loads(cli("tensor", *tensor, *slice_flags, "-o", path, "--json").text)
                self.assertEqual(written["tensors"][0]["digest"], digest)

    def test_a_file_with_a_slice_that_it_cannot_hold_is_refused(self):
        path = self.path("w.safetensors")
        cli("tensor", "--shape", "60,10", "--init", "normal", "--name", "w", "--slice", "0:20", "-o", path)
        for forged in (b"0:21,0:10", b"0:20,5:10", b"0:20,0:1x"):
            with open(path, "rb") as file:
                data = file.read().replace(b"0:20,0:10", forged)
            with open(self.path("forged.safetensors"), "wb") as file:
                file.write(data)
            self.assertIn("metadata", cli("digest", self.path("forged.safetensors"), expect=1).err)

    def test_the_digest_of_a_part_is_not_called_that_of_the_model(self):
        self.assertIn("model digest ", cli("model", "article_net", "-o", self.path("whole.safetensors")).err)
        part = self.path("part.safetensors")
        fc = ("--only", "fc.*")
        rest = ("--only", "conv.*")
        self.assertIn("selection digest ", cli("model", "article_net", *fc, "-o", part).err)
        self.assertEqual(self.both("digest", "article_net", *fc).splitlines()[-1], cli("digest", part).text.splitlines()[-1])
        digests = [json.loads(cli("digest", "article_net", *only, "--json").text) for only in (fc, rest, ())]
        parts = [int(one["selectionDigest"], 16) for one in digests[:2]]
        self.assertEqual(f"{sum(parts) % 2**64:016x}", digests[2]["modelDigest"])

    def test_fingerprints_of_here_server_and_file_agree(self):
        here = self.both("plan", "resnet50", "--seed", SEED, "--fingerprint").strip()
        self.assertRegex(here, r"^[0-9a-f]{64}$")
        header, _ = safetensors_of(self.resnet50)
        self.assertEqual(header["__metadata__"]["weightinit.fingerprint"], here)
        other = cli("plan", "resnet50", "--seed", SEED + 1, "--fingerprint").text.strip()
        self.assertNotEqual(other, here)

    def test_plans_of_here_and_server_are_the_same_text(self):
        self.both("plan", "resnet50")
        self.both("plan", "article_net", "--json")
        self.both("plan", "--shape", "256,128", "--init", "kaiming_uniform", "--mode", "fan_in", "--nonlinearity", "relu")

    # Every command ---------------------------------------------------------------------------------------------------

    def test_json_of_every_command_parses(self):
        tensor = ("--shape", "4,3", "--init", "normal")
        commands = [
            ("tensor", *tensor),
            ("tensor", *tensor, "-o", self.path("w.npy")),
            ("model", "article_net"),
            ("model", "article_net", "-o", self.path("net.safetensors")),
            ("plan", "article_net"),
            ("plan", *tensor),
            ("digest", "article_net"),
            ("digest", *tensor),
            ("digest", self.resnet50),
            ("manifest", self.resnet50),
            ("methods",),
            ("recipes",),
            ("recipes", "article_net"),
        ]
        for command in commands:
            asks_no_server = command[0] in ("manifest", "recipes")
            for server in ((),) if asks_no_server else ((), ("--server", self.tcp)):
                with self.subTest(command=command, server=server):
                    self.assertIsInstance(json.loads(cli(*command, "--json", *server).text), dict)
        self.assertIsInstance(json.loads(cli("status", "--json", "--server", self.tcp).text), dict)

    def test_json_has_one_form(self):
        fingerprint = self.both("plan", "article_net", "--fingerprint").strip()
        self.assertEqual(json.loads(self.both("plan", "article_net", "--fingerprint", "--json")), {"fingerprint": fingerprint})
        plan = json.loads(self.both("plan", "article_net", "--seed", 2**64 - 1, "--json"))
        self.assertEqual(plan["report"]["seed"], str(2**64 - 1))
        self.assertRegex(plan["report"]["fingerprint"], "^[0-9a-f]{64}$")
        tensor = plan["page"]["tensors"][0]
        self.assertEqual(tensor["shape"], [6, 3, 5, 5])
        self.assertEqual((tensor["elements"], tensor["bytes"]), (450, 1800))
        self.assertRegex(tensor["subsequence"], "^[0-9a-f]{16}$")
        self.assertEqual(list(json.loads(self.both("methods", "--json"))), ["initializers"])
        model = json.loads(self.both("model", "article_net", "--json"))
        digest = json.loads(self.both("digest", "article_net", "--json"))
        self.assertEqual([one["digest"] for one in model["tensors"]], [one["digest"] for one in digest["tensors"]])
        self.assertEqual(model["modelDigest"], digest["modelDigest"])
        first = model["tensors"][0]
        self.assertAlmostEqual(first["std"], first["plan"]["expectedStd"], delta=0.1 * first["std"])

    def test_a_plan_of_some_tensors_says_of_how_many(self):
        self.assertIn("\n2 of 320 tensors shown", self.both("plan", "resnet50", "--only", "fc\\..*"))
        self.assertNotIn("shown", self.both("plan", "resnet50"))

    def test_json_of_an_error_parses_and_names_the_field(self):
        for server in ((), ("--server", self.tcp)):
            result = cli("tensor", "--shape", "4,3", "--init", "normal(std=-1)", "--json", *server, expect=1)
            error = json.loads(result.text)["error"]
            self.assertEqual(error["code"], "INVALID_ARGUMENT")
            self.assertEqual(error["violations"][0]["field"], "tensor.init.normal.std")
            self.assertIn("tensor.init.normal.std", result.err)

    def test_methods_are_the_same_here_and_on_the_server(self):
        text = self.both("methods")
        for name in INITIALIZERS:
            self.assertIn(f"\n{name}\n", "\n" + text)

    def test_ready_recipes_are_listed_and_printed_as_files_that_do_the_same(self):
        listed = cli("recipes").text
        for name in ("article_net", "resnet50"):
            self.assertIn(name, listed)
            file = self.write(f"{name}.copy.yaml", cli("recipes", name).text)
            self.assertEqual(
                cli("plan", file, "--fingerprint").text,
                self.both("plan", name, "--fingerprint"),
            )
        self.assertIn("did you mean 'resnet50'", cli("recipes", "resnet51", expect=1).err)

    def test_a_manifest_of_a_file_stands_where_a_recipe_does(self):
        net = self.path("net.safetensors")
        cli("model", "article_net", "-o", net)
        for form, flags in (("yaml", ()), ("json", ("--json",))):
            manifest = self.write(f"manifest.{form}", cli("manifest", net, *flags).text)
            from_manifest = self.both("digest", manifest, "--init", "normal(std=0.02)", "--seed", 3)
            from_file = cli("digest", net, "--init", "normal(std=0.02)", "--seed", 3).text
            self.assertEqual(from_manifest, from_file)
            self.assertNotEqual(from_manifest, cli("digest", net).text)

    def test_a_tensor_in_two_files_of_a_directory_is_refused_with_both(self):
        directory = self.path("shards")
        os.mkdir(directory)
        for name in ("a", "b"):
            cli("tensor", "--name", "w", "--shape", "3", "--init", "ones", "-o", f"{directory}/{name}.safetensors")
        error = cli("manifest", directory, expect=1).err
        self.assertIn(f"tensor 'w' stands in two files: {directory}/a.safetensors and {directory}/b.safetensors", error)

    def test_rules_of_one_recipe_apply_to_the_tensors_of_another(self):
        tensors = self.write("tensors.yaml", "tensors:\n  - {name: fc3.weight, shape: [10, 84], module: Linear}\n")
        rules = self.write("rules.yaml", "seed: 5\nrules:\n  - {module: Linear, init: xavier_normal}\n")
        path = self.path("w.bin")
        cli("model", tensors, "--rules", rules, "--server", self.tcp, "-o", path)
        net = self.path("net.safetensors")
        cli("model", "article_net", "--seed", 5, "-o", net)
        self.assertSameBytes(read(path), safetensors_of(net)[1]["fc3.weight"], "fc3.weight")

    def test_status_shows_health_and_limits(self):
        for server in (self.tcp, self.unix):
            text = cli("status", "--server", server).text
            self.assertIn("serving", text)
            self.assertIn("philox_v1", text)
            self.assertIn("--max-response-bytes", text)
        status = json.loads(cli("status", "--json", env={"WEIGHTINIT_SERVER": self.tcp}).text)
        self.assertEqual(status["health"], "SERVING")
        self.assertIn("--server", cli("status", expect=2).err)

    def test_a_look_at_a_tensor_is_the_same_here_and_from_the_server(self):
        text = self.both("tensor", "--shape", "256,128", "--init", "kaiming_uniform", "--nonlinearity", "relu")
        self.assertIn("kaiming_uniform", text)
        self.both("tensor", "--shape", "256,128", "--init", "orthogonal", "--json")
        self.both("tensor", "--shape", "", "--init", "normal", "--json")


if __name__ == "__main__":
    harness.main()
