"""Scenario files: what they say happens, what they get wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_sim.errors import ScenarioError
from firmware_sim.scenario import in_the_box, load_scenario, members, parse_scenario, plan


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: [", "not YAML"),
        ("{name: t}", r"missing required field `wearers`"),
        ("{name: t, wearers: {count: many}}", r"at `\$\.wearers\.count`"),
        ("{name: t, wearers: {count: 1}, sos: [{at_s: 1}]}", r"`who`.*at `\$\.sos\[0\]`"),
        ("{name: t, wearers: {count: 3, wrists: 1}}", r"unknown field `wrists` - at `\$\.wearers`"),
        ("{name: t, wearers: {count: 3}, falls: [{at_s: 9, who: 4}]}", r"no number 4.*`\$\.falls\[0\]\.who`"),
        ("{name: t, wearers: {count: 3}, falls: [{at_s: 2, who: 1}]}", r"5 s or more.*`\$\.falls\[0\]\.at_s`"),
        ("{name: t, wearers: {count: 3}, falls: {count: 1, between_s: [9, 7]}}", r"`\$\.falls\.between_s`"),
        ("{name: t, wearers: {count: 3}, sos: {count: 1, between_s: [1, 7]}}", r"`buttons` is 0.*`\$\.sos\.count`"),
        ("{name: t, wearers: {count: 3}, connection: {kind: both}}", r"at `\$\.connection\.kind`"),
    ],
)
def test_an_error_names_file_and_field(text: str, said: str) -> None:
    """Who wrote the file can find the place."""
    with pytest.raises(ScenarioError, match=said) as caught:
        parse_scenario(text, "town.yaml")
    assert str(caught.value).startswith("town.yaml: ")


def test_a_scenario_comes_from_a_file_or_from_the_box(tmp_path: Path) -> None:
    """An unknown name lists what there is."""
    (tmp_path / "mine.yaml").write_text("{name: mine, wearers: {count: 2}}")
    assert load_scenario(tmp_path / "mine.yaml").name == "mine"
    for name in in_the_box():
        assert load_scenario(name).name == name
    with pytest.raises(ScenarioError, match="in the box: demo, "):
        load_scenario("dmeo")
    with pytest.raises(ScenarioError, match="cannot be read"):
        load_scenario(tmp_path / "other.yaml")


def test_the_demo_is_what_it_promises() -> None:
    """Forty people, half waist and half wrist, 12 falls and 2 calls in the first minute, by different people."""
    demo = load_scenario("demo")
    devices = members(demo)
    assert sum(m.kind == "wearable" for m in devices) == 40
    assert sum(m.placement == "waist" for m in devices) == 20
    assert demo.connection.kind == "each"
    for seed in range(20):
        happens = plan(demo, seed)
        assert (len(happens.falls), len(happens.sos)) == (12, 2)
        assert all(5 <= at_s <= 50 for _, at_s in [*happens.falls, *happens.sos])
        fallers = {who for who, _ in happens.falls}
        assert len(fallers) == 12
        assert len({who for who, _ in happens.sos} - fallers) == 2  # the first eight have the buttons


def test_ids_depend_on_the_counts_alone() -> None:
    """A registry made for a scenario fits every seed of it."""
    text = "{{name: t, seed: {seed}, wearers: {{count: 5, waist: 0.4}}, buttons: 6}}"
    first, second = (members(parse_scenario(text.format(seed=seed), "t")) for seed in (1, 2))
    assert first == second
    assert len({m.device for m in first}) == 11
    assert sum(m.placement == "waist" for m in first) == 2
    assert [m.person for m in first[5:]] == [*(f"p-{i:05}" for i in range(1, 6)), "p-00001"]
