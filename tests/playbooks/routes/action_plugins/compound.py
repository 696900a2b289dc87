"""Runs modules and other action plugins, uses the connection and the templar, as larger actions of users do."""

from __future__ import annotations

import os
import tempfile

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    TRANSFERS_FILES = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        word = self._task.args["word"]
        ping = self._execute_module(module_name="ansible.builtin.ping", module_args={"data": word}, task_vars=task_vars)
        low = self._low_level_execute_command("echo low; echo err >&2; exit 4", sudoable=False)
        temporary = self._make_tmp_path()
        with tempfile.NamedTemporaryFile("w", delete=False) as handle:
            handle.write(word)
        remote = self._connection._shell.join_path(temporary, "sent")
        self._transfer_file(handle.name, remote)
        self._fixup_perms2((temporary, remote))
        text = self._low_level_execute_command(f"cat {remote}")
        stat = self._execute_remote_stat(remote, all_vars=task_vars, follow=False)
        exists = self._remote_file_exists(remote)
        data = self._transfer_data(self._connection._shell.join_path(temporary, "data"), "data of " + word)
        others = []
        for other in ({"a": word}, b"bytes", 3):
            try:
                self._transfer_data(remote, other)
                others.append(self._low_level_execute_command(f"cat {remote}")["stdout"])
            except Exception as exc:
                others.append(f"{type(exc).__name__}: {exc}")
        self._transfer_file(handle.name, remote)
        self._connection.fetch_file(remote, handle.name)
        with open(handle.name) as read:
            fetched = read.read()
        again = []
        for number in range(12):  # sent and at once fetched
            with open(handle.name, "w") as write:
                write.write(f"{word} {number}")
            self._transfer_file(handle.name, remote)
            self._connection.fetch_file(remote, handle.name)
            with open(handle.name) as read:
                again.append(read.read())
        os.unlink(handle.name)
        self._remove_tmp_path(temporary)
        task = self._task.copy()
        task.args = {"msg": "{{ inventory_hostname }} " + word}
        debug = self._shared_loader_obj.action_loader.get(
            "ansible.builtin.debug",
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        ).run(task_vars=task_vars)
        result.update(
            changed=True,
            ping=ping,
            low={key: low[key] for key in sorted(low)},
            text=text["stdout"],
            size=stat["size"],
            exists=exists,
            others=others,
            data=os.path.basename(data),
            fetched=fetched,
            again=again,
            debug=debug,
            templated=self._templar.template("{{ inventory_hostname }} {{ 1 + 1 }}"),
            found=os.path.basename(self._find_needle("files", "script.sh")),
            play_context=[self._play_context.remote_addr, self._play_context.check_mode, self._play_context.become],
            transport=self._connection.transport,
            shell=self._connection._shell.SHELL_FAMILY,
            become=self._connection.become is None,
            vars=sorted(name for name in task_vars if name.startswith("ansible_play")),
        )
        return result
