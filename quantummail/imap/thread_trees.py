"""Threads of messages: REFERENCES, REFS and ORDEREDSUBJECT (RFC 5256 section 3), without recursion.

Messages are numbered from 0 in the order of their message numbers; dummies, which stand for messages that are
referred to and not there, have numbers from `Material.count` on. All is done in steps: the generators give way to
others between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quantummail.imap.ancestry import NONE, Ancestry
from quantummail.message.thread_ids import NO_ID
from quantummail.store.steps import STEP, Steps

OPEN, CLOSE, SPACE, FIRST = 0, 1, 2, 3
"""Tokens of a rendered forest: parentheses, a space, and from `FIRST` on messages."""


@dataclass(frozen=True, slots=True)
class Material:
    """What is known of the messages. Flat: a hundred thousand small objects would cost the garbage collector 50 ms."""

    by_date: Sequence[int]
    """All messages in the order of their sent dates, those with the same date in the order of their numbers."""
    subjects: Sequence[int]
    """A number for each base subject."""
    no_subject: int
    """That of the empty one, or -1 if no message has it."""
    answers: Sequence[int]
    """Whether the subject says that this is a reply or forward."""
    ids: Sequence[int]
    """Of all messages: the own identifier and those referred to, as `message.thread_ids` numbers them."""
    begins: Sequence[int]
    """Where each message's begin in `ids`."""
    ends: Sequence[int]

    @property
    def count(self) -> int:
        """How many messages there are."""
        return len(self.by_date)


class Forest:
    """Threads in their order, and the children of each message or dummy in theirs."""

    __slots__ = ("_last", "first", "next", "roots")

    def __init__(self, nodes: int) -> None:
        self.roots: list[int] = []
        self.first = [NONE] * nodes
        """The first child of each."""
        self.next = [NONE] * nodes
        """The next sibling of each."""
        self._last = [NONE] * nodes

    def add(self, node: int, above: int) -> bool:
        """Another child; whether it is the first one."""
        if self.first[above] == NONE:
            self.first[above] = self._last[above] = node
            return True
        self.next[self._last[above]] = node
        self._last[above] = node
        return False

    def children(self, node: int) -> list[int]:
        """All children of one."""
        found = []
        child = self.first[node]
        while child != NONE:
            found.append(child)
            child = self.next[child]
        return found


def references(material: Material) -> Steps[Forest]:
    """THREAD=REFERENCES."""
    parents = yield from _by_references(material)
    forest = yield from _arranged(parents, material)
    merged = yield from _by_subject(forest, parents, material)
    if merged:
        # step 6
        forest = yield from _arranged(parents, material)
    return forest


def refs(material: Material) -> Steps[Forest]:
    """THREAD=REFS: as REFERENCES, but subjects mean nothing, and the thread with the newest message comes last."""
    parents = yield from _by_references(material)
    forest = yield from _arranged(parents, material)
    top = list(range(len(parents)))
    newest_first: dict[int, None] = {}
    for done, message in enumerate(reversed(material.by_date)):
        if done % STEP == STEP - 1:
            yield
        newest_first[_top(message, parents, top)] = None
    forest.roots = list(reversed(newest_first))
    return forest


def ordered_subject(material: Material) -> Steps[Forest]:
    """THREAD=ORDEREDSUBJECT: the first message with a subject, and all others with it below."""
    forest = Forest(material.count)
    threads: dict[int, int] = {}
    for done, message in enumerate(material.by_date):
        if done % STEP == STEP - 1:
            yield
        first = threads.setdefault(material.subjects[message], message)
        if first == message:
            forest.roots.append(message)
        else:
            forest.add(message, first)
    return forest


def tokens(forest: Forest, count: int) -> Steps[list[int]]:
    """A forest as it is written: ``thread-list`` for ``thread-list`` (RFC 5256 section 4)."""
    output: list[int] = []
    pause = STEP
    for root in forest.roots:
        stack = [root]
        while stack:
            if len(output) > pause:
                pause = len(output) + STEP
                yield
            node = stack.pop()
            if node == NONE:
                output.append(CLOSE)
                continue
            output.append(OPEN)
            stack.append(NONE)
            while True:
                if node < count:
                    output.append(node + FIRST)
                below = forest.first[node]
                if below == NONE:
                    break
                if node < count:
                    output.append(SPACE)
                if forest.next[below] != NONE:
                    stack += reversed(forest.children(node))
                    break
                node = below
                if len(output) > pause:
                    pause = len(output) + STEP
                    yield
    return output


def _by_references(material: Material) -> Steps[list[int]]:
    """Steps 1 to 3: the parent of each message; of dummies only those at the top are left, with `NONE`."""
    links = yield from _linked(material)
    count = material.count
    parents = [NONE] * len(links)
    anchors: dict[int, int] = {}
    only: dict[int, int] = {}
    for message in range(count):
        if message % STEP == STEP - 1:
            yield
        above = links[message]
        if above < count:
            parents[message] = above
            continue
        # step 3: children of a dummy move up, up to a message or to the dummy at the top
        anchor = _anchor(above, links, anchors, count)
        parents[message] = anchor
        if anchor >= count:
            only[anchor] = NONE if anchor in only else message
    for message in only.values():
        # the only child of a dummy takes its place
        if message != NONE:
            parents[message] = NONE
    return parents


def _linked(material: Material) -> Steps[list[int]]:
    """Step 1: each message or dummy below the one that it refers to last."""
    ids, begins, ends = material.ids, material.begins, material.ends
    forest = Ancestry(material.count)
    nodes: dict[int, int] = {}
    for message in range(material.count):
        if message % STEP == STEP - 1:
            yield
        own = ids[begins[message]]
        # the first message that has an identifier keeps it, the others are as if they had one of their own
        if own != NO_ID:
            nodes.setdefault(own, message)
    parent = forest.parent
    looked_at = 0
    for message in range(material.count):
        above = NONE
        for number in ids[begins[message] + 1 : ends[message]]:
            looked_at += 1
            if looked_at % STEP == STEP - 1:
                yield
            node = nodes.get(number)
            if node is None:
                node = nodes[number] = forest.add()
            # step 1 (A): what has a parent keeps it
            if above != NONE and parent[node] == NONE:
                forest.link(node, above)
            above = node
        # step 1 (B): what the message says itself is truer than what others said of it
        forest.cut(message)
        if above != NONE:
            forest.link(message, above)
        if message % STEP == STEP - 1:
            yield
    return parent


def _anchor(dummy: int, links: Sequence[int], anchors: dict[int, int], count: int) -> int:
    """The first message above a dummy, or the dummy at the top."""
    way = []
    while dummy >= count and dummy not in anchors:
        way.append(dummy)
        above = links[dummy]
        if above == NONE:
            break
        dummy = above
    anchor = anchors.get(dummy, dummy)
    for passed in way:
        anchors[passed] = anchor
    return anchor


def _arranged(parents: Sequence[int], material: Material) -> Steps[Forest]:
    """Steps 4 and 6: all siblings by date, and a dummy as its first child."""
    forest = Forest(len(parents))
    count = material.count
    for done, message in enumerate(material.by_date):
        if done % STEP == STEP - 1:
            yield
        above = parents[message]
        if above == NONE:
            forest.roots.append(message)
        elif forest.add(message, above) and above >= count:
            forest.roots.append(above)
    return forest


def _by_subject(forest: Forest, parents: list[int], material: Material) -> Steps[bool]:
    """Step 5: threads with the same subject become one. Whether that has happened."""
    count, answers = material.count, material.answers
    table: dict[int, int] = {}
    for done, root in enumerate(forest.roots):
        if done % STEP == STEP - 1:
            yield
        subject = _subject(root, forest, material)
        if subject == material.no_subject:
            continue
        known = table.setdefault(subject, root)
        if known < count and (root >= count or (answers[known] and not answers[root])):
            table[subject] = root
    merged = False
    for done, root in enumerate(forest.roots):
        if done % STEP == STEP - 1:
            yield
        subject = _subject(root, forest, material)
        known = table.get(subject, root)
        if known == root:
            continue
        merged = True
        if known >= count:
            # into the dummy; a dummy gives its children and is no more
            for message in [root] if root < count else forest.children(root):
                parents[message] = known
        elif answers[root] and not answers[known]:
            parents[root] = known
        else:
            table[subject] = len(parents)
            parents[root] = parents[known] = len(parents)
            parents.append(NONE)
    return merged


def _subject(root: int, forest: Forest, material: Material) -> int:
    # step 5 (B): a dummy is called like its first child
    return material.subjects[root if root < material.count else forest.first[root]]


def _top(message: int, parents: Sequence[int], top: list[int]) -> int:
    """The root of a message's thread; `top` remembers how far up each one's was looked for."""
    way = []
    node = message
    while top[node] != node or parents[node] != NONE:
        way.append(node)
        node = top[node] if top[node] != node else parents[node]
    for passed in way:
        top[passed] = node
    return node
