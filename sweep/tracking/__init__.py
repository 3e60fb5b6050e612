"""The projection of the ledger into MLflow.

The ledger is the durable record; MLflow receives a copy of it for people to browse. The copy is kept by comparison, not
from a log of events: whenever a trial may have changed, its record is compared with its run, and the difference is
pushed. So an outage of any length, or the death of the driver, loses nothing: the next comparison pushes the rest.
"""

from sweep.tracking.download import fetch_results
from sweep.tracking.projector import Ledger
from sweep.tracking.store import tracking_uri
from sweep.tracking.tracker import Projection, Tracker, sync

__all__ = ["Ledger", "Projection", "Tracker", "fetch_results", "sync", "tracking_uri"]
