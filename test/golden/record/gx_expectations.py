"""Records what Great Expectations says of a table with faults, for src/etl/expectations.test.ts to compare with.

python -m venv gx && gx/bin/pip install great_expectations==1.24.1 && gx/bin/python test/golden/record/gx_expectations.py

Reads test/golden/gx/suite.json (recorded from the library, never changed here); writes beside it table.csv, wide.json
(every expectation that has a counterpart, as the library writes a suite), different.json (where the rule here is
another one) and verdicts.json (per suite and expectation: success, rows that are unexpected, the value observed).
"""
import json
import random
from pathlib import Path

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.expectations.row_conditions import Column

HERE = Path(__file__).parent.parent / "gx"


def table():
    rng = random.Random(11)
    rows = []
    for i in range(240):
        country = rng.choice(["JP", "US", "DE"])
        amount = round(rng.lognormvariate(3, 1), 2)
        day, hour = 1 + rng.randrange(28), rng.randrange(24)
        rows.append({
            "id": f"{country}{1000 + i}", "amount": amount, "country": country,
            "at": f"2024-0{1 + rng.randrange(6)}-{day:02d} {hour:02d}:00:00", "label": rng.randrange(2),
            "fee": round(amount * 0.1, 2), "count": rng.randrange(1, 9), "note": rng.choice(["ok", "fine", "", "späte 😀"]),
            "a": (a := rng.randrange(5)), "b": (b := rng.randrange(5)), "c": 10 - a - b,
            "twin": a,
        })
    for i, change in {
        3: {"id": ""}, 7: {"id": "JP1001"}, 8: {"id": "JP1001"}, 12: {"id": "x1"}, 20: {"amount": 0.0},
        21: {"amount": -5.0}, 22: {"amount": 250000.5}, 30: {"amount": "", "fee": ""}, 40: {"country": "XX"},
        41: {"country": "USA"}, 42: {"country": ""}, 50: {"fee": 9999.0}, 51: {"fee": 9999.5}, 60: {"c": 99},
        70: {"at": rows[71]["at"], "id": rows[71]["id"]}, 80: {"a": 1, "b": 1, "c": 1}, 90: {"note": "O'Neil; DROP"},
        100: {"twin": ""},
    }.items():
        rows[i].update(change)
    return rows


def snake(name):
    return "".join(part.capitalize() for part in name.split("_"))


WIDE = [
    ("table_row_count_to_be_between", dict(min_value=1, max_value=239)),
    ("table_row_count_to_equal", dict(value=240)),
    ("table_column_count_to_equal", dict(value=12)),
    ("table_column_count_to_be_between", dict(min_value=13, max_value=20)),
    ("table_columns_to_match_set", dict(column_set=["id", "amount", "nope"], exact_match=False)),
    ("table_columns_to_match_set", dict(column_set=["id", "amount"])),
    ("table_columns_to_match_ordered_list", dict(column_list=["id", "amount", "country", "at", "label", "fee", "count", "note", "a", "b", "c", "twin"])),
    ("table_columns_to_match_ordered_list", dict(column_list=["amount", "id"])),
    ("column_to_exist", dict(column="nope")),
    ("column_to_exist", dict(column="amount", column_index=1)),
    ("column_values_to_not_be_null", dict(column="country")),
    ("column_values_to_not_be_null", dict(column="country", mostly=0.99)),
    ("column_values_to_not_be_null", dict(column="nope")),
    ("column_values_to_be_null", dict(column="note", mostly=0.2)),
    ("column_values_to_be_unique", dict(column="id")),
    ("column_values_to_be_unique", dict(column="id", mostly=0.98)),
    ("column_values_to_be_unique", dict(column="label")),
    ("column_values_to_be_between", dict(column="amount", min_value=0, max_value=100, strict_min=True)),
    ("column_values_to_be_between", dict(column="amount", max_value=250000.5, strict_max=True, mostly=0.9)),
    ("column_values_to_be_between", dict(column="count", min_value=1, max_value=8)),
    ("column_values_to_be_between", dict(column="country", min_value=0, max_value=8)),
    ("column_values_to_be_in_set", dict(column="country", value_set=["JP", "US", "DE"])),
    ("column_values_to_be_in_set", dict(column="country", value_set=["JP", "US", "DE"], mostly=0.95)),
    ("column_values_to_be_in_set", dict(column="count", value_set=[1, 2, 3])),
    ("column_values_to_be_in_set", dict(column="count", value_set=["1", "2", "3"])),
    ("column_values_to_be_in_set", dict(column="label", value_set=[])),
    ("column_values_to_not_be_in_set", dict(column="country", value_set=["XX", "YY"])),
    ("column_values_to_match_regex", dict(column="id", regex="^[A-Z]{2}\\d+$")),
    ("column_values_to_match_regex", dict(column="note", regex="'; DROP")),
    ("column_values_to_match_regex", dict(column="count", regex="^[1-4]$")),
    ("column_values_to_not_match_regex", dict(column="note", regex="(?i)drop|😀")),
    ("column_values_to_match_regex_list", dict(column="id", regex_list=["^JP", "^US"])),
    ("column_values_to_match_regex_list", dict(column="id", regex_list=["^JP", "1$"], match_on="all")),
    ("column_values_to_not_match_regex_list", dict(column="id", regex_list=["^x", "^JP1001$"])),
    ("column_value_lengths_to_be_between", dict(column="note", min_value=3, max_value=7)),
    ("column_value_lengths_to_be_between", dict(column="note", min_value=2, strict_min=True)),
    ("column_value_lengths_to_equal", dict(column="country", value=2)),
    ("column_values_to_be_of_type", dict(column="amount", type_="float64")),
    ("column_values_to_be_of_type", dict(column="country", type_="float64")),
    ("column_values_to_be_in_type_list", dict(column="label", type_list=["int64", "bool"])),
    ("column_mean_to_be_between", dict(column="count", min_value=4, max_value=5)),
    ("column_mean_to_be_between", dict(column="amount", max_value=100)),
    ("column_median_to_be_between", dict(column="amount", min_value=10, max_value=30)),
    ("column_stdev_to_be_between", dict(column="count", min_value=2, max_value=3)),
    ("column_sum_to_be_between", dict(column="count", min_value=1, max_value=1000)),
    ("column_sum_to_be_between", dict(column="amount", min_value=250000)),
    ("column_min_to_be_between", dict(column="amount", min_value=0)),
    ("column_max_to_be_between", dict(column="count", min_value=8, max_value=8)),
    ("column_max_to_be_between", dict(column="count", min_value=8, strict_min=True)),
    ("column_unique_value_count_to_be_between", dict(column="country", min_value=5, max_value=5)),
    ("column_proportion_of_unique_values_to_be_between", dict(column="id", min_value=0.99)),
    ("column_proportion_of_unique_values_to_be_between", dict(column="id", min_value=0.9, max_value=1)),
    ("column_proportion_of_non_null_values_to_be_between", dict(column="note", min_value=0.5, max_value=0.9)),
    ("column_distinct_values_to_be_in_set", dict(column="country", value_set=["JP", "US", "DE", "XX", "USA"])),
    ("column_distinct_values_to_contain_set", dict(column="country", value_set=["JP", "XX"])),
    ("column_distinct_values_to_contain_set", dict(column="country", value_set=["JP", "ZZ"])),
    ("column_distinct_values_to_equal_set", dict(column="country", value_set=["JP", "US", "DE", "XX", "USA"])),
    ("column_distinct_values_to_equal_set", dict(column="country", value_set=["JP", "US", "DE", "XX"])),
    ("column_pair_values_a_to_be_greater_than_b", dict(column_A="amount", column_B="fee")),
    ("column_pair_values_a_to_be_greater_than_b", dict(column_A="amount", column_B="fee", or_equal=True, mostly=0.98)),
    ("column_pair_values_to_be_equal", dict(column_A="a", column_B="b")),
    ("column_pair_values_to_be_in_set", dict(column_A="a", column_B="label", value_pairs_set=[(1, 0), (2, 1)])),
    ("compound_columns_to_be_unique", dict(column_list=["id", "at"])),
    ("compound_columns_to_be_unique", dict(column_list=["id", "country"], mostly=0.99)),
    ("compound_columns_to_be_unique", dict(column_list=["country", "id"], ignore_row_if="any_value_is_missing")),
    ("select_column_values_to_be_unique_within_record", dict(column_list=["a", "b", "c"])),
    ("multicolumn_sum_to_equal", dict(column_list=["a", "b", "c"], sum_total=10)),
    ("multicolumn_values_to_be_equal", dict(column_list=["a", "b", "c"])),
    ("column_values_to_be_between", dict(column="amount", min_value=0, row_condition=Column("country") == "JP")),
    ("column_values_to_not_be_null", dict(column="note", row_condition=(Column("count") > 4) & Column("country").is_not_null())),
    ("column_values_to_be_in_set", dict(column="country", value_set=["JP"], row_condition=Column("country").is_in(["JP", "US"]))),
    ("column_mean_to_be_between", dict(column="amount", max_value=100, row_condition=Column("amount") < 1000)),
    ("column_values_to_be_unique", dict(column="id", row_condition=Column("country") == "JP")),
]

# where the rule here is another one: a row that lacks one of several values is not judged
DIFFERENT = [
    ("column_pair_values_to_be_equal", dict(column_A="a", column_B="twin")),
    ("column_pair_values_a_to_be_greater_than_b", dict(column_A="a", column_B="twin", or_equal=True)),
    ("multicolumn_values_to_be_equal", dict(column_list=["a", "twin"])),
    ("multicolumn_sum_to_equal", dict(column_list=["twin", "b", "c"], sum_total=10)),
]


def expectations(suite):
    for name, kwargs in suite:
        yield getattr(gxe, snake(f"expect_{name}"))(**kwargs)


def main():
    rows = table()
    frame = pd.DataFrame(rows)
    HERE.mkdir(exist_ok=True)
    frame.to_csv(HERE / "table.csv", index=False)
    frame = pd.read_csv(HERE / "table.csv", parse_dates=["at"])
    context = gx.get_context(mode="ephemeral")
    batch = (
        context.data_sources.add_pandas("pandas").add_dataframe_asset("table").add_batch_definition_whole_dataframe("all")
    ).get_batch({"dataframe": frame})
    suites = {"transactions": json.loads((HERE / "suite.json").read_text())}
    for name, suite in {"wide": WIDE, "different": DIFFERENT}.items():
        meta = {"great_expectations_version": gx.__version__}
        written = [e.configuration.to_json_dict() for e in expectations(suite)]
        suites[name] = {"name": name, "id": None, "expectations": written, "meta": meta, "notes": None}
        (HERE / f"{name}.json").write_text(json.dumps(suites[name], indent=1, ensure_ascii=False) + "\n")
    verdicts = {}
    for name, suite in suites.items():
        verdicts[name] = []
        for configuration in suite["expectations"]:
            kwargs = {k: v for k, v in configuration["kwargs"].items()}
            expectation = getattr(gxe, snake(configuration["type"]))(**kwargs)
            found = batch.validate(expectation, result_format="SUMMARY").to_json_dict()
            result = found["result"]
            info = found["exception_info"]
            raised = any(part.get("raised_exception") for part in [info, *info.values()] if isinstance(part, dict))
            verdicts[name].append({
                "type": configuration["type"],
                "success": bool(found["success"]),
                "unexpected": result.get("unexpected_count"),
                "observed": result.get("observed_value"),
                **({"exception": True} if raised else {}),
            })
    (HERE / "verdicts.json").write_text(json.dumps(verdicts, indent=1, default=str, ensure_ascii=False) + "\n")


main()
