"""Places of elements, and what an embedding says of them."""

from pathlib import Path

import numpy as np
import pytest
from ase.data import chemical_symbols

from deepattn.infer.inspect import Inspection
from deepattn.periodic_table import neighbor_score, place, principal_components
from deepattn.plots.type_embedding import plot_type_embedding


@pytest.mark.parametrize(
    "symbol, expected",
    {
        "H": (1, 1),
        "He": (1, 32),
        "Li": (2, 1),
        "Be": (2, 2),
        "B": (2, 27),
        "Ne": (2, 32),
        "Sc": (4, 17),
        "Zn": (4, 26),
        "Ga": (4, 27),
        "La": (6, 3),
        "Yb": (6, 16),
        "Lu": (6, 17),
        "Hg": (6, 26),
        "U": (7, 6),
        "Og": (7, 32),
        "X": None,
        "water": None,
    }.items(),
)
def test_places(symbol, expected):
    assert place(symbol) == expected


def test_places_are_distinct():
    assert len({place(symbol) for symbol in chemical_symbols[1:119]}) == 118


def test_the_table_itself_scores_fully():
    symbols = chemical_symbols[1:119]
    # Gaps between blocks are closed: columns count the elements of a period.
    places = [place(symbol) for symbol in symbols]
    vectors = np.array([(10.0 * period, number) for number, (period, _) in enumerate(places)])
    score = neighbor_score(vectors, symbols, shufflings=200)
    assert score.fraction == 1.0
    assert score.shuffled < 0.1 and score.shuffled_most < 0.3


def test_random_vectors_score_as_shuffled_ones_do():
    symbols = chemical_symbols[1:55]
    vectors = np.random.default_rng(3).normal(size=(len(symbols), 8))
    score = neighbor_score(vectors, symbols, shufflings=500)
    assert score.fraction <= score.shuffled_most


def test_components_turn_the_vectors():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(20, 3)) * [5.0, 1.0, 0.1] + 7.0
    points, shares = principal_components(vectors, 3)
    assert shares.sum() == pytest.approx(1.0)
    assert np.all(np.diff(shares) < 0)
    np.testing.assert_allclose(
        np.linalg.norm(points[:, None] - points[None], axis=2),
        np.linalg.norm(vectors[:, None] - vectors[None], axis=2),
        atol=1e-12,
    )
    turned, _ = principal_components(-vectors, 3)
    largest = np.abs(turned).argmax(axis=0)
    assert (turned[largest, range(3)] > 0).all()


def test_equal_vectors_have_no_directions():
    points, shares = principal_components(np.ones((4, 3)), 2)
    assert not points.any() and not shares.any()


@pytest.mark.parametrize("width", [2, 8])
def test_picture_names_each_element_twice(tmp_path, width, monkeypatch):
    from matplotlib.axes import Axes

    texts = []
    drawn = Axes.text

    def text(self, *args, **options):
        texts.append(args[-1].strip())
        return drawn(self, *args, **options)

    monkeypatch.setattr(Axes, "text", text)
    rng = np.random.default_rng(1)
    vectors = {s: rng.normal(size=width).tolist() for s in ("Fe", "X", "O", "Hf", "H", "S")}
    picture = plot_type_embedding(vectors, tmp_path / "types.svg")
    assert picture.stat().st_size > 5000
    assert sorted(texts) == sorted(2 * ["Fe", "O", "Hf", "H", "S"])


def test_published_vectors_hold_the_periodic_table(shared: Path):
    path = shared / "pretrained" / "oc2m_se_atten_f32.pb"
    vectors = Inspection(path).tell(["type-embedding"])["type-embedding"]
    score = neighbor_score(np.array(list(vectors.values())), list(vectors))
    assert score.fraction > 2 * score.shuffled_most
    assert score.fraction > 0.75
