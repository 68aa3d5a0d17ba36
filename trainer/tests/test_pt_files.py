"""Text states in files of `torch.save`, which may come from anywhere."""

from pathlib import Path

import pytest
import torch

from t2i_trainer.data.pt_files import read_pt
from t2i_trainer.stage import StageError


class Code:
    def __reduce__(self):
        return print, ("this ran",)


@pytest.mark.parametrize("held", [{"states": 1}, torch.zeros(2, 3, 4), torch.zeros(3), Code(), None])
def test_a_file_that_holds_no_embedding_is_refused_and_no_code_runs(tmp_path: Path, held, capsys):
    torch.save(held, tmp_path / "a.pt")
    with pytest.raises(StageError, match=r"a\.pt holds no embedding"):
        read_pt(tmp_path / "a.pt")
    assert "this ran" not in capsys.readouterr().out


def test_a_file_with_a_batch_of_one_is_read(tmp_path: Path):
    torch.save(torch.ones(1, 3, 4), tmp_path / "a.pt")
    assert read_pt(tmp_path / "a.pt").shape == (3, 4)
