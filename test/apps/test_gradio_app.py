"""The Gradio app against a real server, by gradio_client."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import gradio_app
import gradio_client
import pytest
from conftest import ENDLESS, KEY, OTHER_KEY, Server, eventually, receipt_of
from t2i_client import Client, ServerError

WISH = {
    "prompt": "a red apple",
    "negative_prompt": "",
    "model": "tiny",
    "sampler": "ddim",
    "steps": 12,
    "guidance": 4,
    "width": 64,
    "height": 64,
    "n": 2,
    "seed": 7,
}
LONG = {**WISH, "steps": ENDLESS["steps"], "n": ENDLESS["n"], "width": 512, "height": 512}


@contextmanager
def launched(client: Client, **options: Any) -> Iterator[str]:
    """The address of the app, which is closed afterwards."""
    app = gradio_app.build(client)
    options = {**gradio_app.access_of(client, host="127.0.0.1", share=False), **options}
    app.launch(**options, prevent_thread_lock=True, quiet=True)
    assert app.local_url is not None
    try:
        yield app.local_url
    finally:
        app.close()


@pytest.fixture(scope="module")
def url(server: Server) -> Iterator[str]:
    with launched(Client(server.url)) as url:
        yield url


@pytest.fixture
def caller(url: str) -> gradio_client.Client:
    return gradio_client.Client(url, verbose=False)


def test_it_draws_files_with_their_receipts(caller: gradio_client.Client, server: Server) -> None:
    images, status, bar = caller.predict(**{**WISH, "negative_prompt": "grey"}, api_name="/draw")
    assert status.startswith("Drawn in ")
    assert bar == ""
    assert [image["caption"] for image in images] == ["Seed 7", "Seed 8"]
    receipts = [receipt_of(Path(image["image"]).read_bytes()) for image in images]
    assert [receipt["seed"] for receipt in receipts] == [7, 8]
    assert (receipts[0]["prompt"], receipts[0]["negativePrompt"]) == ("a red apple", "grey")
    assert (receipts[0]["guidanceScale"], receipts[0]["plan"]["steps"]) == (4, 12)
    [model, _] = Client(server.url).capabilities()["models"]
    assert gradio_app.about_model(model) == "64 × 64 pixels, runs on onnxruntime"


def test_a_prompt_is_enough_for_a_program(caller: gradio_client.Client) -> None:
    page = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
    assert 'Client("http://127.0.0.1:7860").predict("a red apple", api_name="/draw")' in page
    images, status, _ = caller.predict("a red apple", api_name="/draw")
    receipt = receipt_of(Path(images[0]["image"]).read_bytes())
    assert status.startswith("Drawn in ")
    assert (len(images), receipt["prompt"], receipt["plan"]["sampler"]) == (1, "a red apple", "ddim")


def test_a_seed_of_minus_one_is_a_random_one(caller: gradio_client.Client) -> None:
    captions = [caller.predict(**{**WISH, "n": 1, "seed": -1}, api_name="/draw")[0][0]["caption"] for _ in range(2)]
    assert captions[0] != captions[1]
    assert "Seed -1" not in captions


def test_it_shows_steps_and_previews_meanwhile_and_ends_when_it_is_cancelled(
    caller: gradio_client.Client, server: Server
) -> None:
    before = server.count("t2i_aborts_total")
    job = caller.submit(**LONG, api_name="/draw")
    _, status, bar = next(told for told in job if told[0] and "Drawing: " in told[1])
    assert "of 2000 steps" in status
    assert "width: " in bar
    job.cancel()
    eventually(lambda: server.count("t2i_aborts_total") == before + 1)


def test_it_draws_with_another_model_and_a_sampler_of_its_own(caller: gradio_client.Client) -> None:
    images, _, _ = caller.predict(**{**WISH, "model": "tiny-lcm", "sampler": "lcm", "n": 1}, api_name="/draw")
    receipt = receipt_of(Path(images[0]["image"]).read_bytes())
    assert (receipt["model"]["name"], receipt["plan"]["sampler"]) == ("tiny-lcm", "lcm")


def test_every_mistake_is_told(caller: gradio_client.Client) -> None:
    with pytest.raises(gradio_client.exceptions.AppError) as error:
        caller.predict(**{**WISH, "steps": 0, "n": 99}, api_name="/draw")
    assert "steps: expected" in str(error.value)
    assert "n: expected" in str(error.value)


def test_a_server_that_is_away_is_told_by_the_command(capsys: pytest.CaptureFixture[str], use_server: Any) -> None:
    use_server("http://127.0.0.1:9")
    assert gradio_app.main([]) == 1
    assert "http://127.0.0.1:9 does not answer" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--share"], ["--host", "0.0.0.0"], ["--share", "--host", "0.0.0.0"]])
def test_it_is_not_shared_where_the_server_asks_for_no_key(
    arguments: list[str], server: Server, use_server: Any, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gr.Blocks, "launch", lambda *_, **__: pytest.fail("it was launched"))
    use_server(server, KEY)
    assert gradio_app.main(arguments) == 1
    assert "--api-key-file" in capsys.readouterr().err


def test_it_is_shared_by_nothing_but_its_flag(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_SHARE", "True")
    monkeypatch.setattr("gradio.networking.setup_tunnel", lambda *_, **__: pytest.fail("it was shared"))
    with launched(Client(server.url)) as url:
        assert url.startswith("http://127.0.0.1:")


def test_who_comes_from_elsewhere_needs_a_key_of_the_server(locked_server: Server) -> None:
    client = Client(locked_server.url, KEY)
    access = gradio_app.access_of(client, host="0.0.0.0", share=True)
    assert (access["server_name"], access["share"]) == ("0.0.0.0", True)
    with launched(client, **{**access, "server_name": "127.0.0.1", "share": False}) as url:
        for wrong in (None, ("anybody", ""), ("anybody", "wrong-wrong-wrong-wrong")):
            with pytest.raises((gradio_client.exceptions.AuthenticationError, ValueError)):
                gradio_client.Client(url, auth=wrong, verbose=False)
        caller = gradio_client.Client(url, auth=("anybody", OTHER_KEY), verbose=False)
        assert len(caller.predict(**WISH, api_name="/draw")[0]) == 2


def test_the_models_of_a_server_that_wants_a_key_are_not_read_without(locked_server: Server) -> None:
    with pytest.raises(ServerError, match="T2I_API_KEY"):
        gradio_app.build(Client(locked_server.url))
