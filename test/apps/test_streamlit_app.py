"""The Streamlit app against a real server, by Streamlit's own AppTest."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import KEY, LIMIT, OTHER_KEY, Server, receipt_of
from streamlit import config
from streamlit.testing.v1 import AppTest

APP = Path(__file__).parents[2] / "apps" / "streamlit_app.py"
UseServer = Callable[[Server | str, str | None], None]


@pytest.fixture
def listen() -> Iterator[Callable[[str | None], None]]:
    """Sets the address that Streamlit would listen on."""
    before = config.get_option("server.address")
    yield lambda address: config.set_option("server.address", address)
    config.set_option("server.address", before)


@pytest.fixture
def app(listen: Callable[[str | None], None]) -> AppTest:
    """The app on a machine's own address."""
    listen("127.0.0.1")
    return AppTest.from_file(str(APP), default_timeout=LIMIT)


def texts(elements: object) -> list[str]:
    return [element.value for element in elements]  # type: ignore[attr-defined]


def draw(app: AppTest) -> None:
    next(button for button in app.button if button.label == "Draw").click()
    app.run()
    assert not app.exception


def enter(app: AppTest, key: str) -> None:
    app.text_input[0].input(key)
    app.button[0].click()
    app.run()


def test_it_draws_with_what_the_model_takes(app: AppTest, server: Server, use_server: UseServer) -> None:
    use_server(server, None)
    app.run()
    assert not app.exception
    assert "64 × 64 pixels" in app.caption[0].value
    app.text_area[0].input("a red apple")
    app.text_input[0].input("grey")
    fields = {field.label: field for field in [*app.number_input, *app.selectbox]}
    fields["Sampler"].select("euler-a")
    for name, value in {"Steps": 12, "Guidance": 4.0, "Images": 2, "Seed": 7, "Width": 32, "Height": 48}.items():
        fields[name].set_value(value)
    draw(app)
    drawn = app.session_state["drawn"]
    assert drawn.told.startswith("Drawn in ")
    assert texts(app.markdown) == [drawn.told]
    assert [each.label for each in app.get("download_button")] == ["Save", "Save"]
    assert len(app.get("image")) == 2
    receipts = [receipt_of(image.png) for image in drawn.images]
    assert [receipt["seed"] for receipt in receipts] == [7, 8]
    assert receipts[0]["prompt"] == "a red apple"
    assert receipts[0]["negativePrompt"] == "grey"
    assert (receipts[0]["width"], receipts[0]["height"], receipts[0]["guidanceScale"]) == (32, 48, 4)
    assert (receipts[0]["plan"]["sampler"], receipts[0]["plan"]["steps"]) == ("euler-a", 12)
    assert "runs on onnxruntime" in app.caption[0].value


def test_another_model_brings_its_own_values(app: AppTest, server: Server, use_server: UseServer) -> None:
    use_server(server, None)
    app.run()
    [model, sampler] = app.selectbox
    assert model.options == ["tiny", "tiny-lcm"]
    before = sampler.value
    model.select_index(1)
    app.run()
    assert not app.exception
    assert (before, app.selectbox[1].value) == ("ddim", "lcm")


def test_a_server_that_is_away_is_told_and_asked_again(app: AppTest, server: Server, use_server: UseServer) -> None:
    use_server("http://127.0.0.1:9", None)
    app.run()
    assert "http://127.0.0.1:9 does not answer" in app.error[0].value
    assert "t2i serve" in app.error[0].value
    use_server(server, None)
    app.button[0].click()
    app.run()
    assert (len(app.error), len(app.text_area)) == (0, 1)


def test_a_full_queue_is_told(app: AppTest, full_server: Server, use_server: UseServer) -> None:
    use_server(full_server, None)
    app.run()
    draw(app)
    assert "Try again in" in app.error[0].value


def test_it_asks_for_a_key_until_the_server_lets_it_in(
    app: AppTest, locked_server: Server, use_server: UseServer
) -> None:
    use_server(locked_server, None)
    app.run()
    assert "T2I_API_KEY" in app.warning[0].value
    assert not app.text_area
    enter(app, "wrong-wrong-wrong-wrong")
    assert app.error[0].value == "The server does not let that key in."
    enter(app, f" {KEY} ")
    assert (len(app.error), len(app.text_area)) == (0, 1)
    draw(app)
    assert len(app.session_state["drawn"].images) == 1


def test_it_uses_the_key_of_its_environment_for_this_machine(
    app: AppTest, locked_server: Server, use_server: UseServer
) -> None:
    use_server(locked_server, KEY)
    app.run()
    assert len(app.text_area) == 1


@pytest.mark.parametrize("address", [None, "0.0.0.0", "192.168.1.2"])
def test_it_lends_its_key_to_no_other_machine(
    app: AppTest,
    locked_server: Server,
    use_server: UseServer,
    listen: Callable[[str | None], None],
    address: str | None,
) -> None:
    use_server(locked_server, KEY)
    listen(address)
    app.run()
    assert not app.text_area
    assert KEY not in str(app)
    enter(app, "wrong-wrong-wrong-wrong")
    assert app.error[0].value == "The server does not let that key in."
    enter(app, OTHER_KEY)
    assert len(app.text_area) == 1


def test_it_is_not_for_other_machines_where_the_server_draws_for_everybody(
    app: AppTest, server: Server, use_server: UseServer, listen: Callable[[str | None], None]
) -> None:
    use_server(server, KEY)
    listen(None)
    app.run()
    assert "--api-key-file" in app.error[0].value
    assert not app.text_area
    app.session_state["visitors_key"] = "anything-anything"
    app.run()
    assert not app.text_area


def test_it_listens_to_this_machine_alone_unless_it_is_told() -> None:
    import tomllib

    settings = tomllib.loads((APP.parent / ".streamlit" / "config.toml").read_text())
    assert settings["server"]["address"] == "127.0.0.1"
    assert settings["browser"]["gatherUsageStats"] is False
