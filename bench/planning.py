"""Planning: recipes of 1137 and of 100 000 tensors, by what they are read from, and what views cost where they are drawn."""

import engine
from measure import Ratio

ROWS, COLUMNS = 8192, 8192


def cases_and_ratios(program):
    """Cases of plan_worker. Planning has no peer: its limits are seconds, which stand with the names."""
    worker = engine.Worker(program)
    plan = lambda recipe, form, limit, **options: worker.case(f"plan {recipe} from {form} (at most {limit})", f"plan {recipe} {form}", **options)
    fill = lambda view: worker.case(f"fill {view}", f"fill {view} {ROWS} {COLUMNS}", 4 * ROWS * COLUMNS)
    cases = [
        plan("llama3_405b", "library", "50 ms"),
        plan("llama3_405b", "proto", "50 ms"),
        plan("llama3_405b", "json", "shown"),
        plan("large", "library", "2 s"),
        plan("large", "proto", "2 s"),
        plan("large", "json", "2 s", rounds=3),
        plan("large", "yaml", "shown", rounds=3),
        *(fill(view) for view in ("identity", "concat_rows", "concat_columns", "stack", "transpose")),
    ]
    ratios = [Ratio(f"fill {view} / identity", f"fill {view}, {worker.target}", f"fill identity, {worker.target}")
              for view in ("concat_rows", "concat_columns", "stack", "transpose")]
    return worker, cases, ratios
