"""What Replicate's own Python client makes of a server, as one line of JSON. It finds it by REPLICATE_BASE_URL."""

import json
import sys

import replicate
from replicate.exceptions import ModelError, ReplicateError

seen = {}
prompt = {"prompt": "a cake"}

[picture] = replicate.run("owner/painter", input=prompt)
seen["run"] = {"url": picture.url, "bytes": len(picture.read())}
seen["run with a version"] = [each.url for each in replicate.run("owner/painter:" + "f" * 64, input=prompt)]
seen["run without Prefer: wait"] = [each.url for each in replicate.run("owner/painter", input=prompt, wait=False)]
seen["model"] = replicate.models.get("owner/painter").name
try:
    replicate.run("owner/fails", input=prompt)
except ModelError as error:
    seen["failed"] = [error.prediction.status, str(error)]

seen["stream"] = [str(event) for event in replicate.stream("owner/writer", input=prompt)]

with open(sys.argv[1], "rb") as file:
    replicate.predictions.create(model="owner/painter", input={"image": file})

slow = replicate.predictions.create(model="owner/slow", input=prompt)
slow.cancel()
slow.reload()
seen["cancel"] = slow.status

deployed = replicate.deployments.get("owner/mine").predictions.create(input=prompt)
deployed.wait()
seen["deployment"] = deployed.status

seen["list"] = [len(page.results) for page in replicate.paginate(replicate.predictions.list)]

try:
    replicate.predictions.get("nothing")
except ReplicateError as error:
    seen["unknown id"] = error.status

print(json.dumps(seen))
