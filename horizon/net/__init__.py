"""The outside world: HTTP, request rates, pinned certificates, redaction."""
