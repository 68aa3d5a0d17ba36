"""A run on an MLflow server. Whatever is done here may be done again after a failure of unknown outcome, by this
process or a later one: what the server has already is asked first, and nothing is there twice."""

from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import RestException
from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH

from ..files import json_sha256, sha256_file
from ..params import MlflowParams
from ..stage import warn
from .artifact_store import refuse_unwritable
from .spool import Spool
from .values import cut

MODEL_TAG = "t2i.model"
"""Tag with the hash of the files that were uploaded, all of them."""

NAME_TAG = "t2i.run"
"""Tag with the run's name in the spool. The id of MLflow's own is not known where the answer with it was lost."""


@dataclass(frozen=True)
class Model:
    """What a finished run leaves on the server beside figures."""

    files: dict[str, Path]
    """Uploaded as artifacts of these paths, in this order."""
    loss: float
    """Validation loss of the best weights."""
    step: int
    """At which they were."""

    @property
    def bytes(self) -> int:
        return sum(file.stat().st_size for file in self.files.values())


@dataclass(frozen=True)
class End:
    """How a run ended."""

    status: str | None
    """FINISHED, FAILED or KILLED; None where it will be resumed."""
    model: Model | None = None


class ServerRun:
    """The run that a spool is sent to, found by its name or else created."""

    def __init__(self, options: MlflowParams, spool: Spool, parameters: dict[str, str]):
        """`parameters` are flat. Raises what MLflow's client raises, as every method does."""
        self.options, self.spool = options, spool
        self.client = MlflowClient(options.server_uri, options.server_uri)
        run = self._find() or self._create()
        self.id, self.artifacts = run.info.run_id, run.info.artifact_uri
        self.uploaded = run.data.tags.get(MODEL_TAG)
        if run.info.status != "RUNNING":
            self.client.update_run(self.id, "RUNNING")
        self._log_parameters(parameters, run.data.params)
        # A metric of the run that the server has not heard of has no history there.
        self.sent = {
            (name, metric.step) for name in run.data.metrics for metric in self.client.get_metric_history(self.id, name)
        }

    def send(self) -> None:
        """Sends what the spool has and the server has not, in order."""
        waiting = [figure for figure in tuple(self.spool.figures) if (figure.name, figure.step) not in self.sent]
        # The client cuts it into batches that a server takes.
        metrics = [Metric(figure.name, figure.value, figure.time, figure.step) for figure in waiting]
        self.client.log_batch(self.id, metrics=metrics)
        self.sent |= {(figure.name, figure.step) for figure in waiting}

    def end(self, end: End) -> None:
        """Uploads and registers the model, and sets the status, whatever became of the two."""
        if self.spool.left_out:
            self.client.set_tag(self.id, "figures_left_out", str(self.spool.left_out))
        try:
            if end.model:
                self._upload(end.model.files)
                self._register(end.model)
        finally:
            if end.status:
                self.client.set_terminated(self.id, end.status)

    def _find(self) -> Run | None:
        experiment = self.client.get_experiment_by_name(self.options.experiment_name)
        if experiment is None:
            return None
        found = self.client.search_runs([experiment.experiment_id], f"tags.`{NAME_TAG}` = '{self.spool.run}'")
        return found[0] if found else None

    def _create(self) -> Run:
        experiment = self.client.get_experiment_by_name(self.options.experiment_name)
        key = experiment.experiment_id if experiment else self.client.create_experiment(self.options.experiment_name)
        tags = {NAME_TAG: self.spool.run}
        return self.client.create_run(key, self.spool.started, tags, self.options.run_name)

    def _log_parameters(self, given: dict[str, str], there: dict[str, str]) -> None:
        """MLflow keeps the first value of a parameter. One that a resumed run may change gets a tag with the new."""
        values, long = cut(given, MAX_PARAM_VAL_LENGTH)
        if long:
            warn(f"MLflow: the values of {', '.join(long)} are cut to {MAX_PARAM_VAL_LENGTH} characters")
        new = [Param(name, value) for name, value in values.items() if name not in there]
        changed = [RunTag(name, value) for name, value in values.items() if there.get(name, value) != value]
        self.client.log_batch(self.id, params=new, tags=changed)

    def _upload(self, files: dict[str, Path]) -> None:
        """Weights are large: they are not sent again where a tag says that the server has them."""
        content = json_sha256({path: sha256_file(file) for path, file in files.items()})
        if self.uploaded == content:
            return
        refuse_unwritable(self.artifacts)
        for path, file in files.items():
            self.client.log_artifact(self.id, str(file), path.rpartition("/")[0])
        self.client.set_tag(self.id, MODEL_TAG, content)
        self.uploaded = content

    def _register(self, model: Model) -> None:
        name, tags = self.options.registered_model_name, {"run_id": self.id, "best_step": str(model.step)}
        try:
            self.client.create_registered_model(name)
        except RestException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        versions = self.client.search_model_versions(f"run_id = '{self.id}'")
        if not any(version.name == name and version.tags.get("best_step") == tags["best_step"] for version in versions):
            tags["best_val_diffuser_loss"] = str(model.loss)
            source = f"{self.artifacts}/model"
            self.client.create_model_version(name, source, self.id, tags, await_creation_for=0)
