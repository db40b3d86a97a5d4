"""Planning: recipes of 1137 and of 100 000 tensors, by what they are read from, and what views cost where they are drawn."""

import engine
from measure import Figure, Ratio

ROWS, COLUMNS = 8192, 8192
# Milliseconds at most; None: shown.
PLANS = {
    ("llama3_405b", "library"): 50,
    ("llama3_405b", "proto"): 50,
    ("llama3_405b", "json"): None,
    ("large", "library"): 2000,
    ("large", "proto"): 2000,
    ("large", "json"): 2000,
    ("large", "yaml"): None,
}
VIEWS = ("concat_rows", "concat_columns", "stack", "transpose")


def cases_and_figures(program):
    """Cases of plan_worker. Planning has no peer: its figures are milliseconds."""
    worker = engine.Worker(program)
    title = lambda recipe, form: f"plan {recipe} from {form}"
    cases = [worker.case(title(*plan), f"plan {' '.join(plan)}", rounds=3 if plan[0] == "large" else 0) for plan in PLANS]
    cases += [worker.case(f"fill {view}", f"fill {view} {ROWS} {COLUMNS}", 4 * ROWS * COLUMNS) for view in ("identity", *VIEWS)]
    times = [Figure(f"{title(*plan)}, ms", [f"{title(*plan)}, {worker.target}"], lambda run: run.wall * 1000, at_most=most)
             for plan, most in PLANS.items()]
    ratios = [Ratio(f"fill {view} / identity", f"fill {view}, {worker.target}", f"fill identity, {worker.target}") for view in VIEWS]
    return worker, cases, times + ratios
