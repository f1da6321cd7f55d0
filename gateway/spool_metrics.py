"""What the spool counts."""

from __future__ import annotations

from vidtomusictags.rpc.metrics import Counter

UPLOAD_BYTES = Counter("vidtags_upload_bytes_total", "Bytes of uploads that were received.")
