# SPDX-License-Identifier: BSD-2-Clause
"""top_pty.py - vmq top on terminals of several sizes; keys, signals, and that the terminal is
as it was, however it ended: VMQ WHAT HUB-PID."""
import fcntl
import os
import re
import resource
import select
import signal
import struct
import sys
import termios
import time
import unicodedata

PATIENCE = 60
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
VMQ, WHAT = sys.argv[1:3]


def check(good, why, *more):
    if not good:
        print("FAILED:", why, *more)
        sys.exit(1)


def width(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


class Top:
    """The command on a terminal of its own; this end reads what it draws."""

    def __init__(self, columns, rows, *options, **env):
        # The terminal outlives the command here, so that it can be looked at.
        self.master, self.slave = os.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(self.slave)
        self.text = ""
        said, tell = os.pipe()
        leader = os.fork()
        if not leader:
            self.lead(tell, options, env)
        os.close(tell)
        self.said = said
        self.pid, = struct.unpack("i", os.read(said, 4))

    def lead(self, tell, options, env):
        """As a shell does: the command is a job of a session, which may be stopped. Its pid, and
        each of its states, go to the pipe."""
        os.close(self.master)  # so that the terminal hangs up when the test ends
        os.setsid()
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
        pid = os.fork()
        if not pid:
            os.setpgid(0, 0)
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            os.tcsetpgrp(self.slave, os.getpid())
            for fd in 0, 1, 2:
                os.dup2(self.slave, fd)
            for number in range(1, 32):
                if number not in (signal.SIGKILL, signal.SIGSTOP):
                    signal.signal(number, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.closerange(3, 64)
            os.execve(VMQ, [VMQ, "top", *options, WHAT], {**os.environ, "TERM": "xterm", **env})
        os.write(tell, struct.pack("i", pid))
        status = 0x7f
        while os.WIFSTOPPED(status):
            status = os.waitpid(pid, os.WUNTRACED)[1]
            os.write(tell, struct.pack("i", status))
        os._exit(0)

    def resize(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            self.text += os.read(self.master, 65536).decode("utf-8", "replace")

    def frames(self):
        """Whole pictures, as lists of lines."""
        drawn = re.findall(r"\x1b\[H(.*?)\x1b\[J", self.text, re.S)
        return [[ESCAPES.sub("", line) for line in one.replace("\r", "").split("\n")] for one in drawn]

    def until(self, good, why):
        """A picture for which `good` holds."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self.read(0.1)
            for frame in self.frames():
                if good(frame):
                    return frame
            check(not select.select([self.said], [], [], 0)[0], "it ended early", why, repr(self.text[-500:]))
        check(False, why, repr(self.text[-2000:]))

    def status(self):
        """How it ended, or that it has stopped."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if select.select([self.said], [], [], 0.05)[0]:
                self.read(0)
                return struct.unpack("i", os.read(self.said, 4))[0]
            self.read(0)
        check(False, "it does not end", repr(self.text[-300:]))

    def restored(self, why):
        check(termios.tcgetattr(self.slave) == self.before, why, "the terminal's settings are changed")
        check(self.text.count("\x1b[?1049h") == self.text.count("\x1b[?1049l"), why, "the other screen stays")
        check(self.text.rfind("\x1b[?25h") > self.text.rfind("\x1b[?25l"), why, "the cursor is gone")

    def close(self):
        os.close(self.said)
        os.close(self.master)
        os.close(self.slave)


def busy(frame):
    """Is there a line that says that messages go from s to the receiver?"""
    return any(re.match(r"s +\S+ +[0-9.]+[kMG]? +[0-9.]+[kMG]? ", line) and not
               re.match(r"s +\S+ +0 ", line) for line in frame)


def sizes():
    for columns, has, lacks in (40, ["MSG/s", "NOW/s", "KICK/s"], ["STATE", "READER", "YIELD/s"]), (
            60, ["MSG/s", "STATE", "PAST/s"], ["DRAIN/s", "BYTES"]), (120, ["STATE", "READER", "MSGS", "BYTES", "DRAIN/s"], []):
        top = Top(columns, 24, "-d", "0.2")
        frame = top.until(busy, f"nothing goes on at {columns} columns")
        for one in top.frames():
            check(len(one) <= 24, columns, "too many lines", one)
            for line in one:
                check(width(line) <= columns, columns, "a line is too long", repr(line))
        words = " ".join(frame).split()
        check(set(has) <= set(words), columns, "columns are missing", words)
        check(not set(lacks) & set(words), columns, "columns that do not fit", words)
        os.write(top.master, b"q")
        check(top.status() == 0, "q ends it well")
        top.restored("after q")
        top.close()


def few_lines():
    for rows in 1, 2, 3, 5, 8:
        top = Top(20, rows, "-d", "0.1", "-n", "2")
        check(top.status() == 0, "after two pictures")
        for one in top.frames():
            check(len(one) <= max(rows, 2), rows, "too many lines", one)
            check(all(width(line) <= 20 for line in one), "a line is too long", one)
        check(len(top.frames()) == 2, "two pictures", top.text)
        top.restored("after -n")
        top.close()


def resized():
    top = Top(120, 24, "-d", "3600")
    top.until(lambda frame: any("READER" in line for line in frame), "no picture")
    top.text = top.text[:top.text.index("\x1b[H")]
    top.resize(40, 24)
    # Long before the next look.
    top.until(lambda frame: all(width(line) <= 40 for line in frame) and any("MSG/s" in line for line in frame),
              "it did not see the new size")
    os.write(top.master, b"\x03")
    check(os.WTERMSIG(top.status()) == signal.SIGINT, "Ctrl-C")
    top.restored("after Ctrl-C")
    top.close()


def signals():
    for number in signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT:
        top = Top(80, 24, "-d", "3600")
        top.until(lambda frame: True, "no picture")
        os.kill(top.pid, number)
        status = top.status()
        check(os.WIFSIGNALED(status) and os.WTERMSIG(status) == number, number, "status", status)
        top.restored(f"after signal {number}")
        top.close()


def stopped():
    top = Top(80, 24, "-d", "3600")
    top.until(lambda frame: True, "no picture")
    for _ in range(2):
        os.kill(top.pid, signal.SIGTSTP)
        check(os.WIFSTOPPED(top.status()), "SIGTSTP does not stop it")
        top.restored("while it is stopped")
        top.text = ""
        os.kill(top.pid, signal.SIGCONT)
        top.until(lambda frame: True, "no picture after it goes on")
        check("\x1b[?1049h" in top.text, "not on the other screen again")
    os.write(top.master, b"q")
    check(top.status() == 0, "q ends it well")
    top.restored("after q")
    top.close()


def colours():
    for env, wanted in ({}, True), ({"NO_COLOR": "1"}, False):
        top = Top(80, 24, "-n", "1", **env)
        check(top.status() == 0, "after one picture")
        check(("\x1b[1m" in top.text) == wanted, "colours", env, repr(top.text))
        top.close()
    top = Top(80, 24, "-d", "0.1", "-n", "1", TERM="dumb")
    check(top.status() == 0, "on a dumb terminal")
    check("\x1b" not in top.text, "escapes on a dumb terminal", repr(top.text))
    top.close()


def hub_gone(hub):
    top = Top(80, 24, "-d", "0.1")
    top.until(lambda frame: True, "no picture")
    os.kill(hub, signal.SIGKILL)
    status = top.status()
    check(os.WIFEXITED(status) and os.WEXITSTATUS(status) == 4, "the hub has gone, status", status)
    top.restored("when the hub has gone")
    # It may end in the middle of an answer.
    check(re.search("vmq top: (no hub listens at|the hub at .* hung up)", top.text[top.text.rindex("\x1b[?1049l"):]),
          "it does not say why", repr(top.text[-300:]))
    top.close()


sizes()
few_lines()
resized()
signals()
stopped()
colours()
hub_gone(int(sys.argv[3]))
