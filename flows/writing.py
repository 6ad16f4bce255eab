"""The right to write to a home: its lock, and for the run of a deployment the warehouse's slot on the server, too.

The lock of the home is the truth, for everybody: the kernel gives it back when its holder dies. The slot says in the
UI who has it, and keeps runs of several homes on one server apart. A run that gets neither in time ends with a reason.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import ConcurrencyLeaseHolder, FlowRun
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.context import ConcurrencyContext
from prefect.concurrency.sync import concurrency
from prefect.logging import get_run_logger

from components.domain import ContractBroken, Transient
from components.settings import read_settings
from flows.deployed import LEASE, WORKER, deployed_run
from flows.gone import end_gone_runs
from flows.provision import WAREHOUSE
from flows.workspace import Workspace

LEASE_SECONDS = 60.0
"""How long a slot stays taken after its holder died unnoticed: the least Prefect allows. A living one renews it."""

PROVISION = "python -m flows.provision"

SLOT_SECONDS = 90.0
"""How long to wait for the slot when the lock is ours already: a lease, and the rounds of who takes it back (15 s)."""


@contextmanager
def writing(workspace: Workspace, *, patient: bool = False) -> Iterator[None]:
    """The right to write in the block.

    Parameters
    ----------
    patient : whether the run of a deployment waits for another to finish, `operations.wait_seconds` at most; the fast
        ones come again in minutes and need not.

    Raises
    ------
    Transient
        If others hold the home, or the slot of the warehouse, for longer than that.
    """
    run = deployed_run()
    if run is not None and not workspace.root.is_dir():
        raise ContractBroken(f"the folder {workspace.root} is gone, and is not made anew; bring the home back")
    if run is None:
        with workspace.held():
            yield
        return
    with get_client(sync_client=True) as client:
        for ended in end_gone_runs(client, str(run.labels.get(WORKER))):
            get_run_logger().warning("run %s was ended: its process is gone", ended.name)
    operations = read_settings(workspace.settings).operations
    with workspace.held(operations.patience(patient)), _slot(run):
        yield


@contextmanager
def _slot(run: FlowRun) -> Iterator[None]:
    """The warehouse's slot; losing it to a server that restarts ends nothing, because the lock is held, too."""
    with ExitStack() as held:
        try:
            held.enter_context(
                concurrency(
                    WAREHOUSE,
                    timeout_seconds=SLOT_SECONDS,
                    lease_duration=LEASE_SECONDS,
                    strict=True,
                    holder=ConcurrencyLeaseHolder(type="flow_run", id=run.id),
                    raise_on_lease_renewal_failure=False,
                )
            )
        except TimeoutError:
            raise Transient(
                f"the slot {WAREHOUSE} is held by another run after {SLOT_SECONDS:g} s of waiting; one at a time is "
                "allowed: try again when it is done, or see who holds it with evercurrent doctor"
            ) from None
        except ConcurrencySlotAcquisitionError:
            raise ContractBroken(
                f"the server has no limit {WAREHOUSE}; make it: evercurrent up, or {PROVISION}"
            ) from None
        _note_lease(run)
        yield


def _note_lease(run: FlowRun) -> None:
    """Say with the run by which lease it holds its slot, so that nobody has to wait for a dead one's to expire."""
    context = ConcurrencyContext.get()
    if context is not None and context.cleanup_lease_ids:
        with get_client(sync_client=True) as client:
            client.update_flow_run_labels(run.id, {LEASE: str(context.cleanup_lease_ids[-1])})
