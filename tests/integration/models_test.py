"""Whole models: in parts, in shards, in directories; verified against their recipe, and recipes against one another."""

import hashlib
import json
import os
import shutil
import subprocess
import sys

import harness
from harness import cli, read, safetensors_of

np = harness.require_module_for_all("numpy", "python3-numpy")


SEED = 42

# Sizes that no number of ranks divides, a scalar, an empty tensor, matrices that are made whole.
RECIPE = """
seed: 42
tensors:
  - {name: embed, shape: [37, 5], init: "normal(std=0.02)"}
  - {name: conv, shape: [7, 3, 3, 2], init: "kaiming_uniform(nonlinearity=relu)", dtype: bfloat16}
  - {name: bias, shape: [7], init: uniform, dtype: float64}
  - {name: one, shape: [1, 4], init: truncated_normal}
  - {name: steps, shape: [], init: zeros, dtype: int64}
  - {name: none, shape: [3, 0], init: normal}
  - {name: mix, shape: [10, 6], init: orthogonal}
  - {name: holes, shape: [9, 4], init: "sparse(sparsity=0.3)"}
"""

HOSTILE = ["../../up", "/etc/passwd", "a/b", ".", "..", ".hidden", "a b", "%2F", "name\\n", "ünicode", "x" * 300, "CON", "-rf"]


def numpy_of(path):
    """{name: array of bytes-wide elements} of a .safetensors file."""
    header, values = safetensors_of(path)
    widths = {"F32": "<u4", "BF16": "<u2", "F64": "<u8", "I64": "<u8"}
    return {
        name: np.frombuffer(data, widths[header[name]["dtype"]]).reshape(header[name]["shape"])
        for name, data in values.items()
    }


class Model(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.servers = [cls.shared_server().address, cls.shared_server("--threads", "1").address]
        cls.recipe = cls.shared_path("recipe.yaml")
        with open(cls.recipe, "w", encoding="utf-8") as file:
            file.write(RECIPE)
        cls.whole = cls.shared_path("whole.safetensors")
        cli("model", cls.recipe, "-o", cls.whole)
        cls.digest = cli("digest", cls.recipe, "--quiet").text.split()[-3]
        cls.resnet50 = cls.shared_path("resnet50.safetensors")
        cli("model", "resnet50", "--seed", SEED, "-o", cls.resnet50)


class PartitionTest(Model):
    """Any partition gives the same bytes and the same digest."""

    def ways(self, number):
        """Flags of one of several processes: threads, and servers."""
        return [(), ("--threads", "1"), ("--server", self.servers[0]), ("--server", self.servers[1])][number % 4]

    def assertJoins(self, dim, world, ways):
        whole = numpy_of(self.whole)
        parts, total = [], 0
        for rank in range(world):
            path = self.path(f"{rank}.safetensors")
            flags = ("--rank", rank, "--world-size", world, "--dim", dim)
            drawn = json.loads(cli("model", self.recipe, *flags, *ways(rank), "-o", path, "--json").text)
            parts.append(numpy_of(path))
            digest = drawn.get("selectionDigest", drawn.get("modelDigest"))
            total += int(digest, 16)
            # A file says itself which part it holds.
            self.assertEqual(cli("digest", path).text.splitlines()[-1].split()[0], digest)
            cli("verify", path, "--recipe", self.recipe)
        self.assertEqual(f"{total % 2**64:016x}", self.digest, (dim, world))
        for name, array in whole.items():
            if -array.ndim <= dim < array.ndim:
                # As torch.chunk: ⌈n / world⌉ each, then the rest, then nothing.
                size = array.shape[dim]
                chunk = -(-size // world)
                self.assertEqual(
                    [part[name].shape[dim] for part in parts],
                    [max(0, min(chunk, size - rank * chunk)) for rank in range(world)],
                )
                np.testing.assert_array_equal(np.concatenate([part[name] for part in parts], axis=dim), array)
            else:
                for part in parts:
                    np.testing.assert_array_equal(part[name], array)

    def test_ranks_join_to_the_whole_however_many_there_are(self):
        for world in range(1, 10):
            for dim in (0, 1, -1) if world in (2, 5) else (world % 2,):
                with self.subTest(world=world, dim=dim):
                    self.assertJoins(dim, world, lambda rank: self.ways(rank + world))

    def test_parts_of_a_model_are_those_of_torch(self):
        torch = harness.require_module("torch", "python3-torch")
        for size in (1, 7, 10, 64):
            for world in range(1, 10):
                chunks = [list(chunk) for chunk in torch.arange(size).chunk(world)]
                chunks += [[]] * (world - len(chunks))
                spec = ("tensor", "--shape", size, "--init", "uniform")
                self.assertEqual([len(chunk) for chunk in chunks], self.sizes(size, world), spec)

    def sizes(self, size, world):
        recipe = self.write("one.yaml", f"tensors: [{{name: w, shape: [{size}], init: ones}}]")
        shapes = []
        for rank in range(world):
            flags = ("--rank", rank, "--world-size", world)
            shapes.append(json.loads(cli("digest", recipe, *flags, "--json").text)["tensors"][0]["shape"][0])
        return shapes

    def test_digests_of_what_names_leave_add_up_too(self):
        digests = 0
        for rank in range(3):
            for only in ("[a-m].*", "[n-z].*"):
                flags = ("--rank", rank, "--world-size", 3, "--only", only)
                digests += int(cli("digest", self.recipe, *flags, "--quiet").text.splitlines()[-1].split()[0], 16)
        self.assertEqual(f"{digests % 2**64:016x}", self.digest)

    def test_raw_bytes_of_a_rank_are_its_parts_in_recipe_order(self):
        flags = ("--rank", 1, "--world-size", 2)
        cli("model", self.recipe, *flags, "-o", self.path("rank.safetensors"))
        _, values = safetensors_of(self.path("rank.safetensors"))
        raw = cli("model", self.recipe, *flags, "-o", "-").out
        names = [tensor["name"] for tensor in json.loads(cli("plan", self.recipe, "--json").text)["page"]["tensors"]]
        self.assertSameBytes(raw, b"".join(values[name] for name in names))

    def test_mistakes_are_told(self):
        for flags, words in (
            (("--rank", 1), "--rank R and --world-size W go together"),
            (("--world-size", 2), "go together"),
            (("--dim", 0), "go together"),
            (("--rank", 2, "--world-size", 2), "not below --world-size"),
            (("--rank", -1, "--world-size", 2), "--rank"),
            (("--rank", 0, "--world-size", 0), "--world-size"),
            (("--rank", 0, "--world-size", 2, "--slice", "0:1"), "--slice and --rank"),
        ):
            with self.subTest(flags):
                self.assertIn(words, cli("model", self.recipe, *flags, expect=2).err)

    def test_a_dimension_that_no_tensor_has_is_warned_of(self):
        warning = "--dim 5: no tensor has this dimension"
        self.assertIn(warning, cli("model", self.recipe, "--rank", 0, "--world-size", 2, "--dim", 5).err)
        self.assertNotIn("warning", cli("model", self.recipe, "--rank", 0, "--world-size", 2, "--dim", 3).err)


# Every tensor of a sharded folder, by the reference reader; the index as transformers reads it.
REFERENCE_READER = """
import hashlib, json, sys
from safetensors import safe_open
folder = sys.argv[1]
index = json.load(open(folder + "/model.safetensors.index.json"))
found = {}
for name, shard in index["weight_map"].items():
    with safe_open(folder + "/" + shard, framework="np") as file:
        assert file.metadata()["format"] == "pt"
        found[name] = [shard, hashlib.sha256(file.get_tensor(name).tobytes()).hexdigest()]
print(json.dumps({"found": found, "total_size": index["metadata"]["total_size"]}))
"""


class ShardsTest(Model):
    def test_the_reference_reader_finds_every_tensor_where_the_index_says(self):
        python = os.path.join(harness.SOURCE_DIR, ".venv", "bin", "python3")
        python = python if os.path.exists(python) else sys.executable
        if subprocess.run([python, "-c", "import safetensors"], capture_output=True, check=False).returncode != 0:
            harness.missing_peer("safetensors (PyPI, requirements-test.txt: `make test` puts it into .venv)")
        folder = self.path("shards")
        cli("model", "resnet50", "--seed", SEED, "-o", folder, "--max-shard-size", "20MB", "--server", self.servers[0])
        done = subprocess.run([python, "-c", REFERENCE_READER, folder], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        reference = json.loads(done.stdout)
        _, values = safetensors_of(self.resnet50)
        self.assertEqual(reference["total_size"], sum(map(len, values.values())))
        self.assertEqual(
            {name: digest for name, (_, digest) in reference["found"].items()},
            {name: hashlib.sha256(data).hexdigest() for name, data in values.items()},
        )
        shards = sorted({shard for shard, _ in reference["found"].values()})
        count = len(shards)
        self.assertGreater(count, 4)
        self.assertEqual(shards, [f"model-{i + 1:05d}-of-{count:05d}.safetensors" for i in range(count)])
        self.assertEqual(sorted(os.listdir(folder)), shards + ["model.safetensors.index.json"])

    def test_shards_are_filled_in_recipe_order_as_hugging_face_does(self):
        folder = self.path("shards")
        cli("model", "resnet50", "-o", folder, "--max-shard-size", "5MB")
        tensors = json.loads(cli("plan", "resnet50", "--json").text)["page"]["tensors"]
        # huggingface_hub/serialization/_base.py, split_state_dict_into_shards_factory.
        shards, current, size = [], [], 0
        for tensor in tensors:
            if tensor["bytes"] > 5_000_000:
                shards.append([tensor["name"]])
                continue
            if size + tensor["bytes"] > 5_000_000:
                shards.append(current)
                current, size = [], 0
            current.append(tensor["name"])
            size += tensor["bytes"]
        shards.append(current)
        with open(os.path.join(folder, "model.safetensors.index.json"), encoding="utf-8") as file:
            index = json.load(file)
        expected = {
            name: f"model-{i + 1:05d}-of-{len(shards):05d}.safetensors" for i, shard in enumerate(shards) for name in shard
        }
        self.assertEqual(index["weight_map"], expected)

    def test_digests_of_recipe_folder_index_and_shards_agree(self):
        folder = self.path("shards")
        cli("model", "resnet50", "--seed", SEED, "-o", folder, "--max-shard-size", "20MB")
        model = cli("digest", self.resnet50).text.splitlines()[-1]
        self.assertEqual(cli("digest", folder).text.splitlines()[-1], model)
        index = os.path.join(folder, "model.safetensors.index.json")
        self.assertEqual(cli("digest", index).text.splitlines()[-1], model)
        total = 0
        for name in sorted(os.listdir(folder)):
            if name.endswith(".safetensors"):
                last = cli("digest", os.path.join(folder, name)).text.splitlines()[-1]
                self.assertTrue(last.endswith("  selection digest"), last)
                total += int(last.split()[0], 16)
        self.assertEqual(f"{total % 2**64:016x}  model digest", model)
        with open(index, encoding="utf-8") as file:
            self.assertEqual(json.load(file)["metadata"]["weightinit.model_digest"], model.split()[0])
        part = self.path("part")
        cli("model", "resnet50", "--only", "layer.*", "-o", part, "--max-shard-size", "20MB")
        self.assertTrue(cli("digest", part).text.splitlines()[-1].endswith("  selection digest"))

    def test_one_shard_is_one_file_without_an_index(self):
        folder = self.path("shards") + "/"
        cli("model", self.recipe, "-o", folder)
        self.assertEqual(os.listdir(folder), ["model.safetensors"])
        self.assertSameBytes(read(folder + "model.safetensors"), read(self.whole))

    def test_a_folder_stands_where_a_recipe_or_manifest_does(self):
        folder = self.path("shards")
        cli("model", "resnet50", "--seed", SEED, "-o", folder, "--max-shard-size", "20MB")
        for source in (folder, os.path.join(folder, "model.safetensors.index.json"), self.resnet50):
            again = cli("digest", source, "--rules", "resnet50", "--seed", SEED, "--quiet", expect=None)
            if again.code != 0:  # a checkpoint has no module types; a rule by name then has to do
                again = cli("digest", source, "--init", "zeros", "--quiet")
            self.assertEqual(len(again.text.splitlines()), 321)
        manifest = self.write("manifest.json", cli("manifest", folder, "--json").text)
        self.assertEqual(len(json.loads(read(manifest))["tensors"]), 320)

    def test_an_index_that_does_not_fit_its_files_is_refused(self):
        folder = self.path("shards")
        cli("model", "resnet50", "-o", folder, "--max-shard-size", "20MB")
        index = os.path.join(folder, "model.safetensors.index.json")
        good = json.loads(read(index))
        first, second = sorted(set(good["weight_map"].values()))[:2]

        def refused(change, words):
            bad = json.loads(json.dumps(good))
            change(bad["weight_map"])
            with open(index, "w", encoding="utf-8") as file:
                json.dump(bad, file)
            self.assertIn(words, cli("manifest", folder, expect=1).err)

        name = next(name for name, file in good["weight_map"].items() if file == first)
        refused(lambda map: map.update({name: second}), "is not in " + second)
        refused(lambda map: map.pop(name), "but not in the index")
        refused(lambda map: map.update({name: "../" + first}), "is not the name of a file")
        refused(lambda map: map.update({name: "missing.safetensors"}), "missing.safetensors")

    def test_files_beside_an_index_are_not_read(self):
        folder = self.path("shards")
        cli("model", "resnet50", "-o", folder, "--max-shard-size", "20MB")
        shutil.copy(self.resnet50, os.path.join(folder, "consolidated.safetensors"))
        self.assertEqual(cli("manifest", folder).text.count("\n"), 321)

    def test_a_folder_that_holds_something_stays_as_it_is(self):
        folder = self.path("shards")
        os.mkdir(folder)
        self.write("shards/config.json", "{}")
        self.assertIn("holds something", cli("model", self.recipe, "-o", folder, expect=1).err)
        self.assertEqual(os.listdir(folder), ["config.json"])
        self.assertEqual(os.listdir(self.directory), ["shards"])

    def test_mistakes_are_told(self):
        for flags, words in (
            (("-o", self.path("m.safetensors"), "--max-shard-size", "5GB"), "goes with a directory"),
            (("-o", self.path("m.safetensors"), "--format", "npy"), "goes with a directory"),
            (("-o", self.path("m"), "--max-shard-size", "5"), None),
            (("-o", self.path("n"), "--max-shard-size", "0"), "is not a size"),
            (("-o", self.path("n"), "--format", "hdf5"), "neither safetensors nor npy"),
            (("-o", self.path("n"), "--format", "npy", "--max-shard-size", "5GB"), "one tensor"),
            (("-o", self.path("n")), "the extension says the format"),
            (("--max-shard-size", "5GB"), "go with -o DIR"),
        ):
            with self.subTest(flags):
                result = cli("model", self.recipe, *flags, expect=2 if words else 0)
                self.assertIn(words or "", result.err)
        self.assertEqual(os.listdir(self.directory), ["m"])


class NpyDirectoryTest(Model):
    def test_numpy_reads_every_tensor(self):
        folder = self.path("npy")
        self.assertIn("NumPy has no BFLOAT16", cli("model", self.recipe, "-o", folder, "--format", "npy").err)
        index = json.loads(read(os.path.join(folder, "weightinit.index.json")))
        whole = numpy_of(self.whole)
        self.assertEqual(list(index["tensors"]), list(json_names(self.recipe)))
        for name, entry in index["tensors"].items():
            array = np.load(os.path.join(folder, entry["file"]))
            self.assertEqual(list(array.shape), entry["shape"])
            self.assertSameBytes(array.tobytes(), whole[name].tobytes(), name)
        self.assertEqual(len(os.listdir(folder)), len(whole) + 1)
        self.assertEqual(index["metadata"]["weightinit.model_digest"], self.digest)

    def test_no_name_leads_out_of_the_folder(self):
        lines = "".join(f'  - {{name: "{name}", shape: [2], init: normal}}\n' for name in HOSTILE)
        recipe = self.write("hostile.yaml", "tensors:\n" + lines)
        for flags, extension in ((("--format", "npy"), ".npy"), (("--max-shard-size", "10"), ".safetensors")):
            with self.subTest(flags):
                os.mkdir(self.path("box"))
                folder = self.path("box/folder")
                cli("model", recipe, "-o", folder, *flags)
                self.assertEqual(os.listdir(self.path("box")), ["folder"])
                files = os.listdir(folder)
                self.assertEqual(len(files), len(HOSTILE) + 1)
                for name in files:
                    self.assertTrue(os.path.isfile(os.path.join(folder, name)))
                    self.assertTrue(name.endswith((extension, ".json")), name)
                shutil.rmtree(self.path("box"))


def json_names(recipe):
    return [tensor["name"] for tensor in json.loads(cli("plan", recipe, "--json").text)["page"]["tensors"]]


class VerifyTest(Model):
    def flipped(self, source, name, element, bit):
        """A copy with one bit of one element changed."""
        path = self.path("flipped.safetensors")
        shutil.copy(source, path)
        header, _ = safetensors_of(path)
        width = {"F32": 4, "BF16": 2, "F64": 8, "I64": 8}[header[name]["dtype"]]
        with open(path, "r+b") as file:
            length = int.from_bytes(file.read(8), "little")
            file.seek(8 + length + header[name]["data_offsets"][0] + element * width + bit // 8)
            byte = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 1 << bit % 8]))
        return path

    def test_what_a_recipe_drew_is_verified_here_and_by_a_server(self):
        for flags in ((), ("--server", self.servers[0])):
            out = cli("verify", self.resnet50, "--recipe", "resnet50", "--seed", SEED, *flags).text
            self.assertEqual(out, f"{self.resnet50}: 320 tensors, 102.4 MB, bit for bit what the recipe draws\n")
            result = json.loads(cli("verify", self.whole, "--recipe", self.recipe, "--json", *flags).text)
            self.assertTrue(result["same"])
            self.assertEqual((result["tensors"], result["differences"]), (8, []))

    def test_one_flipped_bit_is_found_and_named(self):
        for name, element, bit, at in (
            ("embed", 123, 0, [24, 3]),
            ("embed", 184, 31, [36, 4]),
            ("conv", 0, 0, [0, 0, 0, 0]),
            ("bias", 6, 63, [6]),
            ("steps", 0, 5, []),
            ("mix", 59, 3, [9, 5]),
        ):
            for flags in ((), ("--server", self.servers[1]), ("--threads", "1")):
                with self.subTest(name=name, bit=bit, flags=flags):
                    path = self.flipped(self.whole, name, element, bit)
                    result = cli("verify", path, "--recipe", self.recipe, "--json", *flags, expect=1)
                    (difference,) = json.loads(result.text)["differences"]
                    self.assertEqual(difference["name"], name)
                    self.assertEqual((difference["what"], difference["count"]), ("values", 1))
                    self.assertEqual((difference["index"], difference["at"]), (element, at))
                    if bit < 7:
                        self.assertEqual(difference["ulps"], 1 << bit)
                    original = numpy_of(self.whole)[name].reshape(-1)[element]
                    if name == "embed":
                        value = np.array(original).view("<f4")
                        self.assertEqual(np.float32(difference["recipe"]), value)
                        self.assertEqual(np.float32(difference["file"]), np.array(original ^ np.uint32(1 << bit)).view("<f4"))

    def test_the_table_says_where_and_how_far(self):
        path = self.flipped(self.whole, "embed", 123, 0)
        result = cli("verify", path, "--recipe", self.recipe, expect=1)
        self.assertRegex(result.text, r"(?m)^embed +values +1 +185 +\[24, 3\] +-?0\.\d+ +-?0\.\d+ +1$")
        self.assertIn("1 difference (8 tensors", result.text)

    def test_what_is_missing_unexpected_or_of_another_kind_is_told(self):
        recipe = self.write(
            "other.yaml",
            RECIPE.replace("name: bias", "name: renamed").replace("[37, 5]", "[5, 37]").replace("dtype: bfloat16", "dtype: float16"),
        )
        result = json.loads(cli("verify", self.whole, "--recipe", recipe, "--json", expect=1).text)
        found = {(difference["name"], difference["what"]) for difference in result["differences"]}
        self.assertEqual(found, {("bias", "unexpected"), ("renamed", "missing"), ("embed", "shape"), ("conv", "dtype")})
        self.assertEqual(result["tensors"], 5)
        cli("verify", self.whole, "--recipe", recipe, "--only", "mix|holes")

    def test_what_rules_skip_is_ignored_and_counted(self):
        manifest = self.write("all.yaml", "tensors: [{name: a, shape: [4]}, {name: mask, shape: [4]}]\n")
        cli("model", manifest, "--init", "ones", "-o", self.path("all.safetensors"))
        rules = self.write("rules.yaml", "rules: [{name_regex: mask, skip: true}, {name_regex: a, init: ones}]\n")
        arguments = ("verify", self.path("all.safetensors"), "--recipe", manifest, "--rules", rules)
        self.assertIn("1 tensor, 16 B, bit for bit what the recipe draws; 1 skipped by rules", cli(*arguments).text)
        self.assertEqual(json.loads(cli(*arguments, "--json").text)["skipped"], 1)

    def test_another_seed_is_another_model(self):
        result = json.loads(cli("verify", self.whole, "--recipe", self.recipe, "--seed", 43, "--json", expect=1).text)
        self.assertEqual(
            {difference["name"] for difference in result["differences"]}, {"embed", "conv", "bias", "one", "mix", "holes"}
        )

    def test_a_sharded_folder_is_verified_whole(self):
        folder = self.path("shards")
        cli("model", "resnet50", "--seed", SEED, "-o", folder, "--max-shard-size", "20MB")
        cli("verify", folder, "--recipe", "resnet50", "--seed", SEED)
        shard = sorted(os.listdir(folder))[1]
        damaged = self.flipped(os.path.join(folder, shard), *self.any_tensor(os.path.join(folder, shard)), 7, 2)
        shutil.move(damaged, os.path.join(folder, shard))
        cli("verify", folder, "--recipe", "resnet50", "--seed", SEED, expect=1)

    @staticmethod
    def any_tensor(path):
        return [next(name for name, data in safetensors_of(path)[1].items() if len(data) > 64)]

    def test_a_part_from_elsewhere_is_verified_by_its_rank(self):
        path, plain = self.path("rank.safetensors"), self.path("plain.safetensors")
        flags = ("--rank", 2, "--world-size", 3)
        cli("model", self.recipe, *flags, "-o", path)
        # As another program would have written it: without our metadata.
        header, values = safetensors_of(path)
        header.pop("__metadata__")
        text = json.dumps(header).encode()
        with open(plain, "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text + read(path)[8 + int.from_bytes(read(path)[:8], "little") :])
        self.assertEqual(len(values), 8)
        cli("verify", plain, "--recipe", self.recipe, *flags)
        cli("verify", plain, "--recipe", self.recipe, "--rank", 1, "--world-size", 3, expect=1)
        cli("verify", plain, "--recipe", self.recipe, expect=1)

    def test_names_of_wrapped_modules_and_renames_are_followed(self):
        source = self.write("plain.yaml", "tensors: [{name: fc.weight, shape: [4, 4], init: normal}]")
        wrapped = self.write(
            "wrapped.yaml", "tensors: [{name: model.fc.weight, draw_name: fc.weight, shape: [4, 4], init: normal}]"
        )
        path = self.path("wrapped.safetensors")
        cli("model", wrapped, "-o", path)
        cli("verify", path, "--recipe", source, expect=1)
        renaming = self.write(
            "renaming.yaml",
            'renames: [{name_regex: "model\\\\.(.*)", rewrite: "\\\\1"}]\n'
            "tensors: [{name: fc.weight, shape: [4, 4], init: normal}]",
        )
        cli("verify", path, "--recipe", renaming)

    def test_what_is_no_checkpoint_is_refused(self):
        short = self.path("short.safetensors")
        with open(short, "wb") as file:
            file.write(read(self.whole)[:-1])
        self.assertIn("end of the file", cli("verify", short, "--recipe", self.recipe, expect=1).err)
        cli("verify", self.path("missing.safetensors"), "--recipe", self.recipe, expect=1)
        self.assertIn("--recipe", cli("verify", self.whole, expect=2).err)


class DiffTest(Model):
    def test_equal_recipes_are_exit_0(self):
        result = cli("diff", self.recipe, self.recipe)
        self.assertEqual(result.text, "")
        fingerprint = cli("plan", self.recipe, "--fingerprint").text.strip()
        self.assertEqual(result.err, f"the same bits: fingerprint {fingerprint}\n")

    def test_errors_say_which_recipe_they_are_about(self):
        bad = self.write("bad.yaml", "tensors: [{name: a, shape: [4]}]\n")
        self.assertIn("the first recipe: ", cli("diff", bad, self.recipe, expect=1).err)
        self.assertIn("the second recipe: ", cli("diff", self.recipe, bad, expect=1).err)

    def test_differences_are_exit_1_and_have_their_reasons(self):
        other = self.write("other.yaml", RECIPE.replace("std=0.02", "std=0.01").replace("name: bias", "name: shift"))
        result = cli("diff", self.recipe, other, expect=1)
        self.assertRegex(result.text, r"(?m)^embed +std +0.02 +0.01$")
        self.assertRegex(result.text, r"(?m)^bias +only in the first +\[7\] +-$")
        self.assertRegex(result.text, r"(?m)^shift +only in the second +- +\[7\]$")
        found = json.loads(cli("diff", self.recipe, other, "--json", expect=1).text)
        self.assertFalse(found["same"])
        self.assertEqual([one["name"] for one in found["differences"]], ["embed", "bias", "shift"])
        self.assertEqual(found["differences"][0]["reasons"], [{"what": "std", "first": "0.02", "second": "0.01"}])
        cli("diff", self.recipe, other, "--only", "conv|mix")

    def test_what_differs_is_what_verify_finds(self):
        other = self.write("other.yaml", RECIPE.replace("seed: 42", "seed: 7"))
        found = json.loads(cli("diff", self.recipe, other, "--json", expect=1).text)
        verified = json.loads(cli("verify", self.whole, "--recipe", other, "--json", expect=1).text)
        names = {one["name"] for one in found["differences"]}
        self.assertEqual(names - {"none"}, {one["name"] for one in verified["differences"]})

    def test_manifests_take_rules(self):
        a = self.write("a.json", '{"tensors": [{"name": "w", "shape": [2]}]}')
        b = self.write("b.json", '{"tensors": [{"name": "w", "shape": [3]}]}')
        rules = self.write("rules.yaml", 'rules: [{name_regex: ".*", init: normal}]')
        self.assertRegex(cli("diff", a, b, "--rules", rules, expect=1).text, r"(?m)^w +shape +\[2\] +\[3\]$")
        self.assertIn("no init", cli("diff", a, b, expect=1).err)


class TiedTest(harness.TestCase):
    RECIPE = """
tensors:
  - {name: embed, shape: [6, 4], init: normal}
  - {name: body, shape: [4, 4], init: normal}
  - {name: head, shape: [6, 4], view: {tied_to: embed}}
"""

    @staticmethod
    def total(*arguments):
        return cli("digest", *arguments, "--quiet").text.splitlines()[-1]

    def test_a_tied_tensor_counts_once_and_alone_for_itself(self):
        recipe = self.write("recipe.yaml", self.RECIPE)
        for only, names in ((".*", {"embed", "body"}), ("embed|head", {"embed"}), ("head", {"head"}), ("body|head", {"body", "head"})):
            path = self.path("model.safetensors")
            drawn = json.loads(cli("model", recipe, "--only", only, "-o", path, "--json").text)
            self.assertEqual(set(safetensors_of(path)[1]), names)
            self.assertEqual(self.total(path), self.total(recipe, "--only", only), only)
            self.assertEqual(drawn.get("selectionDigest", drawn.get("modelDigest")), self.total(path).split()[0])
            cli("verify", path, "--recipe", recipe, "--only", only)
            for rank in range(2):
                flags = ("--only", only, "--rank", rank, "--world-size", 2)
                cli("model", recipe, *flags, "-o", path)
                self.assertEqual(self.total(path), self.total(recipe, *flags), only)
        self.assertEqual(self.total(recipe), self.total(recipe, "--only", ".*"))
        self.assertEqual(self.total(recipe), self.total(self.write("two.yaml", self.RECIPE.partition("  - {name: head")[0])))


class CoverageTest(harness.TestCase):
    """What a plan says of rules: in a pipe, where other programs read it. (terminal_test has the terminal.)"""

    RECIPE = """
tensors:
  - {name: h.0.mlp.weight, shape: [4, 4], module: Linear}
  - {name: h.1.mlp.weight, shape: [4, 4], module: Linear}
  - {name: embed, shape: [4, 4]}
rules:
  - {name_regex: 'h\\.0\\..*', init: ones}
  - {name_regex: 'h\\.\\d+\\.mpl\\.weight', init: zeros}
  - {module: Linear, init: normal}
  - {name_regex: 'embed', module: Linear, init: normal}
  - {name_regex: 'mask', skip: true, may_be_idle: true}
  - {name_regex: '.*\\.weight', init: uniform}
"""
    HINTS = {1: 'nearest names: "h.0.mlp.weight"', 3: '"embed" has no module'}

    def test_the_report_names_what_is_uncovered_idle_nearly_matched_and_matched_twice(self):
        text = cli("plan", self.write("recipe.yaml", self.RECIPE), expect=1).text
        for rule, hint in self.HINTS.items():
            self.assertRegex(text, rf"(?m)^ +{rule} .* matches nothing; {hint}$")
        self.assertRegex(text, r"(?m)^1 rule matches nothing, as it may$")
        self.assertRegex(text, r"(?m)^ +5 .* earlier rules win everywhere$")
        self.assertIn("2 tensors match several rules; the first one wins:\n  h.0.mlp.weight: rule 0 wins over 2, 5\n"
                      "  h.1.mlp.weight: rule 2 wins over 5\n", text)
        self.assertIn("1 covered by no rule:\n  embed\n", text)

    def test_the_same_in_json(self):
        answer = json.loads(cli("plan", self.write("recipe.yaml", self.RECIPE), "--json", expect=1).text)
        self.assertEqual({one["rule"]: one["hint"] for one in answer["idleHints"]}, self.HINTS)
        report = answer["report"]
        self.assertEqual([one["rule"] for one in report["idleRules"]], [1, 3, 4])
        self.assertEqual(report["uncovered"], ["embed"])
        self.assertEqual(report["overlaps"][0], {"tensor": "h.0.mlp.weight", "rule": 0, "otherRules": [2, 5], "otherRuleCount": 2})


    def test_a_rule_that_never_wins_is_warned_of(self):
        recipe = self.write("dead.yaml", """
tensors: [{name: a, shape: [4]}, {name: b, shape: [4]}]
rules:
  - {name_regex: '.*', init: ones}
  - {name_regex: 'a', init: zeros}
  - {name_regex: 'b', skip: true}
  - {name_regex: 'b', init: zeros, may_be_idle: true}
""")
        planned = cli("plan", recipe).text
        for rule in (1, 2, 3):
            self.assertRegex(planned, rf"(?m)^ +{rule} .* 0 +earlier rules win everywhere$")
        for text in (planned, cli("model", recipe).err):
            self.assertEqual(text.count("warning: rules["), 2)
            self.assertIn("warning: rules[2] never wins: earlier rules match all that it matches", text)

    def test_an_error_beside_uncovered_tensors_has_its_line_and_their_list(self):
        recipe = self.write("both.yaml", """
tensors: [{name: a, shape: [4]}, {name: b, shape: [4]}]
rules:
  - {name_regex: 'b', init: "normal(std=-1)"}
""")
        refused = cli("plan", recipe, expect=1).err
        self.assertRegex(refused, r'both\.yaml:2: tensors\[0\]: "a" has no init and no rule matches it; allowed: an init')
        self.assertRegex(refused, r"both\.yaml:4: rules\[0\]\.init\.normal\.std: -1")

    def test_a_scale_that_a_constant_cannot_mend_has_no_hint_and_an_empty_one_is_refused(self):
        recipe = "tensors: [{{name: a, shape: [4]}}]\nrules: [{{name_regex: a, init: normal, scale: '{}'}}]\n"
        self.assertIn("--constant", cli("plan", self.write("name.yaml", recipe.format("x")), expect=1).err)
        self.assertNotIn("--constant", cli("plan", self.write("root.yaml", recipe.format("sqrt(-1)")), expect=1).err)
        self.assertIn("empty.yaml:2: rules[0].scale: '' is not an expression",
                      cli("plan", self.write("empty.yaml", recipe.format("")), expect=1).err)

    def test_a_seed_of_its_own_is_among_the_reasons(self):
        recipe = self.write("seed.yaml", "tensors: [{name: a, shape: [4]}]\nrules: [{name_regex: a, init: normal, seed: 7}]\n")
        self.assertIn("; seed 7", cli("plan", recipe).text)
        self.assertNotIn("; seed", cli("plan", recipe, "--seed", 7).text)


class SummaryTest(Model):
    def test_a_model_without_output_is_described_tensor_by_tensor(self):
        for flags in ((), ("--server", self.servers[0])):
            described = json.loads(cli("model", self.recipe, "--json", *flags).text)
            self.assertEqual(described["modelDigest"], self.digest)
            embed = described["tensors"][0]
            values = numpy_of(self.whole)["embed"].view("<f4").astype(float)
            self.assertAlmostEqual(embed["mean"], values.mean(), places=12)
            self.assertAlmostEqual(embed["std"], values.std(), places=12)
            self.assertEqual((embed["min"], embed["max"]), (values.min(), values.max()))
            self.assertEqual(sum(embed["histogram"]["counts"]), values.size)
            digests = {line.split()[1]: line.split()[0] for line in cli("digest", self.recipe).text.splitlines()}
            self.assertEqual(embed["digest"], digests["embed"])

    def test_its_table_has_a_histogram_and_a_digest(self):
        lines = cli("model", self.recipe).text.splitlines()
        self.assertRegex(lines[0], r"HISTOGRAM +DIGEST$")
        self.assertRegex(lines[1], r"[▁-█]+ +[0-9a-f]{16}$")


if __name__ == "__main__":
    harness.main()
