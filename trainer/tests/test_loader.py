"""What training reads at each step: a function of (seed, step, rank, world), each sample once in an epoch."""

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from tiny_project import write_images, write_models

from t2i_trainer.data.embeddings import EmbedOptions, embed, embeddings_folder
from t2i_trainer.data.latents import LatentOptions, latents_folder, prepare_latents
from t2i_trainer.data.layout import DataFolder
from t2i_trainer.data.loader import Batches, Stream
from t2i_trainer.data.pt_files import pt_file
from t2i_trainer.data.samples import SampleOptions, Samples, open_samples
from t2i_trainer.data.shards import ShardStore
from t2i_trainer.data.split import split
from t2i_trainer.data.text import FrozenTextEncoder
from t2i_trainer.files import read_json, write_json
from t2i_trainer.stage import StageError
from t2i_trainer.training.project_samples import ProjectSamples
from t2i_trainer.training.step_loader import StepLoader
from t2i_trainer.training.steps import prepared

TEXT = EmbedOptions("models/clip", 16)
LATENTS = LatentOptions("models/vae", (16, 24), flip=True)
PT = EmbedOptions("models/clip", 16, layout="pt")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A project of 14 images with embeddings and latents; not to be changed."""
    project = tmp_path_factory.mktemp("project")
    write_models(project / "models")
    write_images(DataFolder(project / "data"), 14)
    embed(PT, project, DataFolder(project / "data"))
    prepare_latents(LATENTS, project, DataFolder(project / "data"))
    return project


@pytest.fixture
def project(tmp_path: Path, whole: Path) -> Path:
    shutil.copytree(whole, tmp_path / "project")
    return tmp_path / "project"


def opened(project: Path, train: int = 11, val: int = 3, **options) -> tuple[Samples, Samples]:
    return open_samples(SampleOptions(TEXT, LATENTS, train, val, **options), project, DataFolder(project / "data"))


class Indices:
    """Samples that are their own indices, and whether they are mirrored."""

    mirrors = True

    def __init__(self, count: int):
        self.count = count

    def __len__(self) -> int:
        return self.count

    def read(self, indices: Sequence[int], mirrored: Sequence[bool]) -> dict[str, torch.Tensor]:
        return {"index": torch.tensor(indices), "mirrored": torch.tensor(mirrored)}


def batches(count: int, batch: int, seed: int = 0, rank: int = 0, world: int = 1) -> Batches:
    return Batches(Indices(count), Stream(count, batch, seed, rank, world))


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_each_sample_comes_once_in_an_epoch_over_ranks_and_workers():
    # 11 steps of 4 are four epochs of 11.
    seen = Counter()
    for rank in range(2):
        for step, batch in enumerate(prepared(batches(11, 4, 5, rank, 2), range(11), workers=2, device="cpu")):
            positions = range(4 * step + 2 * rank, 4 * step + 2 * rank + 2)
            seen.update((position // 11, int(index)) for position, index in zip(positions, batch["index"], strict=True))
    assert seen == Counter((epoch, index) for epoch in range(4) for index in range(11))


def test_epochs_are_counted_in_the_steps_that_end_them():
    stream = Stream(11, 4, seed=0)
    assert (stream.steps(4), stream.epochs(11), stream.steps(1)) == (11, 4, 3)
    assert [step for step in range(1, 12) if stream.ends_epoch(step)] == [3, 6, 9, 11]


@pytest.mark.parametrize("world", [1, 2, 4])
def test_ranks_together_have_the_batch_of_one(world: int):
    alone = batches(11, 8, 1)[3]
    parts = [batches(11, 8, 1, rank, world)[3] for rank in range(world)]
    assert equal(alone, {name: torch.cat([part[name] for part in parts]) for name in alone})


def test_a_step_does_not_depend_on_those_before_it_nor_on_the_process():
    in_order, fresh = batches(11, 4, 2), batches(11, 4, 2)
    all_steps = [in_order[step] for step in range(6)]
    assert equal(fresh[5], all_steps[5]) and equal(fresh[1], all_steps[1])
    loader = StepLoader(fresh, 6, 2, "cpu")
    assert all(equal(loader.at(step), all_steps[step]) for step in (2, 3, 4, 5, 1, 2))
    assert not equal(batches(11, 4, 3)[0], all_steps[0])


def test_every_epoch_has_its_own_order_and_mirroring():
    epochs = [batches(11, 11)[epoch] for epoch in range(40)]
    assert len({tuple(batch["index"].tolist()) for batch in epochs}) == 40
    mirrored = torch.stack([batch["mirrored"][batch["index"].argsort()] for batch in epochs]).float()
    assert 0.4 < float(mirrored.mean()) < 0.6
    shares = mirrored.mean(0)
    assert float(shares.min()) > 0.2 and float(shares.max()) < 0.8, "no sample is mirrored always or never"
    assert not batches(11, 11, seed=1)[0]["mirrored"].equal(batches(11, 11)[0]["mirrored"])
    plain = Indices(11)
    plain.mirrors = False
    assert not Batches(plain, Stream(11, 11, seed=0))[0]["mirrored"].any()


def test_a_mirrored_sample_has_the_latents_and_the_pixels_of_the_mirrored_image(whole: Path):
    for precomputed in (True, False):
        samples = ProjectSamples(opened(whole, precompute_latents=precomputed)[0], flip=True)
        read = samples.read([4, 4], [False, True])
        plain, mirrored = samples.encoded(read).mean
        assert not torch.allclose(plain, mirrored, atol=1e-2)
        if not precomputed:
            assert torch.equal(read["pixels"][1], read["pixels"][0].flip(-1))
    assert len(samples) == 11


def test_images_encoded_on_the_fly_give_the_latents_that_are_stored(whole: Path):
    stored, _ = opened(whole)
    direct, _ = opened(whole, precompute_latents=False)
    assert direct.images.load([0], [False])["pixels"].dtype == torch.uint8
    for flip in (False, True):
        read = [ProjectSamples(samples, True) for samples in (stored, direct)]
        one, other = (samples.encoded(samples.read([2, 7], [flip, flip])) for samples in read)
        torch.testing.assert_close(tuple(other), tuple(one), rtol=2e-3, atol=2e-3)
    for got, want in zip(direct.batch([1, 0]), stored.batch(torch.tensor([1, 0])), strict=True):
        torch.testing.assert_close(got, want, rtol=2e-3, atol=2e-3)


def test_images_that_are_encoded_on_the_fly_need_no_latents(project: Path):
    shutil.rmtree(latents_folder(project))
    assert len(opened(project, precompute_latents=False)[0]) == 11
    with pytest.raises(StageError, match="stale"):
        opened(project)


def test_states_are_those_of_the_sample(whole: Path):
    samples, validation = opened(whole)
    data = DataFolder(whole / "data")
    _, _, states = samples.batch([3, 7])
    captions = [data.caption(samples.stems[index]) for index in (3, 7)]
    encoder = FrozenTextEncoder("models/clip", 16, whole)
    assert torch.equal(states, encoder.encode(captions).float())
    assert torch.equal(samples.null_state, encoder.encode([""])[0].float())
    assert len(validation) == 3 and not set(validation.stems) & set(samples.stems)


def test_states_are_read_from_a_file_for_each_image_where_there_are_no_shards(project: Path):
    before, _ = opened(project)
    states, null = before.batch([0, 5])[2], before.null_state
    for path in embeddings_folder(project).glob("[is]*.*"):
        path.unlink()
    after, _ = opened(project)
    assert torch.equal(states, after.batch([0, 5])[2])
    assert torch.equal(null, after.null_state)


def test_files_of_states_that_cannot_be_used_are_all_named_before_training(project: Path):
    samples, _ = opened(project)
    for path in embeddings_folder(project).glob("[is]*.*"):
        path.unlink()
    files = [pt_file(embeddings_folder(project), stem) for stem in samples.stems[:3]]
    files[0].unlink()
    files[1].write_bytes(b"damaged")
    torch.save(torch.zeros(15, 16), files[2])
    with pytest.raises(StageError, match="3 embeddings") as caught:
        opened(project)
    assert [issue.option for issue in caught.value.issues] == [str(path) for path in files]


@pytest.mark.parametrize("change", ["caption", "image", "flip", "damage", "null"])
def test_what_is_stale_or_damaged_is_refused(project: Path, change: str):
    data = DataFolder(project / "data")
    samples, _ = opened(project)
    path = data.images / f"{samples.stems[0]}.png"
    if change == "caption":
        data.write_caption(samples.stems[0], "another")
    elif change == "image":
        path.write_bytes(path.read_bytes() + b"\0")
    elif change == "flip":
        shutil.rmtree(latents_folder(project))
        prepare_latents(LatentOptions("models/vae", (16, 24)), project, data)
    elif change == "damage":
        [shard] = latents_folder(project).glob("*.safetensors")
        shard.write_bytes(shard.read_bytes()[:-1])
    else:
        index = embeddings_folder(project) / "index.json"
        value = read_json(index)
        value["about"]["null_sha256"] = "0" * 64
        write_json(index, value)
    with pytest.raises(StageError, match="stale") as caught:
        opened(project)
    assert caught.value.hint is not None and caught.value.hint.startswith("Run it again: t2i data ")


def test_reading_an_unknown_key_is_not_silent(whole: Path):
    with pytest.raises(KeyError):
        ShardStore(latents_folder(whole)).read(["none"])


@pytest.mark.parametrize(("batch", "world"), [(12, 1), (3, 2)])
def test_a_batch_that_cannot_be_shared_is_refused(batch: int, world: int):
    with pytest.raises(StageError) as caught:
        Stream(11, batch, seed=0, world=world)
    assert caught.value.issues[0].option == "training.batch_size"


def test_the_split_is_exact_disjoint_and_does_not_depend_on_the_order():
    stems = [f"image-{i}" for i in range(50)]
    train, val = split(stems, 40, 10)
    assert (len(set(train)), len(set(val))) == (40, 10) and set(train) | set(val) == set(stems)
    assert split(stems[::-1], 40, 10) == (train, val)
    assert split(stems, 40, 0)[1] == []


def test_an_added_image_never_moves_one_from_one_part_to_the_other():
    stems = [f"image-{i}" for i in range(50)]
    train, val = map(set, split(stems, 40, 10))
    for added in range(1, 200):
        more = split([*stems, *(f"new-{i}" for i in range(added))], 40, 10)
        assert not train & set(more[1]) and not val & set(more[0])


@pytest.mark.parametrize(("train", "val"), [(45, 6), (0, 5), (5, -1)])
def test_a_split_of_more_images_than_there_are_names_both_numbers(train: int, val: int):
    with pytest.raises(StageError) as caught:
        split([f"image-{i}" for i in range(50)], train, val)
    [issue] = caught.value.issues
    assert (issue.option, issue.received) == ("data.train_size", f"{train} + {val}")
    assert issue.expected == "at most 50 with data.val_size, the images with captions"
    assert "50" in caught.value.hint
