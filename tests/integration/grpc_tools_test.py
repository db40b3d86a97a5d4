"""A person with a tool: `buf curl`, as README shows it, against a running server, which tells by reflection what it can be asked."""

import json
import os
import pathlib
import shlex
import shutil

import harness

README_SERVER = "127.0.0.1:50051"
README = pathlib.Path(harness.SOURCE_DIR, "README.md").read_text(encoding="utf-8")
COMMANDS = [line[2:] for line in README.replace("\\\n", " ").splitlines() if line.startswith("$ buf curl")]
BUF = os.path.join(harness.SOURCE_DIR, "node_modules", ".bin", "buf")
SERVICE = "weightinit.v1.WeightInitService"
METHODS = ["GetCapabilities", "InitializeModel", "InitializeTensor", "Plan", "Summarize"]


class BufCurlTest(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not os.path.exists(BUF) or shutil.which("node") is None:
            harness.missing_peer("buf (npm package @bufbuild/buf: `make install-lint` puts it into node_modules)")
        cls.address = cls.shared_server().address

    def buf(self, *arguments, expect=0):
        environment = {"HOME": self.directory, "BUF_CACHE_DIR": self.directory}
        result = harness.run([BUF, *arguments], env=environment, cwd=self.directory)
        if expect is not None:
            self.assertEqual(result.code, expect, result)
        return result

    def curl(self, *arguments, expect=0):
        return self.buf("curl", "--protocol", "grpc", "--http2-prior-knowledge", "--reflect", *arguments, expect=expect)

    def documented(self, method):
        """Runs the documented command for a method: its answers."""
        command = next(line for line in COMMANDS if line.endswith("/" + method))
        words = shlex.split(command.replace(README_SERVER, self.address))
        self.assertEqual(words[:2], ["buf", "curl"])
        return json_objects(self.buf(*words[1:]).text)

    def test_reflection_lists_the_methods(self):
        listed = self.curl("--list-methods", f"http://{self.address}").text.split()
        for method in METHODS:
            self.assertIn(f"{SERVICE}/{method}", listed)
        self.assertIn("grpc.health.v1.Health/Check", listed)

    def test_plan_answers_as_documented(self):
        report, page = self.documented("Plan")
        self.assertEqual(report["report"]["elementCount"], str(256 * 128))
        self.assertTrue(report["report"]["drawable"])
        tensor = page["page"]["tensors"][0]
        self.assertEqual((tensor["name"], tensor["fanIn"], tensor["seed"]), ("fc1.weight", 128, "42"))
        self.assertIn("kaiming_uniform", tensor["initializer"])

    def test_summarize_answers_as_documented(self):
        (summary,) = self.documented("Summarize")
        self.assertEqual((summary["name"], summary["count"]), ("fc1.weight", str(256 * 128)))
        self.assertEqual(len(summary["histogram"]["counts"]), 8)
        self.assertEqual(len(summary["firstValues"]), 8)
        # The same numbers as the command line's.
        tensor = ("--name", "fc1.weight", "--shape", "256,128", "--init", "kaiming_uniform(nonlinearity=RELU)", "--seed", 42)
        look = json.loads(harness.cli("tensor", *tensor, "--json").text)
        for key in ("mean", "std", "min", "max", "firstValues"):
            self.assertEqual(summary[key], look[key], key)
        self.assertEqual(f"{int(summary['digest']):016x}", look["digest"])

    def test_capabilities_and_health_answer(self):
        (capabilities,) = json_objects(self.curl("-d", "{}", f"http://{self.address}/{SERVICE}/GetCapabilities").text)
        self.assertEqual(capabilities["generators"][0]["name"], "philox_v1")
        (health,) = json_objects(self.curl("-d", "{}", f"http://{self.address}/grpc.health.v1.Health/Check").text)
        self.assertEqual(health["status"], "SERVING")

    def test_an_error_is_readable_with_its_path(self):
        data = '{"tensor": {"shape": [3], "init": {"normal": {"std": -1}}}}'
        result = self.curl("-d", data, f"http://{self.address}/{SERVICE}/InitializeTensor", expect=None)
        self.assertNotEqual(result.code, 0)
        self.assertIn("invalid_argument", result.err)
        self.assertIn("tensor.init.normal.std: -1", result.err)


def json_objects(text):
    """JSON values one after the other."""
    decoder = json.JSONDecoder()
    values = []
    text = text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        values.append(value)
        text = text[end:].strip()
    return values


if __name__ == "__main__":
    harness.main()
