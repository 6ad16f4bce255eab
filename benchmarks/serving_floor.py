"""The least that a service of this kind can do: the same body read, a constant answered."""

import json

import bentoml
from starlette.responses import Response

from bento import bentoml_fixes
from bento.schemas import RankRequest, RankResponse

bentoml_fixes.install()

ANSWER = json.dumps({"request_id": "", "generation": 0, "slate": []}).encode()


@bentoml.service(
    name="floor",
    workers=1,
    http={"host": "127.0.0.1", "port": 3000},
    traffic={"timeout": 10, "max_concurrency": 256},
    logging={"access": {"enabled": False}},
    metrics={"enabled": True},
    envs=[{"name": name, "value": value} for name, value in bentoml_fixes.ENVIRONMENT.items()],
)
class Floor:
    """Reads what `/rank` reads and answers at once."""

    @bentoml.api(output_spec=RankResponse)
    async def rank(self, asked: RankRequest, /) -> Response:
        """An empty slate, whoever asks."""
        return Response(ANSWER, media_type="application/json")
