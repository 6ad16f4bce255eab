"""Settings of the service come from its environment."""

from pathlib import Path

import pytest

from bento.settings import ServiceSettings
from components.domain import ContractBroken


def test_an_empty_environment_gives_the_defaults():
    assert ServiceSettings.from_environment({"EVERCURRENT_HOME": ""}) == ServiceSettings()


def test_variables_set_the_fields_they_are_named_after():
    told = ServiceSettings.from_environment({"EVERCURRENT_HOME": "/data", "EVERCURRENT_WORKERS": "2", "PATH": "/bin"})
    assert told == ServiceSettings(home=Path("/data"), workers=2)


@pytest.mark.parametrize(("name", "value"), [("WORKERS", "0"), ("TICK_SECONDS", "soon"), ("RETENTION_DAYS", "-1")])
def test_a_value_that_is_not_allowed_is_named_in_one_line(name, value):
    with pytest.raises(ContractBroken, match=f"EVERCURRENT_{name}: Input should be .*; received '{value}'"):
        ServiceSettings.from_environment({f"EVERCURRENT_{name}": value})
