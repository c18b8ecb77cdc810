"""Links of README and docs are valid, and the commands shown are those of the example."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Not what is made in the checkout, perhaps at this moment.
SOURCES = ("benchmarks", "deepattn", "examples", "ops", "tests", "tools")
READMES = [path for folder in SOURCES for path in (ROOT / folder).rglob("README.md")]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *READMES])
DOCUMENTS = [path for path in DOCUMENTS if not any(p.startswith(".") for p in path.parts)]


def _blocks(path: Path) -> list[tuple[str, str]]:
    """Language and text of each fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)


def _anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    targets = re.findall(r"\]\(([^)\s]+)\)", path.read_text())
    for target in targets:
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        assert there.exists(), target
        assert not anchor or anchor in _anchors(there), target


def test_first_shell_blocks_run_the_example_and_the_tests():
    shell = [text for language, text in _blocks(ROOT / "README.md") if language == "bash"]
    assert "bash examples/alloy/run.sh" in shell[0]
    assert "python -m pytest" in shell[1]
    assert all("-m venv" in block and "pip install" in block for block in shell[:2])


def test_readme_shows_the_commands_of_run_sh():
    lines = (ROOT / "examples" / "alloy" / "run.sh").read_text().splitlines()
    commands = [line for line in lines if line.startswith("deepattn ")]
    assert "\n".join(commands) + "\n" in [text for _, text in _blocks(ROOT / "README.md")]


def test_files_named_in_contributing_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    names = re.findall(r"`((?:deepattn|docs|ops|tests)/[\w./-]*)`", text)
    assert len(names) > 100
    assert [name for name in names if not (ROOT / name).exists()] == []
