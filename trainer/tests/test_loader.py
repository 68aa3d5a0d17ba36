"""What training reads at each step: a function of (seed, step, rank, world), each sample once in an epoch."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
import torch
from tiny_project import write_images, write_models
from torch.utils.data import DataLoader

from t2i_trainer.data.embeddings import EmbedOptions, embed, embeddings_folder
from t2i_trainer.data.latents import LatentOptions, latents_folder, prepare_latents
from t2i_trainer.data.layout import DataFolder
from t2i_trainer.data.loader import Batch, Batches, Stream, sample_generator, sampled_latents
from t2i_trainer.data.pt_files import pt_file
from t2i_trainer.data.samples import SampleOptions, Samples, open_samples
from t2i_trainer.data.shards import ShardStore
from t2i_trainer.data.split import split
from t2i_trainer.data.text import FrozenTextEncoder
from t2i_trainer.files import read_json, write_json
from t2i_trainer.stage import StageError
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


def equal(one: Batch, other: Batch) -> bool:
    return all(
        torch.equal(a, b)
        for a, b in zip((*one.image.values(), *one[2:]), (*other.image.values(), *other[2:]), strict=True)
    )


def test_each_sample_comes_once_in_an_epoch_over_ranks_and_workers(whole: Path):
    samples, _ = opened(whole)
    # 11 steps of 4 are four epochs of 11.
    seen = Counter()
    for rank in range(2):
        batches = Batches(samples, Stream(len(samples), 4, seed=5, rank=rank, world=2), flip=True)
        for step, batch in enumerate(prepared(batches, range(11), workers=2, device="cpu")):
            positions = range(4 * step + 2 * rank, 4 * step + 2 * rank + 2)
            seen.update((position // 11, int(index)) for position, index in zip(positions, batch.indices, strict=True))
    assert seen == Counter((epoch, index) for epoch in range(4) for index in range(11))


@pytest.mark.parametrize("world", [1, 2, 4])
def test_ranks_together_have_the_batch_of_one(whole: Path, world: int):
    samples, _ = opened(whole)
    alone = Batches(samples, Stream(len(samples), 8, seed=1), flip=True)[3]
    parts = [Batches(samples, Stream(len(samples), 8, 1, rank, world), flip=True)[3] for rank in range(world)]
    image = {name: torch.cat([part.image[name] for part in parts]) for name in alone.image}
    joined = Batch(*(torch.cat([part[i] for part in parts]) if i != 1 else image for i in range(4)))
    assert equal(alone, joined)


def test_a_step_does_not_depend_on_those_before_it_nor_on_the_process(whole: Path):
    samples, _ = opened(whole)
    in_order = Batches(samples, Stream(len(samples), 4, seed=2), flip=True)
    all_steps = [in_order[step] for step in range(6)]
    fresh = Batches(samples, Stream(len(samples), 4, seed=2), flip=True)
    assert equal(fresh[5], all_steps[5]) and equal(fresh[1], all_steps[1])
    loader = DataLoader(fresh, batch_size=None, sampler=range(2, 6), num_workers=2)
    assert all(equal(one, other) for one, other in zip(loader, all_steps[2:], strict=True))
    assert not equal(Batches(samples, Stream(len(samples), 4, seed=3), flip=True)[0], all_steps[0])


def test_every_epoch_has_its_own_order_noise_and_mirroring(whole: Path):
    samples, _ = opened(whole)
    batches = Batches(samples, Stream(len(samples), 11, seed=0), flip=True)
    epochs = [batches[epoch] for epoch in range(8)]
    assert len({tuple(batch.indices.tolist()) for batch in epochs}) == 8
    noises = [batch.noise[batch.indices.tolist().index(4)] for batch in epochs]
    assert len({float(noise.sum()) for noise in noises}) == 8
    means = torch.stack([batch.image["mean"][batch.indices.tolist().index(4)] for batch in epochs])
    kinds = [
        any(torch.equal(mean, samples.images.load([4], [flip])["mean"][0]) for mean in means) for flip in (False, True)
    ]
    assert kinds == [True, True]
    unmirrored = Batches(samples, Stream(len(samples), 11, seed=0), flip=False)[0]
    assert torch.equal(unmirrored.image["mean"], samples.images.load(unmirrored.indices.tolist(), [False] * 11)["mean"])


def test_noise_of_samples_in_a_batch_is_independent_and_normal(whole: Path):
    samples, _ = opened(whole)
    batches = Batches(samples, Stream(len(samples), 11, seed=0), flip=False)
    noise = torch.cat([batches[step].noise for step in range(20)]).flatten(1)
    assert abs(float(noise.mean())) < 0.02 and abs(float(noise.std()) - 1) < 0.02
    correlation = torch.corrcoef(noise)
    assert float((correlation - torch.eye(len(noise))).abs().max()) < 0.55


def test_random_numbers_of_a_sample_depend_on_the_seed_too():
    draws = {float(torch.randn((), generator=sample_generator(*key))) for key in [(0, 1, 2), (1, 1, 2), (0, 1, 2)]}
    assert len(draws) == 2


def test_latents_are_sampled_from_mean_and_deviation(whole: Path):
    samples, _ = opened(whole)
    batch = Batches(samples, Stream(len(samples), 4, seed=0), flip=False)[0]
    assert torch.equal(sampled_latents(samples, batch), batch.image["mean"] + batch.image["std"] * batch.noise)


def test_images_encoded_on_the_fly_give_the_latents_that_are_stored(whole: Path):
    stored, _ = opened(whole)
    direct, _ = opened(whole, precompute_latents=False)
    one = Batches(stored, Stream(len(stored), 4, seed=0), flip=True)[2]
    other = next(iter(prepared(Batches(direct, Stream(len(direct), 4, seed=0), flip=True), range(2, 3), 1, "cpu")))
    assert other.image["pixels"].dtype == torch.uint8
    torch.testing.assert_close(sampled_latents(direct, other), sampled_latents(stored, one), rtol=2e-3, atol=2e-3)
    assert torch.equal(one.states, other.states)
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
    assert [(issue.option, issue.received) for issue in caught.value.issues] == [
        ("data.train_size", str(train)), ("data.val_size", str(val)),
    ]  # fmt: skip
    assert "50" in caught.value.hint
