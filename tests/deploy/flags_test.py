"""The flags in deploy/ are the server's, and what they let it hold at once stays below the memory that the same file gives it."""

import json
import os
import re
import shlex
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import harness  # noqa: E402

UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
# What the chart says itself: where the server listens, whom it lets in, and the form of its log.
OF_THE_CHART = {"listen", "metrics-listen", "unix-socket-mode", "unix-socket-owner", "insecure", "log-format", "token-file",
                "tls-cert", "tls-key", "tls-client-ca"}
# For calls and the process itself.
TO_SPARE = 512 * harness.MIB


def text_of(path):
    with open(os.path.join(harness.SOURCE_DIR, path), encoding="utf-8") as file:
        return file.read()


def size(text):
    number, unit = re.fullmatch(r"(\d+)([kmg]?)(?:i|ib)?", text.lower()).groups()
    return int(number) * UNITS[unit]


def settings(*arguments):
    """What holds with these flags, by the server's own account."""
    result = harness.run([harness.SERVER, *arguments, "--print-config"])
    assert result.code == 0, result
    return {name: value.strip('"') for name, value in (line.split("=", 1) for line in result.text.splitlines())}


class FlagsTest(harness.TestCase):
    def test_the_charts_schema_knows_the_servers_flags(self):
        schema = json.loads(text_of("deploy/helm/weightinit/values.schema.json"))
        names = schema["properties"]["config"]["propertyNames"]["enum"]
        self.assertEqual(sorted(names), sorted(settings().keys() - OF_THE_CHART))

    def assert_fits(self, limit, *arguments):
        now = settings(*arguments)
        threads = int(now["threads"])
        self.assertGreater(threads, 0, "as many as the machine has processors")
        # docs/server.md
        most = sum(size(now[name]) for name in ("max-stream-bytes", "cache-bytes", "recipe-cache-bytes"))
        most += max(threads, 2) * size(now["max-matrix-bytes"])
        self.assertLessEqual(most + TO_SPARE, size(limit))

    def test_the_chart_gives_the_memory_that_its_flags_need(self):
        values = text_of("deploy/helm/weightinit/values.yaml")
        lines = re.search(r"^config:\n((?:  .*\n)+)", values, re.MULTILINE).group(1)
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(re.sub(r"^  (\S+): (.*)$", r'\1 = "\2"', lines, flags=re.MULTILINE))
            file.flush()
            self.assert_fits(re.search(r"limits: \{memory: (\w+)\}", values).group(1), "--config", file.name)

    def test_the_sidecar_and_compose_do(self):
        for path, flags in (("deploy/kubernetes/sidecar.yaml", "args"), ("deploy/compose.yaml", "command")):
            with self.subTest(path):
                text = text_of(path)
                listed = re.search(rf"^ +{flags}: \[(--listen[^]]*)\]", text, re.MULTILINE).group(1)
                self.assert_fits(re.search(r"limits: \{memory: (\w+)\}", text).group(1), *shlex.split(listed.replace(",", " ")))

    def test_docker_run_in_the_documentation_does(self):
        command = re.search(r"^docker run ((?:.*\\\n)*.*)$", text_of("docs/deploy.md"), re.MULTILINE).group(1)
        words = shlex.split(command.replace("\\\n", " "))
        image = next(i for i, word in enumerate(words) if word.startswith("weightinit:"))
        self.assert_fits(words[words.index("--memory") + 1], *words[image + 1 :])


if __name__ == "__main__":
    harness.main()
