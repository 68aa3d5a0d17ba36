"""What the apps ask for is what they are tested with."""

from importlib.metadata import version
from pathlib import Path

from packaging.requirements import Requirement

LINES = (Path(__file__).parents[2] / "apps" / "requirements.txt").read_text().splitlines()


def test_the_versions_of_the_tests_are_those_that_users_install() -> None:
    needed = [Requirement(line) for line in LINES if not line.startswith("#")]
    assert {requirement.name for requirement in needed} == {"gradio", "httpx", "streamlit"}
    assert [each.name for each in needed if not each.specifier.contains(version(each.name))] == []
