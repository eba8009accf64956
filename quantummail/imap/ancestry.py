"""A forest that is built link by link, and asked which tree a node is in: how loops are kept out of threads.

Walking up is nearly always the fastest way. Where somebody has made chains of a hundred thousand messages and asks
about their ends again and again, a link-cut tree (Sleator and Tarjan) takes over: a logarithm of the size a question.
"""

from __future__ import annotations

from collections.abc import Sequence

NONE = -1
# Steps that are walked before the other way pays
_PATIENCE = 100_000


class Ancestry:
    """Nodes are numbered from 0; `parent` is the truth, and `NONE` for roots."""

    __slots__ = ("_paths", "_steps", "children", "parent")

    def __init__(self, nodes: int) -> None:
        self.parent = [NONE] * nodes
        self.children = [0] * nodes
        """How many each node has."""
        self._steps = 0
        self._paths: _Paths | None = None

    def add(self) -> int:
        """A new node without parent."""
        self.parent.append(NONE)
        self.children.append(0)
        if self._paths is not None:
            self._paths.add()
        return len(self.parent) - 1

    def link(self, root: int, parent: int) -> bool:
        """Put a root below a node, unless that node is below the root itself."""
        # who has no children is nobody's ancestor
        if root == parent or (self.children[root] and self._root(parent) == root):
            return False
        self.parent[root] = parent
        self.children[parent] += 1
        if self._paths is not None:
            self._paths.link(root, parent)
        return True

    def cut(self, node: int) -> None:
        """Make a root of a node."""
        parent = self.parent[node]
        if parent != NONE:
            self.children[parent] -= 1
            self.parent[node] = NONE
            if self._paths is not None:
                self._paths.cut(node)

    def _root(self, node: int) -> int:
        if self._paths is not None:
            return self._paths.root(node)
        parent = self.parent
        steps = 0
        while parent[node] != NONE:
            node = parent[node]
            steps += 1
        self._steps += steps
        if self._steps > _PATIENCE:
            self._paths = _Paths(parent)
        return node


class _Paths:
    """Each tree cut into paths; each path is a splay tree in the order of depth.

    The parent of a splay tree's root is the node above its path, which does not have that root as a child.
    """

    __slots__ = ("_above", "_left", "_right")

    def __init__(self, parent: Sequence[int]) -> None:
        # to begin with, every path is one node
        self._above = list(parent)
        self._left = [NONE] * len(parent)
        self._right = [NONE] * len(parent)

    def add(self) -> None:
        """A new node without parent."""
        self._above.append(NONE)
        self._left.append(NONE)
        self._right.append(NONE)

    def link(self, root: int, parent: int) -> None:
        """Put a root below a node of another tree."""
        self._access(root)
        self._above[root] = parent

    def cut(self, node: int) -> None:
        """Make a root of a node that has a parent."""
        self._access(node)
        upper = self._left[node]
        self._left[node] = NONE
        self._above[upper] = NONE

    def root(self, node: int) -> int:
        """The root of the node's tree."""
        self._access(node)
        left = self._left
        while left[node] != NONE:
            node = left[node]
        # what was deep comes up, or the same walk would cost the same again
        self._access(node)
        return node

    def _access(self, node: int) -> None:
        """Make one path of all from the root to this node, which becomes the root of its splay tree."""
        last, here = NONE, node
        while here != NONE:
            self._splay(here)
            self._right[here] = last
            last, here = here, self._above[here]
        self._splay(node)

    def _splay(self, node: int) -> None:
        above, left, right = self._above, self._left, self._right
        while True:
            up = above[node]
            if up == NONE or (left[up] != node and right[up] != node):
                return
            top = above[up]
            if top != NONE and (left[top] == up or right[top] == up):
                # zig-zig, or zig-zag
                self._rotate(up if (left[top] == up) == (left[up] == node) else node)
            self._rotate(node)

    def _rotate(self, node: int) -> None:
        above, left, right = self._above, self._left, self._right
        up = above[node]
        top = above[up]
        if left[up] == node:
            moved = left[up] = right[node]
            right[node] = up
        else:
            moved = right[up] = left[node]
            left[node] = up
        if moved != NONE:
            above[moved] = up
        above[up] = node
        above[node] = top
        if top != NONE:
            if left[top] == up:
                left[top] = node
            elif right[top] == up:
                right[top] = node
