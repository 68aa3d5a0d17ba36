"""Draws with a running `t2i serve` in the browser.

    T2I_URL=http://127.0.0.1:8080 streamlit run streamlit_app.py

T2I_API_KEY is the server's key, where it asks for one. Where the app itself is open to other machines
(`--server.address`), each visitor brings a key of the server instead.
"""

import time
from dataclasses import dataclass

import streamlit as st
from t2i_client import (
    LOOPBACK,
    MAX_SEED,
    Client,
    KeyRefused,
    Limits,
    Model,
    ServerError,
    about_model,
    image_request,
    samplers_of,
)
from t2i_drawing import Drawing, Image, Progress

# Seconds between two chances of Streamlit to see that somebody cancelled or left.
TURN = 0.25
# Pixels of a preview.
PREVIEW_WIDTH = 300


@dataclass(frozen=True)
class Drawn:
    """What is shown until the next drawing."""

    images: tuple[Image, ...]
    told: str


def main() -> None:
    st.set_page_config(page_title="Text to image", layout="wide")
    st.title("Text to image")
    try:
        client = open_client()
        capabilities = client.capabilities()
    except KeyRefused as error:
        ask_for_key(error)
        return
    except ServerError as error:
        st.error(str(error))
        st.button("Try again")
        return
    settings, shown = st.columns([2, 3], gap="large")
    with settings:
        model = choose_model(capabilities["models"])
        body = request_form(model, capabilities["limits"])
    with shown:
        if body is not None:
            draw(client, body)
        show()


def open_client() -> Client:
    """Asks with the key of the visitor; with the app's own only where no other machine reaches it."""
    client = Client.from_environment()
    visitors_key = st.session_state.get("visitors_key")
    if st.get_option("server.address") in LOOPBACK:
        return client.with_key(visitors_key) if visitors_key else client
    client.check_that_keys_are_asked_for()
    return client.with_key(visitors_key)


def ask_for_key(error: KeyRefused) -> None:
    if st.session_state.get("visitors_key"):
        st.error("The server does not let that key in.")
    elif st.get_option("server.address") in LOOPBACK:
        st.warning(str(error))
    with st.form("key", border=False, width=480):
        key = st.text_input("API key of the server", type="password")
        if st.form_submit_button("Enter", type="primary"):
            st.session_state.visitors_key = key.strip()
            st.rerun()


def choose_model(models: list[Model]) -> Model:
    chosen: Model = st.selectbox("Model", models, format_func=lambda model: model["id"])
    st.caption(about_model(chosen))
    return chosen


def request_form(model: Model, limits: Limits) -> dict[str, object] | None:
    """The body of the request when Draw was pressed, else None."""
    # A widget whose key is another begins with its model's own value.
    own = model["id"]
    defaults, size = model["defaults"], model["native_size"]
    samplers = samplers_of(model)
    with st.form("request", border=False):
        prompt = st.text_area("Prompt", max_chars=limits["prompt_characters"], height=90, placeholder="a red apple")
        negative_prompt = st.text_input("Negative prompt", max_chars=limits["prompt_characters"])
        drawn = st.form_submit_button("Draw", type="primary", width="stretch")
        left, right = st.columns(2)
        sampler = left.selectbox("Sampler", samplers, samplers.index(defaults["sampler"]), key=f"sampler of {own}")
        steps = right.number_input("Steps", 1, limits["steps"], defaults["steps"], key=f"steps of {own}")
        unit, most, is_fixed = model["size_granularity"], limits["side"], model["fixed_size"] is not None
        width = left.number_input("Width", unit, most, size["width"], unit, key=f"width of {own}", disabled=is_fixed)
        height = right.number_input(
            "Height", unit, most, size["height"], unit, key=f"height of {own}", disabled=is_fixed
        )
        guidance = left.number_input(
            "Guidance", 0.0, 1000.0, float(defaults["guidance_scale"]), 0.5, key=f"guidance of {own}"
        )
        n = right.number_input("Images", 1, limits["n"], 1)
        seed = left.number_input("Seed", 0, MAX_SEED, None, placeholder="random")
    if not drawn:
        return None
    return image_request(
        prompt,
        model,
        negative_prompt=negative_prompt,
        sampler=sampler,
        width=width,
        height=height,
        steps=steps,
        guidance_scale=guidance,
        n=n,
        seed=seed,
    )


def draw(client: Client, body: dict[str, object]) -> None:
    """Draws, and shows how far that is. Streamlit leaves by an exception where one presses something or goes."""
    st.session_state.pop("drawn", None)
    start = time.monotonic()
    try:
        with Drawing(client, body) as drawing:
            bar = st.progress(0.0)
            st.button("Cancel", on_click=remember, args=["Cancelled."])
            previews = st.empty()
            shown: Progress | None = None
            for progress in drawing.follow(every=TURN):
                bar.progress(progress.fraction, str(progress))
                if progress.shows_more_than(shown):
                    previews.image(list(progress.previews.values()), width=PREVIEW_WIDTH)
                shown = progress
    except ServerError as error:
        st.error(str(error))
        return
    remember(progress.told_after(time.monotonic() - start), progress.images)
    # The settings then show on which backend it was drawn.
    st.rerun()


def remember(told: str, images: tuple[Image, ...] = ()) -> None:
    st.session_state.drawn = Drawn(images, told)


def show() -> None:
    drawn: Drawn | None = st.session_state.get("drawn")
    if drawn is None:
        return
    st.write(drawn.told)
    columns = st.columns(2)
    for index, image in enumerate(drawn.images):
        with columns[index % 2]:
            st.image(image.png, caption=f"Seed {image.seed}", width="stretch")
            name = f"seed-{image.seed}.png"
            st.download_button("Save", image.png, name, "image/png", key=name, on_click="ignore", width="stretch")


main()
