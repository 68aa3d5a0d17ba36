"""Runs Triton's HTTP client against a server: the address is the argument, what it saw is printed as JSON."""

import json
import sys

import numpy as np
import tritonclient.http as triton

client = triton.InferenceServerClient(sys.argv[1])
prompt = triton.InferInput("prompt", [1], "BYTES")
seed = triton.InferInput("seed", [1], "INT64")


def infer(binary: bool, outputs: list[triton.InferRequestedOutput] | None) -> dict:
    prompt.set_data_from_numpy(np.array(["a red apple"], dtype=np.object_), binary_data=binary)
    seed.set_data_from_numpy(np.array([7], dtype=np.int64), binary_data=binary)
    answer = client.infer("formula", [prompt, seed], outputs=outputs, parameters={"steps": 3, "n": 2}, request_id="one")
    image = answer.as_numpy("image")
    return {
        "id": answer.get_response()["id"],
        "seeds": answer.as_numpy("seed").tolist(),
        "images": [entry.hex() if isinstance(entry, bytes) else entry for entry in image],
    }


def refused() -> str:
    prompt.set_data_from_numpy(np.array(["x"], dtype=np.object_))
    try:
        client.infer("formula", [prompt], parameters={"stepz": 3})
    except triton.InferenceServerException as error:
        return f"{error.status()}: {error.message()}"
    return "nothing"


json_outputs = [triton.InferRequestedOutput(name, binary_data=False) for name in ("image", "seed")]
print(
    json.dumps(
        {
            "live": client.is_server_live(),
            "ready": client.is_server_ready(),
            "model": client.is_model_ready("formula"),
            "server": client.get_server_metadata(),
            "metadata": client.get_model_metadata("formula"),
            "binary": infer(True, None),
            "json": infer(False, json_outputs),
            "refused": refused(),
        }
    )
)
