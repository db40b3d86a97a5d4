"""The dashboard asks for metrics that a server has; promtool, where there is one, takes its queries and the scrape configuration."""

import json
import os
import re
import shutil
import sys
import tempfile
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import harness  # noqa: E402

DEPLOY = os.path.join(harness.SOURCE_DIR, "deploy")
PROMTOOL = shutil.which("promtool")
# What only some servers have: of a certificate, and of refusals.
SOMETIMES = {"weightinit_certificate_expiry_seconds", "weightinit_limits_hit_total"}


class DashboardTest(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with open(os.path.join(DEPLOY, "grafana/weightinit.json"), encoding="utf-8") as file:
            cls.panels = json.load(file)["panels"]
        cls.queries = [target["expr"] for panel in cls.panels for target in panel["targets"]]

    def test_a_server_has_what_it_asks_for(self):
        server = self.server("--metrics-listen", "127.0.0.1:0")
        harness.cli("digest", "article_net", "--server", server.address)
        address = re.search(r"127\.0\.0\.1:\d+", server.start_line.rpartition("metrics")[2]).group()
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=harness.PATIENCE) as page:
            text = page.read().decode()
        there = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
        asked = {re.sub("_bucket$", "", name) for query in self.queries for name in re.findall(r"\w+(?=\{)", query)}
        self.assertGreater(len(asked), 15)
        self.assertEqual(asked - there - SOMETIMES, set())
        labels = {label for query in self.queries for by in re.findall(r"by \(([^)]*)\)", query) for label in by.split(", ")}
        for label in labels - {"limit"}:
            self.assertIn(f"{label}=\"", text)

    def test_promtool_takes_it(self):
        if PROMTOOL is None:
            self.skipTest("no promtool (prometheus)")
        rules = [{"record": f"query{i}", "expr": query.replace("$__rate_interval", "1m")} for i, query in enumerate(self.queries)]
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
            file.flush()
            for arguments in (("rules", file.name), ("config", os.path.join(DEPLOY, "prometheus/prometheus.yml"))):
                result = harness.run([PROMTOOL, "check", *arguments])
                self.assertEqual(result.code, 0, result)

    def test_panels_have_names_of_their_own(self):
        ids = [panel["id"] for panel in self.panels]
        self.assertEqual(len(ids), len(set(ids)))


if __name__ == "__main__":
    harness.main()
