"""`frontdesk schema`: the JSON Schema of the events."""

import json
import sys

from core.events import EVENT_ADAPTER


def schema() -> None:
    """Print the JSON Schema of every event that a channel can make."""
    document = EVENT_ADAPTER.json_schema() | {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Frontdesk event",
    }
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
