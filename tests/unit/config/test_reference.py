"""docs/input.md is the schema's page."""

from pathlib import Path

from deepattn.config.reference import reference

PAGE = Path(__file__).parents[3] / "docs" / "input.md"


def test_page_is_up_to_date():
    assert PAGE.read_text() == reference(), (
        "run: python -m deepattn.config.reference > docs/input.md"
    )


def test_page_describes_every_key():
    text = reference()
    assert "dummy" not in text and "_Flags" not in text
    for key in ("tebd_input_mode", "gradient_max_norm", "numb_btch", "pair_exclude_types"):
        assert f"{key}`" in text
