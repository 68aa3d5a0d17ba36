"""The data steps as jobs of Ray Data on a cluster of two workers: the files of one process, whoever is killed."""

import functools
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tiny_project import write_florence, write_images, write_models

from t2i_trainer.data.captioner import CaptionOptions, write_captions
from t2i_trainer.data.embeddings import EmbedOptions, embed
from t2i_trainer.data.latents import LatentOptions, prepare_latents
from t2i_trainer.data.layout import DataFolder
from t2i_trainer.data.places import place_of
from t2i_trainer.data.work import Outcome, Place, Work, here
from t2i_trainer.stage import StageError

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# Ray's workers step back for all other processes by default: on a busy machine they would hardly get to work.
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112
ray = pytest.importorskip("ray")
# This file is no module that the workers could import: what it defines goes to them whole.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    yield cluster.address
    cluster.shutdown()


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_models(folder)
    write_florence(folder / "florence")
    return folder


@pytest.fixture
def project(tmp_path: Path, models: Path) -> Path:
    shutil.copytree(models, tmp_path / "models")
    write_images(DataFolder(tmp_path / "data"), count=9)
    return tmp_path


STEPS: dict[str, Callable[[Path, Place], object]] = {
    "captions": lambda project, place: write_captions(
        CaptionOptions("models/florence", batch_size=2, max_new_tokens=6, overwrite=True),
        project,
        DataFolder(project / "data"),
        place,
    ),
    "embeddings": lambda project, place: embed(
        EmbedOptions("models/clip", max_length=16, batch_size=2), project, DataFolder(project / "data"), place
    ),
    "latents": lambda project, place: prepare_latents(
        LatentOptions("models/vae", (16, 24), flip=True, batch_size=2), project, DataFolder(project / "data"), place
    ),
}


def place(project: Path, address: str) -> Place:
    return place_of(project, "ray", address, 2)


class Killing:
    """Work whose process is killed when it comes to one item, once for each file that it finds to take away."""

    def __init__(self, recipe: Callable[[], Work], fatal: object, bullets: Path):
        self.work, self.fatal, self.bullets = recipe(), fatal, bullets

    def __call__(self, items: Sequence) -> Sequence[Outcome]:
        if self.fatal in items and (left := list(self.bullets.iterdir())):
            left[0].unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.work(items)


class Named:
    """Work on numbers: their names. Its process is killed at the number 4."""

    def __init__(self, bullets: Path):
        self.bullets = bullets

    def recipe(self) -> Callable[[], Work]:
        return functools.partial(Killing, lambda: lambda numbers: list(map(str, numbers)), 4, self.bullets)


def deadly(where: Place, bullets: Path) -> Place:
    """Where the actor that comes to the fifth item is killed once for each file of a folder."""

    class Deadly:
        def __init__(self, work: Work, fatal: object):
            self.work, self.fatal = work, fatal

        def recipe(self) -> Callable[[], Work]:
            return functools.partial(Killing, self.work.recipe(), self.fatal, bullets)

    return lambda work, items, size: where(Deadly(work, items[4]), items, size)


def contents(project: Path) -> dict[str, bytes]:
    return {str(path.relative_to(project)): path.read_bytes() for path in project.rglob("*") if path.is_file()}


def result(step: str, project: Path, where: Place) -> object:
    """What a step made, or the reasons why not."""
    try:
        made = STEPS[step](project, where)
    except StageError as error:
        return error.message.replace(str(project), ""), error.issues
    return {name: value for name, value in made.items() if name != "rows_per_second"}


@pytest.fixture
def bullets(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("bullets")


def threads_of_a_job(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[threading.Thread]]:
    """Which threads run once a job is connected to its cluster, and when it leaves it."""
    from t2i_trainer.data import on_ray

    threads = {}
    connect, shutdown = on_ray.connect, on_ray.ray.shutdown

    def connected(options: on_ray.RayOptions) -> None:
        connect(options)
        threads["connected"] = set(threading.enumerate())

    def leaving() -> None:
        threads["at the end"] = set(threading.enumerate())
        shutdown()

    monkeypatch.setattr(on_ray, "connect", connected)
    monkeypatch.setattr(on_ray.ray, "shutdown", leaving)
    return threads


@pytest.mark.parametrize("step", STEPS)
def test_a_step_makes_the_files_of_one_process(step, project, tmp_path_factory, address, bullets):
    where = place(project, address)
    if step != "embeddings":
        (project / "data/images/image-3.png").write_bytes(b"no image")
    if step == "latents":
        (bullets / "one").touch()
        where = deadly(where, bullets)
    alone = shutil.copytree(project, tmp_path_factory.mktemp("alone") / "project")
    assert result(step, project, where) == result(step, alone, here)
    assert list(bullets.iterdir()) == [], "a worker was killed"
    assert contents(project) == contents(alone)


def test_items_that_end_every_worker_are_named_after_all_before_them_came_back(tmp_path, address, bullets, monkeypatch):
    where = place(tmp_path, address)
    monkeypatch.setattr("t2i_trainer.data.on_ray.TRIES", 2)
    threads = threads_of_a_job(monkeypatch)
    for number in range(9):
        (bullets / str(number)).touch()
    made = []
    with pytest.raises(StageError, match="a worker ended 2 times, each with the same 2 items, from 4 on") as caught:
        for _, outcomes in where(Named(bullets), range(10), 2):
            made += outcomes
    assert caught.value.code == "STAGE_FAILED"
    assert made == ["0", "1", "2", "3"]
    assert len(list(bullets.iterdir())) == 9 - 2
    # One that came to Ray afterwards would end this process, without a word.
    assert threads["at the end"] == threads["connected"]


def test_a_machine_without_the_project_is_named(tmp_path, bullets):
    from t2i_trainer.data.ray_worker import Worker, received

    machine = socket.gethostname()
    worker = Worker(Named(bullets).recipe(), range(2), 2, tmp_path / "elsewhere", None, 1)
    with pytest.raises(StageError, match=f"{machine}: the project is not there") as caught:
        list(received(worker({"start": 0})))
    [issue] = caught.value.issues
    assert str(tmp_path / "elsewhere") in issue.expected and issue.received.endswith(f"on {machine}")


def test_a_machine_with_other_weights_is_refused(project):
    recipes = []

    def remember(work, items, size):
        recipes.append(work.recipe())
        return here(work, items, size)

    for step in STEPS.values():
        step(project, remember)
    for path in (project / "models").rglob("config.json"):
        path.write_text(path.read_text() + " ")
    for recipe in recipes:
        with pytest.raises(StageError, match="cannot be used") as caught:
            recipe()
        assert "the machine that began this" in caught.value.issues[0].expected


def test_a_cluster_that_is_not_there_is_refused(project):
    for wrong in ("127.0.0.1:1", "127.0.0.1", "127.0.0.1:99999", "ray://127.0.0.1:1"):
        with pytest.raises(StageError, match=f"{wrong} cannot be reached") as caught:
            STEPS["embeddings"](project, place(project, wrong))
        [issue] = caught.value.issues
        assert issue.option == "--ray-address" and issue.received.startswith(f"{wrong}: ")
    with pytest.raises(StageError) as caught:
        STEPS["embeddings"](project, place_of(project, "ray", "local", 0))
    assert caught.value.issues[0].option == "--ray-workers"


def test_a_cluster_that_takes_a_token_says_so():
    from t2i_trainer.data.on_ray import reason

    try:
        raise ConnectionError("Failed to connect") from RuntimeError("RPC error: InvalidAuthToken: missing")
    except ConnectionError as error:
        assert "RAY_AUTH_MODE=token" in reason(error)
    assert reason(ConnectionError("Failed\nmore")) == "Failed"


def test_a_python_without_ray_is_told_so_in_a_sentence(project, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "t2i_trainer.data.on_ray", raising=False)
    monkeypatch.delitem(sys.modules, "t2i_trainer.data.ray_worker", raising=False)
    with pytest.raises(StageError, match="--on ray takes Ray") as caught:
        place(project, "local")
    assert caught.value.code == "PYTHON_UNAVAILABLE" and "\n" not in caught.value.message
    assert place_of(project, "here", "local", None) is here
