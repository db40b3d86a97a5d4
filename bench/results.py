"""bench/RESULTS.md: a part for each thing measured."""

import pathlib
import re

FILE = pathlib.Path(__file__).with_name("RESULTS.md")
PARTS = ("Engine", "Replay", "Wire", "Load", "Planning", "Models")


def write(parts):
    """Into the file: `parts` by title; the others as they stand there."""
    old = FILE.read_text(encoding="utf-8") if FILE.exists() else ""
    kept = {text.partition("\n")[0]: text.partition("\n")[2].strip() for text in re.split(r"^# ", old, flags=re.M)[1:]}
    kept.update(parts)
    FILE.write_text("\n".join(f"# {title}\n\n{kept[title]}\n" for title in PARTS if title in kept), encoding="utf-8")
