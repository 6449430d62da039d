"""DuckDB and Postgres build the same marts, value for value, also after days have passed in the shop."""

import sys

import duckdb

from warehouses.parity import differences_of


def test_duckdb_and_postgres_agree_after_increments(workspace):
    done = workspace.run(sys.executable, "-m", "warehouses", "parity", "--increments", "1", "--days", "30")
    assert "✓ dev = postgres" in done.stdout
    assert not (workspace.data_dir / "parity").exists()


def test_a_difference_is_shown_with_model_key_column_and_values(tmp_path):
    for name, rows in (
        ("a.parquet", "(1, 10.00, 'x'), (2, 20.00, '')"),
        ("b.parquet", "(1, 10.01, 'x'), (3, 20.00, null)"),
    ):
        duckdb.sql(f"select * from (values {rows}) as t (id, amount, note)").write_parquet(str(tmp_path / name))
    with duckdb.connect() as connection:
        found = {
            (difference.key, difference.column): difference.values
            for difference in differences_of(
                connection, "fct_orders", ["id"], [str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")]
            )
        }
    assert found == {("1", "amount"): ("10.00", "10.01"), ("2", "(row)"): ("row", ""), ("3", "(row)"): ("", "row")}
