"""Who wants to know when a mailbox changes. The mod-sequence is the truth; a lost hint only delays."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger


class ChangeHub:
    """Carries `mailbox id, mod-sequence` from commits to sessions, on the reactor."""

    log = Logger(namespace="quantummail.store")

    def __init__(self) -> None:
        self._watchers: dict[int, dict[object, Callable[[int], None]]] = {}
        self.everything: Callable[[int, int], None] = lambda _mailbox_id, _modseq: None
        """Called before the watchers of a mailbox, with each change."""
        self.opened: Callable[[int], None] = lambda _mailbox_id: None
        """To be called for a mailbox that somebody opens; `watch` does it."""

    def watch(self, mailbox_id: int, callback: Callable[[int], None]) -> Callable[[], None]:
        """Call `callback(modseq)` after each commit that changes the mailbox, until the returned function is called."""
        self.opened(mailbox_id)
        key = object()
        self._watchers.setdefault(mailbox_id, {})[key] = callback

        def stop() -> None:
            watchers = self._watchers.get(mailbox_id)
            if watchers is not None:
                watchers.pop(key, None)
                if not watchers:
                    del self._watchers[mailbox_id]

        return stop

    def watched(self) -> list[int]:
        """The mailboxes that somebody watches."""
        return list(self._watchers)

    def publish(self, changes: dict[int, int]) -> None:
        """Tell the watchers of these mailboxes."""
        for mailbox_id, modseq in changes.items():
            self.everything(mailbox_id, modseq)
            for callback in list(self._watchers.get(mailbox_id, {}).values()):
                try:
                    callback(modseq)
                except Exception:  # noqa: BLE001  # a watcher's bug is not the commit's
                    self.log.failure("unexpected error in a watcher of mailbox {mailbox}", mailbox=mailbox_id)
