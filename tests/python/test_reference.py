"""Public data sets, loaded as shops through the whole pipeline, give the results that were published for them."""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "verify_reference.py"
SPEC = importlib.util.spec_from_file_location("verify_reference", SCRIPT)
reference = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = reference
SPEC.loader.exec_module(reference)


def test_without_the_data_sets_it_says_where_to_get_them(workspace, tmp_path):
    result = workspace.run(sys.executable, str(SCRIPT), str(tmp_path), check=False)
    assert result.returncode == 1
    assert "rfm_orders.csv is not in" in result.stderr and "CDNOW" in result.stderr
    assert "Traceback" not in result.stderr


def test_differences_name_the_rows():
    published = {str(number): number for number in range(9)}
    assert reference.differences(published | {"3": 0, "x": 1}, published) == [
        "3: found 0, published 3",
        "x: found 1, published None",
    ]
    assert reference.differences({}, published)[-1] == "and 4 more"
    assert reference.differences(1, 2) == ["found 1, published 2"]


# The data sets are public but not ours to hand on: whoever has them also has this test.
if reference.FOLDER.is_dir():

    def test_published_numbers_come_out_of_the_pipeline(workspace):
        output = workspace.run(sys.executable, str(SCRIPT)).stdout
        assert output.count("✓") == 8 and "✗" not in output
