"""A stand-in of the Track CXM API for tests and demo: strict, recording, and faulty on demand."""

from demo.track_api import faults
from demo.track_api.answers import ErrorsForm
from demo.track_api.faults import Fault
from demo.track_api.record import Fate, Received
from demo.track_api.server import ORGANIZATION, TOKEN, TrackStandIn
from demo.track_api.terms import Survey

__all__ = [
    "ORGANIZATION",
    "TOKEN",
    "ErrorsForm",
    "Fate",
    "Fault",
    "Received",
    "Survey",
    "TrackStandIn",
    "faults",
]
