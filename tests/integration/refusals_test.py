"""Every bad request of tests/refusals.json, refused alike by the server and by the command line.

The table holds what the library refuses (its own unit test reads it too); here it arrives over the wire and as a file.
"""

import concurrent.futures
import copy
import json
import os
import re

import harness
import wire
from harness import cli, read
from wire import grpc

from google.protobuf import json_format  # noqa: E402  after wire, which says what is missing

CASES = json.loads(read(os.path.join(harness.SOURCE_DIR, "tests", "refusals.json")))["cases"]
# What only a request to a server can say.
REQUEST_ONLY = ("slice", "first_byte", "byte_count", "selections", "limits")


def lines_of(value, path="", line=1):
    """The line of every field in json.dumps(value, indent=1), by its path."""
    lines = {path: line}
    if isinstance(value, dict):
        children = [(f"{path}.{key}" if path else key, child) for key, child in value.items()]
    elif isinstance(value, list):
        children = [(f"{path}[{i}]", child) for i, child in enumerate(value)]
    else:
        children = []
    for child_path, child in children:
        line += 1
        lines.update(lines_of(child, child_path, line))
        line += json.dumps(child, indent=1).count("\n")
    return lines


def slice_text(case):
    """A refused slice as --slice says it. None: negative numbers count from the end there, missing ranges are whole, and bytes
    have no place.
    """
    if "first_byte" in case or "byte_count" in case:
        return None
    box = case["slice"].get("box", {}).get("dims")
    ranges = [case["slice"]["flat"]] if box is None else box
    if box is not None and len(box) != len(case["tensor"]["shape"]):
        return None
    texts = []
    for one in ranges:
        start, size, step = int(one.get("start", 0)), int(one.get("size", 1)), int(one.get("step", 1))
        if min(start, size) < 0:
            return None
        stop = start + (size - 1) * step + 1 if "size" in one else ""
        texts.append(f"{start}:{stop}:{step}")
    return ("flat:" if box is None else "") + ",".join(texts)


class RefusalsTest(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.servers = {}

    @classmethod
    def stub_for(cls, limits):
        """Of a server with these limits."""
        key = tuple(sorted(limits.items()))
        if key not in cls.servers:
            flags = [word for name, value in key for word in ("--" + name.replace("_", "-"), str(value))]
            channel = wire.channel(cls.shared_server(*flags).address)
            cls.addClassCleanup(channel.close)
            cls.servers[key] = wire.stub(channel)
        return cls.servers[key]

    def test_the_table_is_there(self):
        self.assertGreaterEqual(len(CASES), 60)
        self.assertEqual(len({case["name"] for case in CASES}), len(CASES))

    # The server ------------------------------------------------------------------------------------------------------

    def assertRefused(self, case, call, request):
        details = wire.failure(lambda: call(request, timeout=30))
        self.assertEqual(details.code.name, case["code"], details)
        self.assertEqual(details.fields, [case["field"]], details)
        self.assertIn(case["message"], details.violations[0][1])
        self.assertTrue(details.text.startswith(case["field"] + ": "), details)
        self.assertIn(case["message"], details.text)

    def test_the_server_refuses_each_with_code_path_and_reason(self):
        for case in CASES:
            with self.subTest(case=case["name"]):
                stub = self.stub_for(case.get("limits", {}))
                if "recipe" in case:
                    fields = {key: case[key] for key in ("recipe", "selections") if key in case}
                    request = json_format.ParseDict(fields, wire.service_pb2.InitializeModelRequest())
                    self.assertRefused(case, stub.InitializeModel, request)
                else:
                    keys = ("tensor", "slice", "first_byte", "byte_count")
                    fields = {key: case[key] for key in keys if key in case}
                    request = json_format.ParseDict(fields, wire.service_pb2.InitializeTensorRequest())
                    self.assertRefused(case, stub.InitializeTensor, request)

    def test_a_summary_of_what_cannot_be_drawn_is_refused_alike(self):
        for case in CASES:
            if "recipe" not in case:
                continue
            with self.subTest(case=case["name"]):
                fields = {key: case[key] for key in ("recipe", "selections") if key in case}
                request = json_format.ParseDict(fields, wire.summary_pb2.SummarizeRequest())
                self.assertRefused(case, self.stub_for(case.get("limits", {})).Summarize, request)

    # The command line ------------------------------------------------------------------------------------------------

    def recipes_in_files(self):
        """(case, path of its recipe as a file, field path below that recipe)."""
        for case in CASES:
            if any(key in case for key in REQUEST_ONLY) or case["code"] == "RESOURCE_EXHAUSTED":
                continue
            field = case["field"]
            if "recipe" in case:
                recipe = case["recipe"]
            else:
                tensor = copy.deepcopy(case["tensor"])
                tensor.setdefault("name", "w")
                recipe = {"tensors": [tensor]}
                field = re.sub(r"^tensor\b", "tensors[0]", field)
            yield case, self.write(case["name"] + ".json", json.dumps(recipe, indent=1)), field

    def assertNamesTheLine(self, path, text, field):
        """file:line of the field itself; where it is missing, of what should hold it."""
        found = re.search(re.escape(path) + r":(\d+): " + re.escape(field) + ": ", text)
        self.assertIsNotNone(found, f"no {path}:LINE: {field}: in {text}")
        lines = lines_of(json.loads(read(path)))
        place = field
        while place not in lines:
            place = re.sub(r"(\.|^)\w+$|\[\d+\]$", "", place)
        self.assertEqual(int(found.group(1)), lines[place], f"{field} in {read(path).decode()}")

    def assertCommandRefuses(self, case, path, field, command):
        result = cli(*command, "--json", expect=None)
        self.assertEqual(result.code, 1, result)
        error = json.loads(result.text)["error"]
        self.assertEqual(error["code"], case["code"], result)
        self.assertEqual([violation["field"] for violation in error["violations"]], [field])
        self.assertIn(field + ": ", result.err)
        self.assertIn(case["message"], result.err)
        self.assertNamesTheLine(path, result.err, field)

    def each_in_parallel(self, check):
        cases = list(self.recipes_in_files())
        self.assertGreater(len(cases), 60)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            running = [(case, pool.submit(check, case, path, field)) for case, path, field in cases]
            for case, future in running:
                with self.subTest(case=case["name"]):
                    future.result()

    def test_model_refuses_each_with_file_line_path_and_reason_and_writes_no_file(self):
        def check(case, path, field):
            target = self.path(case["name"] + ".bin")
            self.assertCommandRefuses(case, path, field, ("model", path, "-o", target))
            self.assertFalse(os.path.exists(target))

        self.each_in_parallel(check)
        self.assertEqual([name for name in os.listdir(self.directory) if not name.endswith(".json")], [])

    def test_plan_refuses_each_alike_but_shows_what_the_rules_do_not_cover(self):
        def check(case, path, field):
            if case["code"] != "FAILED_PRECONDITION":
                self.assertCommandRefuses(case, path, field, ("plan", path))
                return
            result = cli("plan", path, expect=1)
            self.assertIn(field + ": ", result.err)
            self.assertIn(case["message"], result.err)

        self.each_in_parallel(check)

    def test_tensor_refuses_each_slice_that_its_notation_can_say(self):
        texts = {case["name"]: slice_text(case) for case in CASES if "slice" in case}
        said = [case for case in CASES if texts.get(case["name"]) is not None]
        self.assertGreaterEqual(len(said), 4)
        for case in said:
            with self.subTest(case=case["name"]):
                shape = ",".join(map(str, case["tensor"]["shape"]))
                init = next(iter(case["tensor"]["init"]))
                flags = ("--shape", shape, "--init", init, "--slice", texts[case["name"]])
                error = json.loads(cli("tensor", *flags, "--json", expect=1).text)["error"]
                self.assertEqual(error["code"], case["code"])
                self.assertEqual(error["violations"][0]["field"], "--slice")

    def test_tensor_refuses_the_limits_of_the_process_by_name(self):
        for case in CASES:
            if case["code"] != "RESOURCE_EXHAUSTED" or "tensor" not in case:
                continue
            with self.subTest(case=case["name"]):
                server = self.shared_server().address
                recipe = {"tensors": [{"name": "w", **case["tensor"]}]}
                path = self.write(case["name"] + ".json", json.dumps(recipe))
                result = cli("model", path, "-o", "-", "--server", server, expect=1)
                self.assertIn("--max-", result.err)


if __name__ == "__main__":
    harness.main()
