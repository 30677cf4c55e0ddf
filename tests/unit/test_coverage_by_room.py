from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.coverage_by_room import main

LAYER = "layers/incentives/incentives"


def judged(tmp_path: Path, capsys: pytest.CaptureFixture[str], **branches: tuple[int, int]) -> tuple[int, str]:
    """What comes of files, each with its branches and how many of them were taken; the rooms not named have all."""
    measured = {"agcod/a": (100, 100), "usecases/u": (100, 100), "domain/d": (100, 100)}
    measured |= {name.replace("_", "/"): counts for name, counts in branches.items()}
    files = {
        f"{LAYER}/{name}.py": {"summary": {"num_branches": number, "covered_branches": taken}}
        for name, (number, taken) in measured.items()
    }
    report = tmp_path / "branches.json"
    report.write_text(json.dumps({"files": files}), encoding="utf-8")
    return main([str(report)]), capsys.readouterr().out


def test_the_branches_of_a_rooms_files_count_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # given a file that is far below, in a room that has enough
    code, told = judged(tmp_path, capsys, agcod_a=(190, 190), agcod_b=(10, 0))

    assert code == 0
    assert [line.split() for line in told.splitlines()] == [
        ["Room", "Branches", "Taken", "Percent"],
        ["agcod", "200", "190", "95.0", "%"],
        ["usecases", "100", "100", "100.0", "%"],
        ["domain", "100", "100", "100.0", "%"],
        ["Lowest"],
        ["agcod/b.py", "10", "0", "0.0", "%"],
    ]


@pytest.mark.parametrize("room", ["agcod_a", "usecases_u", "domain_d"])
def test_a_room_below_95_percent_fails_however_good_the_others_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], room: str
) -> None:
    code, told = judged(tmp_path, capsys, **{room: (10_000, 9_499)})

    assert code == 1
    assert told.splitlines()[-1] == f"Fewer than 95 % of the branches: {room.partition('_')[0]}"
    # a hair too few does not look like enough
    assert "94.9 %" in told


def test_a_room_that_was_not_measured_has_not_passed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = judged(tmp_path, capsys, domain_d=(0, 0))

    assert code == 1
    assert "Fewer than 95 % of the branches: domain" in told


def test_the_five_lowest_files_are_named_lowest_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {f"usecases_file{number}": (20, 10 + number) for number in range(8)}

    _, told = judged(tmp_path, capsys, **files)

    after = told.partition("Lowest\n")[2].splitlines()[:5]
    assert [line.split()[0] for line in after] == [f"usecases/file{number}.py" for number in range(5)]


def test_a_report_without_branches_is_none(tmp_path: Path) -> None:
    report = tmp_path / "lines.json"
    report.write_text(json.dumps({"files": {f"{LAYER}/agcod/a.py": {"summary": {"num_statements": 5}}}}))

    with pytest.raises(KeyError, match="num_branches"):
        main([str(report)])
