"""The dashboard and the scrape configuration: promtool takes every query, and every metric in them is one that a server has.

dashboard_test.py PROMTOOL METRICS, a file with what /metrics of a server says.
"""

import json
import os
import re
import subprocess
import sys
import tempfile

DEPLOY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../deploy")


def main(promtool, metrics):
    subprocess.run([promtool, "check", "config", f"{DEPLOY}/prometheus/prometheus.yml"], check=True)
    with open(f"{DEPLOY}/grafana/weightinit.json", encoding="utf-8") as file:
        panels = json.load(file)["panels"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    rules = [{"record": f"query{i}", "expr": query.replace("$__rate_interval", "1m")} for i, query in enumerate(queries)]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
        file.flush()
        subprocess.run([promtool, "check", "rules", file.name], check=True)

    with open(metrics, encoding="utf-8") as file:
        text = file.read()
    subprocess.run([promtool, "check", "metrics"], input=text, text=True, check=True)
    there = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    asked = {re.sub("_bucket$", "", name) for query in queries for name in re.findall(r"\b\w+(?=\{job)", query)}
    there.add("weightinit_certificate_expiry_seconds")  # of a server with a certificate
    assert asked <= there, f"no server has {sorted(asked - there)}"
    ids = [panel["id"] for panel in panels]
    assert len(set(ids)) == len(ids)
    print(f"{len(queries)} queries of {len(asked)} metrics")


if __name__ == "__main__":
    main(*sys.argv[1:])
