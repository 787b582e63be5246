"""A stand-in of the Track CXM API for tests and demo: strict, recording, and faulty on demand."""

from stand_ins.track_api import faults
from stand_ins.track_api.answers import ErrorsForm
from stand_ins.track_api.faults import Fault
from stand_ins.track_api.record import Fate, Received
from stand_ins.track_api.server import ORGANIZATION, TOKEN, TrackStandIn
from stand_ins.track_api.terms import Survey

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
