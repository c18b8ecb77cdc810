"""``deepattn convert-from`` gives what ``dp convert-from`` gives, node by node."""

from __future__ import annotations

from pathlib import Path

from older_graphs import older

from deepattn.cli.main import main
from deepattn.export import compress, freeze
from deepattn.formats.graphdef import read_message
from deepattn.models import load_model

from .compare import assert_equal, deeppot_eval
from .deepmd_kit import DP320, deepmd_eval, run_inside
from .graphs import TABLE, cases_for

ROW = "se_e2_a_two_side_exclude"


def test_graphs_of_all_versions(our_graph, tmp_path: Path, monkeypatch) -> None:
    DP320.require()
    monkeypatch.chdir(tmp_path)
    model, header = load_model(our_graph(ROW))
    small = compress(model, min_nbor_dist=1.1)
    freeze(small, "compressed.pb", training_script=header["config"], min_nbor_dist=1.1)
    graph, tables = read_message(our_graph(ROW)), read_message("compressed.pb")
    cases = {
        **{version: older(graph, version) for version in ("2.0", "1.3", "1.2", "1.0", "0.12")},
        "2.0 compressed": older(tables, "2.0"),
        "2.1": graph,
    }
    jobs = []
    for name, message in cases.items():
        Path(f"{name}.old.pb").write_bytes(message.SerializeToString())
        version = name if name in ("0.12", "1.0", "1.3") else "auto"
        files = {"input_model": f"{name}.old.pb", "output_model": f"{name}.theirs.pb"}
        jobs.append({"FROM": version, **files})
    # Of 1.2 it would write attributes that the graph leaves to their defaults.
    text = {"FROM": "auto", "input_model": "1.3.old.pb", "output_model": "theirs.pbtxt"}
    # Ours read by DeePMD-kit, DeePMD-kit's read by us.
    back = {"FROM": "pbtxt", "input_model": "ours.pbtxt", "output_model": "text.theirs.pb"}
    assert main(["convert-from", "-i", "1.3.old.pb", "-o", "ours.pbtxt"]) == 0
    run_inside(DP320, "convert_from.py", [*jobs, text, back], tmp_path)

    for job, name in zip(jobs, cases, strict=True):
        words = [job["FROM"], "-i", job["input_model"], "-o", f"{name}.ours.pb"]
        assert main(["convert-from", *words]) == 0
        assert read_message(f"{name}.ours.pb") == read_message(job["output_model"]), name
    assert main(["convert-from", "pbtxt", "-i", "theirs.pbtxt", "-o", "text.ours.pb"]) == 0
    for file in ("text.ours.pb", "text.theirs.pb"):
        assert read_message(file) == cases["1.3"], file

    frames = cases_for(TABLE[ROW], DP320)
    paths = [Path("0.12.ours.pb"), Path("2.0 compressed.ours.pb")]
    results = deepmd_eval(DP320, [(path, frames) for path in paths], tmp_path)
    for path, original, theirs in zip(
        paths, (our_graph(ROW), "compressed.pb"), results, strict=True
    ):
        expected = deeppot_eval(original, frames)
        assert_equal(theirs, expected, 1e-9)
        assert_equal(deeppot_eval(path, frames), expected, 1e-12)
