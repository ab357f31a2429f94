"""The arithmetic of the fall model, each part against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.fall import ridge, rocket
from detectors.fall.candidates import Candidates
from detectors.fall.forms import Embedding
from detectors.fall.learn import choose_threshold, threshold_at
from detectors.fall.ring import FS_HZ
from detectors.fall.weights import shipped_model
from tests.detectors.signals import fall, walking

RNG = np.random.default_rng(0)


def windows(k: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows as the second stage gets them, the impact of a fall at sample 75 in the first."""
    samples = [fall(peak_g=8.0)[0][155:331], *(walking(10, seed=i)[:176] for i in range(k - 1))]
    both = np.stack([one.astype(np.float32) for one in samples])
    return both[:, :, :3], both[:, :, 3:6]


@pytest.mark.parametrize("quadratic", [False, True])
def test_a_fitted_form_is_the_function_that_its_kernel_fitted(quadratic: bool) -> None:
    """On rows that were not learned from, to the rounding of float32."""
    columns = RNG.normal(size=(120, 40)).astype(np.float32)
    target, weight = RNG.normal(size=90), RNG.uniform(0.5, 2.0, 90)
    kernel: ridge.LinearKernel | ridge.QuadraticKernel
    if quadratic:
        kernel = ridge.QuadraticKernel(columns, Embedding.fit(columns, 12, np.ones(len(columns))), gamma=0.3)
    else:
        kernel = ridge.LinearKernel(columns)
    gram, rows, others = kernel.gram(), np.arange(90), np.arange(90, 120)
    dual = ridge.fit(gram, rows, target, weight, alpha=0.3)
    expected = ridge.outputs(gram, dual, others)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(kernel.form(dual).outputs(columns[others]), expected, atol=2e-3)


def test_weighted_ridge_regression_is_the_textbooks() -> None:
    """Against the normal equations with an unpenalised intercept."""
    columns, target = RNG.normal(size=(60, 5)).astype(np.float32), RNG.normal(size=60)
    weight, alpha = RNG.uniform(0.2, 3.0, 60), 2.0
    design = np.column_stack([columns, np.ones(60)])
    penalty = alpha * np.diag([1.0] * 5 + [0.0])
    scaled = (weight / weight.mean())[:, None]
    expected = np.linalg.solve(design.T @ (scaled * design) + penalty, design.T @ (scaled[:, 0] * target))
    kernel = ridge.LinearKernel(columns)
    form = kernel.form(ridge.fit(kernel.gram(), np.arange(60), target, weight, alpha=alpha))
    np.testing.assert_allclose(np.append(form.weights, form.bias), expected, atol=1e-4)


def test_components_are_kept_in_whole_numbers_and_still_nearly_orthogonal() -> None:
    """Rounding to 127 steps moves a direction by less than one in a hundred."""
    columns = (RNG.normal(size=(400, 30)) * np.linspace(1, 5, 30)).astype(np.float32)
    embedding = Embedding.fit(columns, 6, np.ones(400))
    assert embedding.codes.dtype == np.int8
    np.testing.assert_allclose(embedding.basis.T @ embedding.basis, np.eye(6), atol=0.02)
    z = embedding.outputs(columns)
    np.testing.assert_allclose(z.mean(axis=0), 0.0, atol=1e-3)
    largest = np.linalg.eigvalsh(np.cov(columns.T, bias=True))[-6:]
    np.testing.assert_allclose(z.var(axis=0), largest, rtol=0.02)


def test_any_number_of_rows_is_embedded_by_the_same_map() -> None:
    """None, few, and numbers that are no multiple of four; in their order."""
    columns = RNG.normal(size=(9, 30)).astype(np.float32)
    embedding = Embedding.fit(columns, 6, np.ones(9))
    for k in range(10):
        expected = columns[:k].astype(np.float64) @ embedding.basis - embedding.offset
        np.testing.assert_allclose(embedding.outputs(columns[:k]), expected, atol=1e-5)


@pytest.mark.parametrize("n", [44, 176])
def test_a_share_counts_the_responses_above_the_bias_in_a_quarter_of_the_window(n: int) -> None:
    """Against the definition, tap by tap, for more windows than are looked at together."""
    series = RNG.normal(size=(11, 2, n)).astype(np.float32)
    convolutions = rocket.fit(series, per_channel=5, seed=3)
    shares = rocket.transform(series, convolutions).reshape(11, len(rocket.DILATIONS), 2, 5, rocket.SEGMENTS)
    d, c, p, segment = 2, 1, 4, 3
    kernel = rocket.KERNELS[convolutions.kernels[c, d, p]]
    for k in range(11):
        above = [
            sum(
                kernel[tap] * series[k, c, min(max(t + (tap - 4) * rocket.DILATIONS[d], 0), n - 1)]
                for tap in range(rocket.LENGTH)
            )
            > convolutions.biases[c, d, p]
            for t in range(n * 3 // 4, n)
        ]
        assert shares[k, d, c, p, segment] == pytest.approx(np.mean(above))


def test_the_reasons_add_up_to_the_difference_from_a_usual_impact() -> None:
    """Features and the movement as a whole; of each head of the shipped weights."""
    model = shipped_model()
    acc, gyr = windows(3)
    for head, it in enumerate(model.heads):
        heads = np.full(3, head)
        odds, table = model.second(it.view, heads, acc, gyr, peak=75)
        reasons = model.reasons(head, table, 0, float(odds[0]))
        assert set(reasons) == {*table.names, "movement"}
        usual = float(it.reasons.linear.outputs(it.reasons.typical[None])[0])
        assert sum(reasons.values()) == pytest.approx(float(odds[0]) - usual, abs=1e-3)


def test_heads_that_look_through_one_view_are_judged_together_as_they_are_alone() -> None:
    """Mixed placements in one call, at both stages."""
    model = shipped_model()
    acc, gyr = windows(4)
    for view, members in model.views_of(np.arange(len(model.heads))):
        heads = np.resize(members, 4)
        odds, _ = model.second(view, heads, acc, gyr, peak=75)
        early, _ = model.first(view, heads, acc[:, : 76 + FS_HZ], gyr[:, : 76 + FS_HZ], peak=75)
        for i, head in enumerate(heads):
            one = slice(i, i + 1)
            alone, _ = model.second(view, heads[one], acc[one], gyr[one], peak=75)
            first, _ = model.first(view, heads[one], acc[one, : 76 + FS_HZ], gyr[one, : 76 + FS_HZ], peak=75)
            assert odds[i] == pytest.approx(alone[0], abs=1e-3), model.heads[head].name
            assert early[i] == pytest.approx(first[0], abs=1e-3)


def judged(daily: dict[str, list[float]], falls: dict[str, list[float]]) -> tuple[Candidates, np.ndarray]:
    """Recordings with one impact each, and their scores."""
    rows = [(d, 0, s) for d, scores in daily.items() for s in scores]
    rows += [(d, 1, s) for d, scores in falls.items() for s in scores]
    n = len(rows)
    names = np.array([f"r{i}" for i in range(n)])
    empty = np.zeros((n, 1, 3), np.int16)
    datasets, labels, scores = zip(*rows, strict=True)
    label = np.array(labels, np.int8)
    return Candidates(np.array(datasets), names, names, np.zeros(n), label, empty, empty, 0), np.array(scores)


def test_a_head_that_lacks_data_raises_alarms_in_a_given_share_of_daily_living() -> None:
    """The lowest level that keeps it; data sets weigh the same whatever their size."""
    candidates, score = judged({"a": [0.05] * 90 + [0.8] * 10, "b": [0.05] * 10}, {"a": [0.9]})
    assert 0.05 < threshold_at(candidates, score, 0.06) < 0.1  # 10 % of a and none of b
    assert 0.8 < threshold_at(candidates, score, 0.04) < 0.85


def test_a_threshold_costs_least_in_missed_falls_and_alarms() -> None:
    """Between falls and daily living where they are apart; above the overlap when an alarm is dear."""
    apart = judged({"a": [0.1] * 20}, {"a": [0.9] * 20})
    assert 0.1 < choose_threshold(*apart, 1.0) < 0.9
    mixed = judged({"a": [0.1] * 15 + [0.75] * 5}, {"a": [0.6] * 4 + [0.95] * 16})
    assert choose_threshold(*mixed, 0.2) < 0.6
    assert choose_threshold(*mixed, 4.0) > 0.75
