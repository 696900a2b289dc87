"""[maintenance] A caching HTTP proxy for the apt of the targets.

Both arms then see the same state of the archive, and neither waits for the network where the other did not: what one run
fetched is on disk for the next. Package indexes are fetched anew at most once in the life of the proxy.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import http.server
import os
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

#: An index older than this is asked for again, by the first run that wants it. Packages never change.
INDEX_AGE = 6 * 3600.0
LIMIT = 120.0


class Mirror:
    """Listens on a loopback port from `start` to `stop`."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._settled: set[str] = set()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.port: int = self.server.server_address[1]

    def start(self) -> None:
        """Serve on a thread of this process, so that it ends with it."""
        self.cache.mkdir(parents=True, exist_ok=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Serve no more."""
        self.server.shutdown()
        self.server.server_close()

    def get(self, url: str) -> tuple[int, bytes]:
        """Return status and content; a 404 is kept too."""
        with self._lock:
            lock = self._locks.setdefault(url, threading.Lock())
        with lock:
            path = self.cache / hashlib.sha256(url.encode()).hexdigest()
            missing = path.with_suffix(".404")
            for kept, status in ((path, 200), (missing, 404)):
                if kept.exists() and (url in self._settled or self._fresh(url, kept)):
                    self._settled.add(url)
                    return status, kept.read_bytes()
            status, content = self._fetch(url)
            if status in (200, 404):
                self._settled.add(url)
                for kept in (path, missing):
                    kept.unlink(missing_ok=True)
                kept = path if status == 200 else missing
                part = kept.with_suffix(f".{os.getpid()}.part")
                part.write_bytes(content)
                part.rename(kept)
            return status, content

    @staticmethod
    def _fresh(url: str, kept: Path) -> bool:
        changes = "/dists/" in url and "/by-hash/" not in url
        return not changes or time.time() - kept.stat().st_mtime < INDEX_AGE

    @staticmethod
    def _fetch(url: str) -> tuple[int, bytes]:
        for attempt in range(3):
            try:
                with urllib.request.urlopen(urllib.request.Request(url, headers={"User-Agent": "apt"}), timeout=LIMIT) as answer:
                    return 200, answer.read()
            except urllib.error.HTTPError as error:
                return error.code, b""
            except (OSError, http.client.HTTPException):
                if attempt == 2:
                    return 502, b""
        return 502, b""

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def do_GET(self) -> None:
                status, content = mirror.get(self.path) if self.path.startswith("http://") else (400, b"")
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

            # The same words in every answer: apt keeps them.
            def date_time_string(self, timestamp: Any = None) -> str:
                return "Sat, 01 Jan 2000 00:00:00 GMT"

        return Handler
