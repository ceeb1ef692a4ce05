"""What librdkafka does that Python code does not expect."""

import ctypes

from confluent_kafka import KafkaError


def raise_as_librdkafka_does() -> None:
    """Raise what its callbacks raise: an object whose class is not one of exceptions."""
    raise_object = ctypes.pythonapi.PyErr_SetObject
    raise_object.argtypes = [ctypes.py_object, ctypes.py_object]
    raise_object.restype = None
    raise_object(KafkaError, KafkaError(KafkaError.INVALID_MSG, "of a callback"))
