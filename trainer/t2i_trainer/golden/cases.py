"""The cases that the golden vectors cover: which sampler, scheduler config, steps and options."""

from collections.abc import Iterator
from itertools import product
from typing import Any

SAMPLERS = ("ddim", "ddpm", "euler", "euler-a", "dpmpp-2m", "lcm")
SPACINGS = ("leading", "trailing", "linspace")
PREDICTIONS = ("epsilon", "v_prediction", "sample")
STEPS = (1, 2, 3, 10, 11, 30, 50, 999, 1000)

Config = dict[str, Any]
"""Options of a scheduler."""
Case = dict[str, Any]

STABLE_DIFFUSION: Config = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
CLIPPING = ("ddim", "ddpm", "lcm")
ZERO_SNR: Config = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
TRAINED_BETAS = [0.001 * (i + 1) for i in range(40)]


def make_case(sampler: str, steps: int, config: Config, **options: Any) -> Case:
    """One case; clamping is off unless `config` says otherwise, since latents are not pixels."""
    clip = {"clip_sample": False} if sampler in CLIPPING else {}
    return {"sampler": sampler, "steps": steps, "config": STABLE_DIFFUSION | clip | config, **options}


def trajectory_cases() -> list[dict]:
    """Every case, in a fixed order."""
    return [*_grid(), *_schedules(), *_clip(), *_ddim(), *_ddpm(), *_offsets(), *_karras(), *_dpm_solver(), *_lcm()]


def schedule_configs() -> list[dict]:
    """Scheduler configs whose cumulative alphas are written down in full."""
    cosine: Config = {"beta_schedule": "squaredcos_cap_v2"}
    plain: list[Config] = [
        {},
        STABLE_DIFFUSION,
        cosine,
        cosine | {"num_train_timesteps": 50},
        {"num_train_timesteps": 1},
    ]
    zero_snr = [config | {"rescale_betas_zero_snr": True} for config in plain[:4]]
    return [*plain, *zero_snr, {"trained_betas": TRAINED_BETAS, "num_train_timesteps": len(TRAINED_BETAS)}]


def timestep_cases() -> list[dict]:
    """Cases whose timesteps are checked for every number of steps up to `steps`."""
    spaced = [
        make_case(sampler, 1000, {"timestep_spacing": spacing})
        for sampler, spacing in product(SAMPLERS, SPACINGS)
        if sampler != "lcm"
    ]
    lcm = make_case("lcm", 1000, {"original_inference_steps": 1000})
    karras = [
        make_case("dpmpp-2m", 200, {"beta_schedule": schedule}, sigmas="karras")
        for schedule in ("linear", "scaled_linear", "squaredcos_cap_v2")
    ]
    return [*spaced, lcm, *karras]


def _grid() -> Iterator[Case]:
    for sampler, spacing, prediction, steps in product(SAMPLERS, SPACINGS, PREDICTIONS, STEPS):
        if sampler != "lcm" or steps <= 50:
            yield make_case(sampler, steps, {"timestep_spacing": spacing, "prediction_type": prediction})


def _schedules() -> Iterator[Case]:
    trained: Config = {"trained_betas": TRAINED_BETAS, "num_train_timesteps": len(TRAINED_BETAS)}
    linear: Config = {"beta_schedule": "linear", "beta_start": 0.0001, "beta_end": 0.02}
    cosine: Config = {"beta_schedule": "squaredcos_cap_v2"}
    for sampler, config, steps in product(SAMPLERS, (linear, cosine, trained), (1, 11, 30)):
        original = {"original_inference_steps": 30} if sampler == "lcm" else {}
        yield make_case(sampler, steps, config | original)
    for sampler, prediction, steps in product(SAMPLERS, PREDICTIONS, (1, 3, 30)):
        yield make_case(sampler, steps, ZERO_SNR | {"prediction_type": prediction})
    for sampler in SAMPLERS:
        yield make_case(sampler, 30, cosine | ZERO_SNR | {"prediction_type": "v_prediction"})
        yield make_case(sampler, 20, {"rescale_betas_zero_snr": True, "timestep_spacing": "leading"})


def _clip() -> Iterator[Case]:
    for sampler, size, prediction in product(CLIPPING, (0.5, 1.0, 2.0), PREDICTIONS):
        yield make_case(sampler, 11, {"clip_sample": True, "clip_sample_range": size, "prediction_type": prediction})


def _ddim() -> Iterator[Case]:
    for spacing, eta, steps in product(SPACINGS, (0.0, 0.5, 1.0), (1, 3, 30, 1000)):
        yield make_case("ddim", steps, {"timestep_spacing": spacing, "clip_sample": steps == 30}, eta=eta)


def _ddpm() -> Iterator[Case]:
    for steps in (1, 11, 30):
        yield make_case("ddpm", steps, {"variance_type": "fixed_large"})
        yield make_case("ddpm", steps, {"variance_type": "fixed_small_log"})


def _offsets() -> Iterator[Case]:
    for sampler, offset, spacing in product(SAMPLERS, (1, 5), SPACINGS):
        yield make_case(sampler, 20, {"steps_offset": offset, "timestep_spacing": spacing})
    for sampler, to_one, steps in product(("ddim", "lcm"), (False, True), (1, 7, 20)):
        yield make_case(sampler, steps, {"set_alpha_to_one": to_one, "steps_offset": 1})
    yield make_case("ddim", 1000, {"steps_offset": 1})


def _karras() -> Iterator[Case]:
    cosine: Config = {"beta_schedule": "squaredcos_cap_v2"}
    configs: tuple[Config, ...] = ({}, cosine, ZERO_SNR)
    for sampler, steps, config in product(("euler", "dpmpp-2m"), (1, 2, 3, 5, 11, 20, 30, 50), configs):
        yield make_case(sampler, steps, config, sigmas="karras")
    for spacing, prediction in product(SPACINGS, PREDICTIONS):
        yield make_case("euler", 11, {"timestep_spacing": spacing, "prediction_type": prediction}, sigmas="karras")
        yield make_case("dpmpp-2m", 11, {"timestep_spacing": spacing, "prediction_type": prediction}, sigmas="karras")


def _dpm_solver() -> Iterator[Case]:
    for steps, lower, at_final in product((1, 2, 10, 14, 15, 30), (True, False), (True, False)):
        final = {"final_sigmas_type": "sigma_min", "lower_order_final": lower, "euler_at_final": at_final}
        yield make_case("dpmpp-2m", steps, final)
    for steps in (1, 11):
        yield make_case("euler", steps, {"final_sigmas_type": "sigma_min"})


def _lcm() -> Iterator[Case]:
    for steps, original, scaling in product((1, 2, 4, 7), (50, 100), (10.0, 1.0)):
        yield make_case("lcm", steps, {"original_inference_steps": original, "timestep_scaling": scaling})
    yield make_case("lcm", 51, {})
