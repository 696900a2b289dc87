"""[any process] Every text that a user may read, each with a code, and the two ways to carry one.

A text says what was found, what happens now, and what the reader can do. A refusal is a value (`Reason`), so that nothing
below the entrances has to raise; `NotApplied` carries the same value where a call has to be cut short.
"""

from __future__ import annotations

from typing import Any

PLAIN = "this run is plain Ansible"
STOPPED = "MITOPATCH_UNKNOWN=error stops this run before its first task"

TEXTS: dict[str, str] = {
    # 1xx: which bundle, and may it be applied
    "MP101": "ansible-core {found} is not a release that mitopatch {version} has been tested with ({range}): {outcome}. "
    "Upgrade {remedy}, or set MITOPATCH_UNKNOWN=nearest to try the closest bundle under the same checks.",
    "MP102": "ansible-core {found} is not a supported release ({range}); MITOPATCH_UNKNOWN=nearest tries the bundle made for "
    "{series}, which is applied only if every check passes.",
    "MP103": "no ansible-core was found in this environment ({python}): there is nothing to make faster. "
    "Install ansible-core beside mitopatch.",
    "MP104": "ansible-core calls its release {found!r}, which is not a version number: {outcome}. 'mitopatch doctor' prints a report.",
    "MP105": "{package} is not installed beside mitopatch (needed: {wanted}): {outcome}. Install it with pip install '{package}{wanted}'.",
    "MP106": "{package} {found} is installed, mitopatch needs {wanted}: {outcome}. Install a suitable one with "
    "pip install '{package}{wanted}'.",
    "MP107": "{file} of the mitopatch installation cannot be used ({problem}): {outcome}. Reinstall mitopatch.",
    "MP108": "{target} of ansible-core {found_release} has an unknown body (found {found}, known {known}): {outcome}. "
    "Upgrade mitopatch; 'mitopatch doctor' prints a report.",
    "MP109": "{target} of ansible-core takes ({found}), mitopatch expects ({wanted}): {outcome}. Upgrade mitopatch; "
    "'mitopatch doctor' prints a report.",
    "MP110": "{target} does not exist in this ansible-core ({problem}): {outcome}. Upgrade mitopatch; 'mitopatch doctor' prints a report.",
    "MP111": "{target} was not in force after it had been patched: {outcome}. 'mitopatch doctor' prints a report.",
    "MP112": "{target} could not be patched ({problem}): {outcome}. 'mitopatch doctor' prints a report.",
    "MP113": "{target} was patched by somebody else after mitopatch, so mitopatch cannot be taken back: nothing was changed. "
    "Undo the other patch first.",
    "MP114": "the bundle for ansible-core {series} could not start ({problem}): {outcome}. 'mitopatch doctor' prints a report.",
    "MP115": "{count} copies of ansible-core can be imported here: {used} counts, because it comes first; {hidden} is hidden behind it. "
    "If that is not what you want, uninstall one or mend PYTHONPATH.",
    "MP116": "the files of ansible-core call themselves {found}, its metadata {metadata} ({folder}): the files count, and they may be a "
    "mixture. Uninstall ansible, ansible-base and ansible-core, then install one of them.",
    # 12x: what the user asked for
    "MP120": "{name}={found} ({source}) is not one of {wanted}: it is treated as '{used}'.",
    "MP121": "there is no strategy {found!r}; mitopatch knows mitopatch_linear, mitopatch_free and mitopatch_host_pinned.",
    "MP122": "{file} cannot be read for the mitopatch setting ({problem}): it is treated as 'off'. Mend the file or set MITOPATCH=on.",
    # 13x: entrances
    "MP130": "mitopatch could not start ({problem}): {outcome}. MITOPATCH_DEBUG=1 prints the traceback.",
    "MP131": "the command {found!r} was not found on PATH. Name a command after 'mitopatch run --'.",
    "MP132": "{found} belongs to another Python environment ({interpreter}), where this mitopatch is not installed: "
    "it is started as it is. Install mitopatch there.",
    "MP133": "{found!r} is not a series mitopatch has a bundle for ({range}). 'mitopatch list' shows them.",
    "MP134": "the two runs of the demonstration did not agree: {problem}. The times are not shown because they mean nothing. "
    "Please report this with the output of 'mitopatch doctor'.",
    "MP135": "the demonstration needs the command ansible-playbook of this environment ({python}): {problem}.",
    "MP136": "Ansible cannot be started in this environment ({problem}), so mitopatch cannot tell what it would do here. Mend that first.",
    "MP137": "the lines changed in {series} are shown in the text of an ansible-core {series}, and this is {found}: "
    "there is nothing to show. Name a release with --release, for example --release {example}.",
    # 14x: source patches
    "MP140": "the patch {file} is damaged ({problem}): {outcome}. Reinstall mitopatch.",
    "MP141": "the patch {file} does not fit {target} ({problem}): {outcome}. Upgrade mitopatch; 'mitopatch doctor' prints a report.",
    # 15x: a release that is not installed
    "MP150": "{found} is no ansible-core: neither the number of a release, nor a wheel, an sdist or a directory of one. "
    "Give for example 2.16.3, or the path of ansible_core-2.16.3-py3-none-any.whl.",
    "MP151": "{file} cannot be read ({problem}): nothing was checked. Download it anew.",
    "MP152": "the source of ansible-core {found} is not for this Python ({problem}): nothing was checked. "
    "Use a Python which that release supports.",
    "MP153": "{package} {found} could not be downloaded ({problem}): nothing was checked. "
    "Give the path of its wheel, its sdist or a directory instead.",
    "MP154": "the declarations for ansible-core {series} can be read only where some ansible-core and mitogen are installed ({problem}): "
    "nothing was checked. Install any ansible-core beside mitopatch.",
    "MP155": "pip is not installed for {python}, so {package} {found} cannot be downloaded: nothing was checked. "
    "Install pip, or give the path of its wheel, its sdist or a directory.",
    # 16x: Mitogen as it is installed
    "MP160": "{target} of mitogen {found_release} has an unknown body (found {found}, known {known}): {outcome}. "
    "Upgrade mitopatch, or install a mitogen as published ({releases}); 'mitopatch doctor' prints a report.",
    "MP161": "{target} of mitogen {found_release} takes ({found}), mitopatch expects {wanted}: {outcome}. "
    "Upgrade mitopatch, or install a mitogen as published ({releases}); 'mitopatch doctor' prints a report.",
    "MP162": "{target} does not exist in mitogen {found_release} ({problem}): {outcome}. "
    "Upgrade mitopatch, or install a mitogen as published ({releases}); 'mitopatch doctor' prints a report.",
    "MP163": "mitogen cannot be checked ({problem}): {outcome}. Install it as files that hold its source: pip install mitogen.",
    "MP164": "{count} copies of mitogen can be imported here: {used} counts, because it comes first; {hidden} is hidden behind it. "
    "If that is not what you want, uninstall one or mend PYTHONPATH.",
    "MP201": "worker {index} (pid {pid}) {how} with {count} task(s) in flight ({hosts}): these hosts are reported unreachable, "
    "the worker is started anew, and the run goes on. If it happens again, MITOPATCH=off runs plain Ansible.",
    "MP202": "no worker can be started ({problem}): tasks run in processes of their own, as in plain Ansible. "
    "Free memory or processes; MITOPATCH_WORKERS sets how many workers are started.",
    "MP203": "the worker that ran this task {how}.",
    "MP204": "the workers cannot compute the variables of tasks, which the main process can ({problem}): tasks run in processes of their "
    "own, as in plain Ansible. Please report this with the output of 'mitopatch doctor'; MITOPATCH=off runs plain Ansible.",
    "MP220": "{target} sent {what}, which no interpreter that mitopatch starts there does: its connection was closed, and the host is "
    "unreachable. Look at that machine before you trust it again; what it sent has reached no other target.",
    "MP210": "MITOPATCH_CHECK: what the worker sees differs from what the controller sees for the task {task!r} on {host}: {keys}. "
    "The run ends here, because its results may be wrong. Please report this with the output of 'mitopatch doctor'; MITOPATCH=off runs "
    "plain Ansible.",
}


class Reason:
    """[any process] Why something was not done, as a value: a code of `TEXTS` and the facts for its text.

    ``outcome`` may be left out; it is then the promise that the run goes on as plain Ansible.
    """

    def __init__(self, code: str, **facts: Any) -> None:
        self.code = code
        self.facts: dict[str, Any] = {"outcome": PLAIN, **facts}

    @property
    def text(self) -> str:
        """[any process] The one line shown to the user, code first."""
        return f"{self.code} {TEXTS[self.code].format(**self.facts)}"

    def __repr__(self) -> str:
        return f"Reason({self.text!r})"


class NotApplied(Exception):
    """[controller] Raised where a `Reason` has to cut a call short; swallowed at the entrances, never seen by Ansible."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text)
        self.reason = reason
