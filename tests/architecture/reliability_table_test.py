#!/usr/bin/env python3
"""docs/reliability.md names tests that there are.

    reliability_table_test.py SOURCE_DIR

A cell of a column "test" holds `file: start_of_its_name…`, further tests of that file, whole files, and `make TARGET`.
"""
import pathlib
import re
import sys
import unittest

SOURCE_DIR = pathlib.Path(sys.argv.pop(1)).resolve()
TESTS = {path.name.removesuffix("_test.py"): path for path in SOURCE_DIR.glob("tests/*/*_test.py")}
TARGETS = set(re.findall(r"^([a-z0-9 -]+):", (SOURCE_DIR / "Makefile").read_text(), re.MULTILINE))


def cells():
    """Of all columns of tests."""
    column = None
    for line in (SOURCE_DIR / "docs/reliability.md").read_text().splitlines():
        row = [cell.strip() for cell in line.split("|")]
        if len(row) < 3:
            column = None
        elif "test" in row:
            column = row.index("test")
        elif column is not None and not row[column].startswith("---"):
            yield row[column]


class ReliabilityTableTest(unittest.TestCase):
    def test_every_test_is_there(self):
        names = {file: re.findall(r"def test_(\w+)", path.read_text()) for file, path in TESTS.items()}
        count = 0
        for cell in cells():
            file = None
            for word in re.findall(r"`([^`]+)`", cell):
                count += 1
                with self.subTest(word=word):
                    if word.startswith("make "):
                        self.assertIn(word.removeprefix("make "), TARGETS)
                        continue
                    before, colon, name = word.rpartition(": ")
                    file = before.removeprefix("deploy.") if colon else file
                    if file is None or name.removeprefix("deploy.") in names:
                        self.assertIn(name.removeprefix("deploy."), names)
                    elif name.endswith("…"):
                        self.assertTrue(any(each.startswith(name.rstrip("…")) for each in names[file]))
                    else:
                        self.assertIn(name, names[file])
        self.assertGreater(count, 40)


if __name__ == "__main__":
    unittest.main()
