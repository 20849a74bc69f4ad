"""The Celery application of the workers."""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_process_init

from pdemill.broker import celery_address
from pdemill.leases import QUEUE, VISIBILITY_SECONDS, transport
from pdemill.logs import set_up_logs
from pdemill.workers.child import start_process
from pdemill.workers.heartbeat import Heartbeat
from pdemill.workers.here import directory, look, settings

START_SECONDS = 60.0
"""A process of the pool is killed that has not come up by then; on a busy machine, Celery's 4 s are too few."""
HARD_SECONDS, SOFT_SECONDS = 2700, 2400
"""A task is ended after so long; the broker's visibility timeout is longer, or it would be delivered twice."""

_address, _tls = celery_address(settings)
app = Celery("pdemill", broker=_address, include=["pdemill.workers.tasks"])
app.conf.update(
    broker_use_ssl=_tls,
    accept_content=["json"],
    task_serializer="json",
    task_default_queue=QUEUE,
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_soft_time_limit=SOFT_SECONDS,
    task_time_limit=HARD_SECONDS,
    broker_transport_options=transport(directory.id),
    result_backend_transport_options=transport(directory.id),
    visibility_timeout=VISIBILITY_SECONDS,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=True,
    worker_max_tasks_per_child=50,
    worker_proc_alive_timeout=START_SECONDS,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    worker_soft_shutdown_timeout=settings.stop_seconds,
)
app.steps["consumer"].add(Heartbeat)


@setup_logging.connect  # type: ignore[untyped-decorator]
def _logs(**_: Any) -> None:
    set_up_logs(settings)


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _child(**_: Any) -> None:
    """Set up a process of the pool, before anything loads PETSc: no fork may follow its MPI_Init."""
    start_process()
    look()
