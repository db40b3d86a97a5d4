"""bench/RESULTS.md: a section for each part, which stays as it is when another one is measured."""

import pathlib
import re
import shlex
import sys

import measure

RESULTS = pathlib.Path(__file__).with_name("RESULTS.md")
HOW = "All cases in turn in every round; medians. GB are 10^9 bytes; ratios are formed round by round."
PARTS = ("Engine", "Replay", "Wire", "Load", "Planning", "Models", "Python")


def section(program, conditions, text, how=HOW):
    """Of one part: how it was measured and on what, then the tables."""
    command = " ".join([program, *map(shlex.quote, sys.argv[1:])])
    return "\n".join([*filter(None, [how]), f"Command: `{command}`", "", *(f"* {line}" for line in measure.machine() + conditions), *text])


def write(parts):
    """Into the file: `parts` by title; the others as they stand there."""
    old = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    kept = {text.partition("\n")[0]: text.partition("\n")[2].strip() for text in re.split(r"^# ", old, flags=re.M)[1:]}
    kept.update(parts)
    RESULTS.write_text("\n".join(f"# {title}\n\n{kept[title]}\n" for title in PARTS if title in kept), encoding="utf-8")
