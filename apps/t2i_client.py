"""A client of `t2i serve`: what the server can draw, requests, and what went wrong in words for people."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, TypedDict

import httpx

DEFAULT_URL = "http://127.0.0.1:8080"
# Of each image. Each costs the server a decode.
PREVIEWS = 6
# The server sends something every 15 s at least, also where nothing happens.
TIMEOUT = httpx.Timeout(30, read=60, connect=5)
UNAUTHORIZED = 401
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MAX_SEED = 2**53 - 1


class ServerError(Exception):
    """What keeps the server from drawing, in words for people. `status` is HTTP's, None where no answer came."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class KeyRefused(ServerError):
    """The server wants a key, or another one."""


class Defaults(TypedDict):
    steps: int
    guidance_scale: float
    sampler: str


class Size(TypedDict):
    """In pixels."""

    width: int
    height: int


class Sampler(TypedDict):
    name: str
    max_steps: int


class Model(TypedDict):
    """What `/v1/capabilities` says of a model, as far as the apps use it."""

    id: str
    backend: str | None
    native_size: Size
    fixed_size: Size | None
    size_granularity: int
    defaults: Defaults
    samplers: list[Sampler]


def about_model(model: Model) -> str:
    """Its size, and what runs it, in words."""
    size = model["native_size"]
    where = f"runs on {model['backend']}" if model["backend"] else "not open yet, so the first image takes longer"
    return f"{size['width']} × {size['height']} pixels, {where}"


def samplers_of(model: Model) -> list[str]:
    return [sampler["name"] for sampler in model["samplers"]]


class Limits(TypedDict):
    n: int
    side: int
    steps: int
    prompt_characters: int


class Capabilities(TypedDict):
    models: list[Model]
    limits: Limits


def image_request(
    prompt: str,
    model: Model,
    *,
    negative_prompt: str = "",
    sampler: str | None = None,
    width: int | None = None,
    height: int | None = None,
    steps: int | None = None,
    guidance_scale: float | None = None,
    n: int = 1,
    seed: int | None = None,
) -> dict[str, object]:
    """The body of a job; what is None or empty is the model's own, and the seed a random one."""
    size = model["native_size"]
    fields: dict[str, object] = {
        "model": model["id"],
        "prompt": prompt,
        "negative_prompt": negative_prompt or None,
        "sampler": sampler,
        "size": f"{width or size['width']}x{height or size['height']}",
        "steps": steps,
        "guidance_scale": guidance_scale,
        "n": n,
        "seed": seed,
        "previews": PREVIEWS,
    }
    return {name: value for name, value in fields.items() if value is not None}


class Client:
    """A server, and the key that it is asked with. May be used by several threads."""

    def __init__(self, url: str = DEFAULT_URL, key: str | None = None, transport: httpx.BaseTransport | None = None):
        self.url = url
        self._transport = transport
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            self._http = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT, transport=transport)
        except (httpx.InvalidURL, UnicodeEncodeError) as error:
            raise ServerError(f"The address or the key of the server cannot be one: {error}") from error

    @classmethod
    def from_environment(cls) -> Self:
        """Of the server that T2I_URL names, asked with the key T2I_API_KEY."""
        return cls(os.environ.get("T2I_URL") or DEFAULT_URL, os.environ.get("T2I_API_KEY", "").strip() or None)

    def with_key(self, key: str | None) -> "Client":
        """The same server, asked with another key or without one."""
        return Client(self.url, key, self._transport)

    def lets_in(self, key: str | None) -> bool:
        """Whether the server answers with this key, or with none; raises ServerError where it cannot be asked."""
        try:
            self.with_key(key).capabilities()
        except KeyRefused:
            return False
        return True

    def check_that_keys_are_asked_for(self) -> None:
        """For apps that other machines reach; raises ServerError where whoever finds one could draw."""
        if self.lets_in(None):
            raise ServerError(
                f"Other machines would reach this app, and the server at {self.url} draws for everybody: "
                "start it with `t2i serve --api-key-file keys.txt`."
            )

    def capabilities(self) -> Capabilities:
        """What the server can draw; raises ServerError."""
        capabilities: Capabilities = self.call("GET", "/v1/capabilities")
        return capabilities

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """The JSON that the server answers; raises ServerError where that is an error, or nothing of `t2i serve`."""
        try:
            return json_of(checked(self._http.request(method, path, json=body)))
        except httpx.HTTPError as error:
            raise self._away(error) from error

    def events(self, path: str) -> Iterator[tuple[str, Any]]:
        """Name and JSON of each event of a stream as it comes; raises ServerError where it breaks."""
        try:
            with self._http.stream("GET", path) as response:
                if response.is_error:
                    response.read()
                yield from read_events(checked(response).iter_bytes())
        except httpx.HTTPError as error:
            raise self._away(error) from error

    def _away(self, error: httpx.HTTPError) -> ServerError:
        hint = "Start it with `t2i serve`, or set T2I_URL to its address."
        return ServerError(f"The server at {self.url} does not answer ({error}). {hint}")


def read_events(chunks: Iterable[bytes]) -> Iterator[tuple[str, Any]]:
    """The events of a stream as `t2i serve` writes it: an event and one line of JSON each, comments between them."""
    name, rest = "message", b""
    for chunk in chunks:
        # By LF alone: JSON may hold other characters at which str.splitlines() would split.
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            what, _, value = line.decode().partition(": ")
            if what == "event":
                name = value
            elif what == "data":
                yield name, json.loads(value)


def checked(response: httpx.Response) -> httpx.Response:
    """The response; raises ServerError where it is no success, with every mistake that the server tells."""
    if response.is_success:
        return response
    error = json_of(response).get("error") or {}
    message = str(error.get("message") or f"The server answers {response.status_code} {response.reason_phrase}")
    if response.status_code == UNAUTHORIZED:
        raise KeyRefused(f"{message}. Set T2I_API_KEY to a key of the server.", UNAUTHORIZED)
    if seconds := response.headers.get("retry-after"):
        message += f". Try again in {seconds} s."
    raise ServerError(message, response.status_code)


def json_of(response: httpx.Response) -> Any:
    """The JSON object of a response; raises ServerError where there is none."""
    try:
        value = response.json()
    except ValueError:
        value = None
    if isinstance(value, dict):
        return value
    told = f"{response.status_code}, {response.headers.get('content-type', 'nothing')}"
    raise ServerError(f"What answers at {response.url} is no `t2i serve` ({told}).", response.status_code)
