"""Files as others read them: the reference reader of safetensors, NumPy, and a network of torchvision."""

import hashlib
import json
import os
import struct
import subprocess
import sys

import harness
import wire
from harness import cli, read
from wire import np

SEED = 42

# Name in the format, width in bytes, by the API's names.
SAFETENSORS = {
    "float32": ("F32", 4),
    "bfloat16": ("BF16", 2),
    "float16": ("F16", 2),
    "float64": ("F64", 8),
    "float8_e4m3fn": ("F8_E4M3", 1),
    "float8_e5m2": ("F8_E5M2", 1),
    "int64": ("I64", 8),
    "int32": ("I32", 4),
    "uint8": ("U8", 1),
    "bool": ("BOOL", 1),
}


class Safetensors:
    """A file read by hand, after the format's description."""

    def __init__(self, path):
        self.data = read(path)
        (self.header_bytes,) = struct.unpack("<Q", self.data[:8])
        self.text = self.data[8 : 8 + self.header_bytes].decode()
        self.entries = json.loads(self.text, object_pairs_hook=self.pairs)
        self.metadata = self.entries.pop("__metadata__", {})
        self.values = self.data[8 + self.header_bytes :]

    @staticmethod
    def pairs(items):
        names = [name for name, _ in items]
        assert len(set(names)) == len(names), "a key stands twice"
        return dict(items)

    def bytes_of(self, name):
        begin, end = self.entries[name]["data_offsets"]
        return self.values[begin:end]


def reference_python():
    """An interpreter that has the reference package: this one, or that of .venv."""
    for python in (sys.executable, os.path.join(harness.SOURCE_DIR, ".venv", "bin", "python3")):
        if os.path.exists(python):
            probe = subprocess.run([python, "-c", "import safetensors"], capture_output=True, check=False)
            if probe.returncode == 0:
                return python
    return harness.missing_peer("safetensors (PyPI, requirements-test.txt: `make test` puts it into .venv)")


# Runs where the reference package is: name, dtype, shape and SHA-256 of every tensor, and the metadata.
REFERENCE_READER = """
import hashlib, json, sys
from safetensors import deserialize, safe_open
path = sys.argv[1]
tensors = {}
for name, entry in deserialize(open(path, "rb").read()):
    tensors[name] = [entry["dtype"], list(entry["shape"]), hashlib.sha256(bytes(entry["data"])).hexdigest()]
with safe_open(path, framework="np") as file:
    metadata = file.metadata()
    keys = sorted(file.keys())
print(json.dumps({"tensors": tensors, "metadata": metadata, "keys": keys}))
"""

# Writes the tensors of one file into another, as the reference package does.
REFERENCE_WRITER = """
import sys
import numpy
from safetensors import TensorSpec, deserialize, serialize_file
names = {"F32": "float32", "BF16": "bfloat16", "F16": "float16", "F64": "float64", "F8_E4M3": "float8_e4m3fn",
         "F8_E5M2": "float8_e5m2", "I64": "int64", "I32": "int32", "U8": "uint8", "BOOL": "bool"}
tensors, kept = {}, []
for name, entry in deserialize(open(sys.argv[1], "rb").read()):
    kept.append(numpy.frombuffer(bytes(entry["data"]) + b"\\0", "u1"))
    tensors[name] = TensorSpec(
        dtype=names[entry["dtype"]], shape=entry["shape"], data_ptr=kept[-1].ctypes.data, data_len=kept[-1].nbytes - 1)
serialize_file(tensors, sys.argv[2], {"format": "pt"})
"""


class SafetensorsTest(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server_address = cls.shared_server().address
        cls.resnet50 = cls.shared_path("resnet50.safetensors")
        cli("model", "resnet50", "--seed", SEED, "--server", cls.server_address, "-o", cls.resnet50)
        cls.mixed_recipe = cls.shared_path("mixed.yaml")
        with open(cls.mixed_recipe, "w", encoding="utf-8") as file:
            file.write("seed: 18446744073709551615\ntensors:\n")
            for i, dtype in enumerate(SAFETENSORS):
                init = "normal" if dtype.startswith(("float", "bfloat")) else "ones"
                # Sizes that leave every following offset unaligned, were they not sorted.
                file.write(f"  - {{name: t{9 - i}.{dtype}, shape: [{2 * i + 1}, 3], dtype: {dtype}, init: {init}}}\n")
                file.write(f"  - {{name: a{i}.{dtype}, shape: [], dtype: {dtype}, init: {init}}}\n")
            file.write("  - {name: empty, shape: [4, 0], init: normal}\n")
            file.write('  - {name: "quote\\" and ünicode \\u2028", shape: [2], init: normal}\n')
        cls.mixed = cls.shared_path("mixed.safetensors")
        cli("model", cls.mixed_recipe, "-o", cls.mixed)

    def raw_tensors(self, recipe):
        """{name: (header, bytes)} as the server streams them, in recipe order."""
        text = cli("plan", recipe, "--seed", SEED, "--json").text
        tensors = json.loads(text)["page"]["tensors"]
        raw = cli("model", recipe, "--seed", SEED, "--server", self.server_address, "-o", "-").out
        found, at = {}, 0
        for tensor in tensors:
            size = tensor["bytes"]
            found[tensor["name"]] = (tensor, raw[at : at + size])
            at += size
        self.assertEqual(at, len(raw))
        return found

    def test_the_reference_reader_finds_the_bytes_of_the_stream_in_every_tensor(self):
        python = reference_python()
        for path, recipe, seed in ((self.resnet50, "resnet50", SEED), (self.mixed, self.mixed_recipe, None)):
            with self.subTest(path=path):
                ours = Safetensors(path)
                done = subprocess.run([python, "-c", REFERENCE_READER, path], capture_output=True, text=True, check=False)
                self.assertEqual(done.returncode, 0, done.stderr)
                reference = json.loads(done.stdout)
                self.assertEqual(reference["keys"], sorted(ours.entries))
                self.assertEqual(reference["metadata"], ours.metadata)
                if seed is None:
                    expected = {name: ours.bytes_of(name) for name in ours.entries}
                else:
                    expected = {name: raw for name, (_, raw) in self.raw_tensors(recipe).items()}
                self.assertEqual(sorted(reference["tensors"]), sorted(expected))
                for name, (dtype, shape, sha256) in reference["tensors"].items():
                    self.assertEqual(dtype, ours.entries[name]["dtype"], name)
                    self.assertEqual(shape, ours.entries[name]["shape"], name)
                    self.assertEqual(sha256, hashlib.sha256(expected[name]).hexdigest(), name)

    def test_the_reference_writer_puts_the_same_tensors_in_the_same_order(self):
        python = reference_python()
        written = self.path("reference.safetensors")
        done = subprocess.run([python, "-c", REFERENCE_WRITER, self.mixed, written], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        ours, reference = Safetensors(self.mixed), Safetensors(written)
        self.assertEqual(list(ours.entries), list(reference.entries))
        self.assertEqual(ours.entries, reference.entries)
        self.assertSameBytes(ours.values, reference.values, "values")

    def test_metadata_says_format_seed_generator_fingerprint_and_digest(self):
        metadata = Safetensors(self.resnet50).metadata
        self.assertEqual(
            sorted(metadata),
            ["format", "weightinit.fingerprint", "weightinit.generator", "weightinit.model_digest", "weightinit.seed"],
        )
        self.assertEqual(metadata["format"], "pt")
        self.assertEqual(metadata["weightinit.seed"], str(SEED))
        self.assertEqual(metadata["weightinit.generator"], "philox_v1")
        fingerprint = cli("plan", "resnet50", "--seed", SEED, "--fingerprint").text.strip()
        self.assertEqual(metadata["weightinit.fingerprint"], fingerprint)
        total = cli("digest", "resnet50", "--seed", SEED).text.splitlines()[-1].split()[0]
        self.assertEqual(metadata["weightinit.model_digest"], total)
        self.assertEqual(Safetensors(self.mixed).metadata["weightinit.seed"], "18446744073709551615")

    def test_the_header_is_aligned_and_tensors_lie_contiguous_by_width_then_name(self):
        for path in (self.resnet50, self.mixed):
            with self.subTest(path=path):
                file = Safetensors(path)
                self.assertEqual((8 + file.header_bytes) % 8, 0)
                self.assertTrue(file.text.startswith("{"))
                self.assertEqual(file.text.rstrip(" ")[-1], "}")
                widths = {name: width for name, width in SAFETENSORS.values()}
                at = 0
                for name, entry in file.entries.items():
                    begin, end = entry["data_offsets"]
                    self.assertEqual(begin, at, name)
                    self.assertEqual(end - begin, int(np.prod(entry["shape"], dtype=np.int64)) * widths[entry["dtype"]], name)
                    self.assertEqual((8 + file.header_bytes + begin) % widths[entry["dtype"]], 0, f"{name} is not aligned")
                    at = end
                self.assertEqual(at, len(file.values))
                keys = [(-widths[entry["dtype"]], name.encode()) for name, entry in file.entries.items()]
                by_width = [width for width, _ in keys]
                self.assertEqual(by_width, sorted(by_width))
                names = {}
                for name, entry in file.entries.items():
                    names.setdefault(entry["dtype"], []).append(name.encode())
                for dtype, group in names.items():
                    self.assertEqual(group, sorted(group), dtype)

    def test_every_dtype_has_the_name_that_the_format_gives_it(self):
        entries = Safetensors(self.mixed).entries
        for dtype, (name, _) in SAFETENSORS.items():
            found = {entry["dtype"] for key, entry in entries.items() if key.endswith("." + dtype)}
            self.assertEqual(found, {name}, dtype)

    def test_names_are_kept_whatever_characters_they_have(self):
        self.assertIn('quote" and ünicode \u2028', Safetensors(self.mixed).entries)
        self.assertIn("empty", Safetensors(self.mixed).entries)

    def test_two_runs_give_the_same_file(self):
        again = self.path("again.safetensors")
        cli("model", self.mixed_recipe, "--threads", 1, "-o", again)
        self.assertSameBytes(read(again), read(self.mixed), "again")

    def test_a_tensor_alone_may_be_a_file_too(self):
        path = self.path("one.safetensors")
        cli("tensor", "--shape", "3,4", "--name", "fc.weight", "--init", "normal", "-o", path)
        file = Safetensors(path)
        self.assertEqual(list(file.entries), ["fc.weight"])
        self.assertEqual(file.entries["fc.weight"]["shape"], [3, 4])

    def test_torchvision_resnet50_takes_the_file_as_its_whole_state(self):
        torch = harness.require_module("torch", "python3-torch")
        torchvision = harness.require_module("torchvision", "python3-torchvision")
        dtypes = {"F32": torch.float32, "I64": torch.int64}
        file = Safetensors(self.resnet50)
        state = {
            name: torch.frombuffer(bytearray(file.bytes_of(name)), dtype=dtypes[entry["dtype"]]).reshape(entry["shape"])
            for name, entry in file.entries.items()
        }
        model = torchvision.models.resnet50()
        keys = model.load_state_dict(state, strict=True)
        self.assertEqual((keys.missing_keys, keys.unexpected_keys), ([], []))
        self.assertSameBytes(model.fc.weight.detach().numpy().tobytes(), file.bytes_of("fc.weight"), "fc.weight")
        # The module list of the recipe is the model's: every parameter, every buffer, in order.
        order = [line.split("  ", 1)[1] for line in cli("digest", "resnet50").text.splitlines()[:-1]]
        self.assertEqual(order, list(model.state_dict()))
        # And the model works: the signal neither dies nor explodes.
        model.eval()
        with torch.no_grad():
            out = model(torch.ones(1, 3, 64, 64))
        self.assertEqual(tuple(out.shape), (1, 1000))
        self.assertTrue(bool(torch.isfinite(out).all()))
        self.assertGreater(float(out.std()), 1e-3)


class NpyTest(harness.TestCase):
    def draw(self, shape, dtype="float32", init="normal", **flags):
        path = self.path("w.npy")
        extra = [word for name, value in flags.items() for word in (f"--{name}", value)]
        result = cli("tensor", "--shape", shape, "--init", init, "--dtype", dtype, "--name", "w", *extra, "-o", path)
        raw = cli("tensor", "--shape", shape, "--init", init, "--dtype", dtype, "--name", "w", *extra, "-o", "-").out
        return np.load(path, allow_pickle=False), raw, path, result

    def test_numpy_reads_every_dtype_that_it_has(self):
        for dtype, numpy_name in (
            ("float32", "<f4"), ("float16", "<f2"), ("float64", "<f8"),
            ("int64", "<i8"), ("int32", "<i4"), ("uint8", "|u1"), ("bool", "|b1"),
        ):  # fmt: skip
            with self.subTest(dtype=dtype):
                init = "normal" if dtype.startswith("float") else "ones"
                array, raw, path, result = self.draw("5,7", dtype, init)
                self.assertEqual((array.dtype, array.shape), (np.dtype(numpy_name), (5, 7)))
                self.assertSameBytes(array.tobytes(), raw, dtype)
                self.assertNotIn("warning", result.err)
                # Byte for byte what NumPy itself writes.
                np.save(self.path("numpy.npy"), array)
                self.assertSameBytes(read(path), read(self.path("numpy.npy")), dtype)

    def test_types_that_numpy_has_not_are_their_bits_and_a_warning_says_so(self):
        for dtype, numpy_name in (("bfloat16", "<u2"), ("float8_e4m3fn", "|u1"), ("float8_e5m2", "|u1")):
            with self.subTest(dtype=dtype):
                array, raw, _, result = self.draw("5,7", dtype)
                self.assertEqual((array.dtype, array.shape), (np.dtype(numpy_name), (5, 7)))
                self.assertSameBytes(array.tobytes(), raw, dtype)
                self.assertIn("warning", result.err)

    def test_scalars_empty_tensors_and_many_dimensions_keep_their_shape(self):
        for text, shape in (("", ()), ("1", (1,)), ("0", (0,)), ("3,0,2", (3, 0, 2)), (",".join("1" * 32), (1,) * 32)):
            with self.subTest(shape=shape):
                array, raw, path, _ = self.draw(text)
                self.assertEqual(array.shape, shape)
                self.assertSameBytes(array.tobytes(), raw, text)
                np.save(self.path("numpy.npy"), array)
                self.assertSameBytes(read(path), read(self.path("numpy.npy")), text)

    def test_a_slice_has_the_shape_of_the_slice(self):
        whole, _, _, _ = self.draw("20,30")
        part, _, _, _ = self.draw("20,30", slice="5:15:2,::3")
        self.assertEqual(part.shape, (5, 10))
        self.assertSameBytes(part.tobytes(), np.ascontiguousarray(whole[5:15:2, ::3]).tobytes(), "slice")
        flat, _, _, _ = self.draw("20,30", slice="flat:7:11")
        self.assertSameBytes(flat.tobytes(), whole.reshape(-1)[7:11].tobytes(), "flat")

    def test_a_model_of_several_tensors_is_no_npy_file(self):
        result = cli("model", "article_net", "-o", self.path("net.npy"), expect=2)
        self.assertIn(".safetensors", result.err)
        self.assertEqual(os.listdir(self.directory), [])

    def test_an_unknown_extension_is_a_usage_error_that_lists_the_known(self):
        result = cli("tensor", "--shape", "3", "--init", "ones", "-o", self.path("w.pt"), expect=2)
        for known in (".npy", ".safetensors", ".bin"):
            self.assertIn(known, result.err)


if __name__ == "__main__":
    harness.main()
