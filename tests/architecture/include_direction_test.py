#!/usr/bin/env python3
"""Who may include whom: lib ← proto ← server, client. Reads the #include lines of the source tree.

    include_direction_test.py SOURCE_DIR

Needs nothing but Python.
"""
import pathlib
import re
import sys
import unittest

SOURCE_DIR = pathlib.Path(sys.argv.pop(1)).resolve()
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]', re.MULTILINE)
SUFFIXES = {".h", ".cc"}

GRPC_OR_PROTOBUF = r"grpc|google/protobuf|google/rpc|.*\.pb\.h$|proto/|weightinit/v1/"
FILE_IO = r"(fstream|filesystem|cstdio|stdio\.h|unistd\.h|fcntl\.h|sys/(stat|socket)\.h)$"

# (what the rule says, folder, what its files must not include)
RULES = [
    ("lib includes no gRPC and no protobuf", "lib", GRPC_OR_PROTOBUF),
    ("lib includes nothing above it", "lib", r"(server|client|proto|tests|bench|tools)/"),
    ("public headers include no others of the library", "lib/include", r"lib/"),
    ("public headers include only std, absl::Status and one another", "lib/include", r"(?!weightinit/|absl/status/).*/"),
    ("proto includes neither server nor client", "proto", r"(server|client)/"),
    ("server includes no client", "server", r"client/"),
    ("client includes no server", "client", r"server/"),
    ("kernels read no name, plan, recipe or shape", "lib/source/kernels",
     r"lib/(plan/|recipe/|layout/|engine/|sink/)|"
     r"weightinit/(plan|recipe|selection|shape|fans|initializer|engine|sink)\.h"),
    ("the recipe room knows neither plan nor values", "lib/recipe",
     r"lib/(plan|source|sink|engine)/|weightinit/plan\.h"),
    ("the plan makes no values", "lib/plan", r"lib/(source|sink|engine)/"),
    # So recipe and plan may ask it what a view is made of.
    ("the layout is index arithmetic only", "lib/layout", r"lib/(recipe|plan|source|sink|engine)/"),
    # Kernels are pure functions of numbers, which anyone may call.
    ("sinks know no source", "lib/sink", r"lib/(source/(?!kernels/)|plan/|recipe/|layout/|engine/)"),
    ("base is the ground", "lib/base", r"lib/(?!base/)"),
]


def includes_of(text):
    return INCLUDE.findall(text)


def offenders(folder, forbidden):
    pattern = re.compile(forbidden)
    files = sorted(path for path in (SOURCE_DIR / folder).rglob("*") if path.suffix in SUFFIXES)
    assert files, f"no sources in {folder}"
    return [f"{path.relative_to(SOURCE_DIR)} includes {header}" for path in files
            for header in includes_of(path.read_text(encoding="utf-8")) if pattern.match(header)]


class IncludeDirectionTest(unittest.TestCase):
    def test_rules(self):
        for rule, folder, forbidden in RULES:
            with self.subTest(rule):
                self.assertEqual(offenders(folder, forbidden), [], rule)

    def test_lib_reads_and_writes_no_files(self):
        # But for the number of processors, which Linux tells in files.
        found = [line for line in offenders("lib", FILE_IO) if not line.startswith("lib/engine/processors.cc ")]
        self.assertEqual(found, [])

    def test_regex_and_expressions_stay_in_the_recipe_room(self):
        for path in sorted((SOURCE_DIR / "lib").rglob("*")):
            if path.suffix in SUFFIXES and (SOURCE_DIR / "lib/recipe") not in path.parents:
                for header in includes_of(path.read_text(encoding="utf-8")):
                    self.assertFalse(re.match(r"re2/|muParser", header), f"{path} includes {header}")

    def test_the_reader_sees_includes(self):
        text = '#include "a/b.h"\n  #  include <c>\n// #include "commented.h"\nconst char* s = "#include <x>";\n'
        self.assertEqual(includes_of(text), ["a/b.h", "c"])
        self.assertTrue(re.match(GRPC_OR_PROTOBUF, "grpcpp/grpcpp.h"))
        self.assertTrue(re.match(GRPC_OR_PROTOBUF, "weightinit/v1/service.grpc.pb.h"))
        self.assertFalse(re.match(GRPC_OR_PROTOBUF, "weightinit/plan.h"))


if __name__ == "__main__":
    unittest.main()
