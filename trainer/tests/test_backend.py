"""The backend of the SDK: its messages, and how a model is loaded and drawn with."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from t2i_trainer.backend.child import failure
from t2i_trainer.backend.frames import read_frame, write_frame
from t2i_trainer.backend.loading import load
from t2i_trainer.backend.model import KEPT_PROMPTS, Aborted, Latent, Model
from t2i_trainer.stage import StageError

MODELS = Path(__file__).parents[2] / "test" / "fixtures" / "diffusers"
UNET = "unet/diffusion_pytorch_model.safetensors"


def job(**changes) -> dict:
    """Two steps of DDIM-like rows on 4x4 latents."""
    plan = {
        "timesteps": np.array([900, 400], np.float32),
        "rows": np.array([[1.1, -0.5, 0, 1, 0.6, 0.8, 0, 0], [1.05, -0.3, 0, 1, 1, 0, 0, 0]], np.float32).reshape(-1),
        "clip": None,
        "initScale": 1.0,
    }
    prompt = np.array([654, 320, *[655] * 14], np.int32)
    given = {
        "plan": plan, "promptIds": prompt, "guidance": None, "guidanceEmbedding": None,
        "latentHeight": 4, "latentWidth": 4, "previewEvery": 0, "noise": np.linspace(-2, 2, 64, dtype=np.float32),
    }  # fmt: skip
    return given | changes


@pytest.fixture(scope="module")
def tiny() -> Model:
    return Model(load(MODELS / "tiny", "safetensors", (64, 64)), Latent(4, 0.18215, 0.0), torch.device("cpu"))


def never() -> bool:
    return False


def copied(folder: Path, model: str = "tiny") -> Path:
    shutil.copytree(MODELS / model, folder)
    return folder


def refused(folder: Path, weights: str = "safetensors") -> StageError:
    with pytest.raises(StageError) as caught:
        load(folder, weights, (64, 64))
    assert caught.value.code == "MODEL_INVALID"
    return caught.value


class TestFrames:
    def test_carry_arrays_of_every_type_wherever_they_stand(self):
        message = {
            "type": "event",
            "event": {"rgb": np.arange(5, dtype=np.uint8), "list": [np.array([1.5, np.nan], np.float32), None]},
            "ids": np.array([-1, 2**31 - 1], np.int32),
        }
        stream = io.BytesIO()
        write_frame(stream, message)
        write_frame(stream, {"type": "ready"})
        stream.seek(0)
        read = read_frame(stream)
        np.testing.assert_equal(read, message)
        assert [read["event"]["rgb"].dtype, read["ids"].dtype] == [np.uint8, np.int32]
        assert read_frame(stream) == {"type": "ready"}
        with pytest.raises(EOFError):
            read_frame(stream)

    def test_refuse_what_the_other_side_cannot_read(self):
        with pytest.raises(TypeError, match="Tensor"):
            write_frame(io.BytesIO(), {"x": torch.zeros(1)})


class TestLoad:
    def test_takes_weights_in_half_precision_as_float32(self):
        networks = load(MODELS / "tiny-lcm", "safetensors", (32, 32))
        assert {parameter.dtype for network in networks for parameter in network.parameters()} == {torch.float32}
        assert networks.unet.config.time_cond_proj_dim == 32

    @pytest.mark.parametrize("file", ["text_encoder/model.safetensors", UNET, UNET.replace("unet", "vae")])
    def test_refuses_weights_that_are_missing(self, tmp_path, file):
        weights = copied(tmp_path / "model") / file
        tensors = load_file(weights)
        name = next(name for name in tensors if name.endswith("weight"))
        save_file({key: tensor for key, tensor in tensors.items() if key != name}, weights, {"format": "pt"})
        assert name.removeprefix("text_model.") in refused(tmp_path / "model").message

    def test_refuses_a_damaged_file_and_says_which(self, tmp_path):
        weights = copied(tmp_path / "model") / UNET
        weights.write_bytes(weights.read_bytes()[:5000])
        assert UNET in refused(tmp_path / "model").message

    def test_never_reads_a_pickle_in_its_place(self, tmp_path):
        weights = copied(tmp_path / "model") / UNET
        torch.save(load_file(weights), weights.with_suffix(".bin"))
        weights.unlink()
        assert "safetensors" in refused(tmp_path / "model").message

    def test_refuses_networks_of_other_classes_with_everything_that_is_wrong(self, tmp_path):
        config = copied(tmp_path / "model") / "unet" / "config.json"
        text = config.read_text().replace('"UNet2DConditionModel"', '"UNet3DConditionModel"')
        config.write_text(text.replace('"class_embed_type": null', '"class_embed_type": "timestep"'))
        issues = refused(tmp_path / "model").issues
        assert [issue.option.split(": ")[1] for issue in issues] == ["_class_name", "class_embed_type"]

    def test_refuses_graphs_of_another_exporter_and_says_what_helps(self):
        error = refused(MODELS.parent / "tiny", "onnx")
        assert "no weights of the right shape" in error.message
        assert "safetensors" in error.hint


class TestDraw:
    def test_gives_bytes_of_the_size_asked_for(self, tiny):
        raster = tiny.draw(job(latentWidth=2, noise=np.zeros(32, np.float32)), None, never)["raster"]
        assert (raster["width"], raster["height"], raster["rgb"].shape) == (16, 32, (16 * 32 * 3,))

    def test_ends_before_the_next_forward_of_an_abort(self, tiny):
        told = []
        with pytest.raises(Aborted):
            tiny.draw(job(), told.append, lambda: len(told) == 1)
        assert [event["step"] for event in told] == [1]

    def test_ends_before_the_decoder_too(self, tiny):
        told = []
        with pytest.raises(Aborted):
            tiny.draw(job(), told.append, lambda: len(told) == 2)
        assert tiny.spent["vaeDecoder"] == 0

    def test_decodes_previews_where_they_are_due_and_somebody_watches(self, tiny):
        told = []
        tiny.draw(job(previewEvery=2), told.append, never)
        assert ["preview" in event for event in told] == [False, True]

    def test_encodes_a_prompt_once_and_forgets_the_oldest(self, tiny):
        for word in range(KEPT_PROMPTS + 1):
            tiny.draw(job(promptIds=np.array([654, word, *[655] * 14], np.int32)), None, never)
            assert tiny.spent["textEncoder"] > 0
        tiny.draw(job(promptIds=np.array([654, 5, *[655] * 14], np.int32)), None, never)
        assert tiny.spent["textEncoder"] == 0
        tiny.draw(job(promptIds=np.array([654, 0, *[655] * 14], np.int32)), None, never)
        assert tiny.spent["textEncoder"] > 0

    def test_says_where_values_are_no_numbers(self, tiny):
        with pytest.raises(StageError, match="NaN") as caught:
            tiny.draw(job(noise=np.full(64, np.nan, np.float32)), None, never)
        assert caught.value.code == "BACKEND_FAILED"


class TestFailure:
    def test_for_want_of_memory_is_out_of_memory(self):
        with pytest.raises(RuntimeError) as caught:
            torch.empty(2**45)
        told = failure(caught.value)
        assert (told["code"], told["hint"][:24]) == ("OUT_OF_MEMORY", "Ask for a smaller image,")
        assert failure(torch.OutOfMemoryError("CUDA out of memory. Tried to"))["code"] == "OUT_OF_MEMORY"

    @pytest.mark.parametrize("text", ["CUDA error: an illegal memory access", "CUDNN_STATUS_EXECUTION_FAILED"])
    def test_of_the_gpu_that_stays_is_a_lost_device(self, text):
        assert failure(RuntimeError(text))["code"] == "DEVICE_LOST"

    def test_of_a_forward_is_the_backends(self):
        told = failure(RuntimeError("mat1 and mat2 shapes cannot be multiplied (32x16 and 8x8)"))
        assert told["code"] == "BACKEND_FAILED"
        assert "mat1 and mat2" in told["message"]

    def test_of_ours_is_a_bug_with_its_traceback(self):
        told = failure(KeyError("noise"))
        assert told["code"] == "INTERNAL"
        assert "hint" not in told
