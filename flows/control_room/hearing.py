"""Which log lines of a run reach the Prefect UI: those of its stages and of our own modules, from INFO on.

The command line is quiet by ``PREFECT_LOGGING_LEVEL`` (`flows.cli.quiet`), which processes that it starts inherit; so a
run that a deployment made does not read it.
"""

import logging

from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow
from prefect.logging.handlers import APILogHandler

OURS = ("evercurrent", "warehouse")
"""Loggers of our own modules."""
OF_RUNS = ("prefect.flow_runs", "prefect.task_runs")


def hear(flow: "Flow[..., object]", flow_run: FlowRun, state: "State[object]") -> None:
    """Let the lines of a run that a deployment made reach the UI; a hook that is called when it begins."""
    if flow_run.deployment_id is None:
        return
    for name in (*OURS, *OF_RUNS):
        logging.getLogger(name).setLevel(logging.INFO)
    for name in OURS:
        ours = logging.getLogger(name)
        if not any(isinstance(handler, APILogHandler) for handler in ours.handlers):
            ours.addHandler(APILogHandler())
