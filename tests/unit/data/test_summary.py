"""The table of systems."""

from deepattn.data import DataSet, summary_lines

from .write_systems import data_config, write_system


def test_the_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_system("d/a", sets=(12,))
    write_system("d/b/" + "long" * 20, types=(1, 1), periodic=False)
    data = DataSet(data_config("d", batch_size=2), ["O", "H"])
    lines = summary_lines(data, "Training")
    assert lines[0].startswith("---Summary of DataSystem: Training     ----")
    assert lines[1] == "Found 2 System(s):"
    assert lines[2].split() == ["system", "natoms", "bch_sz", "n_bch", "prob", "pbc"]
    assert lines[3].split() == ["d/a", "3", "2", "6", "7.500e-01", "T"]
    assert lines[4].startswith("-- ") and lines[4].split()[-1] == "F"
    assert len(lines[4]) == len(lines[3]) == len(lines[2])
    assert set(lines[5]) == {"-"}
