"""`python -m infra.kubernetes`: write the connector's manifest anew."""

import sys

from infra.kubernetes.connector import PATH, kafka_connectors

PATH.write_text(kafka_connectors(), encoding="utf-8")
sys.stderr.write(f"{PATH} is written.\n")
