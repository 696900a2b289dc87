"""What a hostile target tries. Each attack gets a `kit.Hands`; the playbook waits until it is over."""

import os
import pickle
import time

import kit

LOOT = kit.LOOT
#: Numbers that other targets of the run may have.
OTHERS = 3000


def _shell(name):
    return f"(id; echo $PPID) >> {LOOT}/{name}"


# -- routes ---------------------------------------------------------------------------------------------------------


def route_to_the_controller(hands):
    """The controller is reached through us; then in its name: a process there, and functions in other interpreters."""
    hands.send(b"0:x", handle=hands.core.ADD_ROUTE)
    hands.settle()
    command = ["/bin/sh", "-c", _shell("on-the-controller")]
    stack = [{"method": "local", "enable_lru": False, "kwargs": {"python_path": command}}]
    request = ("ansible_mitogen.services.ContextService", "get", hands.core.Kwargs({"stack": stack}))
    hands.send(obj=request, handle=hands.core.CALL_SERVICE, auth=0, reply_to=hands.handle)
    _call_everybody(hands, auth=0)
    hands.settle()


def route_to_everybody(hands):
    """Every number is behind us: what the worker sends to others comes here."""
    spy = hands.router._async_route

    def route(msg, in_stream=None):
        if in_stream is not None and msg.dst_id != hands.number:
            kit.note("stolen", repr(msg.data))
        else:
            spy(msg, in_stream)

    hands.router._async_route = route
    for number in range(1, OTHERS):
        if number != hands.number:
            hands.send(b"%d:x" % number, handle=hands.core.ADD_ROUTE)
    hands.settle()


def route_to_what_is_not_given_yet(hands):
    """A number that nobody has."""
    hands.send(b"%d:x" % 4_000_000, handle=hands.core.ADD_ROUTE)
    hands.settle()


def route_out_of_range(hands):
    """No number at all."""
    hands.send(b"%d:x" % 2**40, handle=hands.core.ADD_ROUTE)
    hands.settle()


def route_that_is_no_route(hands):
    """Neither number nor name."""
    hands.send(b"\xff\xfe:\xff", handle=hands.core.ADD_ROUTE)
    hands.settle()


def route_twice(hands):
    """A number of ours, two times."""
    hands.settle()
    start = pickle.loads(hands.answers[-1].data, encoding="bytes")[0]
    for _ in range(2):
        hands.send(b"%d:x" % start, handle=hands.core.ADD_ROUTE)
    hands.settle()


def end_of_others_routes(hands):
    """All others have ended."""
    for number in range(1, OTHERS):
        if number != hands.number:
            hands.send(b"%d" % number, handle=hands.core.DEL_ROUTE)
    hands.settle()


# -- messages -------------------------------------------------------------------------------------------------------


def _call_everybody(hands, **fields):
    for number in range(1, OTHERS):
        if number != hands.number:
            call = (None, "os", None, "system", (_shell("in-another-target"),), hands.core.Kwargs({}))
            hands.send(obj=call, dst=number, handle=hands.core.CALL_FUNCTION, **fields)


def call_others(hands):
    """Functions in other interpreters, in our own name."""
    _call_everybody(hands)
    hands.settle()


def in_the_controllers_name(hands):
    """Functions in other interpreters, in the name of the controller."""
    _call_everybody(hands, src=0, auth=0)
    hands.settle()


def with_the_controllers_authority(hands):
    """Functions in other interpreters, with the authority of the controller."""
    _call_everybody(hands, auth=0)
    hands.settle()


def in_anothers_name(hands):
    """Requests in the name of another target."""
    for number in range(1, OTHERS):
        if number != hands.number:
            hands.send(handle=hands.core.ALLOCATE_ID, src=number, auth=number)
    hands.settle()


def answers_for_others(hands):
    """Answers to what others were asked."""
    answer = {"rc": 0, "stdout": '{"changed": false, "stdout": "FORGED"}', "stderr": ""}
    for handle in set(range(1000, 1500)) - hands.asked:
        hands.send(obj=answer, handle=handle)
    hands.settle()


def ends_of_others(hands):
    """Others are dead, says who should not know."""
    for handle in set(range(1000, 1500)) - hands.asked:
        hands.send(b"dead", handle=handle, reply_to=999)
    hands.settle()


def end_of_services(hands):
    """The service has ended, as often as it has threads."""
    for _ in range(64):
        hands.send(handle=hands.core.CALL_SERVICE, reply_to=999)
    hands.settle()


# -- requests -------------------------------------------------------------------------------------------------------


def resources(hands):
    """Files of the controller, as resources of packages."""
    for package, name in (("json", "/etc/shadow"), ("json", f"{LOOT}/of-the-controller"), ("ansible", "release.py")):
        before = len(hands.answers)
        hands.router.add_handler(hands._on_answer, hands.core.LOAD_RESOURCE, overwrite=True)
        hands.send(obj=(package, name), handle=hands.core.GET_RESOURCE)
        kit._wait(lambda before=before: len(hands.answers) > before or hands.gone())


def modules(hands):
    """Modules that no task of ours imports."""
    import zlib

    def on_module(msg):
        name, _, _, source, _ = msg.unpickle()
        kit.note("modules", f"{name} {source is not None}")
        if source is not None:
            kit.note("answers", repr(zlib.decompress(source)))

    hands.router.add_handler(on_module, hands.core.LOAD_MODULE, overwrite=True)
    for name in (
        "ansible_collections.my.private.plugins.lookup.secretive", "ansible_collections.my.private.plugins.module_utils.others",
        "ansible_collections.my.private.plugins.inventory.x", "ansible_collections.my.private", "ansible_collections",
        "ansible.plugins.action.copy", "ansible.plugins.lookup.file", "ansible.constants", "ansible.cli", "ansible.modules.command",
        "ansible_mitogen.services", "mitopatch.targets.trust", "mitopatch.cache", "__main__", "os", "json", "", "x" * 400, "../etc/passwd",
    ):  # fmt: skip
        hands.send(name.encode(), handle=hands.core.GET_MODULE)
    hands.settle()


def files(hands):
    """Files that were registered for another target, or for nobody."""
    from mitogen.core import Context, Sender

    sender = Sender(Context(hands.router, hands.number), hands.handle)
    for path in ("/etc/shadow", os.environ["HOSTILE_FILE"]):
        hands.call_service("mitogen.service.FileService", "fetch", path=path, sender=sender)


def services(hands):
    """Methods of services that are for the worker itself."""
    stack = [{"method": "local", "kwargs": {"python_path": ["/bin/sh", "-c", _shell("on-the-controller")]}}]
    hands.call_service("ansible_mitogen.services.ContextService", "get", stack=stack)
    hands.call_service("ansible_mitogen.services.ContextService", "shutdown_all")
    hands.call_service("mitogen.service.FileService", "register", path="/etc/shadow")
    hands.call_service("mitogen.service.FileService", "register_prefix", path="/")
    hands.call_service("mitogen.service.PushFileService", "propagate_to", path="/etc/shadow", context=None)
    hands.call_service("os", "system")
    hands.call_service("mitogen.service.FileService", "__init__", router=1)


def route_when_idle(hands):
    """As `route_to_what_is_not_given_yet`, when no task waits for an answer from here."""
    open(f"{LOOT}/done", "w").close()
    kit._wait(lambda: os.path.exists(f"{LOOT}/idle"))
    route_to_what_is_not_given_yet(hands)


# -- what hurts -----------------------------------------------------------------------------------------------------


def _while_connected(hands, send, most):
    for count in range(most):
        send(count)
        if count % 200 == 0:
            # Not more in our own memory than the worker has read.
            kit._wait(lambda: hands.gone() or hands.stream.protocol._writer._len < 4_000_000)
        if hands.gone():
            return


def flood_of_logs(hands):
    """Records of a log without end, with a new logger each."""
    data = "x" * 1000
    _while_connected(hands, lambda count: hands.send(f"logger.{count}\x0050\x00{data}".encode(), handle=hands.core.FORWARD_LOG), 100_000)
    hands.settle()


def logs_that_are_none(hands):
    """Records without level, of huge names, with what moves a cursor."""
    for data in (
        b"",
        b"\0",
        b"a\0b\0c",
        b"a\0" + b"9" * 5000 + b"\0c",
        b"\xff" * 3000 + b"\0050\0x",
        b"my\x1b[2J\00050\0\x1b]0;title\x07",
        b"mitogen\00050\0\x1b[31mred",
    ):
        hands.send(data, handle=hands.core.FORWARD_LOG)
    hands.settle()


def flood_of_requests(hands):
    """More requests than any service can serve."""
    request = ("mitogen.service.FileService", "fetch", hands.core.Kwargs({"path": "x" * 10_000}))
    _while_connected(hands, lambda _count: hands.send(obj=request, handle=hands.core.CALL_SERVICE, reply_to=hands.handle), 100_000)
    hands.settle()


def flood_of_modules(hands):
    """Requests for modules that there are not."""
    _while_connected(hands, lambda count: hands.send(f"ansible.module_utils.no{count}".encode(), handle=hands.core.GET_MODULE), 100_000)
    hands.settle()


def flood_of_numbers(hands):
    """All numbers there are."""
    _while_connected(hands, lambda _count: hands.send(handle=hands.core.ALLOCATE_ID, reply_to=hands.handle), 100_000)
    hands.settle()


def flood_to_nobody(hands):
    """Messages to handles that nobody has, which want an answer that nobody reads."""
    hands.stream.protocol.on_receive = lambda *_: None
    _while_connected(hands, lambda _count: hands.send(b"x" * 200, handle=555, reply_to=hands.handle), 100_000)
    hands.settle()


def huge_frame(hands):
    """A message that says to be of two gigabytes, and begins."""
    hands.raw(hands.header(2**31 - 1) + b"x" * 1_000_000)
    kit._wait(hands.gone)


def half_a_frame(hands):
    """A message that ends in the middle, with the connection."""
    hands.raw(hands.header(1_000_000) + b"x" * 1000)
    hands.router.broker.defer_sync(lambda: None)
    time.sleep(0.2)  # for the kernel to have it; it does not matter if not
    os._exit(0)


def no_frame(hands):
    """What is no message."""
    hands.raw(b"\xff" * 100_000)
    kit._wait(hands.gone)


BOMBS = {
    "memo": b"\x80\x02Nr\xff\xff\xff\x7f.",
    "lists": b"\x80\x02" + b"]" * 30_000_000,
    "bytes": b"\x80\x02c__builtin__\nbytes\nJ\xff\xff\xff\x7f\x85R.",
    "blob": b"\x80\x02cmitogen.core\nBlob\nJ\xff\xff\xff\x7f\x85R.",
    "call": b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.",
    # Both of the first targets: one of them is another one.
    "other": b"\x80\x02"
    + b"".join(b"cmitogen.core\n_unpickle_context\nK%cX\x01\x00\x00\x00x\x86R" % number for number in (1, 2))
    + b"\x86.",
    "short": b"\x80\x02",
    "noise": bytes(range(256)),
}


def _answer_with(hands, data):
    # The next call that comes is answered so.
    route = hands.router._async_route

    def answer(msg, in_stream=None):
        if in_stream is not None and msg.handle == hands.core.CALL_FUNCTION and msg.reply_to:
            reply = hands.core.Message(data=data, enc=hands.core.Message.ENC_PKL, dst_id=msg.src_id, handle=msg.reply_to)
            hands.stream.protocol._send(reply)
        else:
            route(msg, in_stream)

    hands.router._async_route = answer


def _bomb(data):
    def attack(hands):
        # Whoever sends an answer is us: the module that waits for the attack is answered in its place.
        _answer_with(hands, data)

    return attack


for _name, _data in BOMBS.items():
    globals()[f"bomb_{_name}"] = _bomb(_data)


def number_of_another(hands):
    """Asked to start another user's interpreter, we say that it is one that is there: of another target."""
    pickled = hands.core.Message.pickled

    def with_another_number(*args, **kwargs):
        if args and isinstance(args[0], dict) and set(args[0]) == {"id", "name", "msg"}:
            kit.note("asked", args[0])
            args = ({**args[0], "id": 2 if hands.number == 1 else 1},)
        return pickled(*args, **kwargs)

    # Before the other interpreter has started, which takes far longer.
    hands.core.Message.pickled = with_another_number
    open(f"{LOOT}/at-work", "w").close()


#: The login account's interpreter does this, as soon as it is there.
number_of_another.by_hops = True
