"""Rules that no query can test, because they are about how the models are written."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
CLOCKS = re.compile(
    r"\b(current_date|current_time|current_timestamp|localtimestamp|sysdate|getdate|today|now|run_started_at"
    r"|get_current_timestamp|transaction_timestamp|clock_timestamp)\b",
    re.IGNORECASE,
)
COMMENTS = re.compile(r"--[^\n]*|\{#.*?#\}", re.DOTALL)
GRAIN = re.compile(r"(^|[.!?] )One row per [^.;:!?]+\.\s*$")


def test_no_model_reads_the_clock():
    # Yesterday's number must come out again tomorrow: "now" is as_of_date. How the pipeline itself is doing is another
    # matter, and snapshots say in their own macro where they take the time of a deletion from.
    texts = {path: COMMENTS.sub("", path.read_text()) for path in (ROOT / "models").rglob("*.sql")}
    texts |= {
        path: COMMENTS.sub("", path.read_text())
        for path in (ROOT / "macros").rglob("*.sql")
        if path.parent.name not in ("history", "operations")
    }
    assert len(texts) > 100
    readers = {str(path.relative_to(ROOT)): found[0] for path, text in texts.items() if (found := CLOCKS.search(text))}
    assert readers == {}


def test_the_overview_leads_to_every_mart():
    overview = (ROOT / "models" / "overview.md").read_text()
    marts = [
        path.stem for path in (ROOT / "models" / "marts").rglob("*.sql") if not path.stem.startswith("ops_alerts_")
    ]
    assert [name for name in marts if f"(#!/model/model.storehouse.{name})" not in overview] == []


def test_every_mart_says_and_enforces_what_is_never_null():
    # The key at least, and whatever a test calls not null: a contract that only tells types lets a join empty a column.
    # Primary keys are left to tests: docs/decisions/0013-not-null-without-primary-keys.md.
    wrong = []
    for path in sorted((ROOT / "models" / "marts").rglob("*.yml")):
        for model in yaml.safe_load(path.read_text()).get("models", []):
            config = model["config"]
            if not config["contract"]["enforced"]:
                wrong.append(f"{model['name']} has no contract")
            if config.get("materialized") == "view":  # has no constraints of its own
                continue
            constrained = {
                column["name"] for column in model["columns"] if {"type": "not_null"} in column.get("constraints", [])
            }
            tested = {column["name"] for column in model["columns"] if "not_null" in column.get("data_tests", [])}
            keys = {column["name"] for column in model["columns"] if "unique" in column.get("data_tests", [])}
            wrong += [f"{model['name']}.{name}" for name in sorted((tested | keys) - constrained)]
    assert wrong == []


def test_every_mart_ends_its_description_with_what_one_row_is():
    # The overview promises it: whoever joins or adds up looks there first.
    models = [
        model
        for path in sorted((ROOT / "models" / "marts").rglob("*.yml"))
        for model in yaml.safe_load(path.read_text()).get("models", [])
    ]
    assert len(models) > 40
    wrong = [model["name"] for model in models if not GRAIN.search(model.get("description", ""))]
    assert wrong == []
