"""Draws with a running `t2i serve` in the browser, and for programs that call it by gradio_client.

    T2I_URL=http://127.0.0.1:8080 python gradio_app.py

T2I_API_KEY is the server's key, where it asks for one. Where other machines reach the app (`--share`, `--host`),
visitors log in with a key of the server as the password; a server that asks for none is refused.
"""

import argparse
import io
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import PIL.Image
from t2i_client import LOOPBACK, Client, Model, ServerError, about_model, image_request, samplers_of
from t2i_drawing import Drawing, Image, Progress

# Seconds between two chances of Gradio to see that somebody cancelled or left.
TURN = 0.25
RANDOM = -1
# Fonts of the machine: the theme's own come from the network.
FONT = ["system-ui", "sans-serif"]
THEME = gr.themes.Default(font=FONT, font_mono=["ui-monospace", "monospace"])


class Underway:
    """
    What each session is drawing, for its Cancel. Gradio's `cancels` would end the run behind its page's back: where the
    end that the server then makes up for it comes before the answer to the cancelling, the page shows an error.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drawings: set[tuple[str | None, Drawing]] = set()

    @contextmanager
    def of(self, session: str | None, drawing: Drawing) -> Iterator[None]:
        with self._lock:
            self._drawings.add((session, drawing))
        try:
            yield
        finally:
            with self._lock:
                self._drawings.remove((session, drawing))

    def cancel(self, session: str | None) -> None:
        with self._lock:
            drawings = [drawing for owner, drawing in self._drawings if owner == session]
        for drawing in drawings:
            drawing.cancel()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; default: 127.0.0.1")
    parser.add_argument("--port", type=int, default=7860, help="default: 7860")
    parser.add_argument("--share", action="store_true", help="give the app a public address at gradio.live")
    given = parser.parse_args(arguments)
    try:
        client = Client.from_environment()
        access = access_of(client, host=given.host, share=given.share)
        app = build(client)
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    options = {**access, "server_port": given.port, "theme": THEME, "footer_links": ["api"]}
    app.launch(**options, quiet=True, prevent_thread_lock=True)
    print(app.share_url or app.local_url, flush=True)
    app.block_thread()
    return 0


def access_of(client: Client, *, host: str, share: bool) -> dict[str, Any]:
    """
    Options of `launch` that say who comes in: this machine alone, or others by a key of the server. Raises ServerError
    where others would come in, and the server asks for no key.
    """
    if not share and host in LOOPBACK:
        # None would look into the environment, and share from some notebooks.
        return {"server_name": host, "share": False}
    client.check_that_keys_are_asked_for()
    return {
        "server_name": host,
        "share": share,
        "auth": lambda _, key: client.lets_in(key),
        "auth_message": "Any name, and a key of the server as the password.",
    }


def build(client: Client) -> gr.Blocks:
    """The page, built from what the server can draw; raises ServerError."""
    capabilities = client.capabilities()
    models = {model["id"]: model for model in capabilities["models"]}
    first = capabilities["models"][0]
    defaults, size = first["defaults"], first["native_size"]
    # Programs may name one of any model; the page offers those of the model that is chosen.
    samplers = list(dict.fromkeys(name for model in capabilities["models"] for name in samplers_of(model)))
    longest = capabilities["limits"]["prompt_characters"]
    underway = Underway()

    def draw(
        prompt: str,
        negative_prompt: str,
        model: str,
        sampler: str,
        steps: int | None,
        guidance: float | None,
        width: int | None,
        height: int | None,
        n: int | None,
        seed: int,
        request: gr.Request,
    ) -> Iterator[tuple[Any, str, str]]:
        """Draws images from a text: their files, what there is to tell, and a bar of the steps that are done."""
        body = image_request(
            prompt,
            models[model],
            negative_prompt=negative_prompt,
            sampler=sampler,
            width=width,
            height=height,
            steps=steps,
            guidance_scale=guidance,
            n=n or 1,
            seed=None if seed == RANDOM else seed,
        )
        try:
            with Drawing(client, body) as drawing, underway.of(request.session_hash, drawing):
                yield from follow(drawing)
        except ServerError as error:
            raise gr.Error(str(error), title="Not drawn", duration=None, print_exception=False) from error

    def cancel_drawings(request: gr.Request) -> None:
        underway.cancel(request.session_hash)

    with gr.Blocks(title="Text to image", analytics_enabled=False, delete_cache=(3600, 24 * 3600)) as app:
        gr.Markdown("# Text to image")
        with gr.Row():
            with gr.Column(scale=2):
                prompt = gr.Textbox(
                    label="Prompt", lines=2, max_length=longest, placeholder="a red apple", autofocus=True
                )
                negative_prompt = gr.Textbox("", label="Negative prompt", max_length=longest)
                with gr.Row():
                    start = gr.Button("Draw", variant="primary")
                    cancel = gr.Button("Cancel")
                model = gr.Dropdown(list(models), value=first["id"], label="Model")
                about = gr.Markdown(about_model(first))
                with gr.Row():
                    sampler = gr.Dropdown(samplers, value=defaults["sampler"], label="Sampler")
                    steps = gr.Number(defaults["steps"], label="Steps", precision=0)
                with gr.Row():
                    width = gr.Number(size["width"], label="Width", precision=0)
                    height = gr.Number(size["height"], label="Height", precision=0)
                with gr.Row():
                    guidance = gr.Number(defaults["guidance_scale"], label="Guidance", step=0.5)
                    n = gr.Number(1, label="Images", precision=0)
                seed = gr.Number(RANDOM, label="Seed", precision=0, info=f"{RANDOM} for a random one")
            with gr.Column(scale=3):
                status = gr.Textbox(label="Status", interactive=False)
                bar = gr.HTML()
                images = gr.Gallery(label="Images", format="png", object_fit="contain", fit_columns=False)
        of_model = [sampler, steps, guidance, width, height]
        model.input(
            lambda id: [about_model(models[id]), *values_of(models[id])],
            [model],
            [about, *of_model],
            api_visibility="private",
        )
        app.load(lambda id: values_of(models[id]), [model], of_model, api_visibility="private")
        inputs = [prompt, negative_prompt, model, sampler, steps, guidance, width, height, n, seed]
        drawing = gr.on(
            [start.click, prompt.submit],
            draw,
            inputs,
            [images, status, bar],
            api_name="draw",
            # The server's own queue is bounded, fair, and says how long it is.
            concurrency_limit=None,
            show_progress="hidden",
        )
        # By then the model is open, and its backend known.
        drawing.success(lambda id: about_model(model_of(client, id)), [model], [about], api_visibility="private")
        drawing.failure(lambda: ("Not drawn", ""), None, [status, bar], api_visibility="private")
        # The drawing then tells of its end itself, as of every other.
        cancel.click(cancel_drawings, queue=False, show_progress="hidden", api_visibility="private")
    return app


def model_of(client: Client, id: str) -> Model:
    return next(model for model in client.capabilities()["models"] if model["id"] == id)


def values_of(model: Model) -> list[Any]:
    """What the model's own sampler, steps, guidance, width and height are, for their fields."""
    defaults, size = model["defaults"], model["native_size"]
    is_free = model["fixed_size"] is None
    return [
        gr.update(choices=samplers_of(model), value=defaults["sampler"]),
        defaults["steps"],
        defaults["guidance_scale"],
        *(gr.update(value=size[side], interactive=is_free) for side in ("width", "height")),
    ]


def follow(drawing: Drawing) -> Iterator[tuple[Any, str, str]]:
    """What to show as images, status and bar, from the start of a drawing to its end."""
    start = time.monotonic()
    shown: Progress | None = None
    for progress in drawing.follow(every=TURN):
        is_new = progress.shows_more_than(shown)
        previews = [PIL.Image.open(io.BytesIO(preview)) for preview in progress.previews.values()]
        yield previews if is_new else gr.skip(), str(progress), bar_of(progress)
        shown = progress
    told = progress.told_after(time.monotonic() - start)
    if not progress.images:
        # Cancelled: its last previews stay.
        yield gr.skip(), told, ""
        return
    # As files: Gradio would write an image anew, without its receipt. It has copied them when it asks for the next.
    with tempfile.TemporaryDirectory() as folder:
        yield [file_of(image, Path(folder)) for image in progress.images], told, ""


def bar_of(progress: Progress) -> str:
    bar = "height: 6px; border-radius: 3px; background: var"
    done = f'<div style="width: {progress.fraction:.1%}; {bar}(--primary-500)"></div>'
    return f'<div style="{bar}(--neutral-200)">{done}</div>'


def file_of(image: Image, folder: Path) -> tuple[Path, str]:
    path = folder / f"seed-{image.seed}.png"
    path.write_bytes(image.png)
    return path, f"Seed {image.seed}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
