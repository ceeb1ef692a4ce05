class SettingRefusedError(Exception):
    """A setting is missing or wrong; the message begins with its name."""

    def __init__(self, name: str, fault: str) -> None:
        super().__init__(f"{name}: {fault}")
