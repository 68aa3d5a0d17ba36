"""The client that both apps share: what it says of every answer, and drawings that end when one leaves."""

import json
from collections.abc import Iterator

import httpx
import pytest
from conftest import ENDLESS, KEY, Server, receipt_of
from t2i_client import Client, KeyRefused, ServerError, image_request, read_events
from t2i_drawing import Drawing, Progress

ABORTS = "t2i_aborts_total"


def answering(status: int, content: str | dict[str, object] = "", headers: dict[str, str] | None = None) -> Client:
    """Of a server that answers everything alike."""
    body = {"json": content} if isinstance(content, dict) else {"text": content}
    return Client(
        "http://t2i.test/under/", KEY, httpx.MockTransport(lambda _: httpx.Response(status, headers=headers, **body))
    )


def streaming(*events: tuple[str, object]) -> Client:
    """Of a server whose jobs have these events."""
    text = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
    job = {"id": "job_x", "events_url": "/v1/jobs/job_x/events", "cancel_url": "/v1/jobs/job_x/cancel"}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            return httpx.Response(200, text=text)
        return httpx.Response(202, json=job)

    return Client("http://t2i.test", transport=httpx.MockTransport(answer))


def test_a_drawing_tells_its_steps_and_previews_and_ends_with_images_that_have_their_receipts(server: Server) -> None:
    client = Client(server.url)
    [model, _] = client.capabilities()["models"]
    body = image_request("a red apple", model, sampler="ddim", steps=20, n=2, seed=7)
    # It waits until it is listened to, so that nothing is missed.
    with Drawing(client, ENDLESS) as before, Drawing(client, body) as drawing:
        follow = drawing.follow(every=5)
        seen = [next(progress for progress in follow if progress.queue_position == 0)]
        before.cancel()
        seen.extend(follow)
    end = seen[-1]
    assert (end.status, end.fraction, [image.seed for image in end.images]) == ("completed", 1.0, [7, 8])
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert end.steps_done == {0: 20, 1: 20}
    assert set(end.previews) == {0, 1}
    assert all(preview.startswith(b"\x89PNG") for preview in end.previews.values())
    receipts = [receipt_of(image.png) for image in end.images]
    assert [(receipt["prompt"], receipt["seed"], receipt["served"]) for receipt in receipts] == [
        ("a red apple", 7, "jobs"),
        ("a red apple", 8, "jobs"),
    ]
    assert client.capabilities()["models"][0]["backend"] == "onnxruntime"


def test_leaving_a_drawing_ends_it(server: Server) -> None:
    before = server.count(ABORTS)
    with Drawing(Client(server.url), ENDLESS) as drawing:
        for progress in drawing.follow(every=5):
            if progress.status == "generating":
                break
    assert server.count(ABORTS) == before + 1


def test_a_drawing_that_was_cancelled_says_so(server: Server) -> None:
    with Drawing(Client(server.url), ENDLESS) as drawing:
        follow = drawing.follow(every=5)
        next(follow)
        drawing.cancel()
        *_, end = follow
    assert (end.status, str(end), end.images) == ("cancelled", "Cancelled", ())


def test_a_follower_has_its_turn_while_nothing_happens(server: Server) -> None:
    client = Client(server.url)
    with Drawing(client, ENDLESS) as first, Drawing(client, {**ENDLESS, "prompt": "two dogs"}) as second:
        next(progress for progress in first.follow(every=5) if progress.status == "generating")
        follow = second.follow(every=0.01)
        place = next(progress for progress in follow if progress.queue_position == 0)
        assert str(place).startswith("Next in the queue")
        turns = [next(follow) for _ in range(50)]
        assert any(turns[i] is turns[i + 1] for i in range(49))


def test_a_connection_that_ends_early_is_told() -> None:
    drawing = Drawing(streaming(("status", {"status": "generating"})), {})
    with drawing, pytest.raises(ServerError, match="connection ended before"):
        list(drawing.follow(every=5))


def test_a_full_queue_says_when_there_may_be_room(full_server: Server) -> None:
    with pytest.raises(ServerError, match=r"^The queue is full: it has 1 place.*\. Try again in \d+ s\.$") as error:
        Drawing(Client(full_server.url), ENDLESS)
    assert error.value.status == 429


def test_every_mistake_of_a_request_is_told(server: Server) -> None:
    wrong = {"prompt": "a red apple", "stepz": 3, "n": 99, "sampler": "eulr"}
    with pytest.raises(ServerError) as error:
        Drawing(Client(server.url), wrong)
    assert error.value.status == 400
    for mistake in ("stepz", "steps", "n: ", "sampler: "):
        assert mistake in str(error.value)


def test_a_key_that_is_wrong_or_missing_is_told_apart_from_other_errors(locked_server: Server) -> None:
    for key in (None, "wrong-wrong-wrong-wrong"):
        with pytest.raises(KeyRefused, match="Set T2I_API_KEY"):
            Client(locked_server.url, key).capabilities()
    client = Client(locked_server.url, KEY)
    assert [client.lets_in(key) for key in (KEY, None, "wrong-wrong-wrong-wrong")] == [True, False, False]
    client.check_that_keys_are_asked_for()


def test_a_server_that_asks_for_no_key_is_not_for_others(server: Server) -> None:
    with pytest.raises(ServerError, match=r"draws for everybody.*--api-key-file"):
        Client(server.url, KEY).check_that_keys_are_asked_for()


def test_a_server_that_is_away_is_named_with_what_helps() -> None:
    with pytest.raises(ServerError, match=r"http://127\.0\.0\.1:9 does not answer .*refused.* `t2i serve`.*T2I_URL"):
        Client("http://127.0.0.1:9").capabilities()


@pytest.mark.parametrize("url", ["", "127.0.0.1:8080", "ftp://example.org"])
def test_an_address_without_http_is_refused(url: str) -> None:
    with pytest.raises(ServerError):
        Client(url).capabilities()


def test_a_key_that_cannot_be_sent_is_refused_and_not_quoted() -> None:
    with pytest.raises(ServerError) as error:
        Client("http://127.0.0.1:9", "clé-clé-clé-clé-clé").capabilities()
    assert "clé" not in str(error.value)


def test_what_is_no_server_of_images_is_told() -> None:
    with pytest.raises(ServerError, match=r"/under/v1/capabilities is no `t2i serve` \(200, text/plain"):
        answering(200, "hello").capabilities()
    with pytest.raises(ServerError, match="is no `t2i serve`"):
        answering(502, "<html>bad gateway</html>").capabilities()


def test_a_redirect_is_not_followed_with_the_key() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(302, headers={"location": "http://elsewhere.test/"})

    with pytest.raises(ServerError):
        Client("http://t2i.test", KEY, httpx.MockTransport(answer)).capabilities()
    assert asked == ["t2i.test"]


def test_a_drawing_that_fails_says_why() -> None:
    failed = {"error": {"code": "out_of_memory", "message": "There was not enough memory"}}
    drawing = Drawing(streaming(("status", {"status": "generating"}), ("failed", failed)), {})
    with drawing, pytest.raises(ServerError, match="There was not enough memory"):
        list(drawing.follow(every=5))


def test_events_are_read_however_they_are_cut() -> None:
    told = {"message": "a line\u2028separator, an \x85 and ümlauts"}
    text = f": still here\n\nevent: failed\ndata: {json.dumps(told, ensure_ascii=False)}\n\n".encode()

    def bytewise() -> Iterator[bytes]:
        for place in range(len(text)):
            yield text[place : place + 1]

    assert list(read_events(bytewise())) == list(read_events([text])) == [("failed", told)]


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (Progress(1), "Sent"),
        (Progress(1, queue_position=0), "Next in the queue"),
        (Progress(1, queue_position=2, eta_seconds=4.6), "2 before this one, about 5 s"),
        (Progress(1, status="generating"), "Drawing"),
        (Progress(2, status="generating", steps=10, steps_done={0: 3, 1: 2}), "Drawing: 5 of 20 steps"),
        (Progress(1, status="completed"), "Drawn"),
    ],
)
def test_progress_is_a_sentence(progress: Progress, words: str) -> None:
    assert str(progress) == words
