"""Trains a project's denoiser as one rank of a SageMaker training job that AWS's training toolkit started by torchrun.

Other than `job.py`, which starts the ranks itself, this is the script that the toolkit calls: see it for what is read
and left. The toolkit adds the job's hyperparameters as arguments, which are not used.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from t2i_trainer.container.packages import install_missing

if __name__ == "__main__":
    if os.environ.get("LOCAL_RANK", "0") == "0":
        install_missing()

    from t2i_trainer.container.rank import main

    sys.exit(main())
