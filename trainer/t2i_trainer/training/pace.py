"""Options of how fast a training goes, not of what it learns: the same for every script."""

import dataclasses

from ..sections import option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Device:
    """What a network is trained on."""

    device: str = option("cpu", "cpu, cuda or cuda:N")
    precision: str = option("fp32", "of the forward pass; weights stay fp32", choices=("fp32", "bf16"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pace(Device):
    """The same, of a network that is trained for long."""

    workers: int = option(0, "processes that prepare batches, for a GPU that would wait for one", least=0)
    cuda_graphs: bool = option(False, "replay a step's passes as CUDA graphs")
