"""Runs webuiapi, a client of AUTOMATIC1111's API, against a server: what it saw is printed as JSON.

python a1111_client.py HOST PORT KEY
"""

import json
import sys

import webuiapi

host, port, key = sys.argv[1:]
client = webuiapi.WebUIApi(host=host, port=int(port), username="anybody", password=key)
made = client.txt2img(
    prompt="a red apple", negative_prompt="blue", seed=7, steps=3, cfg_scale=3, width=16, height=24, batch_size=2
)
# Its own defaults: Euler a, 20 steps, a random seed.
plain = client.txt2img(prompt="a red apple", width=16, height=24)
try:
    client.txt2img(prompt="a red apple", width=16, height=24, enable_hr=True)
    refused = "nothing"
except RuntimeError as error:
    refused = str(error)
print(
    json.dumps(
        {
            "samplers": [sampler["name"] for sampler in client.get_samplers()],
            "models": client.util_get_model_names(),
            "current": client.util_get_current_model(),
            "progress": client.get_progress()["progress"],
            "sizes": [image.size for image in made.images],
            "texts": [image.text for image in made.images],
            "info": made.info,
            "sampler": plain.info["sampler_name"],
            "refused": refused,
        }
    )
)
