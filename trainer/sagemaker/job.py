"""Trains a project's denoiser on one host of a SageMaker training job; `sm_entry.sh` starts it.

Reads /opt/ml (T2I_ML_ROOT names another folder): `code/params.json`, the channels `data` and `models`, and what the
service says of the hosts. Leaves the run folder without its checkpoints in `model/`, and why it failed in
`output/failure`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

# It has no packages but Python's own: the container lacks some that the rest needs.
from t2i_trainer.container.packages import install_missing

if __name__ == "__main__":
    install_missing()

    from t2i_trainer.container.job import main

    sys.exit(main())
